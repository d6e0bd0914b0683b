"""Lists of hosts, a line each: Ansible's INI inventories, files like /etc/hosts, NAME=IP."""

import re
from dataclasses import dataclass

from kcompile.address import parse_ip
from kcompile.inventory.listing import (
    STATED,
    VARIABLES,
    Group,
    Host,
    Listing,
    Variable,
)
from kcompile.problems import Code, printable
from kcompile.source import Position, Text
from kcompile.validate.addresses import is_ip, is_special

_LINE_CHARACTERS = 16 * 1024
_BREAK = re.compile(r"\r\n|\r|\n")
# Words as a shell splits them; an unquoted number sign begins a comment.
_WORD = re.compile(r"""(?:[^\s"'\\#]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""")
_QUOTED = re.compile(r"""\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'""")
_ESCAPED = re.compile(r"""\\(["\\])""")
_SECTION = re.compile(r"\[([^\[\]:]+)(?::([a-z]+))?\]\s*(?:[#;].*)?")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_HOST_PORT = re.compile(r"((?:[^:\[\]]|\[[^\[\]]*\])+):[0-9]{1,5}")
_ADDRESS_PORT = re.compile(r"\[([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\](?::[0-9]{1,5})?")


def read_ini(text: Text, listing: Listing) -> None:
    """Fill the listing with what each line says."""
    section = _Section(None, "hosts")
    for number, line in enumerate(_BREAK.split(text.content), start=1):
        bare = line.strip()
        position = Position(text.name, number, 1 + len(line) - len(line.lstrip()))
        if len(line) > _LINE_CHARACTERS:
            message = f"a line of more than {_LINE_CHARACTERS:,} characters"
            listing.report(Code.LIMIT, position, message)
        elif not bare or bare[0] in "#;":
            continue
        elif bare[0] == "[" and (match := _SECTION.fullmatch(bare)):
            section = _read_section(match, listing, position)
        elif bare[0] == "[" and ":" not in bare:
            listing.wrong(position, f"found {printable(bare)}, expected [GROUP]")
        elif section.kind == "vars":
            _read_variable(bare, section, listing, position)
        else:
            _read_members(bare, section, listing, position)


def read_host(
    word: str, listing: Listing, position: Position, group: Group | None = None
) -> list[Host]:
    """The hosts of a word: NAME, NAME[01:10], NAME:PORT or NAME=IP[,IP]."""
    pattern, equals, addresses = word.partition("=")
    if match := _ADDRESS_PORT.fullmatch(pattern) or _HOST_PORT.fullmatch(pattern):
        pattern = match[1]
    hosts = listing.add(pattern, group, position)
    for host in hosts if equals else ():
        host.variables[STATED] = Variable(addresses, position)
    return hosts


@dataclass(frozen=True, slots=True)
class _Section:
    """What lines belong to: hosts, children or vars of a group; no group at the beginning."""

    group: Group | None
    kind: str


def _read_section(match: re.Match[str], listing: Listing, position: Position) -> _Section:
    name, kind = match[1].strip(), match[2] or "hosts"
    if kind not in ("hosts", "vars", "children"):
        message = f"section {printable(f'{name}:{kind}')}: vars or children can stand there"
        listing.wrong(position, message)
    return _Section(listing.group(name, position), kind)


def _read_variable(line: str, section: _Section, listing: Listing, position: Position) -> None:
    match = _ASSIGNMENT.fullmatch(line)
    if match is None:
        listing.wrong(position, f"found {printable(line)}, expected KEY = VALUE")
    elif match[1] in VARIABLES and section.group is not None:
        section.group.variables[match[1]] = Variable(_unquoted(match[2]), position)


def _read_members(line: str, section: _Section, listing: Listing, position: Position) -> None:
    words = _words(line, position)
    if words is None:
        listing.wrong(position, f"found {printable(line)}, whose quotes do not end")
    elif not words:
        return
    elif section.kind == "children" and section.group is not None:
        (word, place), *more = words
        if more:
            listing.wrong(more[0][1], f"found {printable(more[0][0])} behind a group's name")
        listing.group(word, place)
        section.group.children.setdefault(word, place)
    elif len(words) > 1 and is_ip(words[0][0]) and not any("=" in word for word, _ in words):
        _read_hosts_line(words, section, listing)
    else:
        _read_host_line(words, section, listing)


def _words(line: str, start: Position) -> list[tuple[str, Position]] | None:
    """The words and where they stand, up to a comment; None if a quote is left open."""
    words = []
    offset = 0
    while offset < len(line) and line[offset] != "#":
        if line[offset].isspace():
            offset += 1
        elif match := _WORD.match(line, offset):
            place = Position(start.file, start.line, start.column + offset)
            words.append((_QUOTED.sub(_without_quotes, match[0]), place))
            offset = match.end()
        else:
            return None
    return words


def _without_quotes(match: re.Match[str]) -> str:
    escaped, double, single = match.groups()
    if escaped is not None:
        return str(escaped)
    return _ESCAPED.sub(r"\1", double) if double is not None else str(single)


def _read_hosts_line(
    words: list[tuple[str, Position]], section: _Section, listing: Listing
) -> None:
    """ADDRESS NAME [ALIAS...], as in /etc/hosts: the lines of one name are one host's. What every
    such file has of its own machine (loopback, multicast) is no node."""
    (address, place), (name, where) = words[:2]
    family, value = parse_ip(address)
    if is_special((family, value)) or value == 0xFFFFFFFF:
        return
    for host in listing.add(name, section.group, where):
        before = host.variables.get(STATED)
        stated = f"{before.value},{address}" if before else address
        host.variables[STATED] = Variable(stated, place)


def _read_host_line(words: list[tuple[str, Position]], section: _Section, listing: Listing) -> None:
    """HOST KEY=VALUE..., as Ansible has it."""
    first, position = words[0]
    hosts = read_host(first, listing, position, section.group)
    for word, place in words[1:]:
        match = _ASSIGNMENT.fullmatch(word)
        if match is None:
            listing.wrong(place, f"found {printable(word)}, expected KEY=VALUE")
        elif match[1] in VARIABLES:
            for host in hosts:
                host.variables[match[1]] = Variable(match[2], place)


def _unquoted(text: str) -> str:
    """The value of a line of vars, which no shell has split."""
    quoted = len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]
    return text[1:-1] if quoted else text
