"""The files of ours in a server's directory: what they should be, what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kcompile.apply.dns import snippets
from kcompile.apply.dns.hooks import has_hook
from kcompile.apply.dns.places import Place, seen
from kcompile.apply.dns.servers import BIND, SNIPPET
from kcompile.apply.host import Host
from kcompile.apply.slices import Slice


@dataclass(frozen=True)
class Wanted:
    """`zones` has the digest of each zone's file."""

    zones: Mapping[str, str]
    snippet: str

    def digest(self) -> str:
        """Tells all of it from anything else."""
        text = "".join(f"{zone} {digest}\n" for zone, digest in sorted(self.zones.items()))
        return _digest((text + self.snippet).encode())


@dataclass(frozen=True)
class Work:
    """What is not there as it should be, and what is there and should not."""

    zones: tuple[str, ...]
    snippet: bool
    hook: bool
    stale: tuple[str, ...]

    def any(self) -> bool:
        return bool(self.zones or self.snippet or self.hook or self.stale)


def wanted(host: Host, place: Place, slice_: Slice) -> Wanted:
    zones = {zone: slice_.files[snippets.ZONES + zone] for zone in snippets.zones(slice_)}
    return Wanted(zones, _snippet(host, place, slice_, seen(host, place.folder)))


def trial_snippet(host: Host, place: Place, slice_: Slice) -> str:
    """The same for a checker, which finds the zones in the slice."""
    return _snippet(host, place, slice_, str(slice_.folder / "dns"))


def compare(host: Host, place: Place, before: Slice | None, want: Wanted) -> Work:
    return Work(
        tuple(
            zone
            for zone, digest in want.zones.items()
            if file_digest(zone_file(place, zone)) != digest
        ),
        snippet=file_digest(place.folder / SNIPPET) != _digest(want.snippet.encode()),
        hook=not has_hook(host, place),
        stale=tuple(
            zone
            for zone in (snippets.zones(before) if before else ())
            if zone not in want.zones and zone_file(place, zone).exists()
        ),
    )


def zone_file(place: Place, zone: str) -> Path:
    return place.folder / f"db.{zone}"


def file_digest(path: Path) -> str:
    """The SHA-256 of a file; "" if there is none."""
    try:
        return _digest(path.read_bytes())
    except FileNotFoundError:
        return ""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _snippet(host: Host, place: Place, slice_: Slice, folder: str) -> str:
    counts = place.server is not BIND or _counts_records(host, slice_)
    return snippets.snippet(place.server, slice_, folder, counts_records=counts)


def _counts_records(host: Host, slice_: Slice) -> bool:
    """Whether this BIND knows max-records-per-type: those before 9.18.28 neither know nor need
    it."""
    if not snippets.largest_set(slice_) or not host.live:
        return True
    trial = "options { max-records-per-type 0; };\n"
    return host.ask(["named-checkconf", "/dev/stdin"], trial).status == 0
