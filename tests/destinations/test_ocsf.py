"""The templates of OCSF, by its own schema, for every example event."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from router.events import as_json, encode
from router.rendering.examples import EXAMPLES, INCIDENTS
from router.rendering.library import Library, Templates
from router.rendering.minimal import minimal_event
from router.rendering.rehearsal import OF_DECISIONS, OF_INCIDENTS
from router.rendering.renderer import Renderer
from router.rendering.shipped import shipped_folder
from router.settings.snapshot import read_file
from tests.destinations.ocsf import VERSION, mistakes
from tests.rendering.hostile import HOSTILE, event_with, shape_of

TEMPLATES = Templates(
    Library([shipped_folder()], read_file, OF_DECISIONS).template("ocsf"),
    None,
    None,
    Library([shipped_folder()], read_file, OF_INCIDENTS).template("ocsf-incident"),
)


def made(body: bytes) -> dict[str, Any]:
    """The document."""
    found: dict[str, Any] = json.loads(
        Renderer(TEMPLATES, kind="webhook", name="siem", minimal=minimal_event).render(body).body
    )
    return found


@pytest.mark.parametrize(
    "body", [*map(encode, EXAMPLES.values()), *map(as_json, INCIDENTS)], ids=lambda body: orjson.loads(body)["id"]
)
def test_it_is_a_document_of_ocsf(body: bytes) -> None:
    document = made(body)

    assert mistakes(document) == []
    assert document["metadata"]["version"] == VERSION


@pytest.mark.parametrize("event", EXAMPLES.values(), ids=EXAMPLES)
def test_a_decision_is_what_was_answered_and_what_was_found(event: Any) -> None:  # noqa: ANN401 - as the examples are
    document, decision = made(encode(event)), event["data"]["decision"]
    action = {"rejected": "Denied", "admitted": "Allowed"}.get(decision["outcome"], "Unknown")

    assert document["action"] == action
    assert document["is_alert"] == (document["class_uid"] == 2004) == decision["would_reject"]
    assert ("compliance" in document) is not decision["would_reject"]
    assert document["severity_id"] == {"critical": 5, "high": 4, "medium": 3, "info": 1}[decision["severity"]]


@pytest.mark.parametrize(
    ("state", "activity", "status"),
    [
        ("opened", "Create", "New"),
        ("changed", "Update", "In Progress"),
        ("repeated", "Update", "In Progress"),
        ("resolved", "Close", "Resolved"),
        ("expired", "Close", "Resolved"),
    ],
)
def test_an_incident_is_one_finding_through_its_life(state: str, activity: str, status: str) -> None:
    incident = json.loads(as_json(INCIDENTS[0]))
    incident["type"] = f"dev.gatecrier.incident.{state}.v1"
    incident["data"]["incident"]["state"] = state
    document = made(as_json(incident))

    assert mistakes(document) == []
    assert (document["activity_name"], document["status"]) == (activity, status)
    assert document["finding_info"]["uid"] == incident["data"]["incident"]["id"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_name_changes_its_shape(text: str) -> None:
    assert shape_of(made(event_with(text))) == shape_of(made(event_with("plain")))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"class_uid": 1}, ["class_uid"]),
        ({"type_uid": 200402}, ["type_uid"]),
        ({"severity_id": 7}, ["severity_id: 7 is no integer_t"]),
        ({"time": "now"}, ["time: 'now' is no timestamp_t"]),
        ({"ours": 1}, ["ours: unknown"]),
        ({"metadata": {"version": "1"}}, ["metadata.product: missing"]),
    ],
)
def test_the_schema_finds_what_is_wrong(change: dict[str, object], found: list[str]) -> None:
    document = made(encode(next(iter(EXAMPLES.values()))))

    assert set(found) <= set(mistakes({**document, **change}))
