"""Events that are consumed in one transaction say what they say in a transaction each, in fewer statements."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.incidents import consuming
from router.incidents.facts import EventFacts
from router.incidents.folding import count
from router.incidents.incident import Incident
from router.routing import IncidentRoute
from tests.incidents.stage import DEPLOYMENT_CONTROLLER, PEOPLE, REPLICASET_CONTROLLER, World, found, owner
from tests.simulators.log import collected

DIGESTS = ["sha256:" + "1" * 64, "sha256:" + "2" * 64]
ROUTES = [(PEOPLE,), (PEOPLE, IncidentRoute("pager", severity="critical", group_by="namespace")), ()]
IMAGES = st.builds(
    lambda verdict, container, digest, by, cached: found(
        verdict,
        container,
        "r.example/shop/web:1" if digest else "",
        digest=digest,
        judged_by=by,
        cached=cached,
        reason="unreachable" if verdict == "unverifiable" else "no_signature",
    ),
    st.sampled_from(["verified", "verified", "unsigned", "unverifiable"]),
    st.sampled_from(["c0", "c1"]),
    st.sampled_from([None, *DIGESTS]),
    st.sampled_from(["these", "others"]),
    st.booleans(),
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["Deployment", "ReplicaSet", "Pod", "Pod"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["shop", "shop", "other"]),
        st.lists(IMAGES, min_size=1, max_size=2, unique_by=lambda image: image["container"]),
        st.sampled_from([0.0, 5.0, 40.0]),
        st.sampled_from(ROUTES),
        st.sampled_from([None, None, None, 1, 2]),
    ),
    min_size=2,
    max_size=12,
)
LEDGER = (
    "SELECT id, subject, namespace, is_open, opened_at, ended_at, body FROM incidents ORDER BY number",
    "SELECT * FROM incident_owners ORDER BY 1, 2",
    "SELECT * FROM incident_events ORDER BY 1, 2",
    "SELECT * FROM proven_images ORDER BY 1, 2",
    "SELECT * FROM seen_controllers ORDER BY 1, 2",
    "SELECT id, body FROM events ORDER BY sequence",
    "SELECT destination, sequence, state, urgency, incident FROM deliveries ORDER BY 1, 2",
)


def decided(world: World, events: Sequence[tuple]) -> None:  # type: ignore[type-arg]  # as drawn
    """Have these stored; some correct the one so many before."""
    for number, (kind, name, namespace, images, ago, routes, corrects) in enumerate(events):
        of, user = {
            "Deployment": (None, "alice"),
            "ReplicaSet": (owner("Deployment", name), DEPLOYMENT_CONTROLLER),
            "Pod": (owner("ReplicaSet", f"{name}-1", f"uid-{name}-1"), REPLICASET_CONTROLLER),
        }[kind]
        world.decide(
            *images,
            kind=kind,
            name=name if kind == "Deployment" else f"{name}-1",
            namespace=namespace,
            of=of,
            user=user,
            uid=f"uid-{name}-1" if kind == "ReplicaSet" else "",
            at=world.of_day - ago,
            routes=routes,
            corrects=f"event-{number + 1 - corrects}" if corrects and number >= corrects else None,
        )


@given(EVENTS)
@settings(max_examples=150, deadline=None)
def test_events_say_together_what_they_say_one_by_one(events: list[tuple]) -> None:  # type: ignore[type-arg]  # as drawn
    """How many come at once is chance, and so is where a crash cuts them."""
    ledgers = []
    for at_once in (1, 64):
        with (
            tempfile.TemporaryDirectory() as folder,
            patch.object(consuming, "AT_ONCE", at_once),
            collected() as log,
        ):
            world = World(Path(folder) / "outbox.db")
            decided(world, events)
            world.consume()
            assert "failed" not in log.text  # else each came again by itself, and was the same for that reason
            ledgers.append([world.rows(statement) for statement in LEDGER])
            assert not world.rows("SELECT number FROM incidents WHERE is_open AND due_at IS NULL")
            world.close()

    assert ledgers[0] == ledgers[1]


def test_a_mistake_about_one_event_keeps_nobody_from_others_and_stands_in_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    flawed = {2, 3}

    def mistaken(incident: Incident, one: EventFacts, now: float, before: str | None) -> None:
        if one.sequence in flawed:
            raise KeyError("injected")
        count(incident, one, now, before)

    monkeypatch.setattr(consuming, "count", mistaken)
    for number in range(1, 6):
        world.decide(found(), name="web", at=world.of_day + number)
    with collected() as log:
        world.consume()
        together, alone = log.named("incident_events_failed"), log.named("incident_event_failed")

    assert [line["count"] for line in together] == [5]
    assert [line["event_id"] for line in alone] == ["event-2", "event-3"]
    counted = world.rows("SELECT event FROM incident_events ORDER BY 1")
    assert [event for (event,) in counted] == ["event-1", "event-4", "event-5"]


@pytest.mark.parametrize("verdict", ["verified", "unsigned"])
def test_a_transaction_asks_as_often_however_many_events_it_has(world: World, verdict: str) -> None:
    """What an event costs is what it takes to read it, and not what it takes to ask."""
    world.tell(found(judged_by="these", digest=DIGESTS[0]))

    def asked(many: int) -> int:
        statements = list[str]()
        for number in range(many):
            of = owner("ReplicaSet", "web-1", "uid-web-1")
            image = found(verdict, judged_by="these", digest=DIGESTS[0])
            world.decide(image, kind="Pod", name=f"web-1-{number}", of=of, user=REPLICASET_CONTROLLER)
        world.connection.set_trace_callback(statements.append)
        world.consume()
        world.connection.set_trace_callback(None)
        return sum(one.lstrip().startswith("SELECT") for one in statements)

    asked(1)

    assert asked(2) == asked(50)
