"""What systemd is told on a node: units, and drop-ins for services that come between our rules."""

from collections.abc import Mapping

from kcompile.ir import NodeListeners
from kcompile.render.environment import template

PROGRAM = "/usr/bin/python3 -I -S /var/lib/kcompile/kcompile.pyz"
"""How a node runs kcompile, without anything that is installed for Python there."""

_FILES = {
    "docker.service.d/kcompile.conf": "docker.service.conf.j2",
    "firewalld.service.d/kcompile.conf": "firewalld.service.conf.j2",
    "kcompile-drift.service": "kcompile-drift.service.j2",
    "kcompile-drift.timer": "kcompile-drift.timer.j2",
    "kcompile-firewalld.service": "kcompile-firewalld.service.j2",
    "kcompile-listen.service": "kcompile-listen.service.j2",
    "kcompile-restore.service": "kcompile-restore.service.j2",
}


def unit_texts(node: NodeListeners) -> Mapping[str, str]:
    """Texts by path below systemd/. Nodes of a cluster listen on the same ports, so all get the
    same."""
    ports = (
        *(listener.port for listener in node.listeners),
        *(check.port for check in node.health_checks),
    )
    low_ports = any(port < 1024 for port in ports)
    return {
        path: template(name).render(program=PROGRAM, low_ports=low_ports)
        for path, name in _FILES.items()
    }
