"""What a kernel gives back is what was written: the same words, in the same order, to the last bit
of every probability."""

import shlex
from pathlib import Path

import pytest

from lab import needs

GOLDEN = Path(__file__).parent.parent / "golden"


def files(program: str) -> list[Path]:
    """Rules of each kind of Service and setting, each text once."""
    found = sorted(GOLDEN.glob(f"*/*/expected/bundle/nodes/*/{program}.rules"))
    return list({path.read_bytes(): path for path in found}.values())


def rules_of(text: str) -> dict[str, list[str]]:
    """Rules by table and chain: chains have no order among each other."""
    found: dict[str, list[str]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A "):
            found.setdefault(f"{table} {line.split(' ')[1]}", []).append(line)
    return found


@pytest.mark.parametrize("program", ["iptables", "ip6tables"])
@pytest.mark.parametrize("flavour", ["nft", "legacy"])
def test_the_kernel_gives_the_rules_back_as_they_are(program: str, flavour: str) -> None:
    needs.requires_flavour(flavour)
    needs.requires(f"{program}-{flavour}-restore", f"{program}-{flavour}-save")
    paths = files(program)
    assert paths
    for path in paths:
        restore = f"{program}-{flavour}-restore < {shlex.quote(str(path))}"
        done = needs.in_scratch_netns(["sh", "-c", f"{restore} && {program}-{flavour}-save"])
        assert done.returncode == 0, f"{path}: {done.stdout}"
        assert rules_of(done.stdout) == rules_of(path.read_text()), path
