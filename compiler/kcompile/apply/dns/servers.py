"""The name servers that are known: where their files lie and how they are told."""

from __future__ import annotations

from dataclasses import dataclass

# The file of ours that a server's configuration includes.
SNIPPET = "kcompile.conf"


@dataclass(frozen=True)
class Server:
    """`mains` are its configuration files as distributions have them, each with the folder beside
    it that is ours; `drop_ins` the end of an include line of theirs that takes more files.

    `check` and `check_zone` take FILE and ZONE; `reload` and `zone_reload` are commands that take
    CONFIGURATION, one after the other, the latter for each ZONE that has new content. Without
    `zone_reload`, `reload` reads zones too. `units` are names of its
    systemd unit; `wildcard` says whether, listening on all addresses at once, it answers from the
    one that was asked, and `finds_addresses` whether a reload has it listen on new ones.
    """

    name: str
    title: str
    program: str
    option: str
    mains: tuple[tuple[str, str], ...]
    include: str
    comment: str
    check: tuple[str, ...] = ()
    check_zone: tuple[str, ...] = ()
    drop_ins: str = ""
    reload: tuple[tuple[str, ...], ...] = ()
    zone_reload: tuple[tuple[str, ...], ...] = ()
    signal: str = ""
    units: tuple[str, ...] = ()
    wildcard: bool = False
    finds_addresses: bool = False


BIND = Server(
    name="bind",
    title="BIND",
    program="named",
    option="-c",
    # Debian's, whose AppArmor profile lets named read /etc/bind only; then Red Hat's.
    mains=(
        ("/etc/bind/named.conf", "/etc/bind/kcompile"),
        ("/etc/named.conf", "/etc/named/kcompile"),
    ),
    include='include "{}";',
    comment="//",
    check=("named-checkconf", "FILE"),
    # Names outside of the zone are not looked up; names that are no host names are the zone's.
    check_zone=("named-checkzone", "-q", "-i", "local", "-k", "ignore", "ZONE", "FILE"),
    reload=(("rndc", "reconfig"),),
    zone_reload=(("rndc", "reload", "ZONE"),),
    signal="SIGHUP",
    units=("named", "bind9"),
    wildcard=True,
    finds_addresses=True,
)
UNBOUND = Server(
    name="unbound",
    title="Unbound",
    program="unbound",
    option="-c",
    mains=(("/etc/unbound/unbound.conf", "/etc/unbound/kcompile"),),
    include='include: "{}"',
    comment="#",
    check=("unbound-checkconf", "FILE"),
    drop_ins="unbound.conf.d/*.conf",
    # The first ends TCP connections and empties the cache, so it is for a new configuration only.
    reload=(("unbound-control", "-c", "CONFIGURATION", "reload"),),
    zone_reload=(
        ("unbound-control", "-c", "CONFIGURATION", "auth_zone_reload", "ZONE"),
        ("unbound-control", "-c", "CONFIGURATION", "flush_zone", "ZONE"),
    ),
    signal="SIGHUP",
    units=("unbound",),
)
NSD = Server(
    name="nsd",
    title="NSD",
    program="nsd",
    option="-c",
    mains=(("/etc/nsd/nsd.conf", "/etc/nsd/kcompile"),),
    include='include: "{}"',
    comment="#",
    check=("nsd-checkconf", "FILE"),
    check_zone=("nsd-checkzone", "ZONE", "FILE"),
    drop_ins="nsd.conf.d/*.conf",
    # No signal: SIGHUP reads zone files again, but not the configuration.
    reload=(
        ("nsd-control", "-c", "CONFIGURATION", "reconfig"),
        ("nsd-control", "-c", "CONFIGURATION", "reload"),
    ),
    units=("nsd",),
)
KNOT = Server(
    name="knot",
    title="Knot DNS",
    program="knotd",
    option="-c",
    mains=(("/etc/knot/knot.conf", "/etc/knot/kcompile"),),
    include='include: "{}"',
    comment="#",
    check=("knotc", "-c", "FILE", "conf-check"),
    check_zone=("kzonecheck", "-o", "ZONE", "FILE"),
    reload=(("knotc", "-c", "CONFIGURATION", "reload"),),
    signal="SIGHUP",
    units=("knot",),
    wildcard=True,
)
COREDNS = Server(
    name="coredns",
    title="CoreDNS",
    program="coredns",
    option="-conf",
    mains=(("/etc/coredns/Corefile", "/etc/coredns/kcompile"),),
    include="import {}",
    comment="#",
    signal="SIGUSR1",
    units=("coredns",),
    wildcard=True,
)
SERVERS = (BIND, UNBOUND, NSD, KNOT, COREDNS)
CHOICES = ("auto", *(server.name for server in SERVERS), "none")
