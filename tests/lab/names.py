"""Real name servers for the pods behind the DNS Service, on a bundle's zone files."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lab.cluster import Cluster, LabError

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
    config.write_text(write(zones(bundle), folder))
    log = folder / "log"
    cluster.start(pod, [*command, str(config)], log)
    question = ["dig", "+short", "+time=1", "+tries=1", "@127.0.0.1", "cluster.local", "SOA"]
    for _ in range(START_TRIES):
        answer = cluster.run(pod, question)
        if answer.status == 0 and "hostmaster" in answer.out:
            return
        time.sleep(0.05)
    raise LabError(f"{program} in {pod} does not answer:\n{log.read_text()}")


def _bind(files: Mapping[str, Path], folder: Path) -> str:
    lines = [
        "options {",
        f'  directory "{folder}"; pid-file none; session-keyfile none;',
        "  listen-on { any; }; listen-on-v6 { none; };",
        "  recursion no; dnssec-validation no; empty-zones-enable no;",
        "};",
        "controls { };",
    ]
    lines += [f'zone "{n}" {{ type primary; file "{f}"; }};' for n, f in files.items()]
    return "\n".join(lines) + "\n"


def _nsd(files: Mapping[str, Path], folder: Path) -> str:
    lines = [
        "server:",
        '  ip-address: 0.0.0.0\n  username: ""\n  server-count: 1',
        f'  zonesdir: "{folder}"\n  database: ""\n  pidfile: ""',
        f'  xfrdfile: "{folder}/xfrd.state"\n  zonelistfile: "{folder}/zone.list"',
        f'  xfrdir: "{folder}"',
        "remote-control:\n  control-enable: no",
    ]
    lines += [f'zone:\n  name: "{n}"\n  zonefile: "{f}"' for n, f in files.items()]
    return "\n".join(lines) + "\n"


def _knot(files: Mapping[str, Path], folder: Path) -> str:
    lines = [
        f'server:\n  rundir: "{folder}"\n  listen: "0.0.0.0@53"',
        "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1",
        f'database:\n  storage: "{folder}"\n  journal-db-max-size: 8M',
        "log:\n  - target: stderr\n    any: info",
        "template:\n  - id: default\n    journal-content: none\n    zonefile-sync: -1",
        "zone:",
    ]
    lines += [f'  - domain: "{n}"\n    file: "{f}"' for n, f in files.items()]
    return "\n".join(lines) + "\n"


# By program: what writes its configuration, and how it is started in the foreground.
SERVERS: dict[str, tuple[Callable[[Mapping[str, Path], Path], str], list[str]]] = {
    "named": (_bind, ["named", "-g", "-n", "1", "-c"]),
    "nsd": (_nsd, ["nsd", "-d", "-c"]),
    "knotd": (_knot, ["knotd", "-c"]),
}
