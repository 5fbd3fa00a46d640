"""Splunk's HTTP Event Collector: events that it takes, and receipts that mean that it has indexed them."""

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
from router.destinations.dialect import Reply
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.destinations.kinds.splunk_hec import (
    KIND,
    OPEN_LIMIT,
    POLL,
    SplunkHecDialect,
    SplunkHecSettings,
)
from router.destinations.outcome import (
    AttemptOutcome,
    Delivered,
    EachOutcome,
    Outcome,
    PendingReceipt,
    TryAgain,
    Undeliverable,
)
from router.events import as_json, encode
from router.fields import ReadingContext
from router.outbox import Accepted
from router.rendering.examples import EXAMPLES, INCIDENTS, NOTICES
from router.rendering.renderer import Renderer
from tests.contracts.kinds import shipped
from tests.delivery.stage import StagedOutbox, stage
from tests.simulators.sinks import Receipt, Sink
from tests.simulators.splunk import EVENT, Splunk, objects

TOKEN = "b7a4f3c1-2222-4333-8444-555566667777"
LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
STORED = [*map(encode, EXAMPLES.values()), *map(as_json, INCIDENTS), *map(as_json, NOTICES)]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["event", "time", "fields", "host", "a"]), inner),
)


URL = "https://splunk.example:8088"


def settings(url: str = URL, **written: object) -> SplunkHecSettings:
    reading = ReadingContext(Path("/nowhere"), {"TOKEN": TOKEN}, lambda path, _: path.read_bytes())
    told = {"name": "splunk", "kind": "splunk_hec", "url": url, "token": {"env": "TOKEN"}, **written}
    return SplunkHecSettings.model_validate(told, context={"reading": reading})


def sent(documents: Sequence[Document], **written: object) -> list[dict[str, Any]]:
    """What Splunk has indexed of these, all of which it takes."""
    post = SplunkHecDialect(settings(URL, **written)).compose(documents, 0.0)
    splunk = Splunk(TOKEN)
    found = splunk.behave(Receipt(EVENT, {name.lower(): text for name, text in post.headers.items()}, post.body))

    assert found.startswith(b"HTTP/1.1 200"), found
    return splunk.indexed


def document(event_id: str = "event-1", body: bytes = b'{"event": {"a": 1}}') -> Document:
    return Document(event_id, body)


def documents(bodies: Sequence[bytes]) -> list[Document]:
    """What is delivered of stored events."""
    renderer = Renderer(shipped(KIND), kind=KIND.name, name="splunk", minimal=KIND.minimal)
    found = [orjson.loads(body) for body in bodies]
    return [
        Document(one["id"], renderer.render(body).body, type=one["type"])
        for one, body in zip(found, bodies, strict=True)
    ]


def test_all_that_is_told_is_taken_in_one_request() -> None:
    found = sent(documents(STORED))

    assert len(found) == len(STORED)
    assert {one["sourcetype"] for one in found} == {"gatecrier:admission", "gatecrier:incident", "gatecrier:notice"}
    assert {(one["source"], one["host"]) for one in found} == {("gatecrier", "production-eu")}
    assert all(one["event"]["severity"] in {"critical", "high", "medium", "info"} for one in found)


def test_a_decision_says_what_was_answered_and_what_would_have_been() -> None:
    found = sent(documents([encode(event) for event in EXAMPLES.values()]))
    for one, event in zip(found, EXAMPLES.values(), strict=True):
        told, decision = one["event"], event["data"]["decision"]

        assert (told["outcome"], told["would_reject"]) == (decision["outcome"], decision["would_reject"])
        assert ("that it would reject" in told["message"]) == (
            decision["would_reject"] and decision["outcome"] == "admitted"
        )
        assert one["time"] == 1795428930.123
        assert one["fields"]["outcome"] == decision["outcome"]


def test_what_an_operator_names_stands_over_the_template() -> None:
    body = b'{"event": "x", "source": "theirs", "sourcetype": "theirs", "host": "theirs", "index": "theirs"}'
    named = {"index": "main", "source": "a", "sourcetype": "b", "host": "c"}
    (found,) = sent([document(body=body)], **named)

    assert {name: found[name] for name in named} == named


def test_a_template_may_make_what_stands_in_the_event_alone() -> None:
    """Such as OCSF, which is a format and not Splunk's."""
    body = b'{"class_uid": 2004, "time": 1, "event": {"x": 1}}'
    (found,) = sent([document(body=body)])

    assert found["event"] == json.loads(body)


@given(ANY_JSON)
def test_whatever_a_template_makes_is_taken(made: object) -> None:
    """What Splunk refuses for its form is a lost alert."""
    assert len(sent([document(body=orjson.dumps(made))])) == 1


@pytest.mark.parametrize(
    "body", [b"no JSON", b"\xff\xfe", b"", b"[" * 400 + b"]" * 400, b'{"event":' * 300 + b"1" + b"}" * 300]
)
def test_what_is_no_document_is_a_text(body: bytes) -> None:
    assert len(sent([document(body=body)])) == 1


async def told(
    splunk: Splunk, batches: Sequence[Sequence[Document]], now: Sequence[float], **more: object
) -> list[AttemptOutcome]:
    """What comes of these attempts, one after the other, at these times."""
    times = iter(now)
    async with Sink(behave=splunk.behave).running() as sink:
        destination = open_destination(settings(sink.url("/"), plain_http=True, **more), LOOPBACK)
        destination._clock = lambda: next(times)  # type: ignore[attr-defined] # a clock of its own
        answers = [await destination.deliver(batch) for batch in batches]
        await destination.close()
    return answers


ONE, TWO = document("event-1"), document("event-2")


async def test_what_is_acknowledged_is_delivered() -> None:
    splunk = Splunk(TOKEN, has_acknowledgement=True)
    answers = await told(splunk, [[ONE, TWO], [ONE], [TWO]], [0.0, 5.0, 5.0], acknowledge=True)

    assert answers == [PendingReceipt(POLL), Delivered(), Delivered()]
    assert len(splunk.indexed) == 2


async def test_until_then_it_is_neither_delivered_nor_sent_again() -> None:
    splunk = Splunk(TOKEN, has_acknowledgement=True, is_slow=True)
    answers = await told(splunk, [[ONE]] * 3 + [[ONE, TWO]], [0.0, 5.0, 119.0, 119.5], acknowledge=True)

    assert answers == [PendingReceipt(POLL)] * 3 + [EachOutcome((PendingReceipt(POLL), PendingReceipt(POLL)))]
    assert len(splunk.indexed) == 2


async def test_what_is_not_acknowledged_in_time_is_sent_again() -> None:
    splunk = Splunk(TOKEN, has_acknowledgement=True, is_slow=True)
    answers = await told(splunk, [[ONE], [ONE], [ONE]], [0.0, 60.0, 61.0], acknowledge=True, acknowledge_timeout="1m")

    assert answers == [PendingReceipt(POLL), TryAgain("unacknowledged"), PendingReceipt(POLL)]
    assert len(splunk.indexed) == 2


async def test_a_restart_sends_again_what_was_open() -> None:
    """Twice is better than never: ids are kept in memory."""
    splunk = Splunk(TOKEN, has_acknowledgement=True)
    for _ in range(2):
        await told(splunk, [[ONE]], [0.0], acknowledge=True)

    assert len(splunk.indexed) == 2


async def test_a_token_without_acknowledgement_pauses_the_destination() -> None:
    answers = await told(Splunk(TOKEN), [[ONE]], [0.0], acknowledge=True)

    assert [one.reason for one in answers if isinstance(one, TryAgain) and one.pauses] == ["refused_here"]


async def test_one_that_is_refused_in_a_mixed_batch_is_tried_alone() -> None:
    splunk = Splunk(TOKEN, has_acknowledgement=True, is_slow=True)
    three = document("event-3")
    async with Sink(behave=splunk.behave).running() as sink:
        destination = open_destination(settings(sink.url("/"), plain_http=True, acknowledge=True), LOOPBACK)
        await destination.deliver([ONE])
        splunk.refuses = 6
        answer = await destination.deliver([ONE, TWO, three])
        await destination.close()

    assert isinstance(answer, EachOutcome)
    assert isinstance(answer.outcomes[0], PendingReceipt)
    assert [one.is_of_form for one in answer.outcomes[1:] if isinstance(one, Undeliverable)] == [True, True]


def test_what_is_open_is_bounded() -> None:
    dialect = SplunkHecDialect(settings(acknowledge=True))
    dialect._open = {str(number): dialect._open for number in range(OPEN_LIMIT)}  # type: ignore[misc] # anything
    attempt = dialect.exchange([ONE], 0.0)
    next(attempt)
    with pytest.raises(StopIteration):
        attempt.send(reply('{"ackId": 1}'))

    assert len(dialect._open) == OPEN_LIMIT
    assert "event-1" in dialect._open


def reply(text: str, status: int = 200) -> Reply:
    return Reply(status, text, None, 0.0)


@pytest.mark.parametrize("text", ["", "[]", '{"acks": []}', '{"acks": 1}'])
def test_half_an_answer_about_acknowledgements_is_a_failure(text: str) -> None:
    dialect = SplunkHecDialect(settings(acknowledge=True))
    first, second = dialect.exchange([ONE], 0.0), dialect.exchange([ONE], 1.0)
    found: list[AttemptOutcome] = []
    for attempt, said in ((first, '{"ackId": 1}'), (second, text)):
        next(attempt)
        try:
            attempt.send(reply(said))
        except StopIteration as ended:
            found.append(ended.value)

    assert found == [PendingReceipt(POLL), TryAgain("malformed_reply")]


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (400, 6, Undeliverable("http_400")),
        (400, 7, TryAgain("refused_here", pauses=True)),
        (400, 10, TryAgain("refused_here", pauses=True)),
        (400, 14, TryAgain("refused_here", pauses=True)),
        (403, 4, TryAgain("unauthorised", pauses=True)),
        (503, 9, TryAgain("http_503")),
        (200, 0, Delivered()),
    ],
)
def test_a_code_says_whose_fault_it_is(status: int, code: int, outcome: Outcome) -> None:
    """An index that is not there loses no event."""
    said = json.dumps({"text": "No", "code": code})

    assert SplunkHecDialect(settings()).judge(reply(said, status)) == outcome


@pytest.mark.parametrize("code", [{}, [], {"7": 7}, "7", None])
def test_a_code_that_is_none_says_nothing(code: object) -> None:
    assert SplunkHecDialect(settings()).judge(reply(json.dumps({"code": code}), 400)) == Undeliverable("http_400")


def test_events_stand_one_after_the_other() -> None:
    post = SplunkHecDialect(settings()).compose([ONE, TWO], 0.0)

    assert len([*objects(post.body)]) == 2
    assert not post.body.startswith(b"[")


@pytest.mark.parametrize("url", ["", "/", "/services/collector", "/services/collector/event"])
def test_the_collector_is_found_by_its_base(url: str) -> None:
    assert settings(f"https://splunk.example:8088{url}").endpoint == "https://splunk.example:8088/services/collector"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"acknowledge": True, "must_deliver": True}, "drop `acknowledge` or `must_deliver`"),
        ({"acknowledge_timeout": "1m"}, "for `acknowledge: true`"),
        ({"batch_size": 0}, "greater than or equal to 1"),
        ({"batch_bytes": "65MiB"}, "less than or equal to"),
    ],
)
def test_what_can_not_be_meant_is_refused(more: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        settings(URL, **more)


async def test_an_event_waits_in_the_outbox_until_splunk_has_indexed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And others are told meanwhile, though one attempt may be under way at once."""
    monkeypatch.setattr("router.destinations.kinds.splunk_hec.POLL", 0.02)
    splunk, outbox = Splunk(TOKEN, has_acknowledgement=True, is_slow=True), StagedOutbox()
    async with Sink(behave=splunk.behave).running() as sink:
        written = settings(sink.url("/"), plain_http=True, acknowledge=True, concurrency=1)
        destination = open_destination(written, LOOPBACK)
        async with stage(destination, outbox=outbox) as on:
            for _ in range(3):
                on.outbox.put("splunk")
            while len(splunk.indexed) < 3 or len(on.outbox.postponed) < 6:
                on.outbox.change.clear()
                await on.outbox.change.wait()

            assert on.outbox.settled == []
            splunk.is_slow = False
            splunk.acknowledge_all()
            await on.outbox.until_settled()

    assert len(splunk.indexed) == 3
    assert {one.event_id for one in outbox.settled if isinstance(one, Accepted)} == {"event-1", "event-2", "event-3"}
