"""The system calls for namespaces, which Python 3.11 has no functions for, and the sandbox."""

import ctypes
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
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


def mount_tmpfs(place: str) -> None:
    _call("mount", b"tmpfs", place.encode(), b"tmpfs", ctypes.c_ulong(0), b"mode=755")


def mount_bind(source: Path, place: str) -> None:
    _call("mount", bytes(source), place.encode(), None, ctypes.c_ulong(MS_BIND), None)


def new_machine(prepare: Callable[[], None]) -> int:
    """Process 1 of new mount and process namespaces, which runs `prepare` and then only takes up
    orphans; its number here. It stays in the network namespace of the caller."""
    words, saying = os.pipe()
    if os.fork() == 0:
        _call("unshare", CLONE_NEWNS | CLONE_NEWPID)
        machine = os.fork()
        if machine == 0:
            _be_machine(prepare, saying)
        os.write(saying, f"{machine} ".encode())
        os._exit(0)
    os.close(saying)
    with os.fdopen(words) as stream:
        said = stream.read().split(maxsplit=2)
    os.wait()
    number, trouble = sorted(said, key=lambda word: not word.isdecimal())
    if trouble != "ready":
        raise OSError(f"no machine: {trouble}")
    return int(number)


def _be_machine(prepare: Callable[[], None], saying: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        _call("mount", b"none", b"/", None, ctypes.c_ulong(MS_REC_PRIVATE), None)
        _call("mount", b"proc", b"/proc", b"proc", ctypes.c_ulong(0), None)
        prepare()
        os.write(saying, b"ready ")
    except OSError as error:
        os.write(saying, str(error).replace(" ", "_").encode() + b" ")
        os._exit(1)
    os.close(saying)
    while True:
        signal.sigwait({signal.SIGCHLD})
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


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
