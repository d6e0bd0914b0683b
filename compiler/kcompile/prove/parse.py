"""A line of iptables-restore text as a rule. Every word is understood, or the line is refused."""

import math
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from kcompile.address import BITS, Family
from kcompile.prove.rule import (
    ALWAYS,
    ANY,
    Accept,
    Addresses,
    Dnat,
    Drop,
    Jump,
    MarkIs,
    Masquerade,
    Pass,
    Reject,
    Remember,
    Remembered,
    Return,
    Rule,
    SetMark,
    StateIs,
    Target,
)

_WORD = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))(?: |$)')
_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")
_HEX = re.compile(r"0x[0-9a-f]{1,8}")
_PROBABILITY = re.compile(r"[01]\.[0-9]{1,20}")
_NAME = re.compile(r"[A-Za-z0-9-]{1,28}")  # XT_EXTENSION_MAXNAMELEN is 29 with its end
_LIST = re.compile(r"[A-Za-z0-9-]{1,199}")  # XT_RECENT_NAME_LEN is 200 with its end
_STATES = frozenset({"NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "SNAT", "DNAT"})
_PROTOCOLS = frozenset({"tcp", "udp", "sctp"})
FULL_MASK: dict[Family, str] = {
    4: "255.255.255.255",
    6: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
}
_PORT_UNREACHABLE: dict[Family, str] = {4: "icmp-port-unreachable", 6: "icmp6-port-unreachable"}
_MODULE_OF = {
    "--comment": "comment",
    "--ctstate": "conntrack",
    "--mark": "mark",
    "--mode": "statistic",
    "--probability": "statistic",
    "--dst-type": "addrtype",
    "--src-type": "addrtype",
    "--set": "recent",
    "--rcheck": "recent",
    "--seconds": "recent",
    "--reap": "recent",
    "--name": "recent",
    "--mask": "recent",
    "--rsource": "recent",
}


@dataclass(slots=True)
class _Draft:
    """A rule while its words are read."""

    family: Family
    modules: set[str]
    seen: set[str]
    source: Addresses = ANY
    destination: Addresses = ANY
    protocol: str = ""
    port: int = 0
    source_local: bool = False
    destination_local: bool = False
    state: StateIs | None = None
    mark: MarkIs | None = None
    threshold: int = ALWAYS
    recent: str = ""
    seconds: int = 0
    list: str = ""


def parse_rule(line: str, offset: int, family: Family) -> Rule:
    """The rule of a line `-A CHAIN ...`. Raises ValueError with what is not understood."""
    words = _words(line)
    next(words), next(words)
    draft = _Draft(family, set(), set())
    target: Target = Pass()
    negate = False
    for word in words:
        if word == "!" and not negate:
            negate = True
        elif word == "-j":
            target = _target(words, family)
            break
        else:
            _read(draft, word, words, negate=negate)
            negate = False
    if negate:
        raise ValueError("nothing follows '!'")
    return _finish(draft, offset, target)


def _words(line: str) -> Iterator[str]:
    position = 0
    while position < len(line):
        match = _WORD.match(line, position)
        if not match:
            raise ValueError(f"cannot split {line[position:]!r} into words")
        position = match.end()
        yield match[2] if match[1] is None else match[1]


def _next(words: Iterator[str], after: str) -> str:
    word = next(words, None)
    if word is None:
        raise ValueError(f"nothing follows {after!r}")
    return word


def _read(draft: _Draft, word: str, words: Iterator[str], *, negate: bool) -> None:
    if word in draft.seen and word != "-m":
        raise ValueError(f"{word!r} stands twice")
    draft.seen.add(word)
    match word:
        case "-s":
            draft.source = _addresses(_next(words, word), draft.family, negate=negate)
        case "-d":
            draft.destination = _addresses(_next(words, word), draft.family, negate=negate)
        case "--ctstate":
            draft.state = StateIs(_states(_next(words, word)), negate)
        case "--mark":
            draft.mark = MarkIs(*_mark(_next(words, word)), negate)
        case _ if negate:
            raise ValueError(f"{word!r} cannot be negated here")
        case "-p":
            draft.protocol = _one_of(_next(words, word), _PROTOCOLS)
        case "-m":
            draft.modules.add(_next(words, word))
        case _:
            _read_option(draft, word, words)
    module = draft.protocol if word == "--dport" else _MODULE_OF.get(word)
    if module is not None and module not in draft.modules:
        raise ValueError(f"{word!r} without '-m {module or 'PROTOCOL'}' before it")


def _read_option(draft: _Draft, word: str, words: Iterator[str]) -> None:
    match word:
        case "--comment":
            _next(words, word)
        case "--dport":
            draft.port = _port(_next(words, word))
        case "--dst-type":
            draft.destination_local = bool(_one_of(_next(words, word), {"LOCAL"}))
        case "--src-type":
            draft.source_local = bool(_one_of(_next(words, word), {"LOCAL"}))
        case "--mode":
            _one_of(_next(words, word), {"random"})
        case "--probability":
            draft.threshold = threshold(_next(words, word))
        case _:
            _read_recent(draft, word, words)


def _read_recent(draft: _Draft, word: str, words: Iterator[str]) -> None:
    match word:
        case "--set" | "--rcheck":
            if draft.recent:
                raise ValueError(f"{word!r} beside {draft.recent!r}")
            draft.recent = word
        case "--seconds":
            draft.seconds = _number(_next(words, word), 1, (1 << 32) - 1)
        case "--name":
            draft.list = _matching(_LIST, _next(words, word))
        case "--mask":
            _one_of(_next(words, word), {FULL_MASK[draft.family]})
        case "--reap" | "--rsource":
            pass
        case _:
            raise ValueError(f"unknown word {word!r}")


def _finish(draft: _Draft, offset: int, target: Target) -> Rule:
    if draft.modules & _PROTOCOLS - {draft.protocol}:
        raise ValueError("a protocol's module without '-p' of the same protocol")
    unknown = draft.modules - _PROTOCOLS - set(_MODULE_OF.values())
    if unknown:
        raise ValueError(f"unknown module {min(unknown)!r}")
    if "statistic" in draft.modules and not {"--mode", "--probability"} <= draft.seen:
        raise ValueError("statistic without '--mode random' or '--probability'")
    unused = {"conntrack": "--ctstate", "mark": "--mark", "comment": "--comment"}
    for module, option in unused.items():
        if module in draft.modules and option not in draft.seen:
            raise ValueError(f"'-m {module}' without {option!r}")
    return Rule(
        offset,
        draft.source,
        draft.destination,
        draft.protocol,
        draft.port,
        draft.source_local,
        draft.destination_local,
        draft.state,
        draft.mark,
        draft.threshold,
        _recent(draft) if "recent" in draft.modules else None,
        target,
    )


def _recent(draft: _Draft) -> Remember | Remembered:
    if not draft.recent or not {"--name", "--mask", "--rsource"} <= draft.seen:
        raise ValueError("recent without '--set' or '--rcheck', '--name', '--mask' or '--rsource'")
    if draft.recent == "--set":
        if {"--seconds", "--reap"} & draft.seen:
            raise ValueError("recent '--set' with '--seconds' or '--reap'")
        return Remember(draft.list)
    if "--seconds" not in draft.seen:
        raise ValueError("recent '--rcheck' without '--seconds'")
    return Remembered(draft.list, draft.seconds, "--reap" in draft.seen)


def _target(words: Iterator[str], family: Family) -> Target:  # noqa: PLR0911 - a return each
    name = _next(words, "-j")
    options = tuple(words)
    match (name, *options):
        case ("ACCEPT",):
            return Accept()
        case ("DROP",):
            return Drop()
        case ("RETURN",):
            return Return()
        case ("REJECT", "--reject-with", why) if why == _PORT_UNREACHABLE[family]:
            return Reject()
        case ("MASQUERADE",) | ("MASQUERADE", "--random-fully"):
            return Masquerade()
        case ("MARK", "--set-xmark", value):
            return SetMark(*_mark(value))
        case ("DNAT", "--to-destination", endpoint):
            return _dnat(endpoint, family)
        case (_,) if _NAME.fullmatch(name):
            return Jump(name)
        case _:
            raise ValueError(f"unknown target {' '.join((name, *options))!r}")


def _dnat(endpoint: str, family: Family) -> Dnat:
    address, colon, port = endpoint.rpartition(":")
    if family == 6:
        if not (address.startswith("[") and address.endswith("]")):
            raise ValueError(f"{endpoint!r} is not [ADDRESS]:PORT")
        address = address[1:-1]
    if not colon:
        raise ValueError(f"{endpoint!r} is not ADDRESS:PORT")
    return Dnat(parse_address(address, family), _port(port))


def parse_address(text: str, family: Family) -> int:
    """An address in its usual form. Raises ValueError."""
    try:
        return int.from_bytes(
            socket.inet_pton(socket.AF_INET if family == 4 else socket.AF_INET6, text)
        )
    except OSError:
        raise ValueError(f"{text!r} is not an IPv{family} address") from None


def threshold(text: str) -> int:
    """What the kernel stores of a probability (libxt_statistic: lround(0x80000000 * p))."""
    probability = float(_matching(_PROBABILITY, text))
    if not 0 <= probability <= 1:
        raise ValueError(f"a probability of {text} is out of range")
    return math.floor(ALWAYS * probability + 0.5)


def _addresses(text: str, family: Family, *, negate: bool) -> Addresses:
    address, slash, length = text.partition("/")
    bits = BITS[family]
    prefix = _number(length, 0, bits) if slash else bits
    value = parse_address(address, family)
    size = 1 << bits - prefix
    if value & size - 1:
        raise ValueError(f"{text!r} has bits outside its prefix")
    return Addresses(value, value + size - 1, negate)


def _states(text: str) -> frozenset[str]:
    return frozenset(_one_of(state, _STATES) for state in text.split(","))


def _mark(text: str) -> tuple[int, int]:
    value, _, mask = text.partition("/")
    return int(_matching(_HEX, value), 16), int(_matching(_HEX, mask), 16)


def _port(text: str) -> int:
    return _number(text, 1, 65535)


def _number(text: str, low: int, high: int) -> int:
    number = int(_matching(_NUMBER, text))
    if not low <= number <= high:
        raise ValueError(f"{text} is not in {low} to {high}")
    return number


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{text!r} is not understood here")
    return text


def _one_of(word: str, allowed: frozenset[str] | set[str]) -> str:
    if word not in allowed:
        raise ValueError(f"{word!r} is not one of {', '.join(sorted(allowed))}")
    return word
