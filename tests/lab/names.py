"""Real name servers with the configurations of a bundle, and a small world for them to ask."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from lab import describe
from lab.cluster import Cluster, LabError
from lab.describe import Family

START_TRIES = 100
OWN_FOLDERS = "mkdir -p /run/knot; for d in /var/lib/knot /var/lib/nsd /var/cache/bind; do [ ! -d $d ] || mount -t tmpfs none $d; done"
# By program: how it is started in the foreground, in the folder of the zones.
SERVERS = {
    "named": "named -g -n 1 -c servers/named.conf",
    "unbound": "unbound -dd -c servers/unbound.conf",
    "nsd": "nsd -d -c servers/nsd.conf",
    "knotd": "knotd -c servers/knot.conf",
}
# What resolvers are born with (named.root of 2023, and b.root's addresses before): the internet
# has them all.
ROOT_SERVERS: dict[Family, tuple[str, ...]] = {
    4: (
        *("198.41.0.4", "170.247.170.2", "199.9.14.201", "192.33.4.12", "199.7.91.13"),
        *("192.203.230.10", "192.5.5.241", "192.112.36.4", "198.97.190.53", "192.36.148.17"),
        *("192.58.128.30", "193.0.14.129", "199.7.83.42", "202.12.27.33"),
    ),
    6: (
        *("2001:503:ba3e::2:30", "2801:1b8:10::b", "2001:500:200::b", "2001:500:2::c"),
        *("2001:500:2d::d", "2001:500:a8::e", "2001:500:2f::f", "2001:500:12::d0d"),
        *("2001:500:1::53", "2001:7fe::53", "2001:503:c27::2:30", "2001:7fd::1"),
        *("2001:500:9f::42", "2001:dc3::35"),
    ),
}
NEW = "new.default.svc.cluster.local"
WORLD = "www.example.com"
WORLD_ZONE = """\
. 60 IN SOA a.root-servers.net. nobody.example. 1 3600 600 86400 60
. 60 IN NS a.root-servers.net.
www.example.com. 60 IN A 198.51.100.10
www.example.com. 60 IN AAAA 2001:db8:51::10
"""
COMPANY = "intranet.corp.example"
COMPANY_PORT = 5353
COMPANY_ZONE = """\
corp.example. 60 IN SOA ns.corp.example. nobody.example. 1 3600 600 86400 60
corp.example. 60 IN NS ns.corp.example.
ns.corp.example. 60 IN A 192.0.2.53
intranet.corp.example. 60 IN A 192.0.2.80
"""


def start_server(cluster: Cluster, where: str, program: str, bundle: Path, folder: Path) -> int:
    """Start one of the known name servers in a pod or on a node, with the bundle's configuration,
    and wait until it answers at the address that it says it listens on.

    `folder` is where its user, who is not root, may read.
    """
    place = folder / where.replace("/", "_")
    if not place.exists():
        shutil.copytree(bundle / "dns", place)
    log = folder / f"{place.name}.log"
    line = f"{OWN_FOLDERS}; cd {place} && exec {SERVERS[program]}"
    pid = cluster.start(where, ["unshare", "--mount", "sh", "-c", line], log)
    _wait(cluster, where, _listening(cluster, where, bundle), "cluster.local", log)
    return pid


def _listening(cluster: Cluster, where: str, bundle: Path) -> str:
    """A pod behind the DNS Service answers at its own address."""
    pods = [pod for pod in cluster.lab.pods if pod.name == where]
    if pods:
        return pods[0].addresses[0]
    (line,) = [
        line
        for line in (bundle / "dns" / "servers" / "unbound.conf").read_text().splitlines()
        if line.startswith("    interface: ")
    ]
    return line.split()[1]


def start_world(cluster: Cluster, folder: Path) -> None:
    """Root servers on the internet host that know a name, and a company's server on the
    neighbour."""
    families = cluster.lab.families
    for family in families:
        lines = [
            f"ip addr add {address}/{32 if family == 4 else 128} dev lo"
            for address in ROOT_SERVERS[family]
        ]
        _run(cluster, describe.INTERNET, "\n".join(lines))
        via = describe.INTERNET_HOSTS[family]
        _run(cluster, describe.ROUTER, f"ip -{family} route add default via {via}")
    roots = [address for family in families for address in ROOT_SERVERS[family]]
    glue = "".join(
        f"a.root-servers.net. 60 IN {'A' if family == 4 else 'AAAA'} {ROOT_SERVERS[family][0]}\n"
        for family in families
    )
    own = [describe.INTERNET_HOSTS[family] for family in families]
    _serve(cluster, describe.INTERNET, (*own, *roots), 53, (".", WORLD_ZONE + glue), folder)
    near = [cluster.lab.address(describe.NEIGHBOUR, family) for family in families]
    company = ("corp.example", COMPANY_ZONE)
    _serve(cluster, describe.NEIGHBOUR, near, COMPANY_PORT, company, folder)


def _run(cluster: Cluster, where: str, script: str) -> None:
    done = cluster.run(where, ["sh", "-e", "-c", script])
    if done.status:
        raise LabError(f"{where}: {script}: {done.err}")


def _serve(  # noqa: PLR0917 - a word each
    cluster: Cluster,
    where: str,
    addresses: Sequence[str],
    port: int,
    zone: tuple[str, str],
    folder: Path,
) -> None:
    """BIND with a zone of its own."""
    place = folder / where
    place.mkdir()
    (place / "zone").write_text(zone[1])
    ipv4 = "".join(f"{address}; " for address in addresses if ":" not in address) or "none; "
    ipv6 = "".join(f"{address}; " for address in addresses if ":" in address) or "none; "
    (place / "named.conf").write_text(
        f'options {{ directory "{place}"; pid-file none; session-keyfile none; recursion no;\n'
        f"  listen-on port {port} {{ {ipv4}}}; listen-on-v6 port {port} {{ {ipv6}}};\n"
        "  allow-query { any; }; dnssec-validation no; empty-zones-enable no; };\n"
        f'controls {{ }};\nzone "{zone[0]}" {{ type primary; file "zone"; }};\n'
    )
    log = place / "log"
    cluster.start(where, ["named", "-g", "-n", "1", "-c", str(place / "named.conf")], log)
    _wait(cluster, where, addresses[0], zone[0], log, port)


def _wait(  # noqa: PLR0917 - a word each
    cluster: Cluster, where: str, address: str, zone: str, log: Path, port: int = 53
) -> None:
    question = ["dig", "+short", "+time=1", "+tries=1", f"-p{port}", f"@{address}", zone, "SOA"]
    for _ in range(START_TRIES):
        answer = cluster.run(where, question)
        if answer.status == 0 and "3600" in answer.out + "3600" * ("hostmaster" in answer.out):
            return
        time.sleep(0.05)
    raise LabError(f"the name server of {where} does not answer:\n{log.read_text()}")
