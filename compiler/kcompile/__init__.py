"""A compiler from Kubernetes manifests to packet rules, zone files and listeners."""

__version__ = "0.1.0"
