from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest

from router.errors import ConfigurationError
from router.events import notice_schema
from router.incidents import silences
from router.outbox.protocol import URGENCY
from router.routing import IncidentRoute, IncidentSettings, RouteSettings, TimeIntervalSettings
from router.verdict import Severity
from tests.incidents.stage import NOW, World, found
from tests.simulators.log import Log

BAD = found()


def test_a_silence_holds_back_and_tells_what_at_its_end(world: World) -> None:
    world.silence('request.namespace = "shop"', seconds=600.0)
    for _ in range(3):
        world.tell(BAD)
    during = world.bodies()
    world.pass_time(601.0)
    summary = world.bodies()
    world.tell(BAD)

    assert during == []
    assert [body["data"]["notice"]["facts"]["events"] for body in summary] == [3]
    assert "shop/Deployment/web: 3 events, unsigned, still open" in summary[0]["data"]["notice"]["text"]
    assert world.states() == ["opened"]
    assert (world.messages()[0]["suppressed"], world.messages()[0]["count"]) == (3, 4)


def test_what_must_be_heard_is_not_silenced(world: World) -> None:
    world.silence('request.namespace = "shop"')
    world.tell(BAD, severity="critical")

    assert world.states() == ["opened"]


def test_the_end_is_told_to_whoever_was_told_silence_or_not(world: World) -> None:
    world.tell(BAD)
    world.silence('request.namespace = "shop"')
    world.tell(found("verified"))

    assert world.states() == ["opened", "resolved"]


def test_news_that_wait_are_silenced_too(world: World) -> None:
    """A silence is in force when it was added, also for what was put off before."""
    world.tell(BAD)
    world.tell(found(of="r.example/c0:2"))
    world.silence('request.namespace = "shop"', seconds=600.0)
    world.pass_time(61.0)
    during = world.states()
    world.pass_time(600.0)
    *_, summary = world.bodies()
    world.tell(BAD)

    assert during == ["opened"]
    assert "shop/Deployment/web: 1 events, unsigned, still open" in summary["data"]["notice"]["text"]
    assert world.states() == ["opened", "changed"]
    assert world.messages()[1]["suppressed"] == 1


def test_a_silenced_event_takes_nothing_away_from_news_that_wait(world: World) -> None:
    """Nobody silenced what brought them."""
    world.silence('request.user.name = "bob"')
    world.tell(BAD)
    world.tell(found(of="evil.example/miner:1"), user="mallory")
    world.tell(BAD, user="bob")
    world.pass_time(61.0)
    *_, told = world.bodies()

    assert world.states() == ["opened", "changed"]
    assert told["data"]["event"]["request"]["user"]["name"] == "mallory"


@pytest.mark.parametrize("users", [["mallory", "bob"], ["bob", "mallory"], ["bob", "mallory", *["bob"] * 20]])
def test_news_that_wait_are_silenced_only_if_all_that_brought_them_is(world: World, users: list[str]) -> None:
    world.tell(BAD)
    for number, user in enumerate(users):
        world.tell(found(of=f"r.example/c0:{number}"), user=user)
    world.silence('request.user.name = "bob"')
    world.pass_time(61.0)

    assert world.states() == ["opened", "changed"]


def test_what_must_be_heard_is_heard_after_what_need_not(world: World) -> None:
    world.tell(BAD)
    world.tell(found("invalid"), severity="critical")
    world.tell(found(of="r.example/c0:2"))
    world.silence('request.namespace = "shop"')
    world.pass_time(61.0)

    assert world.states() == ["opened", "changed"]


def test_a_silence_that_was_ended_holds_nothing_back(world: World) -> None:
    one = world.silence('request.namespace = "shop"')
    ended = silences.expire(world.connection, one, "bob", world.of_day)
    world.tell(BAD)

    assert ended == 1
    assert silences.expire(world.connection, one, "bob", world.of_day) == 0
    assert world.states() == ["opened"]


WEEK = silences.UNMATCHED_FOR
HEARS = RouteSettings.model_validate({"routes": [{"about": ["gatecrier"], "destinations": ["admins"]}]})


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[World]:
    """A world in which admins hear of Gatecrier itself."""
    made = World(tmp_path / "outbox.db", routes=HEARS)
    yield made
    made.close()


def told_admins(world: World) -> list[dict[str, Any]]:
    return [body["data"]["notice"] for body in world.bodies("admins")]


def test_a_silence_that_matches_nothing_for_a_week_is_told_once(heard: World) -> None:
    """A mistake in a matcher silences nothing; what is not needed any more may silence what nobody expects."""
    one = heard.silence('request.namespace = "shpo"', seconds=4 * WEEK)
    heard.pass_time(WEEK - 1)
    heard.tell(BAD)
    before = told_admins(heard)
    heard.pass_time(1)
    (notice,) = told_admins(heard)
    (event,) = heard.bodies("admins")
    for _ in range(14):
        heard.pass_time(86400.0)

    assert before == []
    assert len(told_admins(heard)) == 1
    assert notice["event_type"] == "dev.gatecrier.silence.unmatched.v1"
    assert notice["facts"]["silence"] == one
    assert 'request.namespace = "shpo"' in notice["text"]
    assert "of alice (planned)" in notice["text"]
    assert f"gatecrier silence expire {one}" in notice["text"]
    jsonschema.validate(event, notice_schema())


def test_one_that_has_matched_and_then_nothing_for_a_week_is_told_again(heard: World) -> None:
    heard.silence('request.namespace = "shop"', seconds=8 * WEEK)
    heard.pass_time(WEEK)
    first = len(told_admins(heard))
    heard.tell(BAD)
    heard.pass_time(WEEK - 1)
    between = len(told_admins(heard))
    heard.pass_time(1)

    assert (first, between, len(told_admins(heard))) == (1, 1, 2)


def test_one_that_matches_behind_another_has_matched(heard: World) -> None:
    """The first one counts what is held back; the other is no mistake."""
    heard.silence('request.namespace = "shop"', seconds=4 * WEEK)
    behind = heard.silence('workload.kind = "Deployment"', seconds=4 * WEEK)
    heard.pass_time(WEEK - 1)
    heard.tell(BAD)
    heard.pass_time(1)
    kept = [silences.silence(heard.connection, one) for (one,) in heard.rows("SELECT id FROM silences")]

    assert told_admins(heard) == []
    assert sorted(one.suppressed for one in kept if one is not None) == [0, 1]
    assert behind in {one.id for one in kept if one is not None and one.matched_at == NOW + WEEK - 1}


def test_one_that_has_ended_is_not_told_to_match_nothing(heard: World) -> None:
    heard.silence('request.namespace = "shpo"', seconds=WEEK - 1)
    early = heard.silence('request.namespace = "shpo"', seconds=2 * WEEK)
    silences.expire(heard.connection, early, "bob", heard.of_day)
    heard.pass_time(WEEK)

    assert told_admins(heard) == []


def test_where_nobody_hears_of_gatecrier_the_log_does(world: World, log: Log) -> None:
    one = world.silence('request.namespace = "shpo"', seconds=4 * WEEK)
    world.pass_time(WEEK)
    world.pass_time(1.0)

    assert world.bodies("admins") == []
    assert [line["silence"] for line in log.named("silence_unmatched")] == [one]


def test_the_end_is_told_as_of_any_other_silence(heard: World) -> None:
    """Also where it was told before that it matches nothing."""
    heard.silence('request.namespace = "shop"', seconds=2 * WEEK)
    heard.pass_time(WEEK)
    heard.tell(BAD)
    heard.pass_time(WEEK)

    assert [notice["event_type"] for notice in told_admins(heard)] == [
        "dev.gatecrier.silence.unmatched.v1",
        "dev.gatecrier.silence.ended.v1",
    ]


@pytest.mark.parametrize(
    ("matchers", "author", "reason", "ends_at"),
    [
        ((), "a", "r", NOW + 1),
        (('request.namespace =~ ".*"',), "a", "r", NOW + 1),
        (('request.namespace != "x"',), "a", "r", NOW + 1),
        (("nonsense",), "a", "r", NOW + 1),
        (('request.namespace = "x"',), " ", "r", NOW + 1),
        (('request.namespace = "x"',), "a", "", NOW + 1),
        (('request.namespace = "x"',), "a", "r", NOW),
        (('request.namespace = "x"',), "a", "r", NOW + silences.LONGEST + 1),
        (('request.namespace = "x"',) * 21, "a", "r", NOW + 1),
    ],
)
def test_a_silence_that_nobody_should_add_is_refused(
    matchers: tuple[str, ...], author: str, reason: str, ends_at: float
) -> None:
    with pytest.raises(ConfigurationError):
        silences.new(matchers, author, reason, now=NOW, ends_at=ends_at)


def office(start: str = "08:00", end: str = "18:00", **more: object) -> TimeIntervalSettings:
    times = [{"start_time": start, "end_time": end}]
    return TimeIntervalSettings.model_validate({"name": "office", "time_intervals": [{"times": times, **more}]})


def test_an_interval_holds_back_until_telling_begins_again(tmp_path: Path) -> None:
    """What goes on is told when people are there; what has ended meanwhile stands in a summary."""
    world = World(tmp_path / "outbox.db", intervals=[office()])
    route = IncidentRoute("people", severity="high", active=("office",))
    world.of_day += 23 * 3600.0 - world.of_day % 86400.0  # 23:00 UTC
    world.tell(BAD, name="open", routes=[route])
    world.tell(BAD, name="over", routes=[route])
    world.tell(found("verified"), name="over")
    at_night = world.bodies()
    world.pass_time(9 * 3600.0)
    in_the_morning = world.bodies()
    world.close()

    assert at_night == []
    assert [body["data"]["incident"]["owner"]["name"] for body in in_the_morning if "incident" in body["data"]] == [
        "open"
    ]
    assert [body["data"]["notice"]["facts"]["incidents"] for body in in_the_morning if "notice" in body["data"]] == [1]


def test_what_a_night_has_held_back_is_told_as_severe_as_it_is(tmp_path: Path) -> None:
    """Else the worst of the night comes last in the morning, and pages nobody."""
    world = World(tmp_path / "outbox.db", intervals=[office()])
    route = IncidentRoute("people", severity="high", active=("office",))
    world.of_day += 23 * 3600.0 - world.of_day % 86400.0  # 23:00 UTC
    world.tell(BAD, routes=[route])
    world.pass_time(9 * 3600.0)
    told = [one["severity"] for one in world.messages()]
    urgencies = world.rows("SELECT urgency FROM deliveries WHERE sequence < 0")
    world.close()

    assert told == ["high"]
    assert urgencies == [(URGENCY[Severity("high")],)]


def test_news_of_a_night_that_come_too_soon_in_the_morning_wait_for_their_time(tmp_path: Path) -> None:
    world = World(tmp_path / "outbox.db", intervals=[office()])
    route = IncidentRoute("people", severity="high", active=("office",), group_interval=15 * 3600.0)
    world.of_day += 17 * 3600.0 + 3540.0 - world.of_day % 86400.0  # 17:59 UTC
    world.tell(BAD, routes=[route])
    world.pass_time(3600.0)
    world.tell(found(of="r.example/c0:2"), routes=[route])
    world.pass_time(13.5 * 3600.0)
    at_half_past_eight = world.states()
    world.pass_time(3600.0)
    told = world.states()
    world.close()

    assert at_half_past_eight == ["opened"]
    assert told == ["opened", "changed"]


def test_a_silence_holds_back_what_an_interval_has_held_back(tmp_path: Path) -> None:
    """Whoever silences something at night is not told of it in the morning, but in the silence's summary."""
    world = World(tmp_path / "outbox.db", intervals=[office()])
    route = IncidentRoute("people", severity="high", active=("office",))
    world.of_day += 23 * 3600.0 - world.of_day % 86400.0  # 23:00 UTC
    world.tell(BAD, routes=[route])
    world.silence('request.namespace = "shop"', seconds=12 * 3600.0)
    world.pass_time(9.5 * 3600.0)
    in_the_morning = world.bodies()
    world.pass_time(3 * 3600.0)
    (summary,) = world.bodies()
    world.close()

    assert in_the_morning == []
    assert summary["data"]["notice"]["facts"]["events"] == 1


def test_a_silenced_event_of_a_night_takes_nothing_away_from_others(tmp_path: Path) -> None:
    world = World(tmp_path / "outbox.db", intervals=[office()])
    route = IncidentRoute("people", severity="high", active=("office",))
    world.of_day += 23 * 3600.0 - world.of_day % 86400.0  # 23:00 UTC
    world.silence('request.user.name = "bob"', seconds=12 * 3600.0)
    world.tell(BAD, routes=[route])
    world.tell(BAD, user="bob", routes=[route])
    world.pass_time(9.5 * 3600.0)
    states = world.states()
    world.close()

    assert states == ["opened"]


NEVER = TimeIntervalSettings.model_validate({"name": "never", "time_intervals": [{"years": ["1999"]}]})


def test_what_a_night_has_held_back_waits_for_no_other_interval(tmp_path: Path) -> None:
    """Events of one owner may take routes of which each has intervals of its own."""
    world = World(tmp_path / "outbox.db", intervals=[office(), NEVER])
    world.of_day += 23 * 3600.0 - world.of_day % 86400.0  # 23:00 UTC
    for name in ("office", "never"):
        world.tell(BAD, routes=[IncidentRoute("people", severity="high", active=(name,))])
    world.pass_time(10 * 3600.0)
    states = world.states()
    world.close()

    assert states == ["opened"]


def test_news_that_wait_are_held_back_by_no_other_interval(tmp_path: Path) -> None:
    world = World(tmp_path / "outbox.db", intervals=[NEVER])
    always, never = (
        IncidentRoute("people", severity="high"),
        IncidentRoute("people", severity="high", active=("never",)),
    )
    world.tell(BAD, routes=[always])
    world.tell(found(of="r.example/c0:2"), routes=[always])
    world.tell(BAD, routes=[never])
    world.pass_time(301.0)
    states = world.states()
    world.close()

    assert states == ["opened", "changed"]


def at_closing_time(folder: Path) -> World:
    """People were told of something, and news were put off, ten seconds before 18:00 UTC; they are due at night."""
    world = World(folder / "outbox.db", intervals=[office()])
    route = IncidentRoute("people", severity="high", active=("office",), group_interval=60.0)
    world.of_day += 17 * 3600.0 + 3590.0 - world.of_day % 86400.0
    world.tell(BAD, routes=[route])
    world.tell(found(of="r.example/c0:2"), routes=[route])
    world.pass_time(61.0)
    return world


def test_news_that_wait_are_held_back_by_an_interval_too(tmp_path: Path) -> None:
    world = at_closing_time(tmp_path)
    at_night = world.bodies()
    world.pass_time(14 * 3600.0)
    told = world.messages()
    world.close()

    assert len(at_night) == 1
    assert [(one["state"], one["suppressed"]) for one in told] == [("opened", 0), ("changed", 1)]


def test_news_that_waited_into_the_night_and_are_over_stand_in_a_summary(tmp_path: Path) -> None:
    world = at_closing_time(tmp_path)
    world.tell(found("verified"))
    world.pass_time(14 * 3600.0)
    states, (*_, summary) = world.states(), world.bodies()
    world.close()

    assert states == ["opened", "resolved"]
    assert summary["data"]["notice"]["text"].endswith("shop/Deployment/web: 1 events, unsigned, over")


def test_intervals_go_by_their_own_clock_across_a_change_of_it() -> None:
    """In Berlin 02:30 is there twice on 25 October 2026, and never on 29 March."""
    night = office("02:00", "03:00", location="Europe/Berlin")

    assert [night.holds(at) for at in (1_792_886_400.0, 1_792_888_200.0, 1_792_891_800.0, 1_792_893_600.0)] == [
        True,
        True,
        True,
        False,
    ]
    assert [night.holds(at) for at in (1_774_745_999.0, 1_774_746_000.0)] == [False, False]


@pytest.mark.parametrize(
    ("periods", "holds"),
    [
        ({"weekdays": ["monday:friday"]}, False),
        ({"weekdays": ["saturday"]}, True),
        ({"days_of_month": ["-1"]}, True),
        ({"days_of_month": ["1:30"]}, False),
        ({"months": ["october"]}, True),
        ({"months": ["1:9"]}, False),
        ({"years": ["2026"]}, True),
        ({"times": [{"start_time": "00:00", "end_time": "24:00"}]}, True),
    ],
)
def test_periods_are_those_of_alertmanager(periods: dict[str, object], holds: bool) -> None:  # noqa: FBT001 - a parameter
    at = 1_793_444_400.0  # Saturday, 31 October 2026, 11:00 UTC
    one = TimeIntervalSettings.model_validate({"name": "x", "time_intervals": [periods]})

    assert one.holds(at) is holds


def test_everybody_can_not_be_believed() -> None:
    with pytest.raises(ValueError, match="believe everybody"):
        IncidentSettings(controllers=("*",))
