"""What iptables-save says of a family, as tables."""

from __future__ import annotations

from kcompile.apply.rules.text import Table, Tables


def tables(text: str) -> Tables:
    """Chains and rules by table; whoever made them, as they are."""
    found: dict[str, Table] = {}
    chains: dict[str, list[str]] = {}
    policies: set[str] = set()
    table = ""
    for line in text.split("\n"):
        if line[:3] == "-A ":
            chains.setdefault(line[3 : line.find(" ", 3)], []).append(line)
        elif line[:1] == ":":
            name, policy, _ = line[1:].rsplit(" ", 2)
            chains[name] = []
            if policy != "-":
                policies.add(name)
        elif line[:1] == "*":
            table, chains, policies = line[1:], {}, set()
        elif line == "COMMIT":
            found[table] = Table(
                {name: tuple(rules) for name, rules in chains.items() if name not in policies},
                {name: tuple(rules) for name, rules in chains.items() if name in policies},
            )
    return found
