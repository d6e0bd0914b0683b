"""Slices from texts, a machine of its own to set them up on, and all that can be seen of it."""

import hashlib
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kcompile.apply.host import TIMEOUT, Done, Host
from kcompile.apply.slices import Slice

SETTINGS = ("net/ipv4/ip_forward", "net/ipv4/conf", "net/ipv6/conf", "net/bridge")
VOLATILE = {"flags", "operstate", "qdisc", "ifindex", "address", "tentative"}
BESIDE = (
    "forwarding",
    "accept_redirects",
    "route_localnet",
    "accept_ra",
    "bridge-nf-call-iptables",
)


@dataclass(frozen=True)
class Watched(Host):
    """A machine that notes what is run on it but for questions."""

    ran: list[str] = field(default_factory=list)

    def ask(self, argv: Sequence[str], stdin: str = "", *, timeout: float = TIMEOUT) -> Done:
        if "show" not in argv and "--dry-run" not in argv:
            self.ran.append(" ".join(argv))
            self.ran.extend(stdin.splitlines())
        return super().ask(argv, stdin, timeout=timeout)


def machine(folder: Path, *, live: bool = True) -> Watched:
    """Its files lie in a folder; the kernel's are those of this network namespace."""
    folder.mkdir()
    for name in ("proc", "sys"):
        (folder / name).symlink_to(f"/{name}")
    return Watched(folder, live)


def slice_of(folder: Path, files: dict[str, str]) -> Slice:
    """A slice of node `a` with these of its files."""
    texts = {f"nodes/a/{name}": text for name, text in files.items()}
    for name, text in texts.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    return Slice("a", None, folder, digests)


def network_slice(
    folder: Path,
    routes: str = "",
    *,
    addresses: str = "addr replace 169.254.20.10/32 dev lo scope host\n",
    sysctls: str = "net.bridge.bridge-nf-call-iptables = 1\nnet.ipv4.ip_forward = 1\n",
    modules: str = "br_netfilter\n",
) -> Slice:
    head = "written by kcompile.\n"
    return slice_of(
        folder,
        {
            "network/links.batch": "# links\nlink add kcompile0 type bridge\nlink set kcompile0 up\n",
            "network/addresses.batch": addresses,
            "network/routes.batch": f"# routes\n{routes}",
            "sysctl.d/90-kcompile.conf": f"# sysctl.d file, {head}{sysctls}",
            "modules-load.d/kcompile.conf": f"# modules-load.d file, {head}{modules}",
        },
    )


def ip(*lines: str) -> None:
    subprocess.run(
        ["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True, timeout=30
    )


def seen() -> dict[str, object]:
    """Links, addresses, routes and settings, as an operator sees them."""
    found: dict[str, object] = {}
    for words in ("link", "addr", "-4 route", "-6 route"):
        asked = ["ip", "-j", *words.split(), "show"]
        answer = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30)
        found[words] = [
            {key: value for key, value in each.items() if key not in VOLATILE}
            for each in json.loads(answer.stdout or "[]")
        ]
    for setting in SETTINGS:
        place = Path("/proc/sys", setting)
        files = [place] if place.is_file() else sorted(place.rglob("*"))
        for file in files:
            if file.is_file() and (len(files) == 1 or file.name in BESIDE):
                found[str(file)] = file.read_text()
    return found
