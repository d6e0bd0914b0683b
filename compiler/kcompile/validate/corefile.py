"""What a Corefile says about forwarding (coredns.io/manual, "Configuration")."""

import re
from collections.abc import Iterator
from typing import NamedTuple

# A quote that nobody closes ends with the line: so each character is looked at once.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.?)*(?:"|$)|[^\s"]+')
_SCHEME = re.compile(r"(dns|tls|https|grpc|quic)://")
_PORT = re.compile(r":[0-9]+$")
_PLUGINS = ("forward", "proxy")


class Forward(NamedTuple):
    """Names in `domain` ("." for all) are asked of `servers`, as they are written."""

    domain: str
    servers: tuple[str, ...]


def forwards(text: str) -> Iterator[Forward]:
    """The forward lines of all server blocks, each for every domain of its block."""
    keys: list[str] = []
    depth = 0
    for line in text.splitlines():
        tokens = _tokens(line)
        opens = bool(tokens) and tokens[-1] == "{"
        words = tokens[:-1] if opens else tokens
        if depth == 0:
            keys += [word.strip(",") for word in words if word.strip(",")]
        elif depth == 1 and words and words[0] in _PLUGINS and len(words) > 2:
            for domain in _domains(keys, words[1]):
                yield Forward(domain, tuple(words[2:]))
        if opens:
            depth += 1
        elif words == ["}"]:
            depth = max(0, depth - 1)
            keys = keys if depth else []


def _tokens(line: str) -> list[str]:
    found = []
    for token in _TOKEN.findall(line):
        if token.startswith("#"):
            break
        found.append(token.strip('"'))
    return found


def _domains(keys: list[str], of: str) -> Iterator[str]:
    """`of` "." stands for the domains of the block itself."""
    if of != ".":
        yield of
        return
    # What is in parentheses is a snippet: it counts where it is imported, which is not followed.
    for key in keys:
        if not key.startswith("("):
            yield _PORT.sub("", _SCHEME.sub("", key)) or "."
