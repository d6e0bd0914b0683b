"""Doing what is planned, and remembering how it was before."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kcompile.apply.failures import CommandError
from kcompile.apply.host import Host
from kcompile.apply.network import boot, sysctls
from kcompile.apply.network.changes import Change
from kcompile.apply.network.kernel import Kernel
from kcompile.apply.network.originals import Originals, forget, read_originals, remember
from kcompile.apply.network.plan import Plan
from kcompile.apply.network.sysctls import Write
from kcompile.apply.network.wanted import Wanted

_FAILED_LINE = re.compile(r"Command failed -:([0-9]{1,9})")


def perform(host: Host, plan: Plan) -> None:
    """Everything; additions first, so that nothing is missing on the way."""
    perform_additions(host, plan)
    _run_batch(host, plan.removals)
    _write(host, plan.restores)
    for change in plan.files:
        boot.put(host, change.path, change.text)


def perform_additions(host: Host, plan: Plan) -> None:
    for each in plan.loads:
        sysctls.load(host, each.module)
    _write(host, plan.writes)
    _run_batch(host, plan.additions)


def remember_now(host: Host, kernel: Kernel, before: Wanted, after: Wanted) -> None:
    """Keep how everything is that `after` sets for the first time."""
    known = read_originals(host)
    remember(host, known, _seen(host, _strange(kernel, before), before, after, known))


def forget_the_rest(host: Host, after: Wanted) -> None:
    known = read_originals(host)
    kept = {route.destination for route in after.routes}
    keys = {key for key, _ in after.sysctls}
    forget(
        host,
        known,
        Originals(
            dict.fromkeys(after.links, ""),
            dict.fromkeys(after.addresses, False),
            {words: old for words, old in known.routes.items() if words.split(" ", 1)[0] in kept},
            dict.fromkeys(keys, None),
            {key: {} for key in keys},
            dict.fromkeys(_files(host, after, known), None),
        ),
    )


def _files(host: Host, after: Wanted, known: Originals) -> set[str]:
    """With networkd's, which stays as long as there are routes."""
    paths = set(boot.files(host, after))
    if after.routes and boot.NETWORKD in known.files:
        paths.add(boot.NETWORKD)
    return paths


def _seen(host: Host, kernel: Kernel, before: Wanted, after: Wanted, known: Originals) -> Originals:
    """How things are now. What `before` has already, and is not remembered, is kcompile's."""
    files = {
        path: boot.read(host, path) for path in boot.files(host, after) if path not in known.files
    }
    if before.sysctl_text or before.modules_text:
        files = dict.fromkeys(files, None)
    if not host.live:
        return Originals({}, {}, {}, {}, {}, files)
    first = {key for key, _ in before.sysctls}
    fresh = [(key, value) for key, value in after.sysctls if key not in {*known.sysctls, *first}]
    return Originals(
        {name: _state(kernel, name) for name in after.links},
        {address: address in kernel.addresses for address in after.addresses},
        {
            route.words: any(each.is_as(route) for each in kernel.routes.get(route.destination, ()))
            for route in after.routes
        },
        {key: sysctls.read(host, key) for key, _ in fresh},
        {key: sysctls.beside(host, key, value) for key, value in fresh},
        files,
    )


def _strange(kernel: Kernel, before: Wanted) -> Kernel:
    """Without what kcompile may have put there."""
    destinations = {route.destination for route in before.routes}
    return Kernel(
        {name: link for name, link in kernel.links.items() if name not in before.links},
        {name: right for name, right in kernel.addresses.items() if name not in before.addresses},
        kernel.elsewhere,
        {name: found for name, found in kernel.routes.items() if name not in destinations},
    )


def _state(kernel: Kernel, link: str) -> str:
    found = kernel.links.get(link)
    return "absent" if found is None else ("up" if found.up else "down")


def _write(host: Host, writes: Iterable[Write]) -> None:
    for each in writes:
        if sysctls.read(host, each.key) != each.value:
            sysctls.write(host, each.key, each.value)


def _run_batch(host: Host, changes: Iterable[Change]) -> None:
    lines = [line for change in changes for line in change.commands]
    if not lines:
        return
    done = host.ask(["ip", "-batch", "-"], "".join(line + "\n" for line in lines))
    if done.status:
        match = _FAILED_LINE.search(done.err)
        failed = lines[min(int(match[1]), len(lines)) - 1] if match else ""
        said = " ".join(_FAILED_LINE.sub("", done.err).split())
        raise CommandError(f"ip {failed} failed: {said}{_hint(failed)}")


def _hint(failed: str) -> str:
    words = failed.split()
    if words[:1] != ["route"] or words[1] == "del":
        return ""
    named = dict(zip(words[3::2], words[4::2]))
    hints = []
    if "via" in named:
        hints.append(f"is the interface up by which this node reaches {named['via']}")
    if "src" in named:
        hints.append(f"has this node the address {named['src']}")
    return f" ({', and '.join(hints)}?)" if hints else ""
