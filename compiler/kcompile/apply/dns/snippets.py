"""What a server's configuration includes: the cluster's zones, and who may ask for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kcompile.apply.dns.servers import BIND, COREDNS, KNOT, NSD, UNBOUND, Server
from kcompile.apply.failures import RefusedError
from kcompile.apply.slices import Slice

ZONES = "dns/db."
_HEAD = "The cluster's zones, written by kcompile apply. Changes here do not last.\n"


def zones(slice_: Slice) -> tuple[str, ...]:
    """The zones of a slice, without a dot at the end."""
    names = tuple(path[len(ZONES) :] for path in slice_.below(ZONES))
    for name in names:  # they are written into a server's configuration
        if not re.fullmatch(r"[a-z0-9_.-]+", name, re.ASCII):
            raise RefusedError(f"{ZONES + name!a} of the slice is no name of a zone's file")
    return names


def serial(slice_: Slice, zone: str) -> str:
    """The serial in a zone's file."""
    with Path(slice_.folder, ZONES + zone).open(encoding="utf-8") as file:
        start = re.sub(r";[^\n]*", "", file.read(4096))
    words = start.partition(" SOA ")[2].split()
    return next((word for word in words if re.fullmatch("[0-9]+", word)), "")


def node_addresses(slice_: Slice) -> tuple[str, ...]:
    """The addresses of the node's own loopback interface at which its pods ask."""
    lines = slice_.own("network/addresses.batch").splitlines()
    words = (line.split() for line in lines if line.startswith("addr "))
    return tuple(word[2].partition("/")[0] for word in words)


def snippet(server: Server, slice_: Slice, folder: str, *, counts_records: bool) -> str:
    """`folder` is where the zone files are, as the server sees it; `counts_records` if this BIND
    knows max-records-per-type."""
    names = zones(slice_)
    if server is BIND:
        return _bind(slice_, names, folder, counts_records=counts_records)
    if server is UNBOUND:
        return _unbound(slice_, names, folder)
    if server is NSD:
        return f"# {_HEAD}" + "".join(
            f'zone:\n    name: "{zone}"\n    zonefile: "{folder}/db.{zone}"\n' for zone in names
        )
    if server is KNOT:
        return _knot(names, folder)
    assert server is COREDNS  # noqa: S101 - the last of them
    files = "".join(f"    file {folder}/db.{zone} {zone}\n" for zone in names)
    return f"# {_HEAD}{' '.join(names)} {{\n    errors\n    loadbalance\n{files}}}\n"


def largest_set(slice_: Slice) -> str:
    """What the bundle says of sets with more records than BIND takes; "" if none is so large."""
    found = re.search(r"max-records-per-type ([0-9]+);", _file(slice_, "named.conf"))
    return found.group(0) if found else ""


def _bind(slice_: Slice, names: Sequence[str], folder: str, *, counts_records: bool) -> str:
    # What the operator's options say of all zones (Red Hat's: only localhost may ask) is not
    # meant for these.
    asking = re.findall(r"^    ([0-9a-z.:/]+);$", _clients(slice_), re.MULTILINE)
    names_asking = "".join(f"    {client};\n" for client in asking)
    acl = f'acl "kcompile-clients" {{\n{names_asking}}};\n' if asking else ""
    words = ["allow-transfer { none; };", "notify no;", "check-names ignore;"]
    if asking:
        words.insert(0, 'allow-query { "kcompile-clients"; };')
    if counts_records:
        words.append(largest_set(slice_))
    options = "".join(f"    {word}\n" for word in words if word)
    return f"// {_HEAD}{acl}" + "".join(
        f'zone "{zone}" {{\n    type primary;\n    file "{folder}/db.{zone}";\n{options}}};\n'
        for zone in names
    )


def _unbound(slice_: Slice, names: Sequence[str], folder: str) -> str:
    lines = _file(slice_, "unbound.conf").splitlines()
    asking = [line for line in lines if re.fullmatch(r" *access-control: \S+ allow", line)]
    here = []
    for zone in names:
        # Unbound answers "no such name" for private addresses by itself; an operator's
        # private-address would take the cluster's addresses out of answers.
        here += [f'    local-zone: "{zone}." transparent', f'    domain-insecure: "{zone}."']
        here += [f'    private-domain: "{zone}."']
    # As an upstream server would be asked, so that a name outside that one leads to is followed.
    blocks = (
        f'auth-zone:\n    name: "{zone}."\n    zonefile: "{folder}/db.{zone}"\n'
        "    for-downstream: no\n    for-upstream: yes\n    fallback-enabled: no\n"
        for zone in names
    )
    return (
        f"# {_HEAD}server:\n" + "".join(f"{line}\n" for line in (*asking, *here)) + "".join(blocks)
    )


def _knot(names: Sequence[str], folder: str) -> str:
    # A template of our own: the operator's may sign zones, or write them back.
    head = (
        f'template:\n  - id: kcompile\n    storage: "{folder}"\n    zonefile-load: whole\n'
        "    zonefile-sync: -1\n    journal-content: none\nzone:\n"
    )
    return f"# {_HEAD}{head}" + "".join(
        f'  - domain: "{zone}"\n    template: kcompile\n    file: "db.{zone}"\n' for zone in names
    )


def _clients(slice_: Slice) -> str:
    """Who may ask, as the bundle's own configuration says it."""
    return _file(slice_, "named.conf").partition("acl clients {\n")[2].partition("};")[0]


def _file(slice_: Slice, name: str) -> str:
    path = f"dns/servers/{name}"
    return slice_.text(path) if path in slice_.files else ""
