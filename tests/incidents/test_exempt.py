"""The ends of exemptions: told a week before and then, once each, with what breaks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # has no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.events import ImageData, notice_schema
from router.incidents import exempt
from router.incidents.rules import IncidentRules
from router.policy import ExemptionSettings
from router.routing import IncidentSettings, RouteSettings
from tests.incidents.stage import NOW, World, found
from tests.simulators.log import Log

WEEK, DAY = 7 * 86400.0, 86400.0
ADMINS = RouteSettings.model_validate(
    {"destinations": [], "routes": [{"about": ["gatecrier"], "destinations": ["admins"]}]}
)


def exemption(until: float, pattern: str = "r.example/*", *namespaces: str) -> ExemptionSettings:
    return ExemptionSettings(pattern=pattern, namespaces=namespaces or ("shop",), until=until, reason="SEC-1")


def let_in(container: str = "c0", pattern: str = "r.example/*", of: str = "") -> ImageData:
    """An image that an exemption of this pattern let in."""
    image = found("exempt", container, of, reason="exemption")
    image["exemption"] = {
        "pattern": pattern,
        "reason": "SEC-1",
        "until": "2027-01-01T00:00:00Z",
        "true_verdict": "unsigned",
        "true_reason": "no_signature",
    }
    return image


def ruled(*exemptions: ExemptionSettings, routes: RouteSettings = ADMINS) -> IncidentRules:
    return IncidentRules.of(IncidentSettings(), (), routes, "r", 30 * DAY, cluster="c", exemptions=exemptions)


def made(path: Path, *exemptions: ExemptionSettings, routes: RouteSettings = ADMINS) -> World:
    world = World(path, routes=routes)
    world.rules = ruled(*exemptions, routes=routes)
    return world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = made(tmp_path / "outbox.db", exemption(NOW + 2 * WEEK))
    yield one
    one.close()


def told(world: World) -> list[dict[str, Any]]:
    bodies = world.bodies("admins")
    for body in bodies:
        jsonschema.validate({**body, "data": {**body["data"], "sequence": 1}}, notice_schema())
    return [body["data"]["notice"] for body in bodies]


def test_a_week_before_and_at_the_end_people_hear_what_breaks(world: World) -> None:
    world.tell(let_in())
    world.tell(let_in("c1"), name="cart", kind="StatefulSet")
    world.pass_time(WEEK - 1)
    early = told(world)
    world.pass_time(1)
    before = told(world)
    world.pass_time(WEEK - 1)
    between = told(world)
    world.pass_time(1)
    ending, ended = told(world)

    assert (early, len(before), len(between)) == ([], 1, 1)
    assert ending["event_type"] == "dev.gatecrier.exemption.ending.v1"
    assert ended["event_type"] == "dev.gatecrier.exemption.ended.v1"
    assert (ending["severity"], ended["severity"]) == ("medium", "high")
    for notice in (ending, ended):
        assert notice["facts"]["exemption"] == "r.example/*"
        assert notice["facts"]["images"] == 2
        assert "shop/Deployment/web: r.example/c0:1: unsigned (no_signature), last let in 2026-09-21" in notice["text"]
        assert "shop/StatefulSet/cart: r.example/c1:1" in notice["text"]


def test_one_that_has_let_in_nothing_is_told_as_such(world: World) -> None:
    world.pass_time(WEEK)
    (notice,) = told(world)

    assert notice["severity"] == "info"
    assert notice["facts"]["images"] == 0
    assert "remove it" in notice["text"]


def test_what_is_let_in_elsewhere_or_by_another_pattern_does_not_break(world: World) -> None:
    world.tell(let_in(), namespace="other")
    world.tell(let_in(pattern="**"))
    world.pass_time(WEEK)

    assert told(world)[0]["facts"]["images"] == 0


def test_one_that_is_over_when_it_is_first_seen_is_told_once(tmp_path: Path) -> None:
    world = made(tmp_path / "outbox.db", exemption(NOW - 1))
    for _ in range(3):
        world.pass_time(DAY)
    notices = told(world)
    world.close()

    assert [one["event_type"] for one in notices] == ["dev.gatecrier.exemption.ended.v1"]


def test_a_later_end_is_told_anew(world: World) -> None:
    world.pass_time(WEEK)
    world.rules = ruled(exemption(NOW + 4 * WEEK))
    world.pass_time(WEEK)
    between = len(told(world))
    world.pass_time(WEEK)

    assert (between, len(told(world))) == (1, 2)


def test_where_nobody_hears_of_it_the_log_has_it_once(tmp_path: Path, log: Log) -> None:
    world = made(tmp_path / "outbox.db", exemption(NOW - 1), routes=RouteSettings())
    world.pass_time(1.0)
    world.pass_time(1.0)
    world.close()

    assert [(line["state"], line["pattern"]) for line in log.named("exemption_told")] == [("ended", "r.example/*")]


def test_one_namespace_takes_no_other_s_place(world: World) -> None:
    world.rules = ruled(exemption(NOW + 2 * WEEK, "r.example/*", "*"))
    world.tell(let_in(), namespace="quiet")
    for number in range(exempt.KEPT + 20):
        world.tell(let_in(of=f"r.example/x{number}:1"), namespace="loud")
        world.of_day += 1
    counts = dict(world.rows("SELECT namespace, count(*) FROM exempt_images GROUP BY namespace"))
    world.pass_time(2 * WEEK)
    notice = told(world)[0]

    assert counts == {"quiet": 1, "loud": exempt.KEPT}
    assert notice["facts"]["images"] == exempt.KEPT + 1
    assert "and 181 more images" in notice["text"]


def test_what_was_not_let_in_for_long_is_forgotten(world: World) -> None:
    world.tell(let_in())
    world.of_day += 31 * DAY
    exempt.forget(world.work())

    assert world.rows("SELECT * FROM exempt_images") == []


@given(st.lists(st.sampled_from([0.5 * DAY, 3 * DAY, WEEK, -2 * DAY]), max_size=12), st.data())
@settings(max_examples=30, deadline=None)
def test_however_the_clock_goes_and_we_restart_each_end_is_told_once(steps: list[float], data: st.DataObject) -> None:
    """Also where a transaction is lost before its commit."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        path = Path(folder) / "outbox.db"
        one = exemption(NOW + 2 * WEEK)
        world, latest = made(path, one), NOW
        opened.callback(world.close)
        for step in steps:
            if data.draw(st.booleans()):
                of_day = world.of_day
                world.close()
                world = made(path, one)
                opened.callback(world.close)
                world.of_day = of_day
            world.of_day += step
            if data.draw(st.booleans()):
                world.connection.execute("BEGIN IMMEDIATE")
                exempt.tell(world.work())
                world.connection.execute("ROLLBACK")
            world.look()
            latest = max(latest, world.of_day)
        kinds = [notice["event_type"].split(".")[-2] for notice in told(world)]

    assert len(kinds) == len(set(kinds))
    assert ("ended" in kinds) == (latest >= NOW + 2 * WEEK)
    assert latest < NOW + WEEK or kinds
