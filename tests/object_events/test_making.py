"""What is said about which object, whatever strangers have called things."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import EventData
from router.object_events.making import NOTE_LIMIT, Regarding, counted, created, said_of
from router.text import is_seen

EVENT: EventData = json.loads((Path(__file__).parents[1] / "data" / "event.json").read_text())["data"]
OWNER = {"api_version": "apps/v1", "kind": "ReplicaSet", "name": "web-7d4b9c", "uid": "0b1c"}
WEB = Regarding("apps/v1", "Deployment", "payments", "web", "")


def event(decision: dict[str, Any] | None = None, request: object = None, workload: object = None) -> EventData:
    parts: Any = {"decision": decision or {}, "request": request or {}, "workload": workload or {}}
    found: Any = {**EVENT, **{name: {**EVENT[name], **changes} for name, changes in parts.items()}}  # type: ignore[literal-required]  # names of its parts
    data: EventData = found
    return data


@pytest.mark.parametrize(
    ("decision", "reason"),
    [
        ({}, "ImagesRejected"),
        ({"outcome": "admitted"}, "ImagesWouldBeRejected"),
        ({"outcome": "admitted", "would_reject": False}, None),
        ({"outcome": "admitted", "break_glass": "the registry is down"}, "ImagesLetIn"),
        ({"outcome": "admitted", "would_reject": False, "break_glass": "the registry is down"}, None),
        ({"outcome": "unanswered"}, None),
    ],
)
def test_what_was_refused_or_would_be_is_said(decision: dict[str, Any], reason: str | None) -> None:
    said = said_of(event(decision))

    assert (said and said.reason) == reason


def test_of_a_controller_s_objects_the_controller_is_told_about() -> None:
    """Forty Pods are one trouble, and none of those that were refused was ever there."""
    said = said_of(event(workload={"kind": "Pod", "name": "web-7d4b9c-x", "owner": OWNER}))

    assert said is not None
    assert said.regarding == Regarding("apps/v1", "ReplicaSet", "payments", "web-7d4b9c", "0b1c")


@pytest.mark.parametrize(
    "claim", [{"name": "a\x1b[31m"}, {"name": "../x"}, {"kind": "Pod\n"}, {"uid": "\u202e"}, {"api_version": "v1 "}]
)
def test_an_owner_that_can_not_be_is_nobody(claim: dict[str, str]) -> None:
    """The API server takes any text for the name of an owner."""
    said = said_of(event(workload={"owner": {**OWNER, **claim}}))

    assert said is not None
    assert said.regarding == WEB


@pytest.mark.parametrize(
    ("request_", "workload"),
    [({"namespace": ""}, {}), ({}, {"name": ""}), ({}, {"name": "web\n"}), ({"namespace": "a/b"}, {})],
)
def test_about_what_can_not_be_nothing_is_said(request_: object, workload: object) -> None:
    assert said_of(event(request=request_, workload=workload)) is None


@given(st.text(max_size=5000))
def test_what_is_said_fits_and_shows_all_of_itself(message: str) -> None:
    said = said_of(event({"message": message}))

    assert said is not None
    assert 0 < len(said.note.encode()) <= NOTE_LIMIT
    assert is_seen(said.note)


def test_an_event_names_what_it_is_about() -> None:
    said = said_of(event())
    assert said is not None
    made = created(said, "gatecrier.1", "gatecrier-0", 1764417600.25)

    assert isinstance(made, dict)
    assert made["regarding"] == {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "payments", "name": "web"}
    assert made["eventTime"] == "2025-11-29T12:00:00.250000Z"
    assert counted(2, 0.0) == {"series": {"count": 2, "lastObservedTime": "1970-01-01T00:00:00.000000Z"}}
