"""A pod's dnsConfig, by the rules of validatePodDNSConfig."""

from collections.abc import Mapping, Sequence
from typing import Any

from kcompile.model import DnsConfig
from kcompile.problems import Code
from kcompile.source import Path
from kcompile.validate.addresses import read_ip
from kcompile.validate.names import DNS_SEARCH
from kcompile.validate.review import Review

NO_DNS = DnsConfig()
_NAMESERVERS, _SEARCHES, _SEARCH_CHARACTERS = 3, 32, 2048
"""What the API server lets a dnsConfig hold."""


def read_dns_config(
    config: Mapping[str, Any], policy: str, review: Review, path: Path
) -> DnsConfig:
    nameservers: Sequence[str] = config.get("nameservers") or ()
    if policy == "None" and not nameservers:
        why = "dnsPolicy None needs at least one name server"
        review.required((*path, "nameservers"), why)
    if not config:
        return NO_DNS
    if len(nameservers) > _NAMESERVERS:
        review.invalid((*path, "nameservers"), nameservers, f"must hold at most {_NAMESERVERS}")
    for index, text in enumerate(nameservers):
        read_ip(text or "", review, (*path, "nameservers", index))
    options = tuple(
        _read_dns_option(option, review, (*path, "options", index))
        for index, option in enumerate(config.get("options") or ())
    )
    return DnsConfig(tuple(nameservers), _read_searches(config, review, path), options)


def _read_searches(config: Mapping[str, Any], review: Review, path: Path) -> tuple[str, ...]:
    searches: tuple[str, ...] = tuple(text or "" for text in config.get("searches") or ())
    path = (*path, "searches")
    if len(searches) > _SEARCHES or len(" ".join(searches)) > _SEARCH_CHARACTERS:
        allowed = f"must hold at most {_SEARCHES} domains, {_SEARCH_CHARACTERS} characters in all"
        review.invalid(path, searches, allowed)
    for index, text in enumerate(searches):
        review.name((*path, index), text, DNS_SEARCH)
    return searches


def _read_dns_option(option: Mapping[str, Any], review: Review, path: Path) -> tuple[str, str]:
    name, text = option.get("name") or "", option.get("value") or ""
    if not name:
        review.required((*path, "name"))
    for key, word in (("name", name), ("value", text)):
        # Kubernetes takes any text; what would break the lines of a resolv.conf stops here.
        if not (word.isascii() and word.isprintable()) or " " in word:
            message = f"a resolver option's {key} must be printable ASCII without spaces"
            review.error(Code.NOT_SUPPORTED, (*path, key), message)
    return name, text
