"""sources.json: where in the inputs each object and its parts stand."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from kcompile.address import format_ip, parse_ip
from kcompile.load.document import Document
from kcompile.load.locate import mappings
from kcompile.model import EndpointSlice, Objects
from kcompile.source import Path, Text

_SECRETS = ("Secret", "SecretList")
_CONTAINERS = ("containers", "initContainers")
_MAPPED = 0xFFFF  # ::ffff:0:0/96, IPv4 addresses in IPv6 (RFC 4291)


def sources_json(documents: Sequence[Document], objects: Objects) -> str:
    """The text of sources.json, an input or an object a line.

    An input's digest is that of its text in UTF-8. It is null where a Secret is in the text: a
    short secret in a known frame can be guessed from the digest of the whole.
    """
    inputs = ",\n".join(
        f'{{"name": {json.dumps(name)}, "sha256": {digest}}}'
        for name, digest in _digests(documents)
    )
    places = ",\n".join(
        f"{json.dumps(key)}: {json.dumps(place)}"
        for key, place in sorted(_places(documents, objects).items())
    )
    return f'{{\n"version": 1,\n"inputs": [\n{inputs}\n],\n"objects": {{\n{places}\n}}\n}}\n'


def _digests(documents: Sequence[Document]) -> list[tuple[str, str]]:
    """Name and digest, as JSON says it, of every text that has a document, sorted."""
    texts = {id(document.origin.text): document.origin.text for document in documents}
    suspects = {key for key, text in texts.items() if _may_hold_secret(text)}
    secret = {
        id(document.origin.text)
        for document in documents
        if id(document.origin.text) in suspects and _holds_secret(document.value)
    }
    return sorted(
        (text.name, "null" if key in secret else f'"{sha256(text.content.encode()).hexdigest()}"')
        for key, text in texts.items()
    )


def _may_hold_secret(text: Text) -> bool:
    # An escape ("\x53ecret") may spell the word as well.
    return "Secret" in text.content or "\\" in text.content


def _holds_secret(value: Any) -> bool:
    """At any depth: in a List, or in a template of another kind."""
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict):
            if inner.get("kind") in _SECRETS:
                return True
            waiting.extend(inner.values())
        elif isinstance(inner, list):
            waiting.extend(inner)
    return False


def _places(documents: Sequence[Document], objects: Objects) -> dict[str, dict[str, Any]]:
    """Of every object, by key, its position and the positions of its parts."""
    names: defaultdict[tuple[int, int], dict[Path, str]] = defaultdict(dict)
    services: dict[str, str] = {}
    for item, origin in zip(objects.items, objects.origins, strict=True):
        key = str(item.key).rstrip()
        if isinstance(item, EndpointSlice):
            # Endpoints are a slice for each subset and family, under one name of three parts.
            key = "/".join(key.split("/", 2)[:2])
            services[key] = item.service
        names[id(origin.text), origin.start][origin.path] = key
    places: dict[str, dict[str, Any]] = {}
    for document in documents:
        start = (id(document.origin.text), document.origin.start)
        if start in names:
            places.update(_places_in(document, names[start]))
            if services:
                _add_addresses(places, document, names[start], services)
    return places


def _places_in(document: Document, names: Mapping[Path, str]) -> dict[str, dict[str, object]]:
    """`names` are the keys of the document's objects by path: () or, in a List, an item's path."""
    depths = {len(path) for path in names}
    positions: dict[str, str] = {}
    fields: dict[str, dict[str, str]] = {name: {} for name in names.values()}
    for path, position in mappings(document):
        for depth in depths:
            name = names.get(path[:depth])
            if name is None:
                continue
            if len(path) == depth:
                positions[name] = str(position)
            elif field := _field(path[depth:]):
                fields[name][field] = str(position)
    return {name: {"position": positions[name], "fields": fields[name]} for name in fields}


def _add_addresses(
    places: dict[str, dict[str, Any]],
    document: Document,
    names: Mapping[Path, str],
    services: Mapping[str, str],
) -> None:
    """What states endpoints names its Service, and where each address stands."""
    stating = {path: key for path, key in names.items() if key in services}
    depths = {len(path) for path in stating}
    for key in stating.values():
        places[key] |= {"service": services[key], "addresses": {}}
    for path, position in mappings(document) if stating else ():
        for depth in depths:
            key = stating.get(path[:depth], "")
            if key and _is_endpoint(path[depth:]):
                address = _address_in(_at(document.value, path))
                places[key]["addresses"][address] = str(position)


def _is_endpoint(path: Path) -> bool:
    match path:
        case ("endpoints", _) | ("subsets", _, "addresses" | "notReadyAddresses", _):
            return True
    return False


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _address_in(endpoint: Any) -> str:
    """The one that counts, in its usual form. Validation has read it before."""
    family, ip = parse_ip(endpoint["ip"] if "ip" in endpoint else endpoint["addresses"][0])
    if family == 6 and ip >> 32 == _MAPPED:
        family, ip = 4, ip & 0xFFFFFFFF
    return format_ip(family, ip)


def _field(path: Path) -> str:
    """A part of an object that rules and names come from, as it is shown; "" for all others."""
    match path:
        case ("networking",):
            return "networking"
        case ("spec", "selector"):
            return "spec.selector"
        case ("spec", "ports", index):
            return f"spec.ports[{index}]"
        case ("spec", "template", "spec", kind, index, "ports", port) if kind in _CONTAINERS:
            return f"spec.template.spec.{kind}[{index}].ports[{port}]"
        case ("spec", kind, index, "ports", port) if kind in _CONTAINERS:
            return f"spec.{kind}[{index}].ports[{port}]"
        case _:
            return ""
