"""Lines of `describe` that several kinds have."""

from collections.abc import Iterable, Sequence

from kcompile.explain.contents import Container
from kcompile.explain.table import DESCRIBE_PADDING, table
from kcompile.explain.words import NONE
from kcompile.labels import Labels

Field = tuple[str, str]


def container_lines(title: str, containers: Sequence[Container], indent: str = "") -> str:
    text = f"{indent}{title}\n"
    for container in containers:
        ports = [f"{port.container_port}/{port.protocol}" for port in container.ports]
        plural = "s" if len(ports) > 1 else ""
        fields = [
            ("Image:", container.image),
            (f"Port{plural}:", ", ".join(ports) or NONE),
            (f"Host Port{plural}:", ", ".join(_host_port(port) for port in ports) or NONE),
        ]
        text += f"{indent and ' '}  {container.name}:\n" + lines(fields, "    ")
    return text


def _host_port(port: str) -> str:
    """No host port is planned yet, which kubectl writes as number 0."""
    return f"0/{port.partition('/')[2]}"


def label_fields(title: str, labels: Labels) -> list[Field]:
    """The first label on the title's line, the others below it."""
    words = [f"{key}={value}" for key, value in labels] or [NONE]
    return [(title if index == 0 else "", word) for index, word in enumerate(words)]


def lines(fields: Iterable[Field], indent: str = "") -> str:
    return table(fields, DESCRIBE_PADDING, indent)
