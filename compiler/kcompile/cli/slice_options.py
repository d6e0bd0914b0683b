"""`--generation` and `--sign` of build: what nodes are to know of their slices."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from kcompile.bundle.tree import Files

F = TypeVar("F", bound=Callable[..., Any])

LARGEST_GENERATION = 2**63 - 1

_OPTIONS = (
    click.option(
        "--generation",
        type=click.IntRange(1, LARGEST_GENERATION),
        metavar="N",
        help="A number for nodes' slices that rises with each rollout, as a pipeline's runs have:"
        " a node then refuses an older one.",
    ),
    click.option(
        "--sign",
        "key",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="KEY",
        help="Sign nodes' slices with this SSH key, a file or one in the ssh-agent by its .pub.",
    ),
)


def slice_options(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class ForNodes:
    """What the options say."""

    generation: int | None
    key: Path | None

    def refuse_unusable(self) -> None:
        """Before the long work: raises InputError for a key that is no use."""
        if self.key:
            from kcompile.bundle.signatures import refuse_unusable  # noqa: PLC0415 - only for this

            refuse_unusable(self.key)

    def finish(self, files: "Files", output: Path) -> "Files":
        """The bundle to write: signed if there is a key. Raises InputError."""
        if self.key is None:
            return files
        from kcompile.bundle.signatures import signed  # noqa: PLC0415 - only for this

        return signed(files, self.key, output)

    def finish_to_compare(self, files: "Files", output: Path) -> "Files":
        """The bundle to compare with: whoever checks need not have the key."""
        if self.key:
            return self.finish(files, output)
        from kcompile.bundle.signatures import with_existing_signatures  # noqa: PLC0415 - only here

        return with_existing_signatures(files, output)
