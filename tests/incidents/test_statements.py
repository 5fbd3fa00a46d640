"""How the ledger's file is asked: by an index, or it would cost more the more it holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from router.incidents import withheld
from router.incidents.proven import Proven
from tests.incidents.stage import World, found

TAG = "r.example/shop/web:1"


def asked(world: World, what: Callable[[], object]) -> list[str]:
    """How SQLite does all that is asked meanwhile."""
    statements: list[str] = []
    world.connection.set_trace_callback(statements.append)
    what()
    world.connection.set_trace_callback(None)
    queries = [one for one in statements if one.lstrip().startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"))]
    return [str(row[3]) for one in queries for row in world.connection.execute(f"EXPLAIN QUERY PLAN {one}")]


@pytest.mark.parametrize(
    "ask",
    [
        lambda world: world.tell(found(of=TAG, digest="sha256:" + "2" * 64, judged_by="these")),
        lambda world: world.tell(found("verified", of=TAG, digest="sha256:" + "1" * 64, judged_by="these")),
        lambda world: world.tell(found("unverifiable", reason="unreachable"), namespace="other"),
        lambda world: world.pass_time(8000.0),
        lambda world: Proven(world.connection).was_proven(b"some", 0.0),
        lambda world: withheld.held_sources(world.connection),
    ],
    ids=["failing", "passing", "registry", "time", "blame", "held"],
)
def test_nothing_reads_a_whole_table(world: World, ask: Callable[[World], object]) -> None:
    """Whoever makes a hundred thousand owners would slow down everybody's alerts."""
    world.tell(found(), name="before")
    plans = asked(world, lambda: ask(world))
    tables = ("incidents", "incident_owners", "incident_events", "proven_images", "held_back", "events", "deliveries")

    assert any("USING" in plan for plan in plans)
    assert not [
        plan for plan in plans for table in tables if plan.startswith(f"SCAN {table}") and "sources" not in plan
    ]
