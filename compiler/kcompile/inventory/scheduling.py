"""Kubespray's node_labels and node_taints."""

from dataclasses import dataclass

from kcompile.inventory.listing import Listing, Variable
from kcompile.labels import Labels
from kcompile.load import Limits, load
from kcompile.problems import InputError, printable
from kcompile.validate.names import LABEL_VALUE, QUALIFIED_NAME

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_LIMITS = Limits(input_bytes=64 * 1024, depth=4, parts=2_000, alias_nodes=0)
_SCALARS = (str, int, float, bool)


@dataclass(frozen=True, slots=True)
class Taint:
    key: str
    value: str
    effect: str


def read_labels(variable: Variable | None, host: str, listing: Listing) -> Labels:
    """The labels in their order: a mapping, or a text that is one."""
    if variable is None:
        return ()
    value = _value(variable, "node_labels", listing)
    if value is None:
        return ()
    if not isinstance(value, dict):
        _wrong(variable, f"node_labels of {printable(host)} must be a mapping", listing)
        return ()
    labels = []
    for key, text in value.items():
        shown = "" if text is None else _text(text)
        if not QUALIFIED_NAME.accepts(key):
            _wrong(variable, f"label {printable(key)}: its key {QUALIFIED_NAME.allowed}", listing)
        elif shown is None or not LABEL_VALUE.accepts(shown):
            wanted = f"its value {LABEL_VALUE.allowed}"
            _wrong(variable, f"label {printable(key)}: {printable(text)}: {wanted}", listing)
        else:
            labels.append((key, shown))
    return tuple(labels)


def read_taints(variable: Variable | None, host: str, listing: Listing) -> tuple[Taint, ...]:
    """KEY=VALUE:EFFECT or KEY:EFFECT, in a list or with commas between them."""
    if variable is None:
        return ()
    value = _value(variable, "node_taints", listing)
    if value is None:
        return ()
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        _wrong(variable, f"node_taints of {printable(host)} must be a list of texts", listing)
        return ()
    taints: dict[tuple[str, str], Taint] = {}
    for word in words:
        rest, _, effect = word.strip().rpartition(":")
        key, _, own = rest.partition("=")
        if not (QUALIFIED_NAME.accepts(key) and LABEL_VALUE.accepts(own) and effect in _EFFECTS):
            form = f"KEY=VALUE:EFFECT is allowed, EFFECT one of {', '.join(_EFFECTS)}"
            _wrong(variable, f"taint {printable(word)}: {form}", listing)
        taints.setdefault((key, effect), Taint(key, own, effect))
    return tuple(taints.values())


def _value(variable: Variable, name: str, listing: Listing) -> object:
    """The variable's value; one of an INI file is a text that says it. None if it cannot be had."""
    value = variable.value
    if not isinstance(value, str):
        return value
    if "{{" in value or "{%" in value:
        listing.unread(variable.place, name, value)
        return None
    if value[:1] not in ("{", "["):
        return value
    try:
        # Python's literals and JSON are both YAML's flow style, but for the case of booleans.
        documents = load([(name, value)], limits=_LIMITS)
    except InputError as error:
        _wrong(variable, f"{name}: {error.problems[0].message}", listing)
        return None
    return documents[0].value if documents else None


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, _SCALARS) else None


def _wrong(variable: Variable, message: str, listing: Listing) -> None:
    listing.wrong(variable.place, message)
