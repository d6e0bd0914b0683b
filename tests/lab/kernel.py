"""The system calls for namespaces, which Python 3.11 has no functions for, and the sandbox."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_REC_PRIVATE = 0x4000 | 0x40000
PR_SET_PDEATHSIG = 1
SIGKILL = 9

OWN_NETNS = "/proc/thread-self/ns/net"

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *args: object) -> None:
    if getattr(_libc, name)(*args) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def die_with_parent() -> None:
    _call("prctl", PR_SET_PDEATHSIG, SIGKILL)


def new_netns() -> int:
    """Move this thread into a new network namespace; a descriptor that keeps it alive."""
    _call("unshare", CLONE_NEWNET)
    return os.open(OWN_NETNS, os.O_RDONLY)


def enter(netns: int) -> None:
    _call("setns", netns, CLONE_NEWNET)


@contextmanager
def inside(netns: int) -> Iterator[None]:
    """Sockets and programs made here belong to that network namespace, also afterwards."""
    home = os.open(OWN_NETNS, os.O_RDONLY)
    try:
        enter(netns)
        yield
    finally:
        enter(home)
        os.close(home)


def sandbox() -> None:
    """Go on as process 1 of private mount, process and network namespaces.

    Namespaces of the lab are held by descriptors of this one process: whatever ends it, SIGKILL
    included, the kernel kills its children and removes interfaces, rules and routes with them.
    """
    die_with_parent()
    uid = os.geteuid()
    _call("unshare", CLONE_NEWNS | CLONE_NEWPID | (CLONE_NEWUSER if uid else 0))
    if uid:
        _become_root(uid, os.getegid())
    child = os.fork()
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    die_with_parent()
    _call("mount", b"none", b"/", None, ctypes.c_ulong(MS_REC_PRIVATE), None)
    _call("mount", b"proc", b"/proc", b"proc", ctypes.c_ulong(0), None)
    # A /run of its own: xtables' lock, sockets of name services, whatever servers leave there.
    _call("mount", b"tmpfs", b"/run", b"tmpfs", ctypes.c_ulong(0), b"mode=755")
    # Where /etc/resolv.conf points into the old /run, it needs to exist to be mounted over.
    resolv = Path("/etc/resolv.conf").resolve()
    if resolv.is_relative_to("/run"):
        resolv.parent.mkdir(parents=True, exist_ok=True)
        resolv.touch()
    # Nothing that is started by mistake outside of a node or pod may reach the real network.
    _call("unshare", CLONE_NEWNET)


def _become_root(uid: int, gid: int) -> None:
    me = Path("/proc/self")
    (me / "setgroups").write_text("deny")
    (me / "uid_map").write_text(f"0 {uid} 1")
    (me / "gid_map").write_text(f"0 {gid} 1")
