"""What the plan asks of DNS and of the kernel that they cannot do, found before anything is
written."""

from collections.abc import Iterator

from kcompile.load.locate import problems_of
from kcompile.lower.crowds import check_crowds
from kcompile.lower.limits import check_names
from kcompile.lower.resolv import check_resolv
from kcompile.lower.servers import check_servers
from kcompile.planned import Plan
from kcompile.problems import Code, Finding, InputError, Problem, Severity

# xt_recent's ip_list_tot: how many clients a list remembers unless the module is told otherwise.
_REMEMBERED_CLIENTS = 100


def check_lowering(plan: Plan) -> tuple[Problem, ...]:
    """Warnings. Raises InputError where a name does not fit."""
    problems = problems_of(
        (
            *check_names(plan),
            *check_crowds(plan),
            *check_resolv(plan),
            *check_servers(plan),
            *_on_packets(plan),
        )
    )
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise InputError(problems)
    return problems


def _on_packets(plan: Plan) -> Iterator[Finding]:
    yield from _check_affinity(plan)
    yield from _of_other_proxies(plan)


def _check_affinity(plan: Plan) -> Iterator[Finding]:
    """Said once: how many clients there will be is not known here."""
    sticky = [
        service
        for service in plan.services
        if service.affinity_seconds and not service.for_another_proxy
    ]
    if sticky:
        more = f" and {len(sticky) - 1} more" if len(sticky) > 1 else ""
        yield Finding(
            Code.AFFINITY_LIMIT,
            plan.origins.get(sticky[0].key),
            ("spec", "sessionAffinity"),
            f"{sticky[0].key}{more}: a node remembers the last {_REMEMBERED_CLIENTS} clients of"
            " each endpoint; who comes back later may get another",
            "more with modprobe's options xt_recent ip_list_tot=1000",
        )


def _of_other_proxies(plan: Plan) -> Iterator[Finding]:
    others = [
        service for service in plan.services if service.for_another_proxy and service.cluster_ips
    ]
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        yield Finding(
            Code.FOR_ANOTHER_PROXY,
            plan.origins.get(others[0].key),
            ("metadata", "labels"),
            f"{others[0].key}{more}: labelled for another proxy, so no rules or listeners are"
            " made; its addresses and names stay",
        )
