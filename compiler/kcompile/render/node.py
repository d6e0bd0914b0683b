"""A node's listeners.json, routes, sysctls and modules."""

import json
from collections.abc import Mapping, Sequence

from kcompile.address import BITS, format_ip
from kcompile.ir import NodeListeners, NodeNetwork, Route
from kcompile.render.environment import template

FORMAT_VERSION = 1


def listeners_json(node: NodeListeners) -> str:
    """listeners.json: a listener or health check a line. No addresses means all of the node's.

    kube-proxy's health checks answer at nodePortAddresses, too (service_health.go)."""
    listeners = [
        {
            "port": listener.port,
            "protocol": listener.protocol,
            "families": [f"IPv{family}" for family in listener.families],
            "addresses": node.addresses,
            "service": listener.service,
            "portName": listener.port_name,
        }
        for listener in node.listeners
    ]
    checks = [
        {
            "port": check.port,
            "addresses": node.addresses,
            "service": check.service,
            "localEndpoints": check.local_endpoints,
        }
        for check in node.health_checks
    ]
    return (
        f'{{\n"version": {FORMAT_VERSION},\n"node": {json.dumps(node.node)},\n'
        f'"listeners": {_block(listeners)},\n"healthChecks": {_block(checks)}\n}}\n'
    )


def _block(items: Sequence[Mapping[str, object]]) -> str:
    return "[\n" + ",\n".join(map(json.dumps, items)) + "\n]" if items else "[]"


def addresses_text(network: NodeNetwork) -> str:
    """Commands for `ip -batch`; replace, so that a second run changes nothing."""
    found = [
        (family, f"{format_ip(family, ip)}/{BITS[family]}") for family, ip in network.addresses
    ]
    return template("addresses.batch.j2").render(addresses=found)


def links_text(network: NodeNetwork) -> str:
    """Commands for `ip -batch`; with -force, a second run changes nothing."""
    return template("links.batch.j2").render(links=network.links)


def routes_text(network: NodeNetwork) -> str:
    """Commands for `ip -batch`; replace, so that a second run changes nothing."""
    return template("routes.batch.j2").render(
        node=network.node, routes=[_words(route) for route in network.routes]
    )


def sysctl_text(network: NodeNetwork) -> str:
    return template("sysctl.conf.j2").render(sysctls=network.sysctls)


def modules_text(network: NodeNetwork) -> str:
    return template("modules.conf.j2").render(modules=network.modules)


def _words(route: Route) -> str:
    family = route.destination.family
    words = str(route.destination)
    if route.via:
        words += f" via {format_ip(family, route.via)}"
    if route.device:
        words += f" dev {route.device}"
    if route.source:
        words += f" src {format_ip(family, route.source)}"
    if route.mtu:
        words += f" mtu {route.mtu}"
    return words
