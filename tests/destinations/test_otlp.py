"""OTLP: log records that a collector takes, and nothing that it is sent again against its word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from router.destinations.catalogue import open_destination
from router.destinations.dialect import MOVED_FOR, Reply
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.destinations.kinds.otlp import AGAIN, KIND, OtlpDialect, OtlpSettings
from router.destinations.outcome import Delivered, EachOutcome, Outcome, TryAgain, Undeliverable
from router.events import as_json, encode
from router.fields import ReadingContext
from router.outbox import Accepted, SetAside
from router.rendering.examples import EXAMPLES, INCIDENTS, NOTICES
from router.rendering.renderer import Renderer
from tests.contracts.kinds import shipped
from tests.delivery.stage import StagedOutbox, stage
from tests.simulators.otlp import PATH, Collector
from tests.simulators.sinks import Receipt, Sink, answer

LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
STORED = [*map(encode, EXAMPLES.values()), *map(as_json, INCIDENTS), *map(as_json, NOTICES)]
ANY_JSON = st.recursive(
    st.none() | st.integers(-(2**53), 2**53) | st.text(), lambda one: st.dictionaries(st.text(), one)
)


def settings(url: str = "https://otel.example:4318/v1/logs", **written: object) -> OtlpSettings:
    reading = ReadingContext(Path("/nowhere"), {"KEY": "otel-secret"}, lambda path, _: path.read_bytes())
    told = {"name": "otel", "kind": "otlp", "url": url, **written}
    return OtlpSettings.model_validate(told, context={"reading": reading})


@pytest.mark.parametrize(
    ("url", "is_told"),
    [
        ("https://otel.example:4318", True),
        ("https://otel.example:4318/", True),
        ("https://otel.example:4318/v1/logs", False),
        ("https://otel.example/otlp", False),
    ],
)
def test_a_host_alone_is_told_of(url: str, is_told: bool) -> None:  # noqa: FBT001 - a column of the table
    """Kits of OpenTelemetry add the path to such an endpoint, and so people write it here."""
    assert (settings(url).note is not None) is is_told


def taken(bodies: Sequence[bytes], **written: object) -> list[dict[str, Any]]:
    """The records that a collector has of these payloads, all of which it takes."""
    dialect = OtlpDialect(settings("https://otel.example/v1/logs", **written))
    post = dialect.compose([Document("event-1", body) for body in bodies], 0.0)
    collector = Collector()
    said = collector.behave(Receipt(PATH, {name.lower(): text for name, text in post.headers.items()}, post.body))

    assert said.startswith(b"HTTP/1.1 200"), said
    return collector.records


def rendered(bodies: Sequence[bytes]) -> list[bytes]:
    renderer = Renderer(shipped(KIND), kind=KIND.name, name="otel", minimal=KIND.minimal)
    return [renderer.render(body).body for body in bodies]


def test_all_that_is_told_is_taken_in_one_request() -> None:
    found = taken(rendered(STORED))

    assert len(found) == len(STORED)
    assert {(one["resource"]["service.name"], one["resource"]["k8s.cluster.name"]) for one in found} == {
        ("gatecrier", "production-eu")
    }
    assert {one["severityText"]: one["severityNumber"] for one in found} == {
        "critical": 21, "high": 17, "medium": 13, "info": 9,
    }  # fmt: skip


def test_a_minimal_payload_is_taken_too() -> None:
    renderer = Renderer(shipped(KIND), kind=KIND.name, name="otel", minimal=KIND.minimal)

    assert len(taken([renderer.minimal(body).body for body in STORED])) == len(STORED)


def test_a_decision_says_what_was_answered_and_what_would_have_been() -> None:
    found = taken(rendered([encode(event) for event in EXAMPLES.values()]))
    for one, event in zip(found, EXAMPLES.values(), strict=True):
        decision, told = event["data"]["decision"], one["attributes"]

        assert (told["gatecrier.outcome"], told["gatecrier.would_reject"]) == (
            decision["outcome"], decision["would_reject"],
        )  # fmt: skip
        assert one["eventName"] == f"gatecrier.admission.{decision['outcome']}"
        assert one["timeUnixNano"] == "1795428930123000000"
        if decision["outcome"] == "admitted":
            assert ("would reject" in one["body"]["stringValue"]) == decision["would_reject"]


def test_what_an_operator_names_stands_over_the_template() -> None:
    (found,) = taken(rendered(STORED[:1]), resource={"service.name": "mine", "k8s.cluster.name": "a", "x": "y"})

    assert found["resource"] == {"service.name": "mine", "k8s.cluster.name": "a", "x": "y"}


@given(ANY_JSON)
def test_what_is_no_record_is_the_text_of_one(made: object) -> None:
    assert len(taken([orjson.dumps(made)])) == 1


@pytest.mark.parametrize(
    "body", [b"no JSON", b"\xff", b"", b'{"scopeLogs":[],"a":' + b'{"a":' * 300 + b"1" + b"}" * 301]
)
def test_what_is_no_document_is_a_text(body: bytes) -> None:
    assert len(taken([body])) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504, 507, 522])
def test_only_what_may_be_sent_again_is(status: int) -> None:
    outcome = OtlpDialect(settings()).judge(Reply(status, "", None, 0.0))

    assert isinstance(outcome, TryAgain) == (status in AGAIN)
    assert isinstance(outcome, Undeliverable) == (status not in AGAIN)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("", Delivered()),
        ("{}", Delivered()),
        ('{"partialSuccess": {}}', Delivered()),
        ('{"partialSuccess": null}', Delivered()),
        ('{"partialSuccess": {"rejectedLogRecords": "0", "errorMessage": "a warning"}}', Delivered()),
        ('{"partialSuccess": {"rejectedLogRecords": "1"}}', Undeliverable("message_refused")),
        ('{"partialSuccess": {"rejectedLogRecords": 1}}', Undeliverable("message_refused")),
        ('{"partialSuccess": {"rejectedLogRecords": "many"}}', TryAgain("malformed_reply")),
        ('{"partialSuccess": [1]}', TryAgain("malformed_reply")),
        ("{", TryAgain("malformed_reply")),
        ("[]", TryAgain("malformed_reply")),
    ],
)
def test_a_reply_of_success_says_what_was_rejected(text: str, outcome: Outcome) -> None:
    assert OtlpDialect(settings()).judge(Reply(200, text, None, 0.0)) == outcome


def test_an_address_that_is_not_there_is_tried_for_an_hour() -> None:
    """The way there is not the protocol's."""
    assert OtlpDialect(settings()).judge(Reply(404, "", None, 0.0)) == TryAgain("http_404", within=MOVED_FOR)


async def delivered(sink: Sink, events: int = 4) -> StagedOutbox:
    outbox = StagedOutbox()
    async with sink.running():
        destination = open_destination(settings(sink.url(PATH), plain_http=True), LOOPBACK)
        for _ in range(events):
            outbox.put("otel")
        async with stage(destination, outbox=outbox):
            await outbox.until_settled()
    return outbox


async def test_what_was_partly_rejected_is_set_aside_as_a_whole_at_once() -> None:
    sink = Sink(behave=Collector(rejects=1).behave)
    outbox = await delivered(sink)

    assert [one.reason for one in outbox.settled if isinstance(one, SetAside)] == ["message_refused"] * 4
    assert len(sink.got) == 1


async def test_a_server_error_is_set_aside_as_a_whole_at_once() -> None:
    sink = Sink(answer("500 Oops"))
    outbox = await delivered(sink)

    assert [one.reason for one in outbox.settled if isinstance(one, SetAside)] == ["http_500"] * 4
    assert len(sink.got) == 1


async def test_bad_data_dooms_no_other_event() -> None:
    sink = Sink()
    sink.behave = lambda got: answer("400 Bad") if b'"sequence\\":2' in got.body else answer("200 OK", b"{}")
    outbox = await delivered(sink)

    assert [type(one) for one in outbox.settled].count(SetAside) == 1
    assert [type(one) for one in outbox.settled].count(Accepted) == 3


async def test_headers_go_along_and_are_shown_to_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    async with Sink(answer("400 Bad", b"you sent otel-secret")).running() as sink:
        written = settings(sink.url(PATH), plain_http=True, headers={"X-Key": {"env": "KEY"}})
        destination = open_destination(written, LOOPBACK)
        found = await destination.deliver([Document("event-1", b"{}"), Document("event-2", b"{}")])
        await destination.close()

    assert sink.got[0].headers["x-key"] == "otel-secret"
    assert not isinstance(found, EachOutcome)
    assert "otel-secret" not in f"{found}{destination}{capsys.readouterr()}"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"headers": {"Content-Type": "x"}}, "set by Gatecrier"),
        ({"resource": {"": "x"}}, "resource"),
        ({"url": "http://otel.example/v1/logs"}, "plain_http"),
    ],
)
def test_what_can_not_be_meant_is_refused(more: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        settings(**more)
