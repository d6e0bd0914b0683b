"""Files of /etc that bring the network's settings back at boot.

Links, addresses and routes are brought back by kcompile-restore.service, not by networkd's files:
none of it twice. But where networkd runs, it must leave them alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kcompile.apply.difference import Difference
from kcompile.apply.failures import NodeError
from kcompile.apply.host import Host
from kcompile.apply.network.changes import PART, Conflict
from kcompile.apply.network.originals import Originals
from kcompile.apply.network.wanted import Wanted
from kcompile.apply.state import write_file

SYSCTL = "/etc/sysctl.d/90-kcompile.conf"
MODULES = "/etc/modules-load.d/kcompile.conf"
NETWORKD = "/etc/systemd/networkd.conf.d/kcompile.conf"

# When it starts, and it starts anew with every update of systemd, networkd removes routes that it
# did not set from the interfaces that it manages.
_NETWORKD_TEXT = """\
# networkd drop-in, written by kcompile: routes to other nodes' pods are not networkd's to remove.
[Network]
ManageForeignRoutes=no
"""
_MARK = "written by kcompile"


class FileChange(NamedTuple):
    """`text` is None for a file that goes."""

    difference: Difference
    path: str
    text: str | None


def files(host: Host, wanted: Wanted) -> dict[str, str]:
    """What is to be in which file."""
    texts = {SYSCTL: wanted.sysctl_text, MODULES: wanted.modules_text}
    if wanted.routes and has_networkd(host):
        texts[NETWORKD] = _NETWORKD_TEXT
    return {path: text for path, text in texts.items() if text}


def has_networkd(host: Host) -> bool:
    """Whether it runs here, or does at boot."""
    enabled = "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
    running = host.live and host.path("/run/systemd/netif/state").exists()
    return running or host.path(enabled).is_symlink()


def changes(
    host: Host, before: Wanted, after: Wanted, originals: Originals
) -> Iterator[FileChange | Conflict]:
    """Files to write or to take away; an operator's own file of that name is not touched."""
    old = {
        SYSCTL: before.sysctl_text,
        MODULES: before.modules_text,
        NETWORKD: _NETWORKD_TEXT if before.routes else "",
    }
    new = files(host, after)
    for path, known in old.items():
        have, want = read(host, path), new.get(path)
        if want is None:
            first = originals.files.get(path)
            gone = path != NETWORKD or not after.routes
            if known and gone and have != first and _is_ours(have, known):
                yield FileChange(Difference(PART, "remove", path), path, first)
        elif have is None:
            yield FileChange(Difference(PART, "add", path), path, want)
        elif have != want and _is_ours(have, known):
            detail = "has changed" if have == known else "is not as kcompile left it"
            yield FileChange(Difference(PART, "change", path, detail), path, want)
        elif have != want:
            detail = "is there, and not kcompile's: rename it, or take its lines over"
            yield Conflict(Difference(PART, "change", path, detail), known != want)


def read(host: Host, path: str) -> str | None:
    """A file's text; "" for what is not a file of ours in any case, such as a link to /dev/null,
    by which an operator turns a file off."""
    place = host.path(path)
    if place.is_symlink() or (place.exists() and not place.is_file()):
        return ""
    try:
        return place.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NodeError(f"{path} cannot be read: {error.strerror}") from error


def put(host: Host, path: str, text: str | None) -> None:
    try:
        if text is None:
            host.path(path).unlink(missing_ok=True)
        else:
            write_file(host.path(path), text)
    except OSError as error:
        raise NodeError(f"{path} cannot be written: {error.strerror}") from error


def _is_ours(have: str | None, known: str) -> bool:
    return bool(have) and (have == known or _MARK in str(have).split("\n", 1)[0])
