"""What a destination that keeps nothing is told once more: the last message about each open incident, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from router.incidents.driver import IncidentsDriver
from router.incidents.rules import IncidentRules
from router.outbox import Accepted, Delivery, Wanted
from router.outbox.sqlite import SqliteOutbox
from router.routing import IncidentRoute, IncidentSettings, RouteSettings
from tests.incidents.stage import NOW, PEOPLE, World, found
from tests.incidents.test_driver import bad

BAD = found()
EVERY = 60.0
PAGER = IncidentRoute("pager", severity="high")


def rules() -> IncidentRules:
    """People are told by something that forgets, a pager by something that does not."""
    return IncidentRules.of(IncidentSettings(), (), RouteSettings(), "r", 86400.0, resend_every={"people": EVERY})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "outbox.db")
    made.rules = rules()
    yield made
    made.close()


def delivered(world: World, state: str = "delivered") -> None:
    """Everything that waits arrives, or ends so."""
    world.connection.execute("UPDATE deliveries SET state = ? WHERE state = 'pending'", (state,))


def waiting(world: World) -> list[tuple[str, str]]:
    """(destination, what it is told) of what waits."""
    return world.rows(
        "SELECT destination, replace(replace(body ->> '$.type', 'dev.gatecrier.incident.', ''), '.v1', '') FROM"
        " deliveries JOIN events USING (sequence) WHERE state = 'pending' AND sequence < 0 ORDER BY 1, sequence"
    )


def test_the_last_message_about_what_goes_on_is_delivered_again(world: World) -> None:
    world.tell(BAD, routes=[PEOPLE, PAGER])
    delivered(world)
    times = []
    for _ in range(3):
        world.pass_time(EVERY - 1)
        early = waiting(world)
        world.pass_time(1)
        times.append((early, waiting(world)))
        delivered(world)

    assert times == [([], [("people", "opened")])] * 3
    assert world.states() == ["opened"], "nothing is told that is no news"
    assert world.messages()[0]["told"] == 1


def test_it_is_told_how_things_are_and_its_time_begins_anew(world: World) -> None:
    world.tell(BAD)
    delivered(world)
    world.pass_time(90)
    delivered(world)
    world.tell(BAD, found("untrusted", container="c1"))
    changed = waiting(world)
    delivered(world)
    world.pass_time(EVERY - 1)
    early = waiting(world)
    world.pass_time(1)

    assert changed == waiting(world) == [("people", "changed")]
    assert early == []


@pytest.mark.parametrize("state", ["pending", "set_aside", "discarded"])
def test_what_is_on_its_way_or_was_given_up_stays_so(world: World, state: str) -> None:
    world.tell(BAD)
    delivered(world, state)
    world.pass_time(10 * EVERY)

    assert world.rows("SELECT state FROM deliveries WHERE sequence < 0") == [(state,)]


def test_what_is_over_is_not_told_again(world: World) -> None:
    world.tell(BAD)
    delivered(world)
    world.tell(found("verified"))
    delivered(world)
    world.pass_time(10 * EVERY)

    assert waiting(world) == []
    assert world.states() == ["opened", "resolved"]


def test_whoever_was_not_told_is_not_told_again(world: World) -> None:
    world.silence('request.namespace="shop"')
    world.tell(BAD)
    world.pass_time(2 * EVERY)

    assert waiting(world) == []


def test_however_many_go_on_each_waits_once(world: World) -> None:
    for number in range(100):
        world.decide(BAD, name=f"web-{number}")
    world.look()
    delivered(world)
    for _ in range(5):
        world.pass_time(EVERY)

    assert waiting(world) == [("people", "opened")] * 100
    assert world.rows("SELECT count(*) FROM events WHERE sequence < 0") == [(100,)]


def test_a_setting_that_goes_ends_it(world: World) -> None:
    world.tell(BAD)
    delivered(world)
    world.rules = IncidentRules.of(IncidentSettings(), (), RouteSettings(), "r", 86400.0)
    world.pass_time(10 * EVERY)

    assert waiting(world) == []


async def claimed(outbox: SqliteOutbox) -> Delivery:
    (found,) = await outbox.queue("me").claim("people", Wanted(10))
    return found


async def test_it_outlives_a_restart_and_is_known_to_be_told_again(tmp_path: Path) -> None:
    """It must not count as one that came late."""
    times, path, found = [1000.0], tmp_path / "outbox.db", list[Delivery]()
    for begins in (True, False):
        outbox = await SqliteOutbox.open(path, "r", clock=lambda: times[-1], time_of_day=lambda: NOW + times[-1])
        driver = IncidentsDriver(outbox, time_of_day=lambda: NOW + times[-1])
        driver.rules = rules()
        while await driver.step():
            pass
        if begins:
            await outbox.append(bad("event-1"))
        times.append(times[-1] + 2 * EVERY)
        while await driver.step():
            pass
        found.append(await claimed(outbox))
        await outbox.queue("me").settle([Accepted("people", found[-1].event_id, NOW, 1, receipt="high")])
        await outbox.close()

    assert found[0].event_id == found[1].event_id
    assert [(one.is_again, one.is_late, one.receipt) for one in found] == [(False, False, ""), (True, False, "high")]
