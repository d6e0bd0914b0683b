"""Reads the zone files of a bundle back, in the form that a build gives them."""

import re
from collections.abc import Iterator
from pathlib import Path

from kcompile.explain.records import Record, ZoneFile
from kcompile.problems import Code, InputError, Problem, printable
from kcompile.source import Position

_FOLDER = "dns"
_PREFIX = "db."
_RECORD = re.compile(r"([!-~]+) ([0-9]{1,10}) IN ([A-Z]{1,10}) ([ -~]+)")
_SOA_END = "    )"


def read_zones(bundle: Path) -> tuple[ZoneFile, ...]:
    """The forward zone first, then the others by name; InputError if one cannot be read."""
    folder = bundle / _FOLDER
    try:
        paths = [path for path in folder.iterdir() if path.name.startswith(_PREFIX)]
    except OSError as error:
        raise _unreadable(folder, 1, f"cannot be read: {error.strerror}") from None
    zones = [_read_zone(path) for path in paths]
    return tuple(sorted(zones, key=lambda zone: (zone.origin.endswith(".arpa"), zone.origin)))


def _read_zone(path: Path) -> ZoneFile:
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not ASCII"
        raise _unreadable(path, 1, f"cannot be read: {reason}") from None
    origin = path.name.removeprefix(_PREFIX)
    return ZoneFile(origin, f"{_FOLDER}/{path.name}", tuple(_records(path, text)))


def _records(path: Path, text: str) -> Iterator[Record]:
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        if not line or line.startswith((";", "$ORIGIN ")):
            continue
        match = _RECORD.fullmatch(line)
        if not match:
            raise _unreadable(path, number, f"found {printable(line)} where a record is expected")
        owner, ttl, type_, data = match.groups()
        if data.endswith(" ("):
            data = " ".join([data.removesuffix(" ("), *_until_the_end(lines)])
        yield Record(owner, int(ttl), type_, data)


def _until_the_end(lines: Iterator[tuple[int, str]]) -> Iterator[str]:
    """The words of a SOA, a line each, without what is said about them."""
    for _, line in lines:
        if line == _SOA_END:
            return
        yield line.partition(";")[0].strip()


def _unreadable(path: Path, line: int, message: str) -> InputError:
    hint = "`kcompile build` makes a bundle, --bundle names its directory"
    return InputError([Problem(Code.NOT_A_BUNDLE, Position(str(path), line, 1), message, hint)])
