"""Elasticsearch and OpenSearch: documents of ECS in a data stream, each with its own outcome."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from router.destinations.bulk import REPLY_BYTES, judge, mended
from router.destinations.catalogue import DestinationSettings, kind_named, open_destination
from router.destinations.dialect import MOVED_FOR, Reply
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.destinations.outcome import Delivered, EachOutcome, Outcome, TryAgain, Undeliverable
from router.events import as_json, encode
from router.fields import ReadingContext
from router.outbox import Accepted
from router.rendering.examples import EXAMPLES, INCIDENTS, NOTICES
from router.rendering.renderer import Renderer
from tests.contracts.kinds import shipped
from tests.delivery.stage import StagedOutbox, stage
from tests.simulators.bulk import Cluster, mistakes
from tests.simulators.sinks import Sink, answer

ADAPTER: TypeAdapter[DestinationSettings] = TypeAdapter(DestinationSettings)
LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
STORED = [*map(encode, EXAMPLES.values()), *map(as_json, INCIDENTS), *map(as_json, NOTICES)]
VARIABLES = {"KEY": "aWQ6c2VjcmV0LXNlY3JldA==", "PASSWORD": "correct-horse"}
BASIC = {"username": "gate", "password": {"env": "PASSWORD"}}
BASIC_HEADER = "Basic Z2F0ZTpjb3JyZWN0LWhvcnNl"
CREDENTIALS: Mapping[str, tuple[Mapping[str, object], str]] = {
    "elasticsearch": ({"api_key": {"env": "KEY"}}, f"ApiKey {VARIABLES['KEY']}"),
    "opensearch": (BASIC, BASIC_HEADER),
}
KINDS = pytest.mark.parametrize("kind", CREDENTIALS)
URL = "https://es.example:9200"
ONE, TWO = (
    Document(name, b'{"@timestamp": "2026-11-23T10:15:30Z", "message": "m"}') for name in ("event-1", "event-2")
)


def settings(kind: str, url: object = URL, **written: object) -> DestinationSettings:
    reading = ReadingContext(Path("/nowhere"), VARIABLES, lambda path, _: path.read_bytes())
    told = {"name": "siem", "kind": kind, "url": url, **CREDENTIALS[kind][0], **written}
    return ADAPTER.validate_python(told, context={"reading": reading})


def documents(kind: str, bodies: Sequence[bytes]) -> list[Document]:
    """What is delivered of stored events, each under an id of its own."""
    found = kind_named(kind)
    assert found is not None
    renderer = Renderer(shipped(found), kind=kind, name="siem", minimal=found.minimal)

    def small(body: bytes) -> Document:
        return Document("", renderer.minimal(body).body)

    return [
        Document(f"event-{number}", renderer.render(body).body, minimal=partial(small, body))
        for number, body in enumerate(bodies)
    ]


@KINDS
async def test_all_that_is_told_is_a_document_of_ecs(kind: str) -> None:
    """In one request: fields that ECS does not know, or with other types, would be refused by a strict mapping."""
    cluster = Cluster(CREDENTIALS[kind][1])
    async with Sink(behave=cluster.behave).running() as sink:
        destination = open_destination(settings(kind, sink.url("/"), plain_http=True), LOOPBACK)
        found = await destination.deliver(documents(kind, STORED))
        await destination.close()

    assert found == EachOutcome((Delivered(),) * len(STORED))
    assert len(cluster.documents) == len(STORED)
    assert [receipt.path.partition("?")[0] for receipt in sink.got] == ["/logs-gatecrier.admission-default/_bulk"]


def rendered(bodies: Sequence[bytes]) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in documents("elasticsearch", bodies)]


def test_an_admitted_image_is_not_denied() -> None:
    """What would have been rejected is said in words and in a field of ours; ECS says what was answered."""
    expected = {
        "rejected": ("denied", "failure"),
        "admitted": ("allowed", "success"),
        "unanswered": ("info", "unknown"),
    }
    for event, found in zip(EXAMPLES.values(), rendered([encode(one) for one in EXAMPLES.values()]), strict=True):
        decision = event["data"]["decision"]
        kind, outcome = expected[decision["outcome"]]

        assert (found["event"]["type"], found["event"]["outcome"]) == ([kind], outcome)
        assert found["event"]["kind"] == ("event" if decision["severity"] == "info" else "alert")
        assert found["gatecrier"]["would_reject"] == decision["would_reject"]
        if decision["outcome"] == "admitted":
            assert ("would reject" in found["message"]) == decision["would_reject"]


def test_severities_are_ordered_as_ours() -> None:
    found = {one["log"]["level"]: one["event"]["severity"] for one in rendered(STORED)}

    assert found == {"critical": 10, "high": 8, "medium": 5, "info": 1}


@pytest.mark.parametrize(
    ("outcomes", "kinds", "outcome"),
    [
        ({"rejected": 2, "admitted": 0, "unanswered": 0}, ["denied"], "failure"),
        ({"rejected": 0, "admitted": 2, "unanswered": 0}, ["allowed"], "success"),
        ({"rejected": 1, "admitted": 1, "unanswered": 0}, ["denied", "allowed"], "unknown"),
        ({"rejected": 0, "admitted": 0, "unanswered": 1}, ["info"], "unknown"),
    ],
)
def test_an_incident_says_what_was_answered(outcomes: object, kinds: list[str], outcome: str) -> None:
    message: Any = json.loads(as_json(INCIDENTS[0]))
    message["data"]["incident"]["outcomes"] = outcomes
    (found,) = rendered([as_json(message)])

    assert (found["event"]["type"], found["event"]["outcome"]) == (kinds, outcome)


@KINDS
def test_a_minimal_payload_is_one_of_ecs(kind: str) -> None:
    small = [one.minimal() for one in documents(kind, STORED) if one.minimal is not None]

    assert [found for one in small for found in mistakes(json.loads(one.body))] == []


def reply(*statuses: int, status: int = 200) -> Reply:
    items = [{"create": {"status": one, "error": {"type": "t", "reason": "r"}}} for one in statuses]
    return Reply(status, json.dumps({"errors": True, "items": items}), None, 0.0)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Delivered()),
        (201, Delivered()),
        (409, Delivered()),
        (429, TryAgain("rate_limited", words="t: r")),
        (503, TryAgain("http_503", words="t: r")),
        (400, Undeliverable("http_400", "t: r")),
        (403, TryAgain("unauthorised", pauses=True, words="t: r")),
        (404, TryAgain("http_404", within=MOVED_FOR, words="t: r")),
    ],
)
def test_an_item_is_the_outcome_of_its_document(status: int, outcome: Outcome) -> None:
    found = judge(reply(201, status), 2)

    assert found == EachOutcome((Delivered(), outcome))


@pytest.mark.parametrize(
    ("cause", "words"),
    [("mapper refused", "mapper refused"), (["x"], ""), (True, ""), (1.5, ""), (None, ""), ({"type": 1}, "1: ")],
)
def test_whatever_an_item_says_of_its_cause_it_has_its_outcome(cause: object, words: str) -> None:
    """An answer that we can't read would be a mistake of ours, and count against the whole batch."""
    items = [{"create": {"status": 400, "error": cause}}, {"create": {"status": 201}}]
    found = judge(Reply(200, json.dumps({"errors": True, "items": items}), None, 0.0), 2)

    assert found == EachOutcome((Undeliverable("http_400", words, is_of_form=True), Delivered()))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"items": 1}', '{"items": [1]}', '{"items": [{"index": {"status": 201}}]}',
             '{"items": [{"create": {"status": "201"}}]}', '{"items": [{"create": {"status": 201}}] ', '{"items": []}']
)  # fmt: skip
def test_half_an_answer_is_no_receipt(text: str) -> None:
    assert judge(Reply(200, text, None, 0.0), 1) == TryAgain("malformed_reply")


def test_the_answer_to_a_full_request_is_read_to_its_end() -> None:
    """With a cause for each document."""
    items = [{"create": {"status": 400, "error": {"type": "document_parsing_exception", "reason": "r" * 900}}}] * 1000

    assert len(json.dumps({"errors": True, "items": items})) < REPLY_BYTES


@given(st.recursive(st.none() | st.integers(-(2**53), 2**53) | st.text(), lambda one: st.dictionaries(st.text(), one)))
def test_whatever_a_template_makes_has_a_time(made: object) -> None:
    """A data stream refuses what has none."""
    assert isinstance(mended(orjson.dumps(made), 1000.0)["@timestamp"], str)


async def test_what_is_there_already_is_delivered() -> None:
    """Sent again after a crash it is no second document."""
    cluster = Cluster(CREDENTIALS["elasticsearch"][1])
    async with Sink(behave=cluster.behave).running() as sink:
        destination = open_destination(settings("elasticsearch", sink.url("/"), plain_http=True), LOOPBACK)
        found = [await destination.deliver([ONE]), await destination.deliver([ONE, TWO])]
        await destination.close()

    assert found == [Delivered(), EachOutcome((Delivered(), Delivered()))]
    assert set(cluster.documents) == {"event-1", "event-2"}


async def test_one_document_dooms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused for a field goes out with fewer fields, what was throttled again, and the rest once."""
    monkeypatch.setattr("router.delivery.attempts.delay", lambda *_: 0.01)
    cluster, asked = Cluster(CREDENTIALS["elasticsearch"][1], says={"event-2": 429}), Counter[str]()

    def render(event_id: str, *_: object) -> Document:
        bad = b'{"@timestamp": "2026-11-23T10:15:30Z", "event": {"severity": "high"}}'
        return Document(
            event_id, bad if event_id == "event-3" else ONE.body, minimal=lambda: Document(event_id, ONE.body)
        )

    async with Sink(behave=cluster.behave).running() as sink:
        destination = open_destination(settings("elasticsearch", sink.url("/"), plain_http=True), LOOPBACK)
        outbox = StagedOutbox()
        for _ in range(4):
            outbox.put("siem")
        async with stage(destination, outbox=outbox, rendering=render):
            await outbox.until_settled()
        for receipt in sink.got:
            asked.update(json.loads(line)["create"]["_id"] for line in receipt.body.splitlines()[::2])

    assert all(isinstance(one, Accepted) for one in outbox.settled)
    assert set(cluster.documents) == {f"event-{number}" for number in range(1, 5)}
    assert asked == {"event-1": 1, "event-2": 2, "event-3": 3, "event-4": 1}


async def test_a_request_that_is_too_large_is_halved() -> None:
    cluster = Cluster(CREDENTIALS["elasticsearch"][1], most_bytes=250)
    async with Sink(behave=cluster.behave).running() as sink:
        destination = open_destination(settings("elasticsearch", sink.url("/"), plain_http=True), LOOPBACK)
        outbox = StagedOutbox()
        for _ in range(8):
            outbox.put("siem")
        async with stage(destination, outbox=outbox, rendering=lambda event_id, *_: Document(event_id, ONE.body)):
            await outbox.until_settled()

    assert len(cluster.documents) == 8
    assert len(sink.got) == 7  # 8, 4 and 4, 2 and 2 and 2 and 2


@KINDS
async def test_where_one_url_fails_the_next_is_told(kind: str) -> None:
    """In one attempt; and the one that answered is asked first from then on."""
    cluster = Cluster(CREDENTIALS[kind][1])
    async with Sink(answer("503 No")).running() as away, Sink(behave=cluster.behave).running() as there:
        urls = [away.url("/"), there.url("/")]
        destination = open_destination(settings(kind, urls, plain_http=True), LOOPBACK)
        found = [await destination.deliver([one]) for one in (ONE, TWO)]
        await destination.close()

    assert found == [Delivered()] * 2
    assert (len(away.got), len(there.got)) == (1, 2)


@pytest.mark.parametrize("says", ["401 No", "429 No", "400 No"])
async def test_what_the_cluster_says_is_not_asked_of_each_node(says: str) -> None:
    async with Sink(answer(says)).running() as one, Sink(answer(says)).running() as other:
        urls = [one.url("/"), other.url("/")]
        destination = open_destination(settings("elasticsearch", urls, plain_http=True), LOOPBACK)
        await destination.deliver([ONE])
        await destination.close()

    assert (len(one.got), len(other.got)) == (1, 0)


async def test_where_every_url_fails_the_last_failure_counts() -> None:
    async with Sink(answer("503 No")).running() as one, Sink(answer("502 No")).running() as other:
        urls = [one.url("/"), other.url("/")]
        destination = open_destination(settings("elasticsearch", urls, plain_http=True), LOOPBACK)
        found = await destination.deliver([ONE])
        await destination.close()

    assert found == TryAgain("http_502")
    assert (len(one.got), len(other.got)) == (1, 1)


async def test_elasticsearch_takes_a_pipeline_and_a_password() -> None:
    cluster = Cluster(BASIC_HEADER)
    async with Sink(behave=cluster.behave).running() as sink:
        written = {**BASIC, "api_key": None, "pipeline": "gate", "url": sink.url("/"), "plain_http": True}
        destination = open_destination(settings("elasticsearch", **written), LOOPBACK)
        found = await destination.deliver([ONE])
        await destination.close()

    assert found == Delivered()
    assert cluster.pipelines == ["gate"]


@pytest.mark.parametrize(
    ("kind", "more", "says"),
    [
        ("elasticsearch", {"api_key": None}, "name `api_key`, or `username` and `password`"),
        ("elasticsearch", BASIC, "name `api_key`, or `username` and `password`"),
        ("elasticsearch", {"api_key": None, "username": "x"}, "name `api_key`, or `username` and `password`"),
        ("elasticsearch", {"data_stream": "Logs/*"}, "data_stream"),
        ("elasticsearch", {"url": []}, "url"),
        ("elasticsearch", {"url": [URL, "ftp://x"]}, "is not https"),
        ("opensearch", {"url": f"{URL}?pipeline=x"}, "the url has a query"),
        ("opensearch", {"url": "http://es.example:9200"}, "plain_http"),
        ("opensearch", {"pipeline": "x"}, "pipeline"),
        ("opensearch", {"password": None}, "password"),
    ],
)
def test_what_can_not_be_meant_is_refused(kind: str, more: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        settings(kind, **more)
