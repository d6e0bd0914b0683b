"""Nodes with files and processes of their own, so that a program can be installed on them as on a
machine: /etc, /run and /var are each node's, and so are the numbers of processes."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from lab.describe import PROGRAMS, Flavour
from lab.kernel import inside, mount_bind, mount_tmpfs, new_machine

PLACE = Path("/run/hosts")
# What programs need of the machine's /etc; everything else is not there, as on a fresh machine.
ETC = (
    *("passwd", "group", "nsswitch.conf", "hosts", "host.conf", "services", "protocols"),
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "alternatives", "iproute2"),
    *("bind", "nsd", "knot", "unbound", "ssl"),
)
# By their owners, as their packages make them.
VAR = {
    "lib/bind": "bind",
    "cache/bind": "bind",
    "lib/nsd": "nsd",
    "lib/knot": "knot",
    "lib/unbound": "unbound",
    "log": "root",
    "tmp": "root",
}
SERVERS_RUN = {"named": "bind", "nsd": "nsd", "knot": "knot"}


class Hosts:
    """Machines by node, made when first asked for."""

    def __init__(self, flavour: Flavour) -> None:
        self.flavour = flavour
        self.machines: dict[str, int] = {}

    def answer(self, name: str, netns: int, request: dict[str, Any]) -> object:
        match request:
            case {"run": list(argv), "stdin": stdin, "timeout": timeout, "env": env}:
                with inside(netns):
                    return _run(self._there(name, argv), stdin, timeout, env)
            case {"start": list(argv), "log": log}:
                with inside(netns):
                    return _start(self._there(name, argv), log)
            case {"reboot": True}:
                return self._stop(name)
        raise ValueError(f"not a request: {request}")

    def _stop(self, name: str) -> None:
        machine = self.machines.pop(name, None)
        if machine:
            os.kill(machine, signal.SIGKILL)

    def _there(self, name: str, argv: list[str]) -> list[str]:
        if name not in self.machines:
            self.machines[name] = new_machine(lambda: self._prepare(name))
        ns = f"/proc/{self.machines[name]}/ns"
        return ["nsenter", f"--mount={ns}/mnt", f"--pid={ns}/pid", "--", *argv]

    def _prepare(self, name: str) -> None:
        place = PLACE / name
        if not place.exists():
            _furnish(place, self.flavour)
        mount_bind(place / "etc", "/etc")
        mount_bind(place / "var", "/var")
        mount_tmpfs("/run")
        for folder, user in SERVERS_RUN.items():
            _own_folder(Path("/run", folder), user)


def _run(argv: list[str], stdin: str, timeout: float, env: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        argv,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        env=os.environ | env,
    )
    return {"status": done.returncode, "out": done.stdout, "err": done.stderr}


def _start(argv: list[str], log: str) -> None:
    """In the background; it ends with the lab at the latest."""
    with Path(log).open("w") as output:
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)


def _furnish(place: Path, flavour: Flavour) -> None:
    etc = place / "etc"
    etc.mkdir(parents=True)
    there = [f"/etc/{name}" for name in ETC if Path("/etc", name).exists()]
    # With owners: servers read their keys as their own users.
    subprocess.run(["cp", "-a", *there, str(etc)], check=True)
    (etc / "resolv.conf").touch()
    if (etc / "alternatives").exists():
        _choose(etc / "alternatives", flavour)
    for folder, user in VAR.items():
        _own_folder(place / "var" / folder, user)
    (place / "var" / "run").symlink_to("/run")


def _choose(alternatives: Path, flavour: Flavour) -> None:
    """What `iptables` is, as update-alternatives says it."""
    for program in PROGRAMS.values():
        for suffix in ("", "-save", "-restore"):
            link = alternatives / f"{program}{suffix}"
            link.unlink(missing_ok=True)
            link.symlink_to(f"/usr/sbin/{program}-{flavour}{suffix}")


def _own_folder(place: Path, user: str) -> None:
    place.mkdir(parents=True, exist_ok=True)
    try:
        shutil.chown(place, user)
    except LookupError:
        return  # its package is not installed
