"""Other people's programs read the zone files and find nothing to say."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from shutil import which
from subprocess import run

import pytest

from dns_cluster import CLUSTERS
from kcompile.address import parse_cidr
from kcompile.ir import Zone
from kcompile.lower.zones import lower_zones
from kcompile.planned import Plan
from kcompile.render.zones import zone_text
from kcompile.settings import DnsSettings
from plan_builder import kube_dns, plan, port, service, with_dns

SBIN = "/usr/sbin:/usr/local/sbin:/sbin:/usr/bin:/usr/local/bin:/bin"
STRICT = ("-i", "local", "-k", "fail", "-m", "fail", "-M", "fail", "-n", "fail", "-r", "fail")
CHECKERS = {
    "named-checkzone": lambda zone, file: [*STRICT, "-S", "fail", "-T", "ignore", zone, file],
    "kzonecheck": lambda zone, file: ["-o", zone, file],
    "nsd-checkzone": lambda zone, file: [zone, file],
    "ldns-read-zone": lambda zone, file: ["-c", file],  # noqa: ARG005 - it finds the name itself
}
PACKAGES = {
    "named-checkzone": "bind9-utils",
    "kzonecheck": "knot-dnsutils",
    "nsd-checkzone": "nsd",
    "ldns-read-zone": "ldnsutils",
}


def edges() -> Plan:
    """Ranges and names at the edges."""
    long = "n" * 63
    return plan(
        services=[
            kube_dns("192.168.7.97"),
            service(f"{long}/{long}", "192.168.7.98", ports=[port(80, "10.0.0.5", name="p" * 63)]),
            service("default/alias", external_name="a.b.c.example"),
            service(
                "default/many", headless=True, ports=[port(9, *[f"10.0.1.{i}" for i in range(90)])]
            ),
        ],
        namespaces=["0", "9-z"],
        service_cidrs=["192.168.7.96/28"],
        pod_cidrs=["10.0.0.0/23"],
        domain="k8s.example-1.org",
    )


def no_dns() -> Plan:
    return plan(service_cidrs=["192.168.7.128/25"], pod_cidrs=["10.0.0.0/8"])


def all_options() -> Plan:
    """Every option but zonal names, which are no host names, and made for no strict checker."""
    dns = DnsSettings(
        pod_records=True,
        endpoint_pod_names=True,
        ptr="canonical",
        ignore_empty=True,
        external_zone="out.example.org",
        reverse_ranges=(parse_cidr("192.0.2.0/24"), parse_cidr("2001:db8::/33")),
    )
    return with_dns(CLUSTERS["hosts"]("hosts.example"), dns)


PLANS: Mapping[str, Callable[[], Plan]] = {
    **{
        name: partial(cluster, "cluster.local")
        for name, cluster in CLUSTERS.items()
        if name != "zonal"
    },
    "edges": edges,
    "no DNS Service": no_dns,
    "options": all_options,
}


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("name", PLANS)
def test_a_checker_accepts_every_zone(tmp_path: Path, checker: str, name: str) -> None:
    program = _program(checker)
    for zone in _distinct(lower_zones(PLANS[name]())):
        file = tmp_path / "zone"
        file.write_text(zone_text(zone), "utf-8")
        done = _run([program, *CHECKERS[checker](zone.origin, str(file))])
        assert done == "", zone.origin


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_checker_accepts_zonal_names(tmp_path: Path, checker: str) -> None:
    """They are no host names, and their marker is below a wildcard, of which BIND warns."""
    zone = lower_zones(CLUSTERS["zonal"]("cluster.local"))[-1]
    file = tmp_path / "zone"
    file.write_text(zone_text(zone), "utf-8")
    arguments = CHECKERS[checker](zone.origin, str(file))
    if checker == "named-checkzone":
        arguments = ["-k", "ignore", zone.origin, str(file)]
    command = [_program(checker), *arguments]
    done = run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _program(checker: str) -> str:
    program = which(checker, path=SBIN)
    if program is None:
        pytest.skip(f"{checker} (Debian: {PACKAGES[checker]}) is not installed")
    return program


def _distinct(zones: Sequence[Zone]) -> list[Zone]:
    """Without all but one of the empty reverse zones, which differ in nothing but the name."""
    empty = [zone for zone in zones if zone.lines.count("\n") == 1]
    return [zone for zone in zones if zone.lines.count("\n") > 1] + empty[:1]


def _run(command: Sequence[str]) -> str:
    """What a checker complains about; "" if it is content."""
    done = run(command, capture_output=True, text=True, timeout=60, check=False)
    text = done.stdout + done.stderr
    wrong = [line for line in text.splitlines() if "warning" in line.lower()]
    return "" if done.returncode == 0 and not wrong else f"{done.returncode}: {text}"


GOLDEN = Path(__file__).parent.parent / "golden"
GOLDEN_ZONES = sorted(GOLDEN.glob("*/*/expected/bundle/dns/db.*"))


@pytest.mark.parametrize("checker", CHECKERS)
def test_every_golden_zone_passes(checker: str) -> None:
    program = _program(checker)
    assert len(GOLDEN_ZONES) > 80
    # Goldens share most of their zones.
    for path in {path.read_bytes(): path for path in GOLDEN_ZONES}.values():
        zone = path.name.removeprefix("db.") + "."
        done = run(
            [program, *CHECKERS[checker](zone, str(path))],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{path}: {done.stdout}{done.stderr}"
