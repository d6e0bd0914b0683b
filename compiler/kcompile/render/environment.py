"""Where the templates come from and how Jinja2 reads them."""

from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template


@cache
def template(name: str) -> Template:
    """A template of the package, compiled once. Loops over tuples, not objects: it is 5 times
    faster (design, "Speed")."""
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_text),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - output is not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _text(name: str) -> str:
    return files("kcompile.templates").joinpath(name).read_text("utf-8")
