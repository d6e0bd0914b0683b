"""Nodes and pods as network namespaces of this machine, for tests. See README.md."""
