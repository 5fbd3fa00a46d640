"""The driver on a real outbox: what it makes of events, and that a file that is lost takes no memory with it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from functools import partial
from pathlib import Path

import pytest

from router.events import as_json
from router.incidents import reading, silences
from router.incidents.driver import IncidentsDriver
from router.incidents.rules import IncidentRules
from router.outbox import Accepted, Delivery, DeliverySelection, NewEvent, Wanted
from router.outbox.sqlite import SqliteOutbox
from router.routing import IncidentSettings, Routed, RouteSettings
from router.verdict import Severity
from tests.incidents.stage import NOW, PEOPLE, found
from tests.outbox import test_replacing
from tests.routing.event import event


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[SqliteOutbox]:
    opened = await SqliteOutbox.open(tmp_path / "outbox.db", "r")
    yield opened
    await opened.close()


async def driver(outbox: SqliteOutbox) -> IncidentsDriver:
    """One that has looked once."""
    made = IncidentsDriver(outbox, time_of_day=lambda: NOW)
    made.rules = IncidentRules.of(IncidentSettings(), (), RouteSettings(), "r", 86400.0)
    while await made.step():
        pass
    return made


def bad(event_id: str, *destinations: str) -> NewEvent:
    """An event that a route of people took."""
    body = as_json(
        {
            "specversion": "1.0",
            "type": "dev.gatecrier.admission.decision.v1",
            "id": event_id,
            "source": "/clusters/c",
            "subject": "s",
            "time": "2026-01-01T00:00:00.000Z",
            "datacontenttype": "application/json",
            "data": event(found()),
        }
    )
    return NewEvent(
        event_id, body, NOW, destinations, severity=Severity.HIGH, incident_routes=Routed((), (PEOPLE,)).stored
    )


async def claimed(outbox: SqliteOutbox) -> list[Delivery]:
    return list(await outbox.queue("me").claim("people", Wanted(10)))


async def test_a_message_is_delivered_like_any_event(outbox: SqliteOutbox) -> None:
    made = await driver(outbox)
    await outbox.append(bad("event-1"))
    await made.step()
    (delivery,) = await claimed(outbox)
    await outbox.queue("me").settle([Accepted("people", delivery.event_id, NOW, 1)])
    again = await claimed(outbox)

    assert delivery.body.startswith(b'{"specversion":"1.0","type":"dev.gatecrier.incident.opened.v1"')
    assert delivery.severity is Severity.HIGH
    assert again == []


async def test_incidents_are_no_decision_of_a_person(outbox: SqliteOutbox) -> None:
    """Whoever waits for a receiver that is down, or that asked to be left alone, would try it with every event."""
    made = await driver(outbox)
    told, decided = list[object](), list[str]()
    outbox.queue("me").subscribe(told.append, lambda: decided.append("a person"))
    await outbox.append(bad("event-1", "siem"))
    await made.step()
    by_the_router = list(decided)
    await outbox.replay(DeliverySelection())

    assert None in told
    assert by_the_router == []
    assert decided == ["a person"]


async def test_what_is_stored_before_the_first_look_is_told(outbox: SqliteOutbox) -> None:
    """The gate answers before the driver has its first turn; only what was there before the driver is none of its."""
    await outbox.append(bad("before"))
    made = IncidentsDriver(outbox, time_of_day=lambda: NOW)
    await made.begin()
    await outbox.append(bad("event-1"))
    made.rules = IncidentRules.of(IncidentSettings(), (), RouteSettings(), "r", 86400.0)
    while await made.step():
        pass
    (delivery,) = await claimed(outbox)

    assert (json.loads(delivery.body)["data"]["incident"]["count"]) == 1


async def test_what_was_not_consumed_is_not_forgotten(outbox: SqliteOutbox) -> None:
    """An event of which nobody else is told waits for the driver alone."""
    made = await driver(outbox)
    await outbox.append(bad("event-1"))
    before = await outbox.forget(-1e12)
    await made.step()
    (delivery,) = await claimed(outbox)
    await outbox.queue("me").settle([Accepted("people", delivery.event_id, NOW, 1)])

    assert before == 0
    assert await outbox.forget(-1e12) == 2


async def test_a_silence_that_matches_nothing_is_told_by_the_driver(outbox: SqliteOutbox) -> None:
    made = await driver(outbox)
    hears = RouteSettings.model_validate({"routes": [{"about": ["gatecrier"], "destinations": ["people"]}]})
    made.rules = IncidentRules.of(IncidentSettings(), (), hears, "r", 86400.0, cluster="c")
    long_ago = NOW - silences.UNMATCHED_FOR
    idle = silences.new(['request.namespace = "shpo"'], "alice", "planned", now=long_ago, ends_at=NOW + 1)
    await outbox.change(partial(silences.add, silence=idle))
    await made.step()
    await made.step()
    (delivery,) = await claimed(outbox)

    assert b"dev.gatecrier.silence.unmatched.v1" in delivery.body
    assert delivery.body.startswith(b'{"specversion":"1.0","type":"dev.gatecrier.notice.v1"')


async def test_what_was_consumed_is_not_withdrawn(outbox: SqliteOutbox) -> None:
    """People were told of it."""
    made = await driver(outbox)
    await outbox.append(bad("event-1"))
    await made.step()

    assert await outbox.withdraw(["event-1"]) == frozenset()


async def test_who_was_told_is_known_after_the_file_was_lost(outbox: SqliteOutbox, tmp_path: Path) -> None:
    """Else a damaged file would tell everybody everything once more, and lose what waits."""
    made = await driver(outbox)
    await outbox.append(bad("event-1"))
    await made.step()
    test_replacing.remove_all(tmp_path / "outbox.db")
    await test_replacing.looked_after(outbox)
    await outbox.append(bad("event-2"))
    while await made.step():
        pass
    waiting = await claimed(outbox)
    (incident,) = await outbox._file.read(reading.incidents, 10, None, None)

    assert [delivery.body[:66] for delivery in waiting] == [
        b'{"specversion":"1.0","type":"dev.gatecrier.incident.opened.v1","id'
    ]
    assert incident.count == 2


async def test_whoever_is_told_is_woken_and_nobody_else(outbox: SqliteOutbox) -> None:
    """Every lane would look for what is due to it, and with every event."""
    made, told = await driver(outbox), list[Collection[str] | None]()
    await outbox.append(bad("e1"))
    outbox.queue("watcher").subscribe(told.append)
    while await made.step():
        pass

    assert None not in told
    assert {name for one in told for name in one or ()} == {PEOPLE.destination}
