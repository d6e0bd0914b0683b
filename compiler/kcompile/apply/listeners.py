"""The `listeners` part: a daemon that holds the node ports and answers health checks.

Rules first, sockets second: `release` lets go of what is not wanted before the rules change,
`converge` opens the rest after that. Else clients that come in between are refused by a listener
in place of being led to a pod.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import stat
from collections.abc import Iterator, Mapping
from typing import Any

from kcompile import __version__
from kcompile.apply import units
from kcompile.apply.difference import Difference
from kcompile.apply.failures import NodeError
from kcompile.apply.host import Host
from kcompile.apply.listen_file import Place, Use, parse_listeners
from kcompile.apply.listen_pid import Running
from kcompile.apply.listen_sockets import port_name
from kcompile.apply.listen_start import FILE, LOG, PID_FILE, UNIT, alive, reload, start, stop
from kcompile.apply.listen_table import inodes, listening, owners, where_to_look
from kcompile.apply.slices import Slice, own_digest
from kcompile.apply.state import state_path, write_file

_NAME = "listeners.json"
_UNIT = f"systemd/{UNIT}"


def differences(host: Host, before: Slice | None, after: Slice | None) -> tuple[Difference, ...]:
    """Ports that are not held, or by another, or for nothing; a daemon that is dead or behind."""
    del before  # the daemon's file and the kernel say what is there
    text, wanted = _wanted(after)
    installed = _installed(host)
    found = list(_of_file(installed, text if wanted else "", wanted))
    if host.live:
        daemon = alive(host)
        if daemon or wanted:
            behind = not found and daemon is not None and daemon.holds != _digest(text)
            found += _of_daemon(daemon, wanted, behind=behind)
            found += _of_ports(daemon, wanted)
    return tuple(found)


def release(host: Host, before: Slice | None, after: Slice | None) -> None:
    """Close the sockets of ports that `after` does not want."""
    del before  # the daemon's file says what it holds, after a crash, too
    installed = _installed(host)
    kept = _reduced(installed, {*_wanted(after)[1]})
    if kept == installed:
        return
    _write(host, kept)
    if host.live and alive(host):
        reload(host, _digest(kept))


def converge(host: Host, before: Slice | None, after: Slice | None) -> None:
    """Hold what `after` wants; run no daemon if that is nothing. Raises NodeError for a port that
    another program has."""
    text, wanted = _wanted(after)
    if not wanted:
        _stop_all(host, forget=after is None)
        return
    _write(host, text)
    if not host.live:
        return
    if units.systemd_runs(host):
        # Its unit comes before it, whichever order the parts have.
        units.extend(host, before, after)
        _let_it_read(host)
        same_unit = before is None or own_digest(before, _UNIT) == own_digest(after, _UNIT)
    else:
        same_unit = True
    daemon = _brought_up(host, _digest(text), same_unit=same_unit)
    left = [
        *_of_daemon(daemon, wanted, behind=daemon.holds != _digest(text)),
        *_of_ports(daemon, wanted),
    ]
    if left:
        said = "; ".join(f"{each.what} {each.detail}" for each in left[:5])
        raise NodeError(f"the listeners are not as they should be: {said}")


def _brought_up(host: Host, digest: str, *, same_unit: bool) -> Running:
    daemon = alive(host)
    if daemon and (daemon.version != __version__ or not same_unit):
        stop(host)
        daemon = None
    if daemon is None:
        return start(host, digest)
    if daemon.holds != digest or daemon.problems:
        return reload(host, digest)
    return daemon


def _let_it_read(host: Host) -> None:
    """The daemon is no user in particular (DynamicUser=); nothing there is secret."""
    folder = state_path(host)
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o055 != 0o055:
        folder.chmod(mode | 0o055)


def _stop_all(host: Host, *, forget: bool) -> None:
    file = host.path(FILE)
    if host.live and (alive(host) or (file.exists() and units.systemd_runs(host))):
        stop(host)
    file.unlink(missing_ok=True)
    if not forget:
        return
    # What a daemon that was killed left behind.
    host.path(PID_FILE).unlink(missing_ok=True)
    host.path(LOG).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        host.path(PID_FILE).parent.rmdir()


def _of_file(installed: str, text: str, wanted: Mapping[Place, Use]) -> Iterator[Difference]:
    if installed == text:
        return
    if not text:
        yield Difference("listeners", "remove", FILE, "there is nothing to hold")
    elif installed:
        yield Difference("listeners", "change", FILE, "is not what is wanted")
    else:
        yield Difference("listeners", "add", FILE, "is not there")
    for place, old in sorted(_places(installed).items()):
        new = wanted.get(place)
        if new and new != old:
            detail = f"is for {_purpose(old)}, should be for {_purpose(new)}"
            yield Difference("listeners", "change", port_name(place), detail)


def _purpose(use: Use) -> str:
    if use.local_endpoints is None:
        return use.service
    return f"{use.service} (local endpoints: {use.local_endpoints})"


def _of_daemon(
    daemon: Running | None, wanted: Mapping[Place, Use], *, behind: bool
) -> Iterator[Difference]:
    if daemon is None:
        yield Difference("listeners", "add", "kcompile listen", "does not run")
    elif not wanted:
        yield Difference("listeners", "remove", "kcompile listen", "runs with nothing to hold")
    elif daemon.version != __version__:
        detail = f"is of {daemon.version!a}, this is {__version__}"
        yield Difference("listeners", "change", "kcompile listen", detail)
    elif behind:
        yield Difference("listeners", "change", "kcompile listen", "has not read its file")


def _of_ports(daemon: Running | None, wanted: Mapping[Place, Use]) -> Iterator[Difference]:
    """TCP ports by what the kernel says."""
    table = listening()
    own = inodes(daemon.pid) if daemon else frozenset()
    by_port: dict[int, set[int]] = {}
    for where, sockets in table.items():
        by_port.setdefault(where.port, set()).update(sockets - own)
    looked_at = {where_to_look(place): place for place in sorted(wanted) if place.protocol == "TCP"}
    missing = [
        place for where, place in looked_at.items() if not table.get(where, frozenset()) & own
    ]
    others = owners({inode for place in missing for inode in by_port.get(place.port, ())})
    for place in missing:
        yield _missing(place, [others.get(inode, "") for inode in by_port.get(place.port, ())])
    for where in sorted(where for where, sockets in table.items() if sockets & own):
        if where not in looked_at:
            name = port_name(Place("TCP", where.family, where.stated_address(), where.port))
            yield Difference("listeners", "remove", name, "is held for nothing")


def _missing(place: Place, others: list[str]) -> Difference:
    if others:
        detail = f"is held by {max(others) or 'another program'}"
        return Difference("listeners", "change", port_name(place), detail)
    return Difference("listeners", "add", port_name(place), "is not held")


def _wanted(slice_: Slice | None) -> tuple[str, Mapping[Place, Use]]:
    text = slice_.own(_NAME) if slice_ else ""
    return text, parse_listeners(text, f"the slice's {_NAME}") if text else {}


def _installed(host: Host) -> str:
    """What the daemon reads; "" if there is nothing."""
    try:
        return host.path(FILE).read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _places(text: str) -> Mapping[Place, Use]:
    """Those of the daemon's file; none if somebody has broken it."""
    try:
        return parse_listeners(text, FILE) if text else {}
    except NodeError:
        return {}


def _reduced(text: str, wanted: set[Place]) -> str:
    """The daemon's file without what is not wanted; itself if all of it is."""
    if {*_places(text)} <= wanted:
        return text
    value = json.loads(text)
    for key in ("listeners", "healthChecks"):
        value[key] = [each for each in value[key] if _alone(value, key, each) <= wanted]
    return json.dumps(value) + "\n"


def _alone(value: Mapping[str, Any], key: str, entry: Mapping[str, Any]) -> set[Place]:
    """The places of one entry of a file."""
    alone = {**value, "listeners": [], "healthChecks": [], key: [entry]}
    return {*parse_listeners(json.dumps(alone), FILE)}


def _write(host: Host, text: str) -> None:
    if _installed(host) != text:
        write_file(host.path(FILE), text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
