"""Under a lock no edit moves what it does not force away; stability_oracle says what that is.

Whole builds of some hundreds of objects; `pending=warn`, so pods that an edit leaves without a
place go missing, which counts as a move.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from generated_edits import Cluster, Edit, clusters, edited, edits
from kcompile.pipeline import Planned, make_plan
from kcompile.plan.lock import Lock
from kcompile.plan.lock_text import parse_lock
from stability_oracle import changed, nodes_of, services_of, unforced


def build(cluster: Cluster, lock: str = "") -> Planned:
    old = parse_lock("kcompile.lock", lock) if lock else Lock()
    return make_plan(cluster.files(), cluster.flags, old, proved=False)


def moved(before: Planned, after: Planned, cluster: Cluster) -> list[str]:
    """What changed between two builds and was not forced to; `cluster` is that of the second."""
    nodes = nodes_of(cluster.files(), cluster.flags)
    found = changed(services_of(before.plan), after.plan)
    return [*map(str, found.items()), *unforced(before.plan, after, nodes)]


@settings(max_examples=60, deadline=None)
@given(clusters, st.lists(edits, min_size=1, max_size=4))
def test_edits_move_nothing_that_they_do_not_force(cluster: Cluster, done: list[Edit]) -> None:
    before = build(cluster)
    for edit in done:
        cluster = edited(cluster, edit)
        after = build(cluster, before.lock)
        assert moved(before, after, cluster) == []
        before = after
