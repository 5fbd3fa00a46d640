from __future__ import annotations

import re
import sqlite3
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import ImageData
from router.incidents import ledger
from router.incidents.messages import linked
from router.routing import IncidentRoute
from tests.incidents.stage import DEPLOYMENT_CONTROLLER, PEOPLE, REPLICASET_CONTROLLER, World, found, owner

BAD, GOOD = found(), found("verified")


def pod(
    world: World,
    *images: ImageData,
    name: str = "web-5d4f7c-abcde",
    replicaset: str = "web-5d4f7c",
    user: str = REPLICASET_CONTROLLER,
    **more: object,
) -> str:
    """A Pod as its ReplicaSet asks for it."""
    return world.tell(
        *images, kind="Pod", name=name, of=owner("ReplicaSet", replicaset), user=user, template_hash="5d4f7c", **more
    )


def rollout(world: World, *images: ImageData, pods: int = 3, name: str = "web") -> None:
    world.tell(*images, name=name)
    world.tell(
        *images,
        kind="ReplicaSet",
        name=f"{name}-5d4f7c",
        of=owner("Deployment", name),
        user=DEPLOYMENT_CONTROLLER,
        uid=f"uid-{name}-5d4f7c",
    )
    for _ in range(pods):
        pod(world, *images, replicaset=f"{name}-5d4f7c")


def test_a_rollout_is_one_message(world: World) -> None:
    """Forty Pods are one trouble of one owner."""
    rollout(world, BAD, pods=40)

    assert world.states() == ["opened"]
    assert world.messages()[0]["owner"] == {"api_version": "apps/v1", "kind": "Deployment", "name": "web"}


def test_what_goes_on_is_repeated_by_an_event_and_by_no_timer(world: World) -> None:
    rollout(world, BAD)
    world.pass_time(3700.0)
    before = world.states()
    pod(world, BAD)

    assert before == ["opened"]
    assert world.states() == ["opened", "repeated"]
    assert world.messages()[-1]["count"] == 6


def test_a_signed_image_resolves_it_and_the_next_failure_is_another_incident(world: World) -> None:
    rollout(world, BAD)
    world.pass_time(70.0)
    world.tell(GOOD)
    world.pass_time(70.0)
    world.tell(BAD)

    first, resolved, second = world.messages()
    assert (first["state"], resolved["state"], second["state"]) == ("opened", "resolved", "opened")
    assert resolved["ended_by"] == {"how": "passing", "author": None, "reason": None}
    assert first["id"] == resolved["id"] != second["id"]
    assert resolved["count"] == 5


def test_pods_that_a_rollout_leaves_behind_open_nothing_for_a_while(world: World) -> None:
    """Old Pods of a Deployment that was mended just now are no new trouble; the Deployment itself would be."""
    rollout(world, BAD)
    world.tell(GOOD)
    pod(world, BAD)
    left_behind = world.states()
    world.pass_time(61.0)
    pod(world, BAD)

    assert left_behind == ["opened", "resolved"]
    assert world.states() == ["opened", "resolved", "opened"]


def test_news_are_told_once_and_not_more_often_than_asked(world: World) -> None:
    """Old and new Pods alternate while a Deployment rolls: both images are known then."""
    worse = found(of="r.example/c0:2")
    rollout(world, BAD)
    world.tell(worse)
    at_once = world.states()
    world.pass_time(61.0)
    for _ in range(4):
        pod(world, BAD)
        pod(world, worse)
        world.pass_time(30.0)

    assert at_once == ["opened"]
    assert world.states() == ["opened", "changed"]
    assert [one["image"] for one in world.messages()[-1]["images"]] == ["r.example/c0:1", "r.example/c0:2"]


def test_a_higher_severity_and_the_first_rejection_are_news(world: World) -> None:
    world.tell(BAD, severity="medium", routes=[IncidentRoute("people", severity="medium", group_interval=60.0)])
    world.pass_time(61.0)
    world.tell(BAD)
    world.pass_time(61.0)
    world.tell(BAD, outcome="rejected")
    world.pass_time(61.0)
    world.tell(BAD, outcome="rejected")

    assert world.states() == ["opened", "changed", "changed"]
    assert [one["severity"] for one in world.messages()] == ["medium", "high", "high"]


def test_a_claim_that_is_not_believed_joins_nothing_and_ends_nothing(world: World) -> None:
    """Anybody may create a Pod that names another's ReplicaSet as its controller."""
    rollout(world, BAD)
    pod(world, GOOD, user="mallory", name="forged")
    after_good = world.states(name="web")
    pod(world, BAD, user="mallory", name="forged")
    told = world.messages(name="forged")
    pod(world, GOOD, user="mallory", name="forged")

    assert after_good == ["opened"]
    assert [(one["state"], one["user"], one["claimed_owner"]["name"]) for one in told] == [
        ("opened", "mallory", "web-5d4f7c")
    ]
    assert world.states(name="web") == ["opened"]
    assert world.messages(name="web")[0]["count"] == 1


def test_pods_of_a_replica_set_with_a_forged_owner_end_nothing_of_that_owner(world: World) -> None:
    """The ReplicaSet controller makes Pods of any ReplicaSet, whoever made that."""
    rollout(world, BAD)
    world.tell(GOOD, kind="ReplicaSet", name="web-5d4f7d", of=owner("Deployment", "web"), user="mallory", uid="forged")
    world.tell(
        GOOD,
        kind="Pod",
        name="p",
        of=owner("ReplicaSet", "web-5d4f7d", "forged"),
        user=REPLICASET_CONTROLLER,
        template_hash="5d4f7d",
    )

    assert world.states() == ["opened"]


def test_an_object_with_a_forged_owner_is_one_trouble_with_its_pods(world: World) -> None:
    """A controller that we do not believe makes ReplicaSets: each is one message, and over when its Pods are fine."""

    def of_rollout(image: ImageData) -> None:
        world.tell(image, kind="ReplicaSet", name="web-1", of=owner("Rollout", "web"), user="rollouts", uid="one")
        for number in range(3):
            of = owner("ReplicaSet", "web-1", "one")
            world.tell(image, kind="Pod", name=f"web-1-{number}", of=of, user=REPLICASET_CONTROLLER)

    of_rollout(BAD)
    of_rollout(GOOD)

    assert world.states() == ["opened", "resolved"]
    assert world.messages()[-1]["count"] == 4


def test_what_is_only_known_by_its_name_joins_and_ends_nothing(world: World) -> None:
    """A ReplicaSet that was never seen may be anybody's who knows how they are named."""
    world.tell(BAD)
    pod(world, BAD, replicaset="web-5d4f7c")
    pod(world, GOOD, replicaset="web-5d4f7c")

    assert world.states() == ["opened"]
    assert world.rows("SELECT json_extract(body, '$.count') FROM incidents") == [(2,)]


def test_a_job_of_a_cron_job_joins_it_by_its_name(world: World) -> None:
    world.tell(
        BAD,
        kind="Pod",
        name="p",
        of=owner("Job", "backup-29012345"),
        user="system:serviceaccount:kube-system:job-controller",
    )

    assert world.messages()[0]["owner"] == {"api_version": "batch/v1", "kind": "CronJob", "name": "backup"}


def test_a_sidecar_that_only_pods_have_is_not_over_by_a_template_without_it(world: World) -> None:
    sidecar = found(container="sidecar")
    world.tell(GOOD, name="web")
    world.tell(
        GOOD,
        kind="ReplicaSet",
        name="web-5d4f7c",
        of=owner("Deployment", "web"),
        user=DEPLOYMENT_CONTROLLER,
        uid="uid-web-5d4f7c",
    )
    pod(world, GOOD, sidecar)
    world.tell(GOOD, name="web")
    before = world.states()
    pod(world, GOOD)

    assert before == ["opened"]
    assert world.states() == ["opened", "resolved"]


def test_an_event_that_is_older_than_the_end_opens_nothing(world: World) -> None:
    """Gates store events in parallel: they may come in another order than they were decided in."""
    world.tell(BAD)
    world.pass_time(10.0)
    world.tell(GOOD)
    world.tell(BAD, at=world.of_day - 5.0)

    assert world.states() == ["opened", "resolved"]


def test_a_passing_event_that_is_older_than_the_failure_ends_nothing(world: World) -> None:
    world.tell(BAD)
    world.tell(GOOD, at=world.of_day - 1.0)

    assert world.states() == ["opened"]


def test_first_and_last_seen_are_the_least_and_the_greatest(world: World) -> None:
    at = world.of_day
    world.tell(BAD, at=at)
    world.tell(BAD, at=at - 100.0)

    assert world.rows(
        "SELECT json_extract(body, '$.first_seen'), json_extract(body, '$.last_seen') FROM incidents"
    ) == [(at - 100.0, at)]


def test_a_correction_takes_the_place_of_what_it_corrects(world: World) -> None:
    first = world.tell(BAD, outcome="admitted")
    world.tell(BAD, outcome="rejected", corrects=first)

    (body,) = world.rows("SELECT json_extract(body, '$.count'), json_extract(body, '$.outcomes') FROM incidents")
    assert body == (1, '{"rejected":1,"admitted":0,"unanswered":0}')


def test_a_crash_before_the_commit_changes_nothing(world: World) -> None:
    world.decide(BAD)
    world.consume(crash=True)

    assert len({body["id"] for body in world.bodies()}) == len(world.bodies()) == 1


def test_where_all_was_rejected_it_is_over_after_a_while_of_silence(world: World) -> None:
    world.tell(BAD, outcome="rejected")
    world.pass_time(3601.0)

    assert world.states() == ["opened", "expired"]
    assert world.messages()[-1]["ended_by"]["how"] == "quiet"


def test_where_something_was_admitted_it_stays_open_for_longer(world: World) -> None:
    world.tell(BAD)
    world.pass_time(6 * 86400.0)
    before = world.states()
    world.pass_time(2 * 86400.0)

    assert before == ["opened"]
    assert world.messages()[-1]["ended_by"]["how"] == "forgotten"


def test_a_registry_that_is_down_is_one_trouble_of_its_own(world: World) -> None:
    """Nobody's workload is to blame, and everybody would be told."""
    for name in ("a", "b", "c"):
        world.tell(found("unverifiable", reason="unreachable"), name=name)
    opened = world.messages()
    world.tell(found("unsigned"), name="d", namespace="other")

    assert [(one["kind"], one["owner"]["kind"], one["owner"]["name"]) for one in opened] == [
        ("registry", "Registry", "r.example")
    ]
    assert world.states(name="r.example") == ["opened", "resolved"]


def test_each_registry_that_is_down_is_a_trouble_of_its_own(world: World) -> None:
    """The one that answers again says nothing about the other."""
    down = [found("unverifiable", f"c{number}", f"{host}.example/a:1", reason="unreachable") for number, host in
            enumerate(("one", "two"))]  # fmt: skip
    world.tell(*down)
    world.tell(found("unsigned", of="one.example/a:1"), name="other", routes=())

    assert world.states(name="one.example") == ["opened", "resolved"]
    assert world.states(name="two.example") == ["opened"]


@pytest.mark.parametrize("what", ["owner", "registry", "image"])
def test_a_clock_that_was_ahead_silences_nobody_and_keeps_nothing_open(world: World, what: str) -> None:
    """An hour on a day that is not yet there is longer ago than now."""
    bad, good = {
        "owner": (BAD, GOOD),
        "registry": (found("unverifiable", reason="unreachable"), found("verified")),
        "image": (found("unsigned", judged_by="these"), found("verified", judged_by="these")),
    }[what]

    def fail_and_pass(*, is_put_back: bool) -> None:
        world.tell(good)
        world.tell(bad)
        world.of_day -= 90_000.0 * is_put_back
        world.pass_time(301.0)
        world.tell(good)

    world.of_day += 90_000.0
    fail_and_pass(is_put_back=False)
    world.of_day -= 90_000.0
    world.pass_time(301.0)
    fail_and_pass(is_put_back=False)
    world.of_day += 90_000.0
    fail_and_pass(is_put_back=True)

    assert world.states() == ["opened", "resolved"] * 3


def test_destinations_of_several_routes_are_told_once(world: World) -> None:
    routes = [PEOPLE, IncidentRoute("pager", severity="critical", group_by="namespace")]
    for name in ("a", "b"):
        world.tell(BAD, name=name, routes=routes)

    assert world.states("people") == ["opened", "opened"]
    assert [one["owner"]["kind"] for one in world.messages("pager")] == ["Namespace"]


def test_an_incident_of_a_namespace_is_over_when_all_owners_are(world: World) -> None:
    routes = [IncidentRoute("pager", severity="critical", group_by="namespace")]
    for name in ("a", "b"):
        world.tell(BAD, name=name, routes=routes)
    world.tell(GOOD, name="a")
    before = world.states("pager")
    world.tell(GOOD, name="b")

    assert "resolved" not in before
    assert world.states("pager")[-1] == "resolved"


def test_a_flood_of_owners_leaves_other_namespaces_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound one incident of the namespace counts them."""
    monkeypatch.setattr(ledger, "OPEN_LIMIT", 10)
    for number in range(30):
        world.decide(BAD, name=f"flood-{number}")
    world.decide(BAD, name="victim", namespace="other")
    world.look()

    kinds = [one["kind"] for one in world.messages()]
    assert kinds == [*["workload"] * 10, "namespace", "workload"]
    assert world.states(name="victim") == ["opened"]


def test_an_event_that_can_not_be_understood_keeps_nobody_from_others(world: World) -> None:
    """A mistake about one event must not stop all that come after it."""
    world.tell(BAD, name="before")
    for _ in range(3):
        world.decide(BAD, name="before")
    world.decide(found("nonsense"))
    world.decide(BAD)
    world.look()
    alone = world.tell(found("nonsense"))

    assert world.states() == ["opened", "opened"]
    assert world.rows("SELECT json_extract(body, '$.count') FROM incidents ORDER BY number") == [(4,), (1,)]
    assert (alone,) not in world.rows("SELECT event FROM incident_events")
    assert world.rows("SELECT consumed = (SELECT last FROM numbering) FROM incident_progress") == [(1,)]


def test_a_full_disk_passes_no_event_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    world.decide(BAD)
    with monkeypatch.context() as broken:
        broken.setattr("router.incidents.ledger.note_counted", full)
        with pytest.raises(sqlite3.OperationalError):
            world.consume()
    world.connection.execute("ROLLBACK")
    before = world.states()
    world.look()

    assert before == []
    assert world.states() == ["opened"]


def test_messages_leave_the_numbers_of_decisions_without_a_gap(world: World) -> None:
    for _ in range(3):
        world.tell(BAD)
        world.pass_time(4000.0)

    assert [one for (one,) in world.rows("SELECT sequence FROM events WHERE sequence > 0 ORDER BY sequence")] == [
        1,
        2,
        3,
    ]
    assert world.states() == ["opened", "repeated", "repeated"]


@given(st.text())
def test_a_value_in_a_link_is_a_part_of_a_path_and_nothing_else(name: str) -> None:
    made = linked("https://wiki.example/{{ incident.owner.name }}/runbook", {"owner": {"name": name}})
    part = made.removeprefix("https://wiki.example/").removesuffix("/runbook")

    assert unquote(part) == name
    assert re.fullmatch(r"([A-Za-z0-9._~-]|%[0-9A-F]{2})*", part)


def test_the_message_has_the_event_that_made_it(world: World) -> None:
    event_id = world.tell(BAD)
    (body,) = world.bodies()

    assert event_id
    assert body["type"] == "dev.gatecrier.incident.opened.v1"
    assert body["subject"] == "shop/Deployment/web"
    assert body["data"]["event"]["workload"]["name"] == "web"
