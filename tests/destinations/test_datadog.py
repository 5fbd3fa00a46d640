"""Datadog: logs that it takes, and never one that it would lose without a word."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from router.destinations.catalogue import open_destination
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.destinations.kinds.datadog import KIND, LOG_BYTES, OLDEST, DatadogDialect, DatadogSettings
from router.destinations.outcome import Delivered
from router.events import as_json, encode
from router.fields import ReadingContext
from router.rendering.examples import EXAMPLES, INCIDENTS, NOTICES
from router.rendering.renderer import Renderer
from tests.contracts.kinds import shipped
from tests.delivery.stage import StagedOutbox, stage
from tests.simulators.datadog import PATH, STATUSES, Datadog
from tests.simulators.sinks import Receipt, Sink

KEY = "0123456789abcdef0123456789abcdef"
LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
STORED = [*map(encode, EXAMPLES.values()), *map(as_json, INCIDENTS), *map(as_json, NOTICES)]
NOW = 1_795_428_990.0
"""A minute after the examples."""


def settings(**written: object) -> DatadogSettings:
    reading = ReadingContext(Path("/nowhere"), {"KEY": KEY}, lambda path, _: path.read_bytes())
    where = {} if "url" in written else {"site": "datadoghq.eu"}
    told = {"name": "dd", "kind": "datadog", "api_key": {"env": "KEY"}, **where, **written}
    return DatadogSettings.model_validate(told, context={"reading": reading})


def kept(bodies: Sequence[bytes], now: float = NOW, **written: object) -> list[dict[str, Any]]:
    """What Datadog has of these payloads, all of which it takes and keeps whole."""
    post = DatadogDialect(settings(**written)).compose([Document("event-1", body) for body in bodies], now)
    datadog = Datadog(KEY, now)
    said = datadog.behave(Receipt(PATH, {name.lower(): text for name, text in post.headers.items()}, post.body))

    assert said.startswith(b"HTTP/1.1 202"), said
    assert datadog.lost == []
    return datadog.logs


def rendered(bodies: Sequence[bytes]) -> list[bytes]:
    renderer = Renderer(shipped(KIND), kind=KIND.name, name="dd", minimal=KIND.minimal)
    return [renderer.render(body).body for body in bodies]


def test_all_that_is_told_is_kept() -> None:
    found = kept(rendered(STORED))

    assert len(found) == len(STORED)
    assert {str(one["status"]) for one in found} <= STATUSES
    assert {(one["service"], one["ddsource"], one["hostname"]) for one in found} == {
        ("gatecrier", "gatecrier", "production-eu")
    }


def test_a_decision_says_what_was_answered_and_what_would_have_been() -> None:
    found = kept(rendered([encode(event) for event in EXAMPLES.values()]))
    levels = {"critical": "critical", "high": "error", "medium": "warning", "info": "informational"}
    for one, event in zip(found, EXAMPLES.values(), strict=True):
        decision = event["data"]["decision"]

        assert (one["outcome"], one["would_reject"]) == (decision["outcome"], decision["would_reject"])
        assert one["status"] == levels[decision["severity"]]
        assert f"outcome:{decision['outcome']}" in one["ddtags"].split(",")
        if decision["outcome"] == "admitted":
            assert ("would reject" in one["message"]) == decision["would_reject"]


def test_what_an_operator_names_stands_over_the_template() -> None:
    body = b'{"message": "m", "service": "theirs", "ddsource": "theirs", "ddtags": "a:b"}'
    (found,) = kept([body], service="mine", source="ours", tags={"env": "prod"})

    assert (found["service"], found["ddsource"], found["ddtags"]) == ("mine", "ours", "env:prod,a:b")


@given(st.recursive(st.none() | st.integers(-(2**53), 2**53) | st.text(), lambda one: st.dictionaries(
    st.sampled_from(["message", "timestamp", "ddtags", "service", "hostname", "a"]), one)))  # fmt: skip
def test_whatever_a_template_makes_is_taken(made: object) -> None:
    assert len(kept([orjson.dumps(made)])) == 1


@pytest.mark.parametrize("body", [b"no JSON", b"\xff", b"", b'{"a":' * 300 + b"1" + b"}" * 300])
def test_what_is_no_log_is_the_message_of_one(body: bytes) -> None:
    assert len(kept([body])) == 1


def test_what_datadog_would_cut_is_made_small() -> None:
    """It would answer 202 and keep half of it."""
    body = orjson.dumps({"message": "m" * 200_000, "id": "event-1", "images": ["x" * 1000] * 1000})
    (found,) = kept([body])

    assert len(json.dumps(found)) < LOG_BYTES / 2
    assert found["id"] == "event-1"
    assert found["message"].endswith("…")


def test_what_is_old_is_shown_when_it_arrives() -> None:
    """As after a replay: by its time Datadog would drop it and answer 202."""
    (body,) = rendered(STORED[:1])
    (early,), (late,) = kept([body], NOW), kept([body], NOW + OLDEST)

    assert "timestamp" in early
    assert "timestamp" not in late
    assert late["time"] == early["time"] == "2026-11-23T10:15:30.123Z"


async def test_a_batch_is_one_request_within_its_limits() -> None:
    datadog, outbox = Datadog(KEY, NOW), StagedOutbox()
    async with Sink(behave=datadog.behave).running() as sink:
        url = sink.url(PATH)
        destination = open_destination(settings(url=url, plain_http=True, batch_bytes="1KiB"), LOOPBACK)
        for _ in range(10):
            outbox.put("dd")
        async with stage(
            destination, outbox=outbox, rendering=lambda one, *_: Document(one, b'{"message":"%b"}' % (b"m" * 300))
        ):
            await outbox.until_settled()

    assert len(datadog.logs) == 10
    assert [len(json.loads(one.body)) for one in sink.got] == [3, 3, 3, 1]


async def test_a_wrong_key_pauses_the_destination() -> None:
    async with Sink(behave=Datadog("other").behave).running() as sink:
        destination = open_destination(settings(url=sink.url(PATH), plain_http=True), LOOPBACK)
        found = await destination.deliver([Document("event-1", b'{"message":"m"}')])
        await destination.close()

    assert not isinstance(found, Delivered)
    assert getattr(found, "pauses", False)


def test_the_intake_is_that_of_the_site() -> None:
    assert settings().endpoint == "https://http-intake.logs.datadoghq.eu/api/v2/logs"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"url": "https://x.example", "site": "datadoghq.eu"}, "exactly one of `site` and `url`"),
        ({"site": None}, "exactly one of `site` and `url`"),
        ({"site": "datadoghq.example"}, "datadoghq.com"),
        ({"tags": {"a,b": "c"}}, "tags"),
        ({"tags": {"a": "b,c"}}, "tags"),
        ({"batch_bytes": "5MiB"}, "less than or equal"),
    ],
)
def test_what_can_not_be_meant_is_refused(more: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        settings(**more)
