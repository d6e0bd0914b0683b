"""What a lab takes of the machine, each absence named in the reason of a skip."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab import cni
from lab.describe import PROGRAMS, Family

# Every match and target that a node's file may use, so that a kernel without one is told from a
# wrong file.
TRIAL = """\
*filter
:T - [0:0]
-A T -p tcp -m tcp --dport 1 -m conntrack --ctstate NEW -m addrtype --dst-type LOCAL -j REJECT
COMMIT
*nat
:T - [0:0]
-A T -m comment --comment t -m statistic --mode random --probability 0.5 -j MASQUERADE
-A T -m mark --mark 0x4000/0x4000 -j MARK --set-xmark 0x4000/0x0
-A T -m recent --name t --rcheck --seconds 1 --reap -j RETURN
-A T -p tcp -m tcp -j DNAT --to-destination {}
COMMIT
"""
TARGETS: dict[Family, str] = {4: "192.0.2.1:80", 6: "[2001:db8::1]:80"}
DNS_SERVERS = ("named", "nsd", "knotd")


def requires(*programs: str) -> None:
    """Skip, with the reason, unless labs can be made here and the programs are installed."""
    absent = [program for program in ("ip", "unshare", "mount", *programs) if not found(program)]
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")
    reason = _why_no_namespaces()
    if reason:
        pytest.skip(reason)


def requires_flavour(flavour: str, family: Family = 4) -> None:
    """Skip unless iptables of that flavour is installed and the kernel has what it needs."""
    program = f"{PROGRAMS[family]}-{flavour}"
    requires(program, f"{program}-restore", f"{program}-save")
    reason = _why_no_rules(program, family)
    if reason:
        pytest.skip(reason)


def requires_ipv6() -> None:
    if not Path("/proc/sys/net/ipv6").exists():
        pytest.skip("the kernel has no IPv6, or it is turned off (ipv6.disable)")


def requires_both_families(flavour: str) -> None:
    """All that a dual-stack lab takes."""
    requires_ipv6()
    requires_flavour(flavour)
    requires_flavour(flavour, 6)
    requires_bridge_netfilter()


def requires_bridge_netfilter() -> None:
    if not Path("/proc/sys/net/bridge").exists():
        pytest.skip("the kernel module br_netfilter is not loaded (modprobe br_netfilter)")


def requires_cni() -> None:
    absent = [name for name in ("bridge", "static") if cni.plugin(name) is None]
    if absent:
        pytest.skip(f"CNI plugins are not installed (containernetworking-plugins): {absent}")


def requires_dns_server() -> tuple[str, ...]:
    """The name servers that are installed; at least one."""
    servers = tuple(server for server in DNS_SERVERS if found(server))
    if not servers:
        pytest.skip(f"no name server is installed (one of {', '.join(DNS_SERVERS)})")
    return servers


def found(program: str) -> bool:
    # Where an unprivileged user's PATH does not look.
    return shutil.which(program, path=search_path()) is not None


def search_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def in_scratch_netns(
    argv: list[str], stdin: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program in network and mount namespaces that end with it, /run its own."""
    own_run = 'mount -t tmpfs none /run && exec "$@"'
    return subprocess.run(
        ["unshare", "--net", "--mount", "sh", "-c", own_run, "sh", *argv],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
        cwd=cwd,
        env=os.environ | {"PATH": search_path()},
    )


@functools.cache
def _why_no_namespaces() -> str:
    if sys.platform != "linux":
        return "network namespaces are Linux'"
    if os.geteuid() != 0:
        return "network namespaces, routes and rules need root"
    made = in_scratch_netns(
        ["ip", "-batch", "-"],
        "link add veth0 type veth peer name veth1\nlink add bridge0 type bridge\nlink set lo up\n",
    )
    if made.returncode:
        return f"no network namespaces with veth and bridge here: {made.stdout.strip()}"
    return ""


@functools.cache
def _why_no_rules(program: str, family: Family) -> str:
    loaded = in_scratch_netns([f"{program}-restore"], TRIAL.format(TARGETS[family]))
    if loaded.returncode:
        return f"{program} lacks something in this kernel: {loaded.stdout.strip()}"
    return ""
