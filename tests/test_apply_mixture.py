"""What apply says of nodes that differ during a rollout: rules in, sentences out."""

from pathlib import Path

import pytest

from kcompile.apply.mixture import mixtures
from kcompile.apply.slices import Slice

FRONT = '-A KUBE-SERVICES -d 10.96.0.7/32 -p tcp -m comment --comment "default/web:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-WEB\n'
MOVED = FRONT.replace("10.96.0.7", "10.96.0.8")
REFUSED = '-A KUBE-SERVICES -d 10.96.0.7/32 -p tcp -m comment --comment "default/web:http has no endpoints" -m tcp --dport 80 -j REJECT\n'


def end(endpoint: str) -> str:
    return f'-A KUBE-SVC-WEB -m comment --comment "default/web:http -> {endpoint}" -j KUBE-SEP-X\n'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (FRONT + end("10.244.0.2:80"), FRONT + end("10.244.0.2:80"), []),
        (
            "",
            FRONT + end("10.244.0.2:80"),
            ["answers only by way of nodes that have this generation"],
        ),
        (FRONT, "", ["is still answered by nodes that have the old generation"]),
        (
            FRONT + end("10.244.0.2:80"),
            FRONT + end("10.244.0.3:80"),
            [
                "is still sent to 10.244.0.2:80 by nodes that have the old generation",
                "is sent to 10.244.0.3:80 only by nodes that have this generation",
            ],
        ),
        (
            FRONT + end("10.244.0.2:80"),
            REFUSED,
            ["is refused on nodes that have this generation: no endpoint is left"],
        ),
        (
            FRONT + end("10.244.0.2:80"),
            MOVED + end("10.244.0.2:80"),
            ["is reached at its old addresses and ports on some nodes, at its new ones on others"],
        ),
    ],
)
def test_mixtures(tmp_path: Path, old: str, new: str, said: list[str]) -> None:
    slices = [slice_of(tmp_path / name, text) for name, text in (("old", old), ("new", new))]
    assert mixtures(*slices) == tuple(
        f"while nodes differ, default/web:http {each}" for each in said
    )


def slice_of(folder: Path, rules: str) -> Slice:
    path = folder / "nodes/a/iptables.rules"
    path.parent.mkdir(parents=True)
    path.write_text(rules)
    return Slice("a", None, folder, {"nodes/a/iptables.rules": ""})
