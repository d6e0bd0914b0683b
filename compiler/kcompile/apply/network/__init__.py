"""The `network` part: links, addresses, routes, sysctls and modules, now and at boot."""

from __future__ import annotations

from kcompile.apply.difference import Difference
from kcompile.apply.folders import remember_folders, remove_folders
from kcompile.apply.host import Host
from kcompile.apply.network import boot, sysctls
from kcompile.apply.network.kernel import look
from kcompile.apply.network.originals import read_originals
from kcompile.apply.network.perform import forget_the_rest, perform, perform_additions, remember_now
from kcompile.apply.network.plan import Plan, make_plan, refuse_conflicts
from kcompile.apply.network.wanted import Wanted, read_wanted
from kcompile.apply.slices import Slice


def differences(host: Host, before: Slice | None, after: Slice | None) -> tuple[Difference, ...]:
    """What is not as `after` says, what of ours is still there, and what somebody else took."""
    return _plan(host, read_wanted(before), read_wanted(after)).differences()


def notices(host: Host, before: Slice | None, after: Slice | None) -> tuple[str, ...]:
    """What the operator should know before it is done, and which kcompile cannot change."""
    old, new = read_wanted(before), read_wanted(after)
    found = []
    if host.live:
        found += [_LACKING.format(module) for module in sysctls.lacking(host, new)]
    if any(each.path == boot.NETWORKD and each.text for each in _plan(host, old, new).files):
        found.append(_NETWORKD)
    return tuple(found)


def refuse(host: Host, before: Slice | None, after: Slice | None) -> None:
    """Raises RefusedError, naming all of somebody else's that is in the way of `after`."""
    refuse_conflicts(_plan(host, read_wanted(before), read_wanted(after)))


def extend(host: Host, before: Slice | None, after: Slice | None) -> None:
    """What `after` needs, and nothing taken away: run before the rules change."""
    perform_additions(host, _prepare(host, read_wanted(before), read_wanted(after)))


def converge(host: Host, before: Slice | None, after: Slice | None) -> None:
    """As `after` says, without what only `before` had, and so at the next boot: run last."""
    new = read_wanted(after)
    perform(host, _prepare(host, read_wanted(before), new))
    forget_the_rest(host, new)
    if after is None:
        remove_folders(host, _FOLDERS)


def _prepare(host: Host, before: Wanted, after: Wanted) -> Plan:
    kernel = look(host, before, after)
    plan = make_plan(host, kernel, before, after, read_originals(host))
    refuse_conflicts(plan)
    remember_now(host, kernel, before, after)
    remember_folders(host, _FOLDERS, map(host.path, boot.files(host, after)))
    return plan


def _plan(host: Host, before: Wanted, after: Wanted) -> Plan:
    return make_plan(host, look(host, before, after), before, after, read_originals(host))


_FOLDERS = "originals/network-folders.json"

_LACKING = (
    "This kernel has no module {0}: the answers of pods on the same bridge as the client do not "
    "pass the rules, so a Service fails that leads a pod to another pod of its own node, unless "
    "the network plugin connects pods without a bridge."
)
_NETWORKD = (
    "systemd-networkd is told to leave routes alone that it did not set (in "
    f"{boot.NETWORKD}), which it reads when it starts next; until then, networkctl reconfigure "
    "removes them, and the next check for drift brings them back."
)
