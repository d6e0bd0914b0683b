"""A slice: what one node needs of a bundle, `nodes/NODE/` and `dns/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kcompile.apply.failures import RefusedError


@dataclass(frozen=True)
class Slice:
    """A verified slice on disk. `files` has the SHA-256 of each by its path in the bundle, as
    `dns/db.cluster.local` or `nodes/a/iptables.rules`; `folder` is where these paths start."""

    node: str
    generation: int | None
    folder: Path
    files: Mapping[str, str]

    def own(self, name: str) -> str:
        """The text of a file of nodes/NODE/, as `network/routes.batch`; "" if there is none."""
        path = f"nodes/{self.node}/{name}"
        return self.text(path) if path in self.files else ""

    def text(self, path: str) -> str:
        """The text of a file by its path in the bundle. Raises RefusedError if it is gone, as where
        somebody replaces the bundle meanwhile."""
        try:
            return Path(self.folder, path).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise RefusedError(
                f"{self.folder}/{path} was there and is no longer, or is no text: start again"
                " when nobody changes this folder"
            ) from None

    def below(self, prefix: str) -> tuple[str, ...]:
        """Paths that start so, sorted: `dns/`, or `nodes/NODE/systemd/`."""
        return tuple(sorted(path for path in self.files if path.startswith(prefix)))


def own_digest(slice_: Slice | None, name: str) -> str:
    """The digest of a file of nodes/NODE/; "" without the file or the slice."""
    return slice_.files.get(f"nodes/{slice_.node}/{name}", "") if slice_ else ""
