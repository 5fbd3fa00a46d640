"""What is let in by break-glass: one incident of the grant, held back by nothing, until its images pass or it ends."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.events import GrantData, ImageData, timestamp
from router.fields import Rate
from router.incidents import ledger
from router.incidents.rules import IncidentRules
from router.routing import IncidentRoute, IncidentSettings, RouteSettings
from tests.incidents.stage import DEPLOYMENT_CONTROLLER, NOW, PEOPLE, REPLICASET_CONTROLLER, World, found, owner
from tests.incidents.test_silences import office

BAD, GOOD = found("unsigned"), found("verified")
HOUR = 3600.0
CRITICAL = IncidentRoute("people", severity="critical")


def grant(seconds: float = 4 * HOUR, one: str = "grant-1", *, is_new: bool = True) -> GrantData:
    until = timestamp(NOW + seconds)[:-5] + "Z"
    return {"id": one, "by": "oncall", "until": until, "is_new": is_new}


def break_glass(world: World, *images: ImageData, by: GrantData | None = None, **more: object) -> None:
    world.tell(*images, routes=(CRITICAL,), severity="critical", grant=by or grant(), **more)


def pods(world: World, count: int = 3) -> None:
    """What controllers make of a Deployment that was let in so."""
    by = grant(is_new=False)
    of: dict[str, object] = {
        "of": owner("Deployment", "web"),
        "user": DEPLOYMENT_CONTROLLER,
        "kind": "ReplicaSet",
        "name": "web-1",
    }
    break_glass(world, BAD, by=by, uid="uid-web-1", **of)
    for number in range(count):
        one: dict[str, object] = {"of": owner("ReplicaSet", "web-1"), "user": REPLICASET_CONTROLLER, "kind": "Pod"}
        break_glass(world, BAD, by=by, name=f"web-1-{number}", **one)


def test_a_rollout_that_is_let_in_is_one_message(world: World) -> None:
    break_glass(world, BAD)
    pods(world)
    (message,) = world.messages()

    assert (message["kind"], message["state"], message["severity"]) == ("break_glass", "opened", "critical")
    assert message["owner"]["name"] == "web"
    assert world.rows("SELECT json_extract(body, '$.count') FROM incidents") == [(5,)]


def test_it_is_over_when_its_images_pass(world: World) -> None:
    break_glass(world, BAD)
    pods(world)
    world.tell(GOOD, routes=())

    assert world.states() == ["opened", "resolved"]
    assert world.messages()[-1]["ended_by"]["how"] == "passing"


def test_it_is_over_when_the_grant_ends_whatever_was_heard(world: World) -> None:
    break_glass(world, BAD)
    world.pass_time(3 * HOUR)
    pods(world)
    world.pass_time(HOUR - 1)
    before = world.states()
    world.pass_time(1)

    assert before == ["opened"]
    assert world.states() == ["opened", "expired"]
    assert world.messages()[-1]["ended_by"] == {"how": "lapsed", "author": None, "reason": None}


def test_it_does_not_end_before_although_nothing_is_heard(tmp_path: Path) -> None:
    world = World(tmp_path / "outbox.db", IncidentSettings(quiet_after=60.0, forget_after=60.0))
    break_glass(world, BAD)
    world.pass_time(HOUR)
    states = world.states()
    world.close()

    assert states == ["opened"]


def test_where_the_images_were_fine_it_is_told_and_over_at_once(world: World) -> None:
    break_glass(world, GOOD)

    assert world.states() == ["opened", "resolved"]
    assert world.rows("SELECT count(*) FROM incidents WHERE is_open") == [(0,)]


def test_what_fails_besides_is_an_incident_of_its_own(world: World) -> None:
    world.tell(BAD)
    break_glass(world, BAD)
    kinds = [one["kind"] for one in world.messages()]
    world.tell(GOOD, routes=())

    assert kinds == ["workload", "break_glass"]
    assert sorted(world.states()) == ["opened", "opened", "resolved", "resolved"]


def test_each_grant_is_one(world: World) -> None:
    break_glass(world, BAD)
    break_glass(world, BAD, by=grant(one="grant-2"))

    assert world.states() == ["opened", "opened"]


def test_nothing_holds_it_back(tmp_path: Path) -> None:
    """No silence, no interval, no rate, no bound of incidents."""
    world = World(tmp_path / "outbox.db")
    world.rules = IncidentRules.of(
        IncidentSettings(unsilenceable=()), (), RouteSettings(), "r", 86400.0, rates={"people": Rate(1, 3600.0)}
    )
    world.tell(BAD, name="first")
    world.silence('request.namespace = "shop"')
    break_glass(world, BAD)
    held = world.rows("SELECT suppressed FROM silences")
    kinds = [message["kind"] for message in world.messages()]
    world.close()

    assert kinds == ["workload", "break_glass"]
    assert held == [(0,)]


def test_no_interval_holds_it_back(tmp_path: Path) -> None:
    world = World(tmp_path / "outbox.db")
    world.rules = IncidentRules.of(IncidentSettings(), (office("00:00", "24:00"),), RouteSettings(), "r", 86400.0)
    muted = IncidentRoute("people", severity="critical", mute=("office",))
    world.tell(BAD, routes=(muted,), severity="critical", grant=grant())
    world.tell(found(of="r.example/c0:2"), routes=(muted,), severity="critical", grant=grant())
    world.pass_time(HOUR)
    states = world.states()
    world.close()

    assert states == ["opened", "changed"]


def test_no_flood_of_incidents_swallows_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "OPEN_LIMIT", 2)
    for number in range(5):
        world.tell(BAD, name=f"flood-{number}")
    break_glass(world, BAD)

    assert [one["kind"] for one in world.messages()][-1] == "break_glass"


def test_an_outage_of_the_registry_does_not_swallow_it(world: World) -> None:
    down = found("unverifiable", reason="unreachable")
    world.tell(down)
    break_glass(world, down)

    assert [one["kind"] for one in world.messages()] == ["registry", "break_glass"]


def test_a_crash_tells_nothing_twice(world: World) -> None:
    world.decide(BAD, routes=(CRITICAL,), severity="critical", grant=grant())
    world.consume(crash=True)
    world.look()

    assert world.states() == ["opened"]


@given(st.lists(st.sampled_from(["pod", "good", "bad", "hour", "fine"]), max_size=10))
@settings(max_examples=40, deadline=None)
def test_however_it_goes_nobody_hears_of_an_end_twice_and_none_outlives_its_grant(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "outbox.db")
        break_glass(world, BAD)
        for step in steps:
            match step:
                case "pod" if world.of_day < NOW + 4 * HOUR:
                    pods(world, 1)
                case "good":
                    world.tell(GOOD, routes=())
                case "bad":
                    world.tell(BAD, routes=(PEOPLE,))
                case "fine" if world.of_day < NOW + 4 * HOUR:
                    break_glass(world, GOOD)
                case "hour":
                    world.pass_time(HOUR)
                case _:
                    pass
        world.pass_time(5 * HOUR)
        open_ones = world.rows("SELECT count(*) FROM incidents WHERE is_open AND subject LIKE '[\"break_glass%'")
        told = [(one["id"], one["state"]) for one in world.messages() if one["kind"] == "break_glass"]
        world.close()

    assert open_ones == [(0,)]
    ends = [one for one, state in told if state in {"resolved", "expired"}]
    assert len(ends) == len(set(ends))
    assert {one for one, state in told if state == "opened"} == set(ends)
