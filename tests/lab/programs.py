"""A node's own programs: each can be counted, missing, failing or hanging."""

import sys
from typing import Literal

from lab.cluster import Cluster, LabError

Fault = Literal["missing", "exit 1", "hangs"]
FAULTS: tuple[Fault, ...] = ("missing", "exit 1", "hangs")
LOG = "/var/log/programs"
_SCRIPT = """
import os, subprocess, sys
REAL, LOG, TURNS = "/run/real", "/var/log/programs", "/run/turns"
FOLDERS = ("sbin", "bin")

def farm():
    # Each folder becomes a folder of links to what was there; /run/real has it as it was.
    for name in FOLDERS:
        real, place = f"{REAL}/{name}", f"/usr/{name}"
        os.makedirs(real)
        subprocess.run(["mount", "--bind", place, real], check=True)
        mount = f"{real}/mount" if name == "bin" else "mount"
        subprocess.run([mount, "-t", "tmpfs", "none", place], check=True)
        for program in os.listdir(real):
            os.symlink(f"{real}/{program}", f"{place}/{program}")

def undo():
    for name in FOLDERS:
        subprocess.run([f"{REAL}/bin/umount", f"/usr/{name}"], check=True)
    for name in FOLDERS:
        subprocess.run(["umount", f"{REAL}/{name}"], check=True)
        os.rmdir(f"{REAL}/{name}")

def write(place, *lines):
    if os.path.lexists(place):
        os.unlink(place)
    with open(place, "w") as script:
        print("#!/bin/sh", *lines, sep="\\n", file=script)
    os.chmod(place, 0o755)

def real_of(name, program):
    real = f"{REAL}/{name}/{program}"
    # /sbin/ip is /bin/ip: once through a script is enough.
    link = os.readlink(real) if os.path.islink(real) else ""
    return f"{REAL}/bin/{program}" if link in (f"/bin/{program}", f"/usr/bin/{program}") else real

def count(*programs):
    for name in FOLDERS:
        for program in os.listdir(f"/usr/{name}"):
            if program in programs or (name == "sbin" and not programs):
                run = (f'echo {program} "$@" >>{LOG}', f'exec {real_of(name, program)} "$@"')
                write(f"/usr/{name}/{program}", *run)

def plain():
    for name in FOLDERS:
        for program in os.listdir(f"/usr/{name}"):
            if not os.path.islink(f"/usr/{name}/{program}"):
                mend(program)

def mend(program):
    for name in FOLDERS:
        place, real = f"/usr/{name}/{program}", f"{REAL}/{name}/{program}"
        if os.path.lexists(place):
            os.unlink(place)
        if os.path.lexists(real):
            os.symlink(real, place)

WORDS = {
    "exit 1": ("echo it is broken >&2", "exit 1"),
    "hangs": ("exec /run/real/bin/sleep 1000",),
}

def spoil_once(line, turn, fault):
    if os.path.exists(TURNS):
        os.unlink(TURNS)
    program, _, arguments = line.partition(" ")
    for name in FOLDERS:
        place = f"/usr/{name}/{program}"
        if os.path.lexists(place):
            condition = f'[ "$*" = "{arguments}" ] && echo >>{TURNS}'
            condition += f' && [ $(wc -l <{TURNS}) = {turn} ]'
            broken = ("if " + condition + "; then", *WORDS[fault], "fi")
            write(place, *broken, f'exec {real_of(name, program)} "$@"')

def spoil(program, fault):
    mend(program)
    for name in FOLDERS:
        place = f"/usr/{name}/{program}"
        if os.path.lexists(place):
            os.unlink(place)
            if fault != "missing":
                write(place, *WORDS[fault])

globals()[sys.argv[1]](*sys.argv[2:])
"""
# Besides everything in /usr/sbin; a script for each of /usr/bin would run itself.
_COUNTED = ("ip", "ss", "dig", "unshare", "nsenter", "ssh-keygen", "systemctl", "systemd-run")
_CHECKERS = ("named-checkconf", "named-checkzone", "kdig", "kzonecheck", "kill", "setsid")


class Programs:
    """Those of one node of a cluster."""

    def __init__(self, cluster: Cluster, node: str) -> None:
        self.cluster, self.node = cluster, node
        self._do("farm")

    def count(self) -> None:
        """From now on, note what runs."""
        self._do("count")
        self._do("count", *_COUNTED, *_CHECKERS)

    def counted(self) -> tuple[str, ...]:
        """The lines of commands that ran, and forget them."""
        script = f"cat {LOG} 2>/dev/null; rm -f {LOG}"
        return tuple(self.cluster.on_host(self.node, ["sh", "-c", script]).out.splitlines())

    def stop_counting(self) -> None:
        self._do("plain")

    def spoil(self, program: str, fault: Fault) -> None:
        self._do("spoil", program, fault)

    def spoil_once(self, line: str, turn: int, fault: Fault) -> None:
        """Only when it runs so for the so-manieth time."""
        self._do("spoil_once", line, str(turn), fault)

    def mend(self, program: str) -> None:
        self._do("mend", program)

    def undo(self) -> None:
        """The node's own folders again."""
        self._do("undo")

    def _do(self, *words: str) -> None:
        done = self.cluster.on_host(self.node, [sys.executable, "-c", _SCRIPT, *words])
        if done.status:
            raise LabError(done.err)
