"""How much one input may ask for: far above real manifests, far below what hurts a machine."""

INPUT_BYTES = 256 * 1024 * 1024
DOCUMENT_CHARACTERS = 128 * 1024 * 1024

DEPTH = 100
"""Mappings and sequences inside each other. Kubernetes objects reach about 20, CRDs about 50."""

NODES = 10_000_000
"""Keys, values and containers of one document, which may be a List of thousands of pods."""

ALIAS_NODES = 250_000
"""Nodes that all aliases of one document may add to it (go-yaml stops between 0 and 400,000)."""
