"""`kcompile lock pin`: an address or a node port that the user chose."""

from pathlib import Path

import click

from kcompile.cli.lock_file import (
    held_lock,
    lock_option,
    lock_text,
    lock_timeout_option,
    not_in_lock,
    write_lock,
)
from kcompile.plan.keep import settled
from kcompile.plan.lock import Lock, PodKey, ServiceKey, format_lock, pod_key
from kcompile.plan.lock_pin import NodePort, Pin, PinError, parse_pin, pin_pod, pin_service
from kcompile.plan.lock_text import Reading, parse_lock, read_lock
from kcompile.plan.pod_names import names_in_lock
from kcompile.problems import InputError, Problem, printable
from kcompile.source import Position


@click.command(name="pin")
@click.argument("what", metavar="service/NAME|pod/NAME")
@click.argument("pins", nargs=-1, required=True, metavar="ADDRESS|PORT[/PROTOCOL]=NODEPORT...")
@click.option("-n", "--namespace", default="default", show_default=True, help="The object's own.")
@lock_option
@lock_timeout_option
def command(
    what: str, pins: tuple[str, ...], namespace: str, path: Path, lock_timeout: float
) -> None:
    """Give an object of the lock another address, or a Service another node port.

    service/web 10.96.0.50; service/web 80/TCP=30080; pod/web-0 10.244.1.9. A key of the lock may
    stand for the name: service/shop/web, pod/shop/StatefulSet/web/0. What a manifest states wins
    over this, and a build warns if an address is outside its range (KC411).
    """
    parsed = [_parsed(text) for text in pins]
    with held_lock(path, lock_timeout):
        old = lock_text(path)
        before = lock = parse_lock(str(path), old)
        key = _key(before, what, namespace, path)
        for pin in parsed:
            reading = read_lock(str(path), format_lock(lock))
            try:
                lock = _pinned(reading, key, pin)
            except PinError as error:
                position = Position(str(path), error.line, 1)
                raise InputError([Problem(error.code, position, error.message)]) from None
        write_lock(path, old, settled(before, lock.nodes, lock.pods, lock.services))


def _parsed(text: str) -> Pin:
    try:
        return parse_pin(text)
    except ValueError:
        message = f"{printable(text)} is neither ADDRESS nor PORT/PROTOCOL=NODEPORT"
        raise click.UsageError(message) from None


def _key(lock: Lock, what: str, namespace: str, path: Path) -> PodKey | ServiceKey:
    match what.split("/"):
        case ["service" | "services" | "svc", name] if (namespace, name) in lock.services:
            return namespace, name
        case ["service" | "services" | "svc", own, name] if (own, name) in lock.services:
            return own, name
        case ["pod" | "pods" | "po", name]:
            for key, entry in lock.pods.items():
                if key[0] == namespace and name in names_in_lock(key, entry.name):
                    return key
        case ["pod", _, _, _, _]:
            for key in lock.pods:
                if pod_key(key) == what:
                    return key
    where = "" if what.count("/") > 1 else f" in namespace {printable(namespace)}"
    raise not_in_lock(path, f"{printable(what)} is not in the lock{where}")


def _pinned(reading: Reading, key: PodKey | ServiceKey, pin: Pin) -> Lock:
    match key, pin:
        case (namespace, name), _:
            return pin_service(reading, (namespace, name), pin)
        case (_, _, _, _), NodePort():
            raise click.UsageError("a pod has no node port")
        case (namespace, kind, name, ordinal), (family, address):
            return pin_pod(reading, (namespace, kind, name, ordinal), family, address)
