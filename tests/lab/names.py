"""Real name servers for the pods behind the DNS Service, on a bundle's zone files."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.cluster import Cluster, LabError
from lab.describe import Family, family_of

START_TRIES = 100


def zones(bundle: Path) -> dict[str, Path]:
    """Zone names and their files."""
    files = sorted((bundle / "dns").glob("db.*"))
    return {path.name.removeprefix("db."): path.resolve() for path in files}


def start_server(cluster: Cluster, pod: str, program: str, bundle: Path, folder: Path) -> None:
    """Start one of the known name servers in a pod and wait until it answers."""
    folder.mkdir(parents=True)
    config = folder / f"{program}.conf"
    write, command = SERVERS[program]
    addresses = cluster.lab.pod(pod).addresses
    config.write_text(write(zones(bundle), folder, addresses))
    log = folder / "log"
    cluster.start(pod, [*command, str(config)], log)
    question = ["dig", "+short", "+time=1", "+tries=1", f"@{addresses[0]}", "cluster.local", "SOA"]
    for _ in range(START_TRIES):
        answer = cluster.run(pod, question)
        if answer.status == 0 and "hostmaster" in answer.out:
            return
        time.sleep(0.05)
    raise LabError(f"{program} in {pod} does not answer:\n{log.read_text()}")


def _bind(files: Mapping[str, Path], folder: Path, addresses: Sequence[str]) -> str:
    lines = [
        "options {",
        f'  directory "{folder}"; pid-file none; session-keyfile none;',
        f"  listen-on {{ {_semicolons(4, addresses)} }};",
        f"  listen-on-v6 {{ {_semicolons(6, addresses)} }};",
        "  recursion no; dnssec-validation no; empty-zones-enable no;",
        "};",
        "controls { };",
    ]
    lines += [f'zone "{n}" {{ type primary; file "{f}"; }};' for n, f in files.items()]
    return "\n".join(lines) + "\n"


def _nsd(files: Mapping[str, Path], folder: Path, addresses: Sequence[str]) -> str:
    lines = [
        "server:",
        *(f"  ip-address: {address}" for address in addresses),
        '  username: ""\n  server-count: 1',
        f'  zonesdir: "{folder}"\n  database: ""\n  pidfile: ""',
        f'  xfrdfile: "{folder}/xfrd.state"\n  zonelistfile: "{folder}/zone.list"',
        f'  xfrdir: "{folder}"',
        "remote-control:\n  control-enable: no",
    ]
    lines += [f'zone:\n  name: "{n}"\n  zonefile: "{f}"' for n, f in files.items()]
    return "\n".join(lines) + "\n"


def _knot(files: Mapping[str, Path], folder: Path, addresses: Sequence[str]) -> str:
    listen = ", ".join([f'"{address}@53"' for address in addresses])
    lines = [
        f'server:\n  rundir: "{folder}"\n  listen: [ {listen} ]',
        "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1",
        f'database:\n  storage: "{folder}"\n  journal-db-max-size: 8M',
        "log:\n  - target: stderr\n    any: info",
        "template:\n  - id: default\n    journal-content: none\n    zonefile-sync: -1",
        "zone:",
    ]
    lines += [f'  - domain: "{n}"\n    file: "{f}"' for n, f in files.items()]
    return "\n".join(lines) + "\n"


def _semicolons(family: Family, addresses: Sequence[str]) -> str:
    found = [address for address in addresses if family_of(address) == family]
    return "".join(f"{address}; " for address in found or ["none"])


# By program: what writes its configuration, and how it is started in the foreground.
SERVERS: dict[str, tuple[Callable[[Mapping[str, Path], Path, Sequence[str]], str], list[str]]] = {
    "named": (_bind, ["named", "-g", "-n", "1", "-c"]),
    "nsd": (_nsd, ["nsd", "-d", "-c"]),
    "knotd": (_knot, ["knotd", "-c"]),
}
