"""What Kubernetes lets names and labels be: whole-string ASCII patterns, never normalised."""

import re
from dataclasses import dataclass

_SUBDOMAIN = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*"
_QUALIFIED = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_SEARCH_PART = r"[a-z0-9_](?:[-a-z0-9_]*[a-z0-9_])?"


@dataclass(frozen=True, slots=True)
class NameRule:
    """A whole-string pattern, the longest text that it is tried on, and in words what it allows."""

    pattern: re.Pattern[str]
    longest: int
    allowed: str

    def accepts(self, text: str) -> bool:
        return len(text) <= self.longest and self.pattern.fullmatch(text) is not None


DNS_LABEL = NameRule(
    re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"),
    63,
    "must be 1 to 63 lower-case letters, digits or '-', with a letter or digit at both ends",
)
DNS_1035_LABEL = NameRule(
    re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?"),
    63,
    "must be 1 to 63 lower-case letters, digits or '-', with a letter first and a letter or digit"
    " last",
)
DNS_SUBDOMAIN = NameRule(
    re.compile(_SUBDOMAIN),
    253,
    "must be 1 to 253 lower-case letters, digits, '-' or '.', with a letter or digit at both ends"
    " of each part between dots",
)
# Kubernetes 1.33 lets underscores and a lone dot into search domains (KEP-4427).
DNS_SEARCH = NameRule(
    re.compile(rf"\.|{_SEARCH_PART}(?:\.{_SEARCH_PART})*\.?"),
    254,
    "must be a domain of lower-case letters, digits, '-', '_' and '.'",
)
QUALIFIED_NAME = NameRule(
    re.compile(rf"(?:(?=[^/]{{1,253}}/){_SUBDOMAIN}/)?{_QUALIFIED}"),
    253 + 1 + 63,
    "must be 1 to 63 letters, digits, '-', '_' or '.', with a letter or digit at both ends,"
    " optionally after a DNS subdomain and '/'",
)
LABEL_VALUE = NameRule(
    re.compile(rf"(?:{_QUALIFIED})?"),
    63,
    "must be empty or up to 63 letters, digits, '-', '_' or '.', with a letter or digit at both"
    " ends",
)
# An IANA service name (RFC 6335, section 5.1) in lower case.
PORT_NAME = NameRule(
    re.compile(r"(?=[-0-9]*[a-z])[a-z0-9](?:-?[a-z0-9]){0,14}"),
    15,
    "must be 1 to 15 lower-case letters, digits or single '-', with at least one letter and a"
    " letter or digit at both ends",
)

_VARIABLE = re.compile(r"\$\{|\$\(|\$[A-Za-z_]|\{\{|<[^<>]+>|%[A-Z_]+%|__[A-Z_]+__|\[\[")


def variable_hint(text: str) -> str:
    """Advice for a text that holds a variable that nobody replaced, or ""."""
    if _VARIABLE.search(text):
        return "looks like an unexpanded variable or template: fill it in first"
    return ""
