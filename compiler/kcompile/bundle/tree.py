"""What a bundle holds: files by path, those included that say what the others are."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from kcompile.problems import OurBugError

MANIFEST = "MANIFEST.json"
SHA256SUMS = "SHA256SUMS"
SOURCES = "sources.json"
SLICE = "SLICE.json"
FORMAT_VERSION = 1
MANIFEST_HEAD = f'{{\n"version": {FORMAT_VERSION},\n"kcompile": '
"""How every MANIFEST.json starts: a folder whose file does not was not written by kcompile."""

_PIECE = 1 << 20  # characters encoded, hashed and written at a time
_PATH = re.compile(r"(?:(?!\.\.?/)[A-Za-z0-9._-]+/)*(?!\.\.?\Z)[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """The text of one or many files in chunks that are never joined, hashed when it is made.

    Files that are equal should share one Content, however large: it is hashed and written once.
    """

    chunks: tuple[str, ...] = field(repr=False)
    size: int
    digest: str

    def pieces(self) -> Iterator[bytes]:
        """The bytes, about a megabyte at a time."""
        return _pieces(self.chunks)


Files = Mapping[str, Content]
"""Contents by relative POSIX path."""


def content(*chunks: str) -> Content:
    """A file's content from its text, whole or in chunks."""
    digest = sha256()
    size = 0
    for piece in _pieces(chunks):
        digest.update(piece)
        size += len(piece)
    return Content(chunks, size, digest.hexdigest())


def assemble(  # noqa: PLR0913 (what a bundle is made of, all but the files by keyword)
    files: Files,
    *,
    version: str,
    settings: Mapping[str, object],
    nodes: Sequence[str],
    sources: str,
    proved: bool,
    generation: int | None = None,
) -> Files:
    """All of a bundle: `files` and the files about them, sorted by path.

    `proved` says that the rules were read back and mean the plan. `version` is kcompile's,
    `settings` is anything that JSON can say, `sources` the text of sources.json.
    """
    _reject_reserved(files, nodes)
    check_paths(files)
    whole = dict(files)
    whole.update(_slices(files, nodes, generation))
    whole[MANIFEST] = content(_manifest(whole, version, settings, nodes, proved=proved))
    whole[SOURCES] = content(sources)
    whole[SHA256SUMS] = content("".join(_sums(whole)))
    check_paths(whole)
    return dict(sorted(whole.items()))


def with_signatures(files: Files, signatures: Mapping[str, str]) -> Files:
    """A bundle with signatures over slices, by the slices' paths, which only SHA256SUMS lists."""
    whole = {path: file for path, file in files.items() if path != SHA256SUMS}
    whole.update({f"{path}.sig": content(text) for path, text in signatures.items()})
    whole[SHA256SUMS] = content("".join(_sums(whole)))
    check_paths(whole)
    return dict(sorted(whole.items()))


def is_slice(path: str) -> bool:
    """Whether a path of a bundle is that of a node's SLICE.json."""
    return path.startswith("nodes/") and path.endswith(f"/{SLICE}") and path.count("/") == 2


def check_paths(files: Iterable[str]) -> None:
    """The last line of defence before a path reaches the disk: names checked once more."""
    for path in files:
        if not is_safe_path(path):
            raise OurBugError(f"The bundle would have a file with the unsafe path {path!a}.")
    both = sorted(set(folders(files)).intersection(files))
    if both:
        raise OurBugError(f"The bundle would have {both[0]!a} both as a file and as a folder.")


def is_safe_path(path: str) -> bool:
    return _PATH.fullmatch(path) is not None


def folders(files: Iterable[str]) -> tuple[str, ...]:
    """The folders that hold the files, each after the one that it is in."""
    found: set[str] = set()
    for path in files:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return tuple(sorted(found))


def _pieces(chunks: Iterable[str]) -> Iterator[bytes]:
    waiting: list[str] = []
    length = 0
    for chunk in chunks:
        length += len(chunk)
        if length < _PIECE:
            waiting.append(chunk)
            continue
        yield "".join(waiting).encode()
        for start in range(0, len(chunk), _PIECE):
            yield chunk[start : start + _PIECE].encode()
        waiting = []
        length = 0
    yield "".join(waiting).encode()


def _reject_reserved(files: Files, nodes: Sequence[str]) -> None:
    reserved = {MANIFEST, SHA256SUMS, SOURCES, *(f"nodes/{node}/{SLICE}" for node in nodes)}
    for path in sorted(reserved & files.keys()):
        raise OurBugError(f"{path!a} came to the bundle as an ordinary file.")


def _slices(
    files: Files, nodes: Sequence[str], generation: int | None
) -> Iterator[tuple[str, Content]]:
    """SLICE.json of each node: what the node needs, which is dns/ and its own folder."""
    own: dict[str, list[str]] = {node: [] for node in nodes}
    shared: list[str] = []
    for path in sorted(files):
        top, _, rest = path.partition("/")
        if top == "nodes":
            node = rest.partition("/")[0]
            if node not in own:
                raise OurBugError(f"{path!a} is for a node that is not in the plan.")
            own[node].append(_digest_line(path, files[path]))
        elif top == "dns":
            shared.append(_digest_line(path, files[path]))
    number = "" if generation is None else f'"generation": {generation},\n'
    for node, lines in own.items():
        text = (
            f'{{\n"version": {FORMAT_VERSION},\n"node": {json.dumps(node)},\n{number}'
            f'"files": {_block([*shared, *lines])}\n}}\n'
        )
        yield f"nodes/{node}/{SLICE}", content(text)


def _manifest(
    files: Files,
    version: str,
    settings: Mapping[str, object],
    nodes: Sequence[str],
    *,
    proved: bool,
) -> str:
    """MANIFEST.json: one setting, node and digest a line. Nothing that depends on anything but
    content, so neither sources.json nor SHA256SUMS, which lists it."""
    pairs = [f"{json.dumps(key)}: {_json(value)}" for key, value in sorted(settings.items())]
    digests = [_digest_line(path, files[path]) for path in sorted(files)]
    names = ",\n".join(map(json.dumps, sorted(nodes)))
    return (
        f"{MANIFEST_HEAD}{json.dumps(version)},\n"
        f'"proved": {json.dumps(proved)},\n'
        f'"settings": {_block(pairs)},\n'
        f'"nodes": [\n{names}\n],\n'
        f'"files": {_block(digests)}\n}}\n'
    )


def _sums(files: Files) -> Iterator[str]:
    """Lines as `sha256sum -c` reads them."""
    for path in sorted(files):
        yield f"{files[path].digest}  {path}\n"


def _digest_line(path: str, file: Content) -> str:
    # Paths were checked: nothing in them needs escaping.
    return f'"{path}": "{file.digest}"'


def _block(lines: Sequence[str]) -> str:
    return "{\n" + ",\n".join(lines) + "\n}" if lines else "{}"


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)
