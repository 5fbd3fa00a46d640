"""The sentence about an incident: what became of its requests, and of none what did not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from router.rendering.context import incident_message
from router.rendering.examples import INCIDENTS

DATA: Any = INCIDENTS[0]["data"]


def said(outcomes: Mapping[str, int], kind: str = "owner", *, is_failing: bool = True) -> str:
    """What is said of the requests of an incident with these outcomes."""
    incident: dict[str, Any] = {**DATA["incident"], "kind": kind, "count": sum(outcomes.values())}
    incident["outcomes"] = {"rejected": 0, "admitted": 0, "unanswered": 0, **outcomes}
    if not is_failing:
        incident["images"] = []
    return incident_message(incident).rpartition(" request")[2]


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ({"rejected": 2}, "s that it rejected"),
        ({"rejected": 1}, " that it rejected"),
        ({"rejected": 2, "admitted": 1, "unanswered": 1}, "s, of which it rejected 2"),
        ({"admitted": 2}, "s that it admitted and would reject"),
        ({"admitted": 2, "unanswered": 1}, "s, of which it admitted and would reject 2"),
        ({"unanswered": 2}, "s that it did not answer"),
        ({}, "s"),
    ],
)
def test_all_requests_are_told_as_one_only_where_they_are(outcomes: dict[str, int], words: str) -> None:
    assert said(outcomes) == words


def test_what_was_admitted_is_to_be_rejected_only_where_something_fails_by_itself() -> None:
    assert said({"admitted": 1}, is_failing=False) == " that it admitted"
    assert said({"admitted": 1}, "registry") == " that it admitted"
