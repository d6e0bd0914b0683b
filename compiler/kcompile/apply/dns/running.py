"""A server that runs: have it read its files, and see what it serves."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from kcompile.apply.dns import query
from kcompile.apply.dns.places import Place, find_pid
from kcompile.apply.dns.snippets import ZONES, node_addresses, serial, zones
from kcompile.apply.failures import CommandError, NodeError
from kcompile.apply.host import Host
from kcompile.apply.slices import Slice

PATIENCE = 5.0  # seconds until what was reloaded must be served
_PACE = 2_000_000  # bytes of zones that the slowest of servers and machines reads in a second
_PAUSE = 0.05  # seconds


@dataclass(frozen=True)
class News:
    """What a server has not read yet: files of zones, and whether its configuration."""

    zones: tuple[str, ...]
    configuration: bool


def reload(host: Host, place: Place, unread: News) -> str:
    """Have the server read what it has not read; what its control program complained about.
    Its control program may have no key or no channel: then a signal does it, if the server has
    one."""
    server = place.server
    commands = server.reload if unread.configuration or not server.zone_reload else ()
    try:
        for command in commands:
            _control(host, place, command)
        for zone in unread.zones:
            for command in server.zone_reload:
                _control(host, place, command, zone)
    except CommandError as error:
        if not server.signal:
            raise
        _send_signal(host, place)
        return str(error)
    if not server.reload:
        _send_signal(host, place)
    return ""


def _control(host: Host, place: Place, command: tuple[str, ...], zone: str = "") -> None:
    words = {"CONFIGURATION": str(place.main), "ZONE": zone}
    host.run([words.get(word, word) for word in command])


def start(host: Host, place: Place) -> bool:
    """Start a server that systemd is to run; whether it was."""
    if not host.path("/run/systemd/system").is_dir():
        return False
    for unit in place.server.units:
        if host.ask(["systemctl", "is-enabled", "--quiet", unit]).status == 0:
            host.run(["systemctl", "start", unit])
            return True
    return False


def unheard(place: Place, slice_: Slice) -> tuple[str, ...]:
    """Addresses of the node's own at which its pods ask, and the server does not listen."""
    return tuple(
        address
        for address in node_addresses(slice_)
        if query.is_local(address)
        and not query.is_listening(address, wildcard=place.server.wildcard)
    )


def wrong(slice_: Slice, without: tuple[str, ...]) -> dict[str, str]:
    """Zones that are not served as they are in the slice, with what is said of them instead:
    where pods ask, or where anything listens if nothing does there (`without`)."""
    there = [address for address in node_addresses(slice_) if query.is_local(address)]
    asked = [address for address in there if address not in without]
    if asked:
        return {
            zone: said for address in asked for zone, said in _wrong_at(address, slice_).items()
        }
    first: dict[str, str] | None = None
    for address in query.listening():
        found = _wrong_at(address, slice_)
        if not found:
            return {}
        first = found if first is None else first
    if first is None:
        return dict.fromkeys(
            zones(slice_), f"no server listens at port {query.PORT} of any address"
        )
    return first


def verify(place: Place, slice_: Slice, complaint: str) -> None:
    """Raises NodeError unless the server soon serves all zones as they are in the slice."""
    sizes = (Path(slice_.folder, ZONES + zone).stat().st_size for zone in zones(slice_))
    end = time.monotonic() + PATIENCE + sum(sizes) / _PACE
    while True:
        found = wrong(slice_, unheard(place, slice_))
        if not found:
            return
        if time.monotonic() > end:
            zone, said = min(found.items())
            more = f", and {len(found) - 1} more zones" if len(found) > 1 else ""
            why = f" ({complaint})" if complaint else ""
            raise NodeError(f"{place.server.title} does not serve {zone}: {said}{more}{why}")
        time.sleep(_PAUSE)


def _wrong_at(address: str, slice_: Slice) -> dict[str, str]:
    found = {}
    for zone in zones(slice_):
        expected = serial(slice_, zone)
        for protocol, said in zip(("UDP", "TCP"), query.serials(address, zone)):
            if said != expected:
                found[zone] = (
                    f"serial {expected} is in the file, {said} at {address} over {protocol}"
                )
                break
        if found and "no answer" in found.get(zone, ""):
            break  # it would be the same for all of them, a second each
    return found


def _send_signal(host: Host, place: Place) -> None:
    pid = find_pid(host, place)
    if pid is not None:
        os.kill(pid, signal.Signals[place.server.signal])
