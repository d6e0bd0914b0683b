"""Kubernetes objects as JSON, in kubectl's layout."""

import json
from collections.abc import Iterable

from kcompile.explain.object_pieces import Object


def json_object(value: Object) -> str:
    return json.dumps(value, indent=4, sort_keys=True) + "\n"


def json_list(items: Iterable[Object]) -> str:
    """A v1 List. Made item by item: as one value, 100,000 pods would take a gigabyte."""
    margin = "\n" + 8 * " "
    # A JSON string never holds a raw newline, so these are the layout's own.
    body = f",{margin}".join(json_object(item)[:-1].replace("\n", margin) for item in items)
    return (
        '{\n    "apiVersion": "v1",\n    "items": ['
        + (f"{margin}{body}\n    " if body else "")
        + '],\n    "kind": "List",\n    "metadata": {\n        "resourceVersion": ""\n    }\n}\n'
    )
