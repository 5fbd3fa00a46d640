from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from router.telemetry import logs
from router.telemetry.line_forms import Columns, Form, as_json
from tests.simulators.log import Log, collected


def test_a_line_is_one_json_object_with_event_level_and_time(log: Log) -> None:
    logs.logger().info("request_decided", uid="1", verdicts=["a: verified"])

    (line,) = log.lines
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "request_decided", "level": "info", "uid": "1", "verdicts": ["a: verified"]}


def test_secrets_and_credentials_can_not_be_logged(log: Log) -> None:
    """Redaction is by construction: by type and by key, at any depth, whoever writes the line."""
    nested = {"headers": {"x": "abc"}, "deep": [SecretStr("hidden")]}
    logs.logger().warning("x", token="abc", url="https://hooks.example/secret", found=SecretStr("hidden"), told=nested)

    assert not any(secret in log.text for secret in ("abc", "hooks.example", "hidden"))
    assert log.text.count(logs.REDACTED) == 5


def test_an_exception_stays_on_its_line(log: Log) -> None:
    """A traceback over many lines would be many entries for whoever collects them."""
    try:
        int("broken")
    except ValueError:
        logs.logger().exception("failed")

    (line,) = log.lines
    assert line["level"] == "error"
    assert "ValueError: " in line["exception"]


def test_a_value_of_any_type_is_written(log: Log) -> None:
    logs.logger().info("x", odd=object, key={1: "a"})

    assert log.lines[0]["key"] == {"1": "a"}


def test_lines_keep_their_order(log: Log) -> None:
    """Causes stand before what they cause, whatever the level."""
    for number in range(300):
        (logs.logger().error if number % 3 else logs.logger().info)("x", number=number)

    assert [line["number"] for line in log.lines] == list(range(300))


def test_the_readable_form_names_event_and_values() -> None:
    with collected(readable=True) as log:
        logs.logger().info("request_decided", uid="4711", workload="Pod/web")

        assert "request_decided" in log.text
        assert "uid=4711" in log.text
        assert "workload=Pod/web" in log.text


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, True),
        ({"TERM": "xterm-256color"}, True),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_who_wants_no_colours_gets_none(environment: dict[str, str], *, expected: bool) -> None:
    """https://no-color.org: present and not empty."""
    assert logs.wants_colours(environment) is expected


def test_debug_lines_are_not_written(log: Log) -> None:
    logs.logger().debug("detail")

    assert log.text == ""


class Mute:
    """A value that has no text."""

    def __str__(self) -> str:
        raise KeyError("no text")


@pytest.mark.parametrize("value", ["\ud800", 10**5000, Mute(), {1: 2}], ids=["surrogate", "number", "mute", "key"])
def test_an_event_is_written_whatever_no_json_can_hold(log: Log, value: object) -> None:
    assert logs.write_event("event-1", {"id": "event-1", "odd": value})
    assert "event-1" in log.named("event_part")[0]["json"]


def test_an_event_is_written_whole_whatever_is_in_it(log: Log) -> None:
    """The log is the last resort: what no JSON can hold must not keep the rest from being told."""
    odd = {"id": "event-1", "surrogate": "\ud800", "number": 10**5000, "kind": object()}
    taken = logs.write_event("event-1", odd)
    told = json.loads("".join(part["json"] for part in log.named("event_part")))

    assert taken
    assert told["id"] == "event-1"
    assert told["surrogate"] == "\\ud800"
    assert "bits" in told["number"]


def test_what_is_dropped_is_told_by_kind(log: Log) -> None:
    logs.logger().info("x")

    assert log.queue.dropped == logs.dropped() == {"ordinary": 0, "event": 0}


@pytest.mark.parametrize("form", [as_json, Columns(colours=False)], ids=["json", "columns"])
def test_a_mistake_of_ours_that_costs_lines_stands_beside_their_number(form: Form) -> None:
    told = logs._gap(form, 2, ValueError("a defect")).decode()

    assert "ValueError: a defect" in told
    assert "error" in told
    assert "ValueError" not in logs._gap(form, 2, None).decode()
