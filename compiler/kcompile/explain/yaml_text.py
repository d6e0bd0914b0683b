"""Kubernetes objects as YAML. A module of its own because `import yaml` takes 15 ms."""

import re
from collections.abc import Iterable

import yaml

from kcompile.explain.object_pieces import Object

_PLAIN = re.compile(
    r"[A-Za-z/](?:[A-Za-z0-9./_:@-]*[A-Za-z0-9])?|[0-9]+(?:\.[0-9]+){3}(?:/[0-9]+)?"
)
_WORDS_WITH_A_TYPE = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])
"""Kubernetes' YAML 1.1 reads `y` as true; PyYAML would write it without quotes."""


class _Dumper(yaml.CSafeDumper):
    """Quotes whatever is not plainly a string, whoever reads it."""


def _represent_text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS_WITH_A_TYPE
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _represent_text)


def yaml_object(value: Object) -> str:
    return _yaml(value)


def yaml_list(items: Iterable[Object]) -> str:
    """A v1 List, made item by item to save memory."""
    body = "".join(_yaml([item]) for item in items)
    items_key = f"items:\n{body}" if body else "items: []\n"
    return f'apiVersion: v1\n{items_key}kind: List\nmetadata:\n  resourceVersion: ""\n'


def _yaml(value: Object | list[Object]) -> str:
    return yaml.dump(value, Dumper=_Dumper, default_flow_style=False)
