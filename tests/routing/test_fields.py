from typing import Annotated, Literal, NotRequired, TypedDict

import pytest

from router.routing.fields import as_text, field_paths, fields, fields_of, reader
from router.routing.matchers import parse_matcher
from tests.routing.event import event, image, signer


def test_every_leaf_of_the_event_is_a_field() -> None:
    assert {
        "decision.would_reject",
        "decision.break_glass",
        "request.namespace",
        "request.user.name",
        "request.user.groups",
        "workload.owner.kind",
        "images.verdict",
        "images.signers.name",
        "timings.gate_milliseconds",
        "cluster",
        "replica",
    } <= field_paths()


def test_what_holds_others_is_no_field() -> None:
    assert not {"decision", "request.user", "workload.owner", "images", "images.signers"} & field_paths()


def test_the_number_of_an_event_is_no_field_because_routes_are_asked_before_it_is_given() -> None:
    assert "sequence" not in field_paths()


def test_closed_sets_are_known() -> None:
    assert fields()["decision.would_reject"] == frozenset({"true", "false", ""})
    assert fields()["decision.outcome"] == frozenset({"admitted", "rejected", "unanswered", ""})
    assert fields()["request.namespace"] is None


class Inner(TypedDict):
    """What stands in events."""

    always: bool
    sometimes: NotRequired[Annotated[Literal["a"], "of a kind"]]
    name: str


class Outer(TypedDict):
    """An event."""

    always: Inner
    sometimes: NotRequired[Inner]
    null: Inner | None
    several: list[Inner]
    flag: Literal["x"]


class Other(TypedDict):
    """One of another type."""

    always: Inner
    flag: Literal["y"] | None


def test_what_may_be_missing_may_be_empty() -> None:
    """At any step of its path, and in an event of another type."""
    found = {path: closed and set(closed) for path, closed in fields_of(Outer, Other).items()}

    assert found["always.always"] == {"true", "false"}
    assert found["always.sometimes"] == {"a", ""}
    assert found["sometimes.always"] == found["null.always"] == found["several.always"] == {"true", "false", ""}
    assert found["flag"] == {"x", "y", ""}
    assert {closed for path, closed in found.items() if path.endswith("name")} == {None}


@pytest.mark.parametrize(
    "path",
    ["unreadable.cause", "decision.is_attempt", "decision.grant.is_new", "notice.severity", "notice.facts.before"],
)
def test_whoever_asks_whether_a_field_is_there_is_understood(path: str) -> None:
    is_there, is_missing = (parse_matcher(f'{path} {operator} ""').compiled() for operator in ("!=", "="))

    assert (is_there(dict(event())), is_missing(dict(event()))) == (False, True)


def test_values_read_as_they_stand_in_json_without_quotes() -> None:
    assert [as_text(value) for value in ("a", "", None, True, False, 3, 2.5, 10**30)] == [
        "a", "", "", "true", "false", "3", "2.5", str(10**30),
    ]  # fmt: skip


def test_a_list_stands_for_its_elements() -> None:
    data = event(image("unsigned"), image("verified", signers=[signer("release"), signer("security")]))

    assert reader("images.verdict")(dict(data)) == ["unsigned", "verified"]
    assert reader("images.signers.name")(dict(data)) == ["", "release", "security"]
    assert reader("request.user.groups")(dict(data)) == ["system:authenticated", "devs"]


def test_what_is_missing_is_the_empty_text() -> None:
    """A workload without an owner has an owner without a name; that is how Alertmanager treats absent labels."""
    assert reader("workload.owner.name")(dict(event())) == [""]
    assert reader("decision.message")({}) == [""]
    assert reader("decision.message")({"decision": "no mapping"}) == [""]
    assert reader("images.verdict")({"images": []}) == [""]
    assert reader("request.user.groups")({"request": {"user": {"groups": []}}}) == [""]
    assert reader("images.signers.name")(dict(event(image("unsigned"), image("verified", signers=[signer("a")])))) == [
        "", "a",
    ]  # fmt: skip


def test_where_a_list_can_be_empty_the_empty_text_is_possible() -> None:
    assert "" in (fields()["images.verdict"] or ())
