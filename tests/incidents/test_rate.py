from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.delivery.pace import DeliveryPace
from router.fields import Rate
from router.incidents.fairness import has_passed, may_tell, period_of
from router.incidents.rules import IncidentRules
from router.routing import IncidentRoute, IncidentSettings, RouteSettings
from tests.incidents.stage import World, found
from tests.incidents.test_silences import office

BAD = found()


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[World]:
    """People are told ten times a minute."""
    made = World(tmp_path / "outbox.db")
    rates = {"people": Rate(10, 60.0)}
    made.rules = IncidentRules.of(IncidentSettings(), (), RouteSettings(), "r", 86400.0, rates=rates)
    made.own = 6000.0
    yield made
    made.close()


def test_a_flood_of_one_namespace_leaves_the_others_their_share(limited: World) -> None:
    """A hundred throw-away Deployments must not be the way to keep others' alerts from people."""
    for number in range(100):
        limited.decide(BAD, name=f"flood-{number}", namespace="mallory")
    limited.look()
    flooded = len(limited.messages())
    for namespace in ("a", "b", "c"):
        limited.tell(BAD, name=f"victim-{namespace}", namespace=namespace)

    assert flooded == 5
    assert [limited.states(name=f"victim-{one}") for one in "abc"] == [["opened"]] * 3


def test_what_was_not_told_is_in_one_summary_with_exact_counts(limited: World) -> None:
    for number in range(100):
        limited.decide(BAD, name=f"flood-{number}", namespace="mallory")
        limited.decide(BAD, name=f"flood-{number}", namespace="mallory")
    limited.look()
    limited.pass_time(61.0)
    notices = [body["data"]["notice"] for body in limited.bodies() if "notice" in body["data"]]

    assert [one["event_type"] for one in notices] == ["dev.gatecrier.rate.exceeded.v1"]
    assert (notices[0]["facts"]["incidents"], notices[0]["facts"]["events"]) == (95, 190)
    assert len(notices[0]["text"].splitlines()) == 52
    assert notices[0]["text"].endswith("and 45 more")


def test_what_is_critical_is_never_in_a_summary_only(limited: World) -> None:
    for number in range(20):
        limited.decide(BAD, name=f"attack-{number}", severity="critical")
    limited.look()

    assert limited.states() == ["opened"] * 20


@pytest.fixture
def for_payments(tmp_path: Path) -> Iterator[World]:
    """People are told once an hour, and of payments whatever else they are told."""
    made = World(tmp_path / "outbox.db")
    settings = IncidentSettings(unsilenceable=['request.namespace = "payments"'])
    rates = {"people": Rate(1, 3600.0)}
    made.rules = IncidentRules.of(settings, (), RouteSettings(), "r", 86400.0, rates=rates)
    made.own = 7200.0
    yield made
    made.close()


@pytest.mark.parametrize("route", [IncidentRoute("people"), IncidentRoute("people", severity="critical")])
def test_what_is_critical_is_told_whatever_else_must_be_heard(for_payments: World, route: IncidentRoute) -> None:
    """By itself where the route says nothing of its severity."""
    for_payments.tell(BAD, name="first", routes=[IncidentRoute("people")])
    for_payments.tell(BAD, name="second", routes=[IncidentRoute("people")])
    for_payments.tell(BAD, name="third", severity="critical", routes=[route])

    assert [one["owner"]["name"] for one in for_payments.messages()] == ["first", "third"]


def test_what_must_be_heard_is_told_beyond_the_rate_although_it_had_to_wait(for_payments: World) -> None:
    for namespace in ("shop", "payments"):
        for_payments.tell(BAD, namespace=namespace)
        for_payments.tell(found(of="r.example/c0:2"), namespace=namespace)
    for_payments.pass_time(61.0)

    assert [(one["namespace"], one["state"]) for one in for_payments.messages()] == [
        ("shop", "opened"), ("payments", "opened"), ("payments", "changed"),
    ]  # fmt: skip


def test_what_was_in_a_summary_is_told_with_its_next_event(limited: World) -> None:
    for number in range(10):
        limited.tell(BAD, name=f"flood-{number}")
    limited.pass_time(61.0)
    limited.tell(BAD, name="flood-9")

    assert limited.states(name="flood-9") == ["opened"]
    assert limited.messages(name="flood-9")[0]["suppressed"] == 1


def test_what_an_interval_held_back_is_told_within_the_rate(tmp_path: Path) -> None:
    """A night's incidents are no more messages in the morning than any others."""
    world = World(tmp_path / "outbox.db", intervals=[office()])
    rates = {"people": Rate(10, 60.0)}
    world.rules = IncidentRules.of(IncidentSettings(), [office()], RouteSettings(), "r", 86400.0, rates=rates)
    world.of_day += 23 * 3600.0 - world.of_day % 86400.0  # 23:00 UTC
    route = IncidentRoute("people", severity="high", active=("office",))
    for number in range(30):
        world.decide(BAD, name=f"night-{number}", routes=[route])
        world.decide(BAD, name=f"night-{number}", routes=[route])
    world.look()
    world.own -= world.own % 60.0
    world.pass_time(9 * 3600.0)
    in_the_morning = world.messages()
    world.pass_time(61.0)
    (notice,) = [body["data"]["notice"] for body in world.bodies() if "notice" in body["data"]]
    world.close()

    assert len(in_the_morning) == 5
    assert (notice["facts"]["incidents"], notice["facts"]["events"]) == (25, 50)


def test_news_that_waited_and_come_beyond_the_rate_are_in_the_summary(limited: World) -> None:
    route = IncidentRoute("people", severity="high", group_interval=70.0)
    limited.tell(BAD, routes=[route])
    limited.tell(found(of="r.example/c0:2"), routes=[route])
    limited.pass_time(65.0)
    for number in range(10):
        limited.tell(BAD, name=f"flood-{number}")
    limited.pass_time(10.0)
    during = limited.states(name="web")
    limited.pass_time(60.0)
    (notice,) = [body["data"]["notice"] for body in limited.bodies() if "notice" in body["data"]]

    assert during == ["opened"]
    assert "shop/Deployment/web: 1 events" in notice["text"]
    assert notice["facts"]["incidents"] == 6


@given(st.integers(1, 50), st.lists(st.integers(0, 5), max_size=200))
def test_a_rate_is_kept_and_nobody_gets_more_than_half_of_what_is_left(count: int, asks: list[int]) -> None:
    told = dict.fromkeys(range(6), 0)
    for namespace in asks:
        own = told[namespace]
        if may_tell(Rate(count, 60.0), own, sum(told.values()) - own):
            told[namespace] += 1

    assert sum(told.values()) <= count
    assert all(own <= max(1, (count + 1) // 2) for own in told.values())


@given(st.floats(0.0, 1e9), st.sampled_from([0.5, 1.0, 60.0, 3600.0]))
def test_a_period_passes_within_its_time(now: float, seconds: float) -> None:
    period = period_of(Rate(1, seconds), now)

    assert not has_passed(period, now)
    assert has_passed(period, now + seconds)


@given(st.integers(1, 5), st.lists(st.floats(0.0, 3.0), max_size=60))
def test_at_no_moment_were_more_begun_than_the_rate_allows(count: int, pauses: list[float]) -> None:
    pace, now, begun = DeliveryPace(Rate(count, 2.0)), 0.0, list[float]()
    for pause in pauses:
        now += pause
        if pace.wait(now) == 0.0:
            pace.began(now)
            begun.append(now)

    assert all(sum(one - 2.0 < other <= one for other in begun) <= count for one in begun)
