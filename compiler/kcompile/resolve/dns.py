"""What the flags say about DNS."""

import re
from collections.abc import Iterator

from kcompile.address import Cidr, parse_cidr
from kcompile.problems import Code, Finding, printable
from kcompile.resolve.flags import Flags
from kcompile.settings import DnsSettings

_TTL = 30  # seconds; kubeadm's
_LONGEST_TTL = 3600  # seconds; that of CoreDNS's kubernetes plugin
_MAX_ZONE = 200  # characters: room for the names of Services within RFC 1035's 255 octets
_NUMBER = re.compile(r"[0-9]{1,4}")
_ZONE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")


def resolve_dns(flags: Flags, domain: str) -> tuple[DnsSettings, tuple[Finding, ...]]:
    """The settings for zones, and what is wrong with them (then they are not to be used)."""
    reader = _Reader(flags, domain)
    settings = DnsSettings(
        ttl=reader.ttl(),
        pod_records=flags.dns_pods == "verified",
        endpoint_pod_names=flags.dns_endpoint_pod_names,
        ptr=flags.dns_ptr,
        zonal=flags.dns_zonal,
        ignore_empty=flags.dns_ignore_empty_services,
        external_zone=reader.external_zone(),
        reverse_ranges=tuple(sorted(set(reader.reverse_ranges()))),
    )
    return settings, tuple(reader.findings)


class _Reader:
    def __init__(self, flags: Flags, domain: str) -> None:
        self.flags = flags
        self.domain = domain
        self.findings: list[Finding] = []

    def ttl(self) -> int:
        text = self.flags.dns_ttl
        if text is None:
            return _TTL
        if _NUMBER.fullmatch(text) and int(text) <= _LONGEST_TTL:
            return int(text)
        self._wrong("--dns-ttl", text, f"seconds from 0 to {_LONGEST_TTL} are allowed")
        return _TTL

    def external_zone(self) -> str:
        text = self.flags.dns_external_zone
        if text is None:
            return ""
        zone = text.lower().removesuffix(".")
        if len(zone) > _MAX_ZONE or not _ZONE.fullmatch(zone):
            self._wrong(
                "--dns-external-zone", text, f"a DNS name of at most {_MAX_ZONE} characters"
            )
        elif _is_below(zone, self.domain) or _is_below(self.domain, zone):
            allowed = f"a zone apart from the cluster's, {printable(self.domain)}, is allowed"
            self._wrong("--dns-external-zone", text, allowed)
        elif _is_below(zone, "arpa"):
            self._wrong("--dns-external-zone", text, "arpa is for the names of addresses")
        return zone

    def reverse_ranges(self) -> Iterator[Cidr]:
        for text in self.flags.dns_reverse_zones:
            for part in text.split(","):
                try:
                    yield parse_cidr(part.strip(" "))
                except ValueError:
                    self._wrong("--dns-reverse-zone", part, "CIDR[,CIDR] is allowed")

    def _wrong(self, label: str, text: str, allowed: str) -> None:
        message = f"{printable(text)}: {allowed}"
        self.findings.append(Finding(Code.SETTING_INVALID, None, (), message, label=label))


def _is_below(name: str, above: str) -> bool:
    return name == above or name.endswith(f".{above}")
