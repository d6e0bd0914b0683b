"""kube-system's ConfigMaps kube-dns and coredns: whom the cluster's DNS asks for names of others.

What cannot be read is left out with a warning, never an error: neither kube-dns nor CoreDNS lets a
cluster without DNS for it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kcompile.address import parse_ip
from kcompile.model import DnsConfigMap
from kcompile.problems import Code, printable
from kcompile.settings import Forwarding, NameServer
from kcompile.source import Path
from kcompile.validate.corefile import Forward, forwards
from kcompile.validate.metadata import check_metadata
from kcompile.validate.review import Review

_NAMES = ("kube-dns", "coredns")
_LABEL = r"[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_PORT = re.compile(r"[0-9]{1,5}")
_MAX_NAME = 253

Stubs = dict[str, tuple[NameServer, ...]]


def is_dns_config_map(api_version: str, kind: str, value: Mapping[str, Any]) -> bool:
    metadata = value.get("metadata")
    return (
        (api_version, kind) == ("v1", "ConfigMap")
        and isinstance(metadata, dict)
        and metadata.get("namespace") == "kube-system"
        and metadata.get("name") in _NAMES
    )


def read_dns_config_map(value: Mapping[str, Any], review: Review) -> DnsConfigMap:
    check_metadata(value, review, may_be_generated=False)
    name = value["metadata"]["name"]
    data = value.get("data")
    entries = data if isinstance(data, dict) else {}
    reader = _Reader(review)
    if name == "kube-dns":
        reader.read_json(entries)
    else:
        reader.read_corefile(entries.get("Corefile"))
    return DnsConfigMap(name, Forwarding(reader.upstreams, tuple(sorted(reader.stubs.items()))))


class _Reader:
    def __init__(self, review: Review) -> None:
        self.review = review
        self.upstreams: tuple[NameServer, ...] = ()
        self.stubs: Stubs = {}

    def read_json(self, data: Mapping[str, Any]) -> None:
        """kube-dns' form: a mapping of domains to addresses, and a list of addresses, as JSON."""
        stubs = self._parsed(data, "stubDomains", {})
        if isinstance(stubs, dict):
            for domain, servers in stubs.items():
                self._add(domain, servers, ("data", "stubDomains"))
        else:
            self._leave_out(("data", "stubDomains"), stubs, "it is not a JSON object")
        upstreams = self._parsed(data, "upstreamNameservers", [])
        if upstreams:
            self._add(".", upstreams, ("data", "upstreamNameservers"))

    def read_corefile(self, text: object) -> None:
        path: Path = ("data", "Corefile")
        if text is None:
            return
        if not isinstance(text, str):
            self._leave_out(path, text, "it is no text")
            return
        for forward in forwards(text):
            self._add_forward(forward, path)

    def _add_forward(self, forward: Forward, path: Path) -> None:
        # A path, such as /etc/resolv.conf, names the node's own servers, which are not known here.
        stated = [server for server in forward.servers if not server.startswith("/")]
        if stated or forward.domain != ".":
            self._add(forward.domain, [each.removeprefix("dns://") for each in stated], path)

    def _parsed(self, data: Mapping[str, Any], key: str, default: object) -> object:
        text = data.get(key)
        if text is None or text == "":
            return default
        try:
            return json.loads(text)
        except (TypeError, ValueError, RecursionError):
            self._leave_out(("data", key), text, "it is not JSON")
            return default

    def _add(self, domain: str, servers: object, path: Path) -> None:
        """A domain with its servers; those of "." are the upstreams."""
        name = domain.lower().removesuffix(".")
        if name and (len(name) > _MAX_NAME or not _DOMAIN.fullmatch(name)):
            self._leave_out(path, domain, "it is not a domain")
            return
        if not isinstance(servers, list):
            self._leave_out(path, servers, "it is not a list of addresses")
            return
        found = tuple(dict.fromkeys(self._servers(servers, path)))
        if not found:
            message = "no server of it can be asked by its address"
            self._leave_out(path, domain, message)
        elif name:
            self.stubs[name] = found
        else:
            self.upstreams = found

    def _servers(self, texts: Sequence[object], path: Path) -> Iterator[NameServer]:
        for text in texts:
            server = _read_server(text) if isinstance(text, str) else None
            if server is None:
                self._leave_out(path, text, "it is not ADDRESS or ADDRESS:PORT")
            else:
                yield server

    def _leave_out(self, path: Path, what: object, why: str) -> None:
        message = f"{'.'.join(map(str, path))}: {printable(what)} is left out: {why}"
        self.review.error(Code.IGNORED_FIELD, path, message)


def _read_server(text: str) -> NameServer | None:
    """ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT; None if it is something else."""
    address, _, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "53")
    if text.startswith("["):
        address, _, port = text[1:].partition("]:")
    try:
        family, value = parse_ip(address)
    except ValueError:
        return None
    if not value or not _PORT.fullmatch(port) or not 1 <= int(port) <= 65535:
        return None
    return NameServer(family, value, int(port))
