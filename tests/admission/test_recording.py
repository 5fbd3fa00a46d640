"""What is told of a request, first and afterwards: never anything that did not happen, without a word after it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # it has no types
import pytest

from router.admission import deciding
from router.admission.unreadable import UnreadableGroup
from router.events import CloudEvent, event_id, event_schema
from router.images import ImageReference
from router.policy import Rule
from router.routing import RouteSettings
from router.verification.judgement import Judgement
from tests.admission.world import SIGNED, UNSIGNED, MemoryVerifier, World, asked, full_disk, pod
from tests.simulators.log import Log

WEB = "r.example/shop/web:1"
UID = "705ab4f5-6393-11e8-b7cc-42010a800002"
FIRST = event_id("test", UID)
CORRECTION = event_id("test", f"{FIRST}/corrected")


def world(*must_deliver: str, receipts: tuple[str, ...] = (), required: bool = False) -> World:
    """Admissions go to `one`, `two` and `siem`, refusals to `pager`; some of them must be told first."""
    made = World(MemoryVerifier({"shop/web": SIGNED, "shop/bad": UNSIGNED}), outbox_required=required)
    made.must_deliver, made.receiver.receipts = frozenset(must_deliver), frozenset(receipts)
    rejected = {"match": ['decision.outcome = "rejected"'], "destinations": ["pager"]}
    made.routes = RouteSettings.model_validate({"destinations": ["one", "two", "siem"], "routes": [rejected]})
    return made


def last_resort(log: Log) -> list[CloudEvent]:
    """The events that stand in the log."""
    parts = [str(part["json"]) for part in log.named("event_part")]
    return [json.loads("".join(parts))] if parts else []


def outcome(event: CloudEvent) -> str:
    return event["data"]["decision"]["outcome"]


# Told first.


async def test_who_heard_of_an_admission_that_became_a_refusal_hears_of_that_too() -> None:
    """One of two is down: the other was told "admitted", and the API server "rejected"."""
    made = world("one", "two", receipts=("one",))
    answer = await made.ask(pod(WEB))

    [(attempt, told)] = made.receiver.heard
    (correction,) = made.outbox.events
    assert answer["allowed"] is False
    assert (attempt["id"], outcome(attempt), set(told)) == (FIRST, "admitted", {"one", "two"})
    assert (correction["id"], outcome(correction)) == (CORRECTION, "rejected")
    assert correction["data"]["corrects"] == FIRST
    assert correction["data"]["decision"]["severity"] == "high"


async def test_a_correction_goes_to_whoever_may_have_heard_whatever_routes_say() -> None:
    """An attempt that was cut may have arrived; and whom the routes name for a refusal has heard nothing yet."""
    made = world("one", "two", receipts=())
    await made.ask(pod(WEB))

    (stored,) = made.outbox.stored
    assert set(stored.destinations) == {"one", "two", "pager"}
    assert set(stored.delivered_to) == set()


async def test_only_an_event_that_was_told_first_says_so() -> None:
    made = world("one", receipts=("one",))
    await made.ask(pod(WEB))
    await made.ask(pod("r.example/shop/bad:1", uid="other"))

    [(heard, _)] = made.receiver.heard
    assert heard["data"]["decision"]["is_attempt"] is True
    assert "is_attempt" not in made.outbox.events[1]["data"]["decision"]


async def test_a_registry_that_hangs_takes_no_time_from_whoever_must_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner would else decide that nobody can be told, and what is tolerated would be refused."""
    made = world("one", receipts=("one",))
    judged: list[float] = []

    async def judge(_image: ImageReference, _rule: Rule, deadline: float) -> Judgement:
        judged.append(deadline)
        return SIGNED

    monkeypatch.setattr(made.verifier, "judge", judge)
    await made.ask(pod(WEB), within=8.0)
    await made.ask(pod(WEB, namespace="elsewhere", uid="other"), within=8.0)

    (waited,) = made.receiver.deadlines
    assert waited - judged[0] == pytest.approx(2.0)
    assert judged[1] >= waited, "where nothing blocks, judging has all of the time"


async def test_the_audit_log_names_the_event_that_tells_of_the_refusal() -> None:
    made = world("one")
    answer = await made.ask(pod(WEB))

    (correction,) = made.outbox.events
    assert answer["auditAnnotations"]["event-id"] == correction["id"]  # type: ignore[index]  # a response


async def test_nothing_waits_for_receipts_where_every_image_is_only_watched() -> None:
    """No rule of it enforces: a receiver that is down must not refuse it."""
    made = world("one", required=True)
    made.outbox.failure = full_disk()
    made.verifier.verdicts["watched/web"] = UNSIGNED
    answer = await made.ask(pod("r.example/watched/web:1"))

    assert answer["allowed"] is True
    assert made.receiver.heard == []


async def test_an_event_is_made_once_and_everybody_hears_the_same() -> None:
    made = world("one", "two", receipts=("one", "two"))
    answer = await made.ask(pod(WEB))

    (stored,) = made.outbox.stored
    assert answer["allowed"] is True
    assert made.outbox.events == [made.receiver.heard[0][0]]
    assert set(stored.destinations) - set(stored.delivered_to) == {"siem"}


@pytest.mark.parametrize("changes", [{"namespace": "elsewhere"}, {"namespace": "kube-system"}, {"dryRun": True}])
async def test_nobody_is_told_first_where_nothing_can_be_refused_or_told(changes: dict[str, object]) -> None:
    made = world("one")
    answer = await made.ask(pod(WEB, **changes))  # type: ignore[arg-type]  # test values

    assert answer["allowed"] is True
    assert made.receiver.heard == []
    assert not any("is_attempt" in event["data"]["decision"] for event in made.outbox.events)


async def test_whoever_goes_away_while_receipts_are_waited_for_is_told_as_unanswered_to_those_who_heard() -> None:
    made = world("one", "two")
    made.receiver.hangs = True
    gate = made.gate()
    request = await asked(gate, json.dumps(pod(WEB)).encode(), 5.0)
    answering = asyncio.create_task(gate.validate(request))
    while not made.receiver.heard:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    gate.abandon(request)
    await gate.close()

    (event,) = made.outbox.events
    assert (outcome(event), event["data"]["corrects"]) == ("unanswered", FIRST)
    assert {"one", "two"} <= set(made.outbox.stored[0].destinations)


async def test_a_mistake_of_ours_after_somebody_was_told_is_told_to_him_too(monkeypatch: pytest.MonkeyPatch) -> None:
    made = world("one", receipts=("one",))

    def broken(*_: object) -> bytes:
        raise RuntimeError("injected")

    monkeypatch.setattr(deciding, "reply", broken)
    answer = await made.ask(pod(WEB))

    (event,) = made.outbox.events
    assert answer["allowed"] is False
    assert (event["id"], event["data"]["corrects"], outcome(event)) == (CORRECTION, FIRST, "rejected")
    assert "one" in made.outbox.stored[0].destinations


async def test_a_correction_that_the_outbox_does_not_take_is_told_at_once_and_stands_in_the_log(log: Log) -> None:
    """Whoever heard "admitted" was there a moment ago."""
    made = world("one", "two", receipts=("one",))
    made.outbox.failure = full_disk()
    await made.ask(pod(WEB))

    (_, _), (correction, told) = made.receiver.heard
    assert (correction["id"], outcome(correction), set(told)) == (CORRECTION, "rejected", {"one", "two"})
    assert [event["id"] for event in last_resort(log)] == [CORRECTION]


# Stored late or not at all.


async def test_an_admission_that_was_stored_too_late_is_withdrawn_and_the_refusal_told_in_its_place() -> None:
    """With `outbox.required`, nobody may hear "admitted" of what was refused."""
    made = world(required=True)
    made.outbox.is_late = True
    answer = await made.ask(pod(WEB))

    (event,) = made.outbox.events
    assert answer["allowed"] is False
    assert (event["id"], outcome(event)) == (FIRST, "rejected")
    assert "corrects" not in event["data"]
    assert tuple(made.outbox.stored[0].destinations) == ("pager",)


async def test_an_admission_that_somebody_has_heard_of_is_corrected() -> None:
    made = world(required=True)
    made.outbox.is_late, made.outbox.heard = True, {FIRST}
    answer = await made.ask(pod(WEB))

    admitted, refused = made.outbox.stored
    assert answer["allowed"] is False
    assert (admitted.id, refused.id) == (FIRST, CORRECTION)
    assert made.outbox.events[1]["data"]["corrects"] == FIRST
    assert set(refused.destinations) == {"one", "two", "siem", "pager"}


async def test_what_was_told_first_is_never_withdrawn() -> None:
    made = world("one", receipts=("one",), required=True)
    made.outbox.is_late = True
    answer = await made.ask(pod(WEB))

    assert answer["allowed"] is False
    assert [(event["id"], outcome(event)) for event in made.outbox.events] == [
        (FIRST, "admitted"),
        (CORRECTION, "rejected"),
    ]


async def test_the_log_does_not_say_admitted_of_what_was_refused(log: Log) -> None:
    made = world(required=True)
    made.outbox.failure = full_disk()
    answer = await made.ask(pod(WEB))

    assert answer["allowed"] is False
    assert [outcome(event) for event in last_resort(log)] == ["rejected"]


async def test_whoever_heard_an_admission_that_the_outbox_never_took_hears_of_the_refusal_at_once() -> None:
    made = world("one", receipts=("one",), required=True)
    made.outbox.failure = full_disk()
    answer = await made.ask(pod(WEB))

    (_, _), (correction, told) = made.receiver.heard
    assert answer["allowed"] is False
    assert (correction["id"], correction["data"]["corrects"], told) == (CORRECTION, FIRST, ("one",))


@pytest.mark.parametrize(
    ("image", "namespace", "required"),
    [(WEB, "strict", False), (WEB, "elsewhere", True), ("r.example/shop/bad:1", "strict", True)],
    ids=["not required", "watched", "refused anyway"],
)
async def test_what_holds_although_it_was_stored_late_is_told_once(
    image: str,
    namespace: str,
    required: bool,  # noqa: FBT001 - a case
) -> None:
    made = world(required=required)
    made.outbox.is_late = True
    answer = await made.ask(pod(image, namespace=namespace))

    (event,) = made.outbox.events
    assert event["id"] == FIRST
    assert (outcome(event) == "admitted") is answer["allowed"]


async def test_whatever_is_told_is_valid_by_the_published_schema() -> None:
    made = world("one", "two", receipts=("one",))
    await made.ask(pod(WEB))
    published = json.loads((Path(__file__).parents[2] / "config/schema/event.schema.json").read_text())

    assert published == event_schema()
    for event in (*made.outbox.events, *(heard for heard, _ in made.receiver.heard)):
        jsonschema.Draft202012Validator(published).validate(event)


@pytest.mark.parametrize("failure", [full_disk(), ZeroDivisionError("a defect")])
async def test_an_event_about_them_that_is_not_stored_stands_in_the_log(log: Log, failure: Exception) -> None:
    made = world()
    made.outbox.failure = failure
    await made.gate().unreadable(UnreadableGroup("no_uid", 3, "192.0.2.1", "ab" * 32, "request.uid is missing"))

    (event,) = last_resort(log)
    assert event["data"]["unreadable"]["count"] == 3
    assert log.named("event_not_stored")


async def test_an_event_whose_parts_can_not_be_read_is_told_without_them(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_finding: object) -> None:
        raise RuntimeError("injected")

    made = world()
    monkeypatch.setattr("router.events.parts.image_data", broken)
    answer = await made.ask(pod("r.example/shop/bad:1"))

    (event,) = made.outbox.events
    assert (answer["allowed"], outcome(event)) == (False, "rejected")
    assert event["data"]["images"] == []
    assert "pager" in made.outbox.stored[0].destinations
    assert "injected" in log.named("event_incomplete")[0]["exception"]
