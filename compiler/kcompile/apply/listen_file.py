"""listeners.json as values, read strictly: the file may be broken or anybody's."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from kcompile.apply.failures import NodeError

VERSION = 1
BOTH = 46  # a family: one socket takes IPv4 and IPv6

_MOST_BYTES = 4 << 20  # all node ports there can be are a tenth of it
_SERVICE = re.compile(r"[a-z0-9.-]{1,253}/[a-z0-9.-]{1,253}")
_PORT_NAME = re.compile(r"[A-Za-z0-9.-]{0,63}")
_FAMILIES = {"IPv4": 4, "IPv6": 6}
_KINDS = {4: socket.AF_INET, 6: socket.AF_INET6}


class Place(NamedTuple):
    """A socket to hold. `address` is "" for all of the family, which is 4, 6 or BOTH."""

    protocol: str
    family: int
    address: str
    port: int


class Use(NamedTuple):
    """What a socket is for: `local_endpoints` is None for a node port."""

    service: str
    local_endpoints: int | None


class Wanted(NamedTuple):
    """A file that was read: its SHA-256 and the sockets it asks for."""

    digest: str
    places: Mapping[Place, Use]


class _BadError(Exception):
    """What is wrong with the text."""


def read_listeners(path: Path) -> Wanted:
    """Raises NodeError, which names the file, if it cannot be read or is not as it must be."""
    try:
        content = _bytes(path)
        text = content.decode("utf-8")
    except OSError as error:
        raise NodeError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NodeError(f"{path} is not UTF-8") from None
    return Wanted(hashlib.sha256(content).hexdigest(), parse_listeners(text, str(path)))


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, whatever is in it; "" if it cannot be read."""
    try:
        return hashlib.sha256(_bytes(path)).hexdigest()
    except (OSError, NodeError):
        return ""


def parse_listeners(text: str, name: str) -> Mapping[Place, Use]:
    """The sockets that a text asks for. SCTP ports are read, but never held."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_once,
            parse_int=_small,
            parse_float=_not_allowed,
            parse_constant=_not_allowed,
        )
        return _whole(value)
    except RecursionError:
        raise NodeError(f"{name} is nested too deeply") from None
    except (_BadError, ValueError) as error:
        raise NodeError(f"{name} is no list of listeners: {error}") from None


def _bytes(path: Path) -> bytes:
    # Not blocking: a named pipe would keep us waiting for ever.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise NodeError(f"{path} is not a file")
        with open(file, "rb", closefd=False) as opened:
            content = opened.read(_MOST_BYTES + 1)
    finally:
        os.close(file)
    if len(content) > _MOST_BYTES:
        raise NodeError(f"{path} is larger than {_MOST_BYTES >> 20} MB")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _BadError("a key is there twice in one object")
    return found


def _small(digits: str) -> int:
    # int() of many digits takes quadratic time.
    return int(digits) if len(digits) <= 10 else _not_allowed(digits)


def _not_allowed(text: str) -> NoReturn:
    raise _BadError(f"the number {_shown(text)} is not one of a port or a count")


def _whole(value: Any) -> Mapping[Place, Use]:
    found = _object(value, ("version", "node", "listeners", "healthChecks"), "the file")
    if found["version"] != VERSION or type(found["version"]) is not int:
        raise _BadError(f"version is {_shown(found['version'])}, this program knows {VERSION}")
    _text(found["node"], re.compile(r"[a-z0-9.-]{1,253}"), "node")
    places: dict[Place, Use] = {}
    taken: set[tuple[int, str]] = set()
    entries = [
        *_entries(found["listeners"], "listeners", _listener),
        *_entries(found["healthChecks"], "healthChecks", _health_check),
    ]
    for port, protocol, more in entries:
        if (port, protocol) in taken:
            raise _BadError(f"port {port}/{protocol} is there twice")
        taken.add((port, protocol))
        places.update(more)
    return places


_Entry = tuple[int, str, "dict[Place, Use]"]


def _entries(value: Any, name: str, read: Any) -> Iterator[_Entry]:
    for index, item in enumerate(_list(value, name)):
        yield read(item, f"{name}[{index}]")


def _listener(value: Any, where: str) -> _Entry:
    names = ("port", "protocol", "families", "addresses", "service", "portName")
    found = _object(value, names, where)
    port = _number(found["port"], 1, 65535, f"{where}.port")
    protocol = found["protocol"]
    if protocol not in ("TCP", "UDP", "SCTP"):
        raise _BadError(f"{where}.protocol is {_shown(protocol)}, not TCP, UDP or SCTP")
    families = [
        _FAMILIES.get(family, 0) if isinstance(family, str) else 0
        for family in _list(found["families"], f"{where}.families")
    ]
    if sorted(families) not in ([4], [6], [4, 6]):
        raise _BadError(f"{where}.families must have IPv4, IPv6 or both, each once")
    addresses = _addresses(found["addresses"], f"{where}.addresses")
    use = Use(_text(found["service"], _SERVICE, f"{where}.service"), None)
    _text(found["portName"], _PORT_NAME, f"{where}.portName")
    at = _places(protocol, families, addresses, port)
    return port, protocol, {place: use for place in at if protocol != "SCTP"}


def _health_check(value: Any, where: str) -> _Entry:
    found = _object(value, ("port", "addresses", "service", "localEndpoints"), where)
    port = _number(found["port"], 1, 65535, f"{where}.port")
    count = _number(found["localEndpoints"], 0, 10**9, f"{where}.localEndpoints")
    use = Use(_text(found["service"], _SERVICE, f"{where}.service"), count)
    addresses = _addresses(found["addresses"], f"{where}.addresses")
    return port, "TCP", dict.fromkeys(_places("TCP", [4, 6], addresses, port), use)


def _places(
    protocol: str, families: list[int], addresses: list[tuple[int, str]], port: int
) -> Iterator[Place]:
    if not addresses:
        yield Place(protocol, BOTH if len(families) == 2 else families[0], "", port)
    for family, address in addresses:
        if family in families:
            yield Place(protocol, family, address, port)


def _addresses(value: Any, where: str) -> list[tuple[int, str]]:
    found = [_address(item, where) for item in _list(value, where)]
    if len(set(found)) != len(found):
        raise _BadError(f"{where} has an address twice")
    return found


def _address(value: Any, where: str) -> tuple[int, str]:
    family = 6 if isinstance(value, str) and ":" in value else 4
    kind = _KINDS[family]
    try:
        return family, socket.inet_ntop(kind, socket.inet_pton(kind, value))
    except (OSError, TypeError, ValueError):
        raise _BadError(f"{where} has {_shown(value)}, which is no address") from None


def _object(value: Any, names: tuple[str, ...], where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _BadError(f"{where} is not an object")
    missing = [name for name in names if name not in value]
    if missing:
        raise _BadError(f"{where} has no {missing[0]}")
    unknown = sorted(value.keys() - set(names))
    if unknown:
        raise _BadError(f"{where} has the unknown key {_shown(unknown[0])}")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise _BadError(f"{where} is not a list")
    return value


def _number(value: Any, low: int, high: int, where: str) -> int:
    if type(value) is not int or not low <= value <= high:
        raise _BadError(f"{where} is {_shown(value)}, not a number from {low} to {high}")
    return value


def _text(value: Any, pattern: re.Pattern[str], where: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _BadError(f"{where} is {_shown(value)}, which is no name")
    return value


def _shown(value: Any) -> str:
    """As the operator may see it: plain characters, and not too many."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
