"""Which name server a machine has, where its files are, and whether it runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kcompile.apply.dns.servers import SERVERS, Server
from kcompile.apply.failures import RefusedError
from kcompile.apply.host import Host
from kcompile.apply.state import damaged, read_state

ORIGINALS = "originals/dns.json"
NONE = "none"
_PATHS = ("main", "hook", "folder")


@dataclass(frozen=True)
class Place:
    """A server and the files of it that matter, as paths of this process: `main` is its
    configuration, `hook` the file that has the line which includes ours (`main`, or a file of its
    own where the server takes more files from a folder), `folder` ours."""

    server: Server
    main: Path
    hook: Path
    folder: Path


def recorded(host: Host) -> str | Place | None:
    """Where kcompile is installed; "none" if the operator said so, None if nowhere."""
    state = read_state(host, ORIGINALS)
    name = state.get("server")
    if name is None or name == NONE:
        return name
    server = next((server for server in SERVERS if server.name == name), None)
    if server is None or not all(isinstance(state.get(key), str) for key in _PATHS):
        raise damaged(host, ORIGINALS)
    main, hook, folder = (host.path(state[key]) for key in _PATHS)
    return Place(server, main, hook, folder)


def recorded_choice(host: Host) -> str:
    """The choice of --dns that is in force: rolling back another one needs it."""
    known = recorded(host)
    return known.server.name if isinstance(known, Place) else known or "auto"


def record(host: Host, place: Place) -> dict[str, str]:
    """What `recorded` reads."""
    files = {"main": place.main, "hook": place.hook, "folder": place.folder}
    return {
        "server": place.server.name,
        **{key: "/" + str(path.relative_to(host.root)) for key, path in files.items()},
    }


def choose(host: Host, choice: str) -> Place | None:
    """The place for a choice of --dns; None if there is no server. Raises RefusedError."""
    known = recorded(host)
    if choice == NONE or (choice == "auto" and known == NONE):
        return None
    if isinstance(known, Place) and choice in {"auto", known.server.name}:
        if not known.main.is_file():
            raise RefusedError(
                f"{known.server.title}, which was given the cluster's zones, is no longer "
                f"installed: there is no {known.main}; choose another server with --dns, or none"
            )
        return known
    if choice == "auto":
        return _detect(host)
    server = next((server for server in SERVERS if server.name == choice), None)
    if server is None:
        raise RefusedError(
            f"--dns {choice}: no such name server is known (auto, "
            f"{', '.join(server.name for server in SERVERS)}, none)"
        )
    place = _running(host, server) or _installed(host, server)
    if place is None:
        files = " or ".join(main for main, _ in server.mains)
        raise RefusedError(f"{server.title} is not installed here: there is no {files}")
    return place


def find_pid(host: Host, place: Place) -> int | None:
    """The process that runs with that configuration."""
    return next((pid for pid, main in _processes(host, place.server) if main == place.main), None)


def seen(host: Host, path: Path) -> str:
    """A path as the server will see it: an image's files lie elsewhere once it is booted."""
    return str(path) if host.live else "/" + str(path.relative_to(host.root))


def _detect(host: Host) -> Place | None:
    running = [place for server in SERVERS if (place := _running(host, server))]
    found = running or [place for server in SERVERS if (place := _installed(host, server))]
    if len(found) > 1:
        names = ", ".join(place.server.name for place in found)
        raise RefusedError(
            f"several name servers {'run' if running else 'are installed'} here ({names}): "
            "choose one of them with --dns, or --dns none"
        )
    return found[0] if found else None


def _running(host: Host, server: Server) -> Place | None:
    mains = sorted({main for _, main in _processes(host, server) if main.is_file()})
    usual = _usual(host, server)
    if usual is not None and usual in mains:
        return _place(host, server, usual)
    if len(mains) > 1:
        raise RefusedError(
            f"{server.title} runs more than once here ({', '.join(map(str, mains))}): choose "
            "another server with --dns, or --dns none and include the zones yourself"
        )
    return _place(host, server, mains[0]) if mains else None


def _installed(host: Host, server: Server) -> Place | None:
    main = _usual(host, server)
    # A package that was removed leaves its configuration.
    if main is None or (host.live and not host.has(server.program)):
        return None
    return _place(host, server, main)


def _usual(host: Host, server: Server) -> Path | None:
    paths = (host.path(main) for main, _ in server.mains)
    return next((path for path in paths if path.is_file()), None)


def _place(host: Host, server: Server, main: Path) -> Place:
    folders = {host.path(path): host.path(folder) for path, folder in server.mains}
    return Place(server, main, _hook(server, main), folders.get(main, main.parent / "kcompile"))


def _hook(server: Server, main: Path) -> Path:
    text = main.read_text("utf-8", "replace")
    drop_ins = server.drop_ins
    if drop_ins and any(drop_ins in line for line in text.splitlines() if _says_include(line)):
        return main.parent / drop_ins.replace("*", "kcompile")
    return main


def _says_include(line: str) -> bool:
    return line.strip().startswith("include")


def _processes(host: Host, server: Server) -> list[tuple[int, Path]]:
    """The server's processes in this network namespace (pods have their own), and with which
    configuration. Of several that belong together, the first."""
    if not host.live:
        return []
    here = _link("/proc/thread-self/ns/net")
    found: dict[int, Path] = {}
    for entry in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        if Path(_link(f"{entry}/exe").split(" ")[0]).name != server.program:
            continue
        if _link(f"{entry}/ns/net") != here or _parent(entry) in found or not _is_ours(entry):
            continue
        main = _configuration(host, server, entry)
        if main is not None:
            found[int(entry.name)] = main
    return list(found.items())


def _configuration(host: Host, server: Server, process: Path) -> Path | None:
    try:
        words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:  # it ended just now
        return None
    if server.option not in words[1:-1]:
        return _usual(host, server)
    path = Path(words[words.index(server.option) + 1])
    # A relative one is somebody's own instance, and so is one outside of the root.
    inside = path.is_absolute() and host.root in path.parents
    return path if inside else None


def _is_ours(process: Path) -> bool:
    """Whether it sees this machine's files: containers in the host's network have others."""
    try:
        return Path(process, "root").samefile("/")
    except OSError:  # it ended just now
        return False


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text("utf-8", "replace").rsplit(")", 1)[1].split()[1])
    except OSError:  # it ended just now
        return 0


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - "net:[4026531840]" is no path
    except OSError:  # it ended just now
        return ""
