"""How much one input may ask for: far above real manifests, far below what hurts a machine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one run; tests lower them.

    `depth` counts mappings and lists inside each other; Kubernetes objects reach about 20, CRDs
    about 50. `parts` counts keys, values, and starts and ends of containers of one document, which
    may be a List of thousands of pods. `alias_nodes` is how many nodes all aliases of a document
    may add (go-yaml lets between 0 and 400,000 pass).
    """

    input_bytes: int = 256 * 1024 * 1024
    document_characters: int = 128 * 1024 * 1024
    depth: int = 100
    parts: int = 10_000_000
    alias_nodes: int = 250_000


LIMITS = Limits()
