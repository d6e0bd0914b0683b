"""Where values stand, found by reading their document again."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from kcompile.load.branches import read_branches
from kcompile.load.document import Document
from kcompile.load.json_tree import read_json_tree
from kcompile.load.json_values import is_json
from kcompile.load.lines import Lines, lines_of
from kcompile.load.tree import Mapping, Node, Scalar, Sequence, wanted_of
from kcompile.load.yaml_tree import read_yaml_tree
from kcompile.problems import Finding, Problem
from kcompile.source import COLUMN_BITS, Origin, Path, Position

_Value = TypeVar("_Value")


def locate(origin: Origin, path: Path, at_key: bool = False) -> Position:
    """Where the value at origin.path + path stands, or else its deepest ancestor that exists.

    With `at_key`, where the last key of the path stands.
    """
    whole = origin.path + path
    offset = _offset(_branches(origin, [whole]), whole, at_key=at_key)
    return _lines(origin).position(offset)


def path_to(origin: Origin, path: Path, is_it: Callable[[str], bool]) -> Path:
    """The path of the first text for which `is_it` holds, of those at a path and below it; the
    path itself where there is none."""
    node, _, found = _descend(_root(origin), origin.path + path)
    for below, each in _walk(node, _children_of_any) if found else ():
        if isinstance(each, Scalar) and isinstance(each.value, str) and is_it(each.value):
            return path + below
    return path


def problems_of(findings: Iterable[Finding]) -> tuple[Problem, ...]:
    """Findings with their positions, in the order of these, without repetitions."""
    problems: set[Problem] = set()
    by_document: dict[tuple[int, int], list[tuple[Finding, Origin]]] = {}
    for finding in findings:
        origin = finding.origin
        if origin is None:
            problems.add(_problem(finding, Position(finding.label, 1, 1)))
        else:
            by_document.setdefault((id(origin.text), origin.start), []).append((finding, origin))
    for group in by_document.values():
        problems.update(_located(group))
    return tuple(sorted(problems, key=lambda p: (p.position, p.code.value, p.message, p.hint)))


def mappings(document: Document) -> Iterator[tuple[Path, Position]]:
    """Path (in the document's value) and start of every mapping, in the order of the text.

    What an alias or merge key stands for is listed wherever it stands for it.
    """
    origin = document.origin
    if origin.marks is not None and not origin.path:
        walk = _walk(document.value, _children_of_value)
        paths = (path for path, value in walk if type(value) is dict)
        for path, mark in zip(paths, origin.marks, strict=True):
            line, column = divmod(mark, 1 << COLUMN_BITS)
            yield path, Position(origin.text.name, line, column)
        return
    lines = _lines(origin)
    for path, node in _walk(_descend(_root(origin), origin.path)[0], _children_of_node):
        if isinstance(node, Mapping):
            yield path, lines.position(node.offset)


def _root(origin: Origin) -> Node:
    """The document as a tree. It was read without a flaw before."""
    content, start, end = origin.text.content, origin.start, origin.end
    if content[start] in "{[" and is_json(content[start:end]):
        return read_json_tree(content, start, end).root
    return read_yaml_tree(content, start, end).root


def _branches(origin: Origin, paths: list[Path]) -> Node:
    """The document as a tree, in which there is at least what stands at the paths."""
    if origin.marks is None:
        return _root(origin)
    return read_branches(origin.text.content, origin.start, origin.end, wanted_of(paths))


def _lines(origin: Origin) -> Lines:
    text = origin.text
    return lines_of(text.name, text.content, origin.start, origin.end, origin.line)


def _located(group: list[tuple[Finding, Origin]]) -> Iterator[Problem]:
    """Problems of one document, which is read once."""
    first = group[0][1]
    root = _branches(first, [origin.path + finding.path for finding, origin in group])
    lines = _lines(first)
    for finding, origin in group:
        offset = _offset(root, origin.path + finding.path, at_key=finding.at_key)
        yield _problem(finding, lines.position(offset))


def _problem(finding: Finding, position: Position) -> Problem:
    return Problem(finding.code, position, finding.message, finding.hint)


def _offset(root: Node, path: Path, *, at_key: bool) -> int:
    node, key_offset, found = _descend(root, path)
    return key_offset if at_key and found else node.offset


def _descend(root: Node, path: Path) -> tuple[Node, int, bool]:
    """The deepest node on the path, the offset of its key, and whether it is the path's end."""
    node, key_offset = root, root.offset
    for step in path:
        match node, step:
            case Mapping(), str() if step in node.entries:
                key_offset, node = node.entries[step]
            case Sequence(), int() if 0 <= step < len(node.items):
                node = node.items[step]
                key_offset = node.offset
            case _:
                return node, key_offset, False
    return node, key_offset, True


def _walk(
    root: _Value, children: Callable[[_Value], list[tuple[str | int, _Value]]]
) -> Iterator[tuple[Path, _Value]]:
    """All containers below and with the root, in the order of the text."""
    waiting: list[tuple[Path, _Value]] = [((), root)]
    while waiting:
        path, value = waiting.pop()
        yield path, value
        waiting.extend(((*path, step), child) for step, child in children(value))


def _children_of_value(value: Any) -> list[tuple[str | int, Any]]:
    """Containers in a container, last first."""
    if type(value) is not dict and type(value) is not list:
        return []
    pairs = value.items() if type(value) is dict else enumerate(value)
    return [(k, v) for k, v in pairs if type(v) is dict or type(v) is list][::-1]


def _children_of_node(node: Node) -> list[tuple[str | int, Node]]:
    """Containers in a container, last first."""
    return [pair for pair in _children_of_any(node) if not isinstance(pair[1], Scalar)]


def _children_of_any(node: Node) -> list[tuple[str | int, Node]]:
    """What is in a container, last first."""
    children: list[tuple[str | int, Node]]
    match node:
        case Scalar():
            children = []
        case Mapping():
            children = [(key, child) for key, (_, child) in node.entries.items()]
        case Sequence():
            children = list(enumerate(node.items))
    return children[::-1]
