"""Is this a slice, whole and for this node? Then, and only then, something is done with it."""

from __future__ import annotations

import codecs
import os
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from kcompile.apply.below import names_below, opened_folder, pieces_below, reason
from kcompile.apply.failures import RefusedError
from kcompile.apply.slice_json import (
    LARGEST,
    Stated,
    is_node_name,
    parse_slice,
    shown,
    signature_path,
    slice_path,
)
from kcompile.apply.slices import Slice

LARGEST_FILE = 1 << 30  # bytes; the rules of 100,000 pods take 80 million
LARGEST_SIGNATURE = 1 << 16  # bytes
_MOST_NAMES = 200_000  # in dns/ and nodes/NODE/
_DEEPEST = 32  # folders
_SHOWN = 20  # problems; more would hide the first


def read_slice(folder: Path, node: str) -> Slice:
    """The slice of a node in a bundle, or in a copy of just its dns/ and nodes/NODE/.

    Raises RefusedError with all that is wrong: a file that is not as SLICE.json says, or not there,
    or that SLICE.json does not list, or a link.
    """
    if not is_node_name(node):
        raise RefusedError(f"{shown(node)} is no name of a Kubernetes node")
    try:
        with opened_folder(folder) as root:
            stated = _stated(root, folder, node)
            problems = [*_wrong(root, stated), *_unlisted(root, stated, node)]
    except OSError as error:
        raise RefusedError(f"{shown_path(folder)} cannot be read: {error.strerror}") from None
    if problems:
        raise _refused(f"the slice in {shown_path(folder)} is not whole", sorted(problems))
    return Slice(node, stated.generation, folder, stated.files)


def copy_slice(slice_: Slice, target: Path) -> Slice:
    """A slice of its own in a new folder, on the disk before this returns.

    It is the copy that is verified, so nobody can change a file between looking and using it.
    Raises RefusedError, and leaves no copy then.
    """
    if os.path.lexists(target):
        raise RefusedError(f"{target} is there already")
    try:
        with opened_folder(slice_.folder) as root:
            paths = _copy(root, slice_, target)
        copied = _read_again(slice_, target)
        _flush(target, paths)
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        where = shown_path(error.filename or target)
        raise RefusedError(f"the slice cannot be copied: {where}: {reason(error)}") from None
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return copied


def check_generation(installed: Slice | None, wanted: Slice, *, force: bool) -> str | None:
    """What the operator should know, if anything. Raises RefusedError if `wanted` is older than
    what is installed, unless that is forced."""
    if wanted.generation is None:
        return "the slice has no generation (build --generation N), so nobody can tell its age"
    if installed is None:
        return None
    if installed.generation is None:
        return (
            "what is installed has no generation, so whether the slice, of generation"
            f" {wanted.generation}, is older was not checked"
        )
    if wanted.generation >= installed.generation:
        return None
    older = (
        f"the slice is of generation {wanted.generation}, older than the installed"
        f" {installed.generation}"
    )
    if force:
        return f"{older}; --force installs it all the same"
    raise RefusedError(
        f"{older}; apply --rollback goes back to an earlier one, --force installs this one"
    )


def shown_path(path: Path | str) -> str:
    """A path in a message: it may hold anything."""
    return shown(str(path))[1:-1]


def read_slice_json(root: int, node: str) -> bytes:
    """Raises OSError."""
    return b"".join(pieces_below(root, slice_path(node), LARGEST))


def _stated(root: int, folder: Path, node: str) -> Stated:
    try:
        content = read_slice_json(root, node)
    except OSError as error:
        where = f"{shown_path(folder)}/{slice_path(node)}"
        raise RefusedError(f"{where}: {reason(error)}{_nodes(root)}") from None
    stated, problems = parse_slice(content, node)
    if problems:
        raise _refused(f"{shown_path(folder)}/{slice_path(node)}", problems)
    return stated


def _nodes(root: int) -> str:
    """Which nodes there are slices for, if that helps."""
    try:
        names = sorted(name for name, is_folder, _ in names_below(root, "nodes") if is_folder)
    except OSError:
        return "; this is no bundle of kcompile's"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    there = ", ".join(shown_path(name) for name in names[:5])
    return f"; --node names another: there are slices for {there}{more}" if names else ""


def _wrong(root: int, stated: Stated) -> Iterator[str]:
    for path, digest in stated.files.items():
        found = sha256()
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            for piece in pieces_below(root, path, LARGEST_FILE):
                found.update(piece)
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except OSError as error:
            yield f"{path}: {reason(error)}"
        except UnicodeDecodeError:
            yield f"{path}: it is not text in UTF-8"
        else:
            if found.hexdigest() != digest:
                yield f"{path}: its SHA-256 is {found.hexdigest()}, not {digest} as SLICE.json says"


def _unlisted(root: int, stated: Stated, node: str) -> Iterator[str]:
    known = {*stated.files, slice_path(node), signature_path(node)}
    waiting = [f"nodes/{node}"]
    if any(name == "dns" for name, _, _ in names_below(root, ".")):
        waiting.append("dns")
    left = _MOST_NAMES
    while waiting:
        folder = waiting.pop()
        try:
            for name, is_folder, is_regular in names_below(root, folder):
                path = f"{folder}/{name}"
                left -= 1
                if left < 0:
                    yield f"{folder}: there are more than {_MOST_NAMES} files in the slice"
                    return
                if is_folder and path.count("/") < _DEEPEST:
                    waiting.append(path)
                elif not is_regular or path not in known:
                    kind = "SLICE.json does not list it" if is_regular else "it is no regular file"
                    yield f"{shown_path(path)}: {kind}"
        except OSError as error:
            yield f"{shown_path(folder)}: {reason(error)}"


def _copy(root: int, slice_: Slice, target: Path) -> list[str]:
    """The paths of what was copied."""
    paths = [*slice_.files, slice_path(slice_.node)]
    if any(name == "SLICE.json.sig" for name, _, _ in names_below(root, f"nodes/{slice_.node}")):
        paths.append(signature_path(slice_.node))
    target.parent.mkdir(parents=True, exist_ok=True)
    for folder in _folders(target, paths):
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask: name servers are not root
    for path in paths:
        with (target / path).open("xb") as file:
            os.fchmod(file.fileno(), 0o644)
            for piece in pieces_below(root, path, LARGEST_FILE):
                file.write(piece)
    return paths


def _folders(target: Path, paths: list[str]) -> list[Path]:
    """The target and all in it, each after the one that it is in."""
    found = {target}
    for path in paths:
        parts = path.split("/")
        found.update(target.joinpath(*parts[:depth]) for depth in range(1, len(parts)))
    return sorted(found)


def _read_again(slice_: Slice, target: Path) -> Slice:
    copied = read_slice(target, slice_.node)
    if (copied.generation, copied.files) != (slice_.generation, slice_.files):
        raise RefusedError(f"the slice in {shown_path(slice_.folder)} changed meanwhile")
    return copied


def _flush(target: Path, paths: list[str]) -> None:
    """All are written by now: the first flush takes most of the others along."""
    places = [*(target / path for path in paths), *_folders(target, paths), target.parent]
    for place in places:
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _refused(what: str, problems: list[str]) -> RefusedError:
    more = len(problems) - _SHOWN
    lines = problems[:_SHOWN] + ([f"and {more} more"] if more > 0 else [])
    return RefusedError("\n  ".join([f"{what}:", *lines]))
