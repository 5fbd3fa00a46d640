"""A namespace whose label changes, over HTTP: told, and never refused."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest

from router.admission.receiving import Receiving, Room
from router.errors import OutboxError
from router.events import notice_schema
from router.policy import Enforcement, EnforcementSettings
from router.routing import RouteSettings
from tests.admission.endpoint import Endpoint
from tests.admission.world import World
from tests.simulators.log import Log

LABEL = "gatecrier.dev/mode"
TOLD = RouteSettings.model_validate(
    {"destinations": ["siem"], "routes": [{"about": ["gatecrier"], "destinations": ["slack"]}]}
)


def a_namespace(before: str | None, after: str | None, name: str = "elsewhere", **changes: object) -> dict[str, object]:
    """The review of a namespace whose label is changed."""

    def having(value: str | None) -> dict[str, object]:
        return {"metadata": {"name": name, "labels": {"a": "b"} | ({} if value is None else {LABEL: value})}}

    asked = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Namespace"},
        "name": name,
        "namespace": name,
        "operation": "UPDATE",
        "userInfo": {"username": "alice"},
        "object": having(after),
        "oldObject": having(before),
        "dryRun": False,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked | changes}


async def told(review: dict[str, object], made: World | None = None) -> list[dict[str, object]]:
    """The notices about it; the change is always let in, without a word."""
    made = made or World(routes=TOLD)
    async with Endpoint(made).running() as endpoint:
        answer = await endpoint.ask(review, "/modes")
    assert answer == {"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": True}
    return [json.loads(stored.body) for stored in made.outbox.stored]


@pytest.mark.parametrize(
    ("namespace", "before", "after", "holds", "severity"),
    [
        ("elsewhere", None, "enforce", ("detect", "enforce"), "info"),
        ("elsewhere", "enforce", None, ("enforce", "detect"), "medium"),
        ("elsewhere", "enforce", "off", ("enforce", "off"), "high"),
        ("elsewhere", "off", "detect", ("off", "detect"), "info"),
        ("elsewhere", None, "detect", ("detect", "detect"), "info"),
        ("elsewhere", "enforce", "Enforce", ("enforce", "detect"), "medium"),
        ("strict", "enforce", "detect", ("enforce", "enforce"), "info"),
        ("lowered", "enforce", "detect", ("enforce", "detect"), "medium"),
        ("kube-system", None, "enforce", ("detect", "detect"), "info"),
    ],
)
async def test_whoever_switches_a_namespace_is_told_of_by_what_holds_there(
    namespace: str, before: str | None, after: str | None, holds: tuple[str, str], severity: str
) -> None:
    (event,) = await told(a_namespace(before, after, namespace))

    jsonschema.Draft202012Validator(notice_schema()).validate(event)
    data = event["data"]
    assert isinstance(data, dict)
    notice = data["notice"]
    assert notice["event_type"] == "dev.gatecrier.mode.changed.v1"
    assert notice["facts"] == {"namespace": namespace, "before": holds[0], "after": holds[1], "user": "alice"}
    assert notice["severity"] == severity


async def test_the_text_says_who_and_what_holds_then() -> None:
    (event,) = await told(a_namespace("enforce", None))

    notice = event["data"]["notice"]  # type: ignore[index]  # JSON
    assert notice["title"] == "Namespace elsewhere: enforce, from now on detect"
    assert notice["text"] == (
        f'alice changes the label {LABEL} of the namespace elsewhere from "enforce" to nothing. '
        "What fails there is let in, and told."
    )


async def test_a_namespace_that_is_made_with_the_label_is_told_of() -> None:
    (event,) = await told(a_namespace(None, "off", operation="CREATE", oldObject=None))

    assert event["data"]["notice"]["facts"]["after"] == "off"  # type: ignore[index]  # JSON


@pytest.mark.parametrize(
    "review",
    [
        a_namespace("enforce", "enforce"),
        a_namespace(None, None),
        a_namespace(None, "enforce", dryRun=True),
        a_namespace("enforce", None, operation="DELETE", object=None),
        a_namespace(None, "enforce", kind={"group": "x", "version": "v1", "kind": "Namespace"}),
        a_namespace(None, None, object={"metadata": {"labels": 7}}),
        a_namespace(None, None, object={"metadata": {"labels": {LABEL: 7}}}),
        a_namespace(None, None, object={"metadata": {"labels": {LABEL: "off", "x": "x" * (4 << 20)}}}),
        a_namespace(None, None, object=[], oldObject="x"),
    ],
    ids=["same", "none", "dry run", "deletion", "another kind", "labels", "label", "too many labels", "no objects"],
)
async def test_nothing_else_is_told(review: dict[str, object]) -> None:
    assert await told(review) == []


async def test_without_a_label_nothing_is_told() -> None:
    made = World(routes=TOLD)
    async with Endpoint(made).running() as endpoint:
        endpoint.gate.rules = replace(made.gate_rules(), enforcement=Enforcement(EnforcementSettings()))
        answer = await endpoint.ask(a_namespace(None, "off"), "/modes")

    assert answer["allowed"] is True
    assert made.outbox.stored == []


async def test_it_is_in_the_log_whoever_is_told(log: Log) -> None:
    assert await told(a_namespace("enforce", "off"), World()) == []

    (line,) = log.named("mode_changed")
    assert (line["namespace"], line["before"], line["after"], line["user"]) == ("elsewhere", "enforce", "off", "alice")


async def test_what_can_not_be_stored_is_in_the_log(log: Log) -> None:
    made = World(routes=TOLD)
    made.outbox.failure = OutboxError("the disk is full")
    await told(a_namespace("enforce", "off"), made)

    assert log.named("event_not_stored")


async def test_where_there_is_no_room_a_namespace_is_let_in() -> None:
    """A namespace must never wait for us, nor be refused, not even under `Fail`."""
    async with Endpoint(World(routes=TOLD)).running() as endpoint:
        endpoint.webhook._receiving = Receiving(Room(0, 0))
        answer = await endpoint.ask(a_namespace("enforce", "off", name="strict"), "/modes?timeout=300ms")

    assert answer["allowed"] is True
