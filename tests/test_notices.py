"""The event that tells of Gatecrier itself."""

from __future__ import annotations

import json

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from pydantic import TypeAdapter

from router.events import NoticeEvent, Origin, as_json, decode, notice_schema, trouble_notice, with_sequence
from router.telemetry.causes import Cause

ORIGIN = Origin("production-eu", "gatecrier-0")


def notice(cause: Cause = Cause.DESTINATION_DOWN, ended: float | None = None, times: int = 1) -> NoticeEvent:
    subject = "siem" if cause.of else ""
    return trouble_notice(ORIGIN, cause, subject, "http_500", began=10.0, ended=ended, times=times, at=20.0)


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("ended", [None, 15.0])
def test_every_notice_is_what_its_schema_says(cause: Cause, ended: float | None) -> None:
    event = notice(cause, ended)

    TypeAdapter(NoticeEvent).validate_python(event, strict=True)
    jsonschema.validate(json.loads(as_json(event)), notice_schema())


def test_it_says_what_is_wrong_and_what_to_do() -> None:
    told = notice()["data"]["notice"]

    assert told["title"] == "The destination siem is down"
    assert told["text"] == f"Found: http_500. What to do: {Cause.DESTINATION_DOWN.remedy}."
    assert told["severity"] == "medium"
    assert told["event_type"] == "dev.gatecrier.trouble.began.v1"
    assert told["facts"] == {
        "cause": "destination_down",
        "subject": "siem",
        "began": "1970-01-01T00:00:10.000Z",
        "times": 1,
        "advice": Cause.DESTINATION_DOWN.remedy,
    }


def test_it_says_when_it_is_over_and_that_this_is_not_urgent() -> None:
    told = notice(ended=15.0, times=3)["data"]["notice"]

    assert told["title"] == "Over: The destination siem is down"
    assert told["severity"] == "info"
    assert told["event_type"] == "dev.gatecrier.trouble.ended.v1"
    assert told["facts"]["ended"] == "1970-01-01T00:00:15.000Z"
    assert "3 times" in told["text"]


def test_beginning_and_end_are_two_events_and_the_same_one_is_the_same() -> None:
    assert notice()["id"] == notice()["id"] != notice(ended=15.0)["id"]


def test_it_is_numbered_as_every_event_is() -> None:
    assert decode(with_sequence(as_json(notice()), 7))["data"]["sequence"] == 7
