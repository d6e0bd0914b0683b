"""SLICE.json: what a slice says of itself. Nothing of it is believed before it is checked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

VERSION = 1
LARGEST_GENERATION = 2**63 - 1
LARGEST = 8 << 20  # bytes of a SLICE.json: about 60,000 files

# RFC 1123's subdomains, as Kubernetes has them: no more than 253 characters.
_NODE = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_PATH = re.compile(r"(?:(?!\.\.?/)[A-Za-z0-9._-]{1,255}/)+(?!\.\.?\Z)[A-Za-z0-9._-]{1,255}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONGEST_PATH = 1024
_DIGITS = 19  # of the largest generation


class Stated(NamedTuple):
    """What SLICE.json states."""

    generation: int | None
    files: dict[str, str]


def is_node_name(name: str) -> bool:
    return _NODE.fullmatch(name) is not None


def slice_path(node: str) -> str:
    return f"nodes/{node}/SLICE.json"


def signature_path(node: str) -> str:
    return f"nodes/{node}/SLICE.json.sig"


def parse_slice(content: bytes, node: str) -> tuple[Stated, list[str]]:
    """What it states, and what is wrong with it."""
    try:
        value = json.loads(
            content.decode("ascii"),
            object_pairs_hook=_without_twice,
            parse_int=_short_number,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
    except RecursionError:
        return _NOTHING, ["it is nested too deep"]
    except ValueError as error:  # of JSON and of ASCII, too
        return _NOTHING, [f"it is not as kcompile writes it: {error}"]
    if not isinstance(value, dict):
        return _NOTHING, ["it is not an object"]
    problems = list(_problems(value, node))
    if problems:
        return _NOTHING, problems
    return Stated(value.get("generation"), value["files"]), []


_NOTHING = Stated(None, {})


def _problems(value: dict[str, Any], node: str) -> Iterator[str]:
    unknown = sorted(value.keys() - {"version", "node", "generation", "files"})
    if unknown:
        yield f"unknown keys: {shown(', '.join(unknown))}"
    if value.get("version") != VERSION or isinstance(value["version"], bool):
        yield f"version is {shown(value.get('version'))}, and this kcompile reads {VERSION} only"
    if value.get("node") != node:
        yield f"it is for node {shown(value.get('node'))}, not for {node}"
    if "generation" in value and not _is_generation(value["generation"]):
        yield f"generation {shown(value['generation'])} is not a number from 1 to 2^63 - 1"
    files = value.get("files")
    if not isinstance(files, dict):
        yield "files is not an object"
        return
    for path, digest in sorted(files.items()):
        yield from _file_problems(path, digest, node)


def _file_problems(path: str, digest: object, node: str) -> Iterator[str]:
    own = f"nodes/{node}/"
    if len(path) > _LONGEST_PATH or _PATH.fullmatch(path) is None:
        yield f"{shown(path)} is no path that a bundle may have"
    elif not path.startswith(("dns/", own)):
        yield f"{shown(path)} is neither in dns/ nor in {own}"
    elif path in {slice_path(node), signature_path(node)}:
        yield f"{shown(path)} cannot list itself"
    if not isinstance(digest, str) or _DIGEST.fullmatch(digest) is None:
        yield f"the digest of {shown(path)} is {shown(digest)}, not 64 hexadecimal digits"


def _is_generation(value: object) -> bool:
    return type(value) is int and 1 <= value <= LARGEST_GENERATION


def shown(value: object) -> str:
    """What a stranger wrote, for a message: ASCII, without controls, cut short."""
    text = ascii(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _without_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key is there twice")
    return value


def _short_number(digits: str) -> int:
    # Python takes minutes for a number of millions of digits.
    if len(digits) > _DIGITS:
        raise ValueError("a number is too large")
    return int(digits)


def _no_number(_text: str) -> None:
    raise ValueError("a number is not whole")
