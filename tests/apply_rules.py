"""A node for the rules part: a network namespace with others' rules, and slices from manifests."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kcompile.apply.slices import Slice
from kcompile.resolve.flags import Flags
from lab import kernel, needs
from notation import planned

DUAL = Flags(
    service_cidr="10.96.0.0/12,fd00:96::/112", pod_network_cidr="10.244.0.0/16,fd00:244::/56"
)
NODE = """\
apiVersion: v1
kind: Node
metadata: {name: n0}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}, {type: InternalIP, address: 2001:db8::1}]}
---
"""
FILES = {4: "iptables.rules", 6: "ip6tables.rules"}
STEMS = {4: "iptables", 6: "ip6tables"}
COUNTED = re.compile(r"\[[0-9]+:[0-9]+\]")

DOCKER = """\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-USER - [0:0]
:FWDI_public - [0:0]
:INPUT_ZONES - [0:0]
:f2b-sshd - [0:0]
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -j INPUT_ZONES
-A INPUT -j REJECT --reject-with {reject}
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i eth0 -g FWDI_public
-A DOCKER -d {container}/{all} ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-USER -j RETURN
-A FWDI_public -m comment --comment "zone public; -j KUBE-SERVICES" -j ACCEPT
-A f2b-sshd -s {attacker}/{all} -j REJECT --reject-with {reject}
-A f2b-sshd -j RETURN
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s {bridge} ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination {published}
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-IPTABLES-HINT - [0:0]
:KUBE-KUBELET-CANARY - [0:0]
-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
"""
WORDS = {
    4: {
        "reject": "icmp-port-unreachable",
        "container": "172.17.0.2",
        "attacker": "203.0.113.9",
        "bridge": "172.17.0.0/16",
        "published": "172.17.0.2:80",
        "all": "32",
    },
    6: {
        "reject": "icmp6-port-unreachable",
        "container": "fd00:17::2",
        "attacker": "2001:db8:bad::9",
        "bridge": "fd00:17::/64",
        "published": "[fd00:17::2]:80",
        "all": "128",
    },
}
KUBELET = """\
*filter
:KUBE-FIREWALL - [0:0]
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A INPUT -j KUBE-FIREWALL
-A OUTPUT -j KUBE-FIREWALL
COMMIT
*nat
:KUBE-MARK-MASQ - [0:0]
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
COMMIT
"""


def slice_of(folder: Path, manifests: str, flags: Flags = DUAL) -> Slice:
    """The rules of the slice of node n0."""
    files = {}
    for path, content in planned(NODE + manifests, flags=flags).rules().items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("".join(content.chunks))
        files[path] = content.digest
    return Slice("n0", None, folder, files)


@contextmanager
def node_namespace() -> Iterator[None]:
    """This thread, and what it starts, in a network namespace that ends with the block."""
    home = os.open(kernel.OWN_NETNS, os.O_RDONLY)
    os.close(kernel.new_netns())
    try:
        yield
    finally:
        kernel.enter(home)
        os.close(home)


def run(*argv: str, stdin: str = "") -> str:
    done = subprocess.run(
        argv,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=os.environ | {"PATH": needs.search_path()},
    )
    assert done.returncode == 0, (argv, done.stdout)
    return done.stdout


def load(flavour: str, family: int, text: str) -> None:
    """Somebody adds rules to what is there."""
    run(f"{STEMS[family]}-{flavour}-restore", "--noflush", stdin=text)


def load_foreign(flavour: str) -> None:
    for family, words in WORDS.items():
        load(flavour, family, DOCKER.format(**words))


def saved(flavour: str, family: int) -> list[str]:
    """All rules, counters aside. Tables in the order of their names; chains as they are."""
    text = run(f"{STEMS[family]}-{flavour}-save")
    tables = re.findall(r"^\*[^#]*^COMMIT$", COUNTED.sub("", text), re.MULTILINE | re.DOTALL)
    return [line for table in sorted(tables) for line in table.split("\n")]


def both(flavour: str) -> dict[int, list[str]]:
    return {family: saved(flavour, family) for family in STEMS}


def foreign(lines: list[str]) -> list[str]:
    """What is nobody's of ours: neither chains nor rules nor jumps."""
    ours = re.compile(r":(KUBE|KCOMPILE)-|-A (KUBE|KCOMPILE)-|-A .* -j (KUBE|KCOMPILE)-[A-Z-]+$")
    theirs = re.compile("KUBELET-CANARY|IPTABLES-HINT")
    return [line for line in lines if theirs.search(line) or not ours.match(line)]


def rules_of(slice_: Slice, family: int) -> dict[tuple[str, str], list[str]]:
    """Rules by table and chain as the slice has them."""
    return by_chain(slice_.own(FILES[family]).split("\n"))


def by_chain(lines: list[str]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    table = ""
    for line in lines:
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            found[table, line[1:].split(" ")[0]] = []
        elif line.startswith("-A "):
            found[table, line.split(" ")[1]].append(line)
    return found


def watch_programs(folder: Path) -> Path:
    """Make programs of the iptables family say in a file that they ran; `folder` goes first in
    PATH. Gives that file."""
    folder.mkdir()
    log = folder / "log"
    log.touch()
    for stem in STEMS.values():
        for flavour in ("-nft", "-legacy", ""):
            for verb in ("", "-restore", "-save"):
                name = f"{stem}{flavour}{verb}"
                real = run("sh", "-c", f"command -v {name} || true").strip()
                if real:
                    program = folder / name
                    program.write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\nexec {real} "$@"\n')
                    program.chmod(0o755)
    return log
