"""How long zone files take, from the plan to the disk, on one core."""

import gc
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from kcompile.bundle.tree import content
from kcompile.load import load
from kcompile.lower.zones import lower_zones
from kcompile.model import ServicePort
from kcompile.plan import plan
from kcompile.plan.lock import Lock
from kcompile.planned import Endpoint, Plan, PlannedPort, PlannedService
from kcompile.render.zones import zone_text
from kcompile.resolve import resolve
from kcompile.resolve.flags import Flags
from kcompile.validate import validate

_FLAGS = Flags(pod_network_cidr="10.128.0.0/9", node_cidr_mask_size="21")
_ENDPOINTS = 10
_RECORDS = 4 + 3 * _ENDPOINTS  # of a Service: A, two SRV, PTR; A, SRV and PTR of each endpoint
_FIRST_POD = (10 << 24) + (128 << 16) + 2
_FIRST_SERVICE = (10 << 24) + (96 << 16) + 256


def bench_zones(records: int) -> None:
    gc.disable()
    made = _plan(-(-records // _RECORDS))
    started = time.process_time()
    zones = lower_zones(made)
    lowered = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        for zone in zones:
            text = content(zone_text(zone))
            with Path(folder, zone.origin).open("wb") as file:
                file.writelines(text.pieces())
    written = time.process_time()
    count = sum(zone.lines.count("\n") for zone in zones)
    print(f"{count} records in {len(zones)} zones, {len(made.services)} Services")
    print(f"  from the plan to lines  {lowered - started:6.2f} s of the processor")
    print(f"  files, their digests    {written - lowered:6.2f} s")
    print(f"  together                {written - started:6.2f} s")


def _plan(count: int) -> Plan:
    """So many Services with ten endpoints each, in 50 namespaces."""
    bare = plan(resolve(validate(load([("bench.yaml", _NAMESPACES)])), _FLAGS), Lock())
    services = [*bare.services, *map(_service, range(count))]
    return replace(bare, services=tuple(services))


_NAMESPACES = "---\n".join(
    f"{{apiVersion: v1, kind: Namespace, metadata: {{name: team-{number}}}}}\n"
    for number in range(50)
)


def _service(number: int) -> PlannedService:
    first = _FIRST_POD + number * _ENDPOINTS
    endpoints = tuple(Endpoint(first + each, 8080, "", "") for each in range(_ENDPOINTS))
    return PlannedService(
        namespace=f"team-{number % 50}",
        name=f"web-{number}",
        labels=(),
        type="ClusterIP",
        selector=(),
        cluster_ips=((4, _FIRST_SERVICE + number),),
        headless=False,
        external_name="",
        ports=(PlannedPort(ServicePort("http", "TCP", 80, 8080, 0), 0, endpoints, ()),),
    )
