"""Settings together with who states them, so that a disagreement can name both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from kcompile.load.locate import locate
from kcompile.model import ClusterConfiguration, KubeProxyConfiguration
from kcompile.problems import Code, Finding
from kcompile.source import Origin, Path

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stated(Generic[T]):
    """A setting and who states it: a document's field, or a flag or the default (`label`)."""

    value: T
    origin: Origin | None = None
    path: Path = ()
    label: str = "default"

    def finding(self, code: Code, message: str, hint: str = "") -> Finding:
        return Finding(code, self.origin, self.path, message, hint, label=self.label)

    @property
    def is_default(self) -> bool:
        return self.origin is None and self.label == "default"

    def __str__(self) -> str:
        return self.label if self.origin is None else str(locate(self.origin, self.path))


@dataclass(frozen=True, slots=True)
class Configurations:
    """The documents that state settings, each with its origin."""

    cluster: tuple[tuple[ClusterConfiguration, Origin], ...]
    proxy: tuple[tuple[KubeProxyConfiguration, Origin], ...]

    def kubeadm(
        self, read: Callable[[ClusterConfiguration], T | None], *path: str
    ) -> Iterator[Stated[T]]:
        for document, origin in self.cluster:
            if (value := read(document)) is not None:
                yield Stated(value, origin, path)

    def kube_proxy(
        self, read: Callable[[KubeProxyConfiguration], T | None], *path: str
    ) -> Iterator[Stated[T]]:
        for document, origin in self.proxy:
            if (value := read(document)) is not None:
                yield Stated(value, origin, path)
