"""PagerDuty: one alert for each incident, and never an event that it would refuse."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
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
from router.destinations.kinds.pagerduty import KIND, SIZE_LIMIT, PagerdutyDialect, PagerdutySettings
from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable, gist
from router.events import as_json, encode
from router.fields import ReadingContext
from router.rendering.examples import EXAMPLES, INCIDENTS, NOTICES, WHOLE
from router.rendering.library import Templates
from router.rendering.template import Template
from tests.contracts.kinds import documents_of, shipped
from tests.incidents.stage import World, found
from tests.rendering.hostile import ANY_TEXT, bodies_of
from tests.simulators.pagerduty import PagerDuty, refusals, refusals_of_change
from tests.simulators.sinks import Sink

KEY = "0123456789abcdef0123456789abcdef"
LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
SHIPPED = shipped(KIND)
documents = partial(documents_of, KIND)
BAD = Template.parse("bad", "{{ nothing }}")


def settings(key: str = KEY, **written: object) -> PagerdutySettings:
    reading = ReadingContext(Path("/nowhere"), {"KEY": key}, lambda path, _: path.read_bytes())
    return PagerdutySettings.model_validate(
        {"name": "pager", "kind": "pagerduty", "routing_key": {"env": "KEY"}, **written}, context={"reading": reading}
    )


def sent(body: bytes, event_id: str = "event-1") -> dict[str, Any]:
    """The event that PagerDuty gets for a payload, which it takes."""
    post = next(PagerdutyDialect(settings(KEY, admitted="change")).exchange([Document(event_id, body)], 0.0))
    made: dict[str, Any] = json.loads(post.body)

    assert (refusals_of_change if post.url else refusals)(made, post.body) == []
    return made


async def paged(all_documents: Sequence[Document], pager: PagerDuty, **written: object) -> list[Outcome]:
    """Deliver them to PagerDuty."""
    async with Sink(behave=pager.behave).running() as sink:
        destination = open_destination(settings(KEY, url=sink.url("/"), plain_http=True, **written), LOOPBACK)
        outcomes = [gist(await destination.deliver([document])) for document in all_documents]
        await destination.close()

    assert {receipt.path for receipt in sink.got} <= {"/v2/enqueue", "/v2/change/enqueue"}
    return outcomes


@pytest.mark.parametrize(
    ("written", "endpoint"),
    [
        ({}, "https://events.pagerduty.com/v2/enqueue"),
        ({"region": "eu"}, "https://events.eu.pagerduty.com/v2/enqueue"),
        ({"url": "https://events.eu.pagerduty.com"}, "https://events.eu.pagerduty.com/v2/enqueue"),
        ({"url": "https://proxy.example/pd/"}, "https://proxy.example/pd/v2/enqueue"),
        ({"url": "https://events.eu.pagerduty.com/v2/enqueue"}, "https://events.eu.pagerduty.com/v2/enqueue"),
    ],
)
def test_events_go_to_the_region_or_to_a_url(written: dict[str, object], endpoint: str) -> None:
    assert settings(KEY, **written).endpoint == endpoint


@pytest.mark.parametrize(
    ("key", "written", "words"),
    [
        (KEY, {"region": "eu", "url": "https://a.example"}, "name `region` or `url`, not both"),
        (KEY, {"region": "mars"}, "'us' or 'eu'"),
        (KEY, {"admitted": "page"}, "'skip' or 'change'"),
        (KEY, {"url": "http://a.example"}, "the url is http"),
        (KEY, {"routing_key": "literal"}, "never a literal"),
        ("secret-that-is-too-short", {}, "has 24 characters; an integration key of PagerDuty has 32"),
        ("secret key with blanks of 32 char", {}, "copy it anew"),
    ],
)
def test_a_mistake_is_told_without_the_key(key: str, written: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(key, **written)

    assert words in str(caught.value)
    assert "secret" not in str(caught.value).replace("a secret is a reference", "")


async def test_an_incident_is_one_alert_from_its_first_message_to_its_last(world: World) -> None:
    """Opened, changed, repeated and resolved."""
    world.tell(found())
    world.pass_time(61.0)
    world.tell(found(), found("untrusted", container="c1"))
    world.pass_time(3601.0)
    world.tell(found())
    before = documents([as_json(body) for body in world.bodies()])
    world.pass_time(61.0)
    world.tell(found("verified"), found("verified", container="c1"))
    told = [as_json(body) for body in world.bodies()]
    opened, whole = PagerDuty(KEY), PagerDuty(KEY)
    outcomes = [*await paged(before, opened), *await paged(documents(told), whole)]

    assert world.states() == ["opened", "changed", "repeated", "resolved"]
    assert set(outcomes) == {Delivered()}
    assert [[one.is_open for one in alerts] for alerts in opened.alerts.values()] == [[True]]
    assert [[(one.is_open, one.events) for one in alerts] for alerts in whole.alerts.values()] == [[(False, 3)]]
    ((alert,),) = whole.alerts.values()
    assert alert.severity == "error"
    assert alert.summary.startswith("Gatecrier: incident opened, Deployment web in shop: unsigned")


async def test_another_incident_is_another_alert_and_a_repetition_is_none(world: World) -> None:
    world.tell(found())
    world.tell(found(), name="api")
    told = documents([as_json(body) for body in world.bodies()])
    pager = PagerDuty(KEY)
    await paged([*told, *told], pager)

    assert [[one.events for one in alerts] for alerts in pager.alerts.values()] == [[2], [2]]


async def test_a_decision_is_an_alert_and_its_correction_is_none() -> None:
    """Whoever was paged about an attempt is not paged again when it is corrected."""
    decided = encode(EXAMPLES["would-reject-one-image-no-owner"])
    event = json.loads(decided)
    corrected = as_json({**event, "id": "2", "data": {**event["data"], "corrects": event["id"]}})
    other = as_json({**event, "id": "3"})
    pager = PagerDuty(KEY)
    await paged(documents([decided, corrected, other]), pager)

    assert {key: [one.events for one in alerts] for key, alerts in pager.alerts.items()} == {event["id"]: [2], "3": [1]}


async def test_trouble_of_gatecrier_is_an_alert_until_it_is_over() -> None:
    began, ended = (
        [as_json(one) for one in NOTICES if one["data"]["notice"]["event_type"].endswith(f"{state}.v1")]
        for state in ("trouble.began", "trouble.ended")
    )
    first, both = PagerDuty(KEY), PagerDuty(KEY)
    await paged(documents(began), first)
    await paged(documents([*began, *ended]), both)

    assert {one.is_open for alerts in first.alerts.values() for one in alerts} == {True}
    assert {one.is_open for alerts in both.alerts.values() for one in alerts} == {False}
    assert len(first.alerts) == len(began)


@pytest.mark.parametrize("templates", [SHIPPED, Templates(BAD)], ids=["shipped", "minimal"])
async def test_what_was_admitted_is_no_alert(templates: Templates) -> None:
    """But what would have been rejected is, and what was let in by break-glass."""
    told = documents(
        [encode(EXAMPLES[f"{one}-owner"]) for one in ("would-reject-one-image-no", "break-glass-two-images-no")],
        templates,
    )
    admitted = documents([encode(EXAMPLES["admitted-one-image"])], templates)
    skipping, changing = PagerDuty(KEY), PagerDuty(KEY)
    outcomes = await paged([*admitted, *told], skipping)
    outcomes += await paged([*admitted, *told], changing, admitted="change")

    assert outcomes == [Delivered()] * 6
    assert [skipping.taken, changing.taken] == [2, 3]
    assert skipping.changes == []
    assert [one[:28] for one in changing.changes] == ["Gatecrier admitted a request"]


def test_what_corrects_an_alert_goes_to_it() -> None:
    """Even if what was told as rejected turns out to be admitted."""
    event = json.loads(encode(EXAMPLES["admitted-one-image"]))
    event["data"]["corrects"] = "earlier"
    (document,) = documents([as_json(event)])
    made = sent(document.body)

    assert (made["event_action"], made["dedup_key"]) == ("trigger", "earlier")


def test_a_change_that_is_too_large_is_shrunk() -> None:
    payload = {"summary": "web", "source": "c", "severity": "info", "custom_details": {"text": ["x" * 1000] * 700}}
    made = sent(orjson.dumps({"event_action": "change", "payload": payload, "client": "c", "links": []}))
    short = PagerdutyDialect(settings()).shorter(
        Document("1", orjson.dumps({"event_action": "change", "payload": payload}))
    )

    assert (made["payload"]["summary"], made["payload"]["source"]) == ("web", "c")
    assert short is not None
    assert "event_action" not in sent(short.body)


@pytest.mark.parametrize(
    ("severity", "level"), [("critical", "critical"), ("high", "error"), ("medium", "warning"), ("info", "info")]
)
def test_an_alert_is_as_urgent_as_what_it_tells(severity: str, level: str) -> None:
    incident, decision = json.loads(as_json(INCIDENTS[0])), json.loads(encode(WHOLE))
    incident["data"]["incident"]["severity"] = decision["data"]["decision"]["severity"] = severity
    made = documents([as_json(incident), as_json(decision)])

    assert [sent(one.body)["payload"]["severity"] for one in made] == [level, level]


@pytest.mark.parametrize(
    "body",
    [*map(as_json, INCIDENTS), *map(as_json, NOTICES), *map(encode, EXAMPLES.values())],
    ids=lambda body: orjson.loads(body)["id"],
)
def test_where_a_template_fails_the_same_is_done_to_the_same_alert(body: bytes) -> None:
    (whole,), (small,) = documents([body]), documents([body], Templates(BAD, BAD, None, BAD))
    first, second = (sent(one.body) for one in (whole, small))

    assert [first.get(key) for key in ("event_action", "dedup_key")] == [
        second.get(key) for key in ("event_action", "dedup_key")
    ]
    assert first["payload"].get("severity") == second["payload"].get("severity")
    assert first["payload"]["source"] == second["payload"]["source"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "event_action": st.sampled_from(["trigger", "resolve", "acknowledge", "change", "page"]) | JSON,
        "dedup_key": st.text(max_size=400) | JSON,
        "routing_key": JSON,
        "links": JSON,
        "payload": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "summary": ANY_TEXT | JSON,
                "source": JSON,
                "severity": st.sampled_from(["high", "error"]) | JSON,
                "timestamp": JSON,
                "class": JSON,
                "custom_details": JSON,
            },
        ),
    },
)


@given(bodies_of(JSON | NEARLY))
def test_whatever_a_template_makes_is_taken(body: bytes) -> None:
    """A 400 for ever would be a lost alert."""
    event = sent(body)

    assert event["routing_key"] == KEY


@given(JSON | NEARLY)
def test_a_value_is_sent_as_its_body_would_be_and_stays_as_it_is(value: object) -> None:
    """What was parsed to be checked is not parsed again, and whoever holds it needs it for the next attempt."""
    try:
        body = orjson.dumps(value)
    except TypeError:  # as above
        return
    dialect = PagerdutyDialect(settings())
    parsed, unparsed = (Document("1", body, value=one) for one in (value, None))

    assert dialect.compose([parsed], 0.0) == dialect.compose([unparsed], 0.0)
    assert orjson.dumps(value) == body


def test_a_shorter_form_does_not_speak_of_what_it_was_made_of() -> None:
    value = {"payload": {"summary": "s", "custom_details": {"long": "x" * 5000}}}
    short = PagerdutyDialect(settings()).shorter(Document("1", orjson.dumps(value), value=value))

    assert short is not None
    assert short.parsed() == orjson.loads(short.body)


def test_a_text_that_is_no_event_becomes_a_summary() -> None:
    events = [sent(body) for body in (b'"web is unsigned"', b"no json at all", b'{"text": "x"}', b'{"payload": 1}')]

    summaries = [event["payload"]["summary"] for event in events]
    assert summaries == ["web is unsigned", "no json at all", '{"text": "x"}', '{"payload": 1}']
    assert {event["dedup_key"] for event in events} == {"event-1"}


@pytest.mark.parametrize("payload", [b"", b', "payload": 1', b', "payload": {"summary": "over"}'])
def test_what_resolves_needs_no_payload(payload: bytes) -> None:
    event = sent(b'{"event_action": "resolve", "dedup_key": "k"' + payload + b"}")

    assert (event["event_action"], event["dedup_key"]) == ("resolve", "k")
    assert event.get("payload", {}).get("summary", "over") == "over"


def test_an_event_without_a_dedup_key_has_its_own_id() -> None:
    assert sent(b'{"payload": {}}', "a")["dedup_key"] == "a"
    assert sent(b'{"payload": {}, "dedup_key": "mine"}', "a")["dedup_key"] == "mine"


def test_dedup_keys_that_are_too_long_stay_apart() -> None:
    keys = ["k" * 255, "k" * 256, "k" * 256 + "1", "k" * 256 + "2"]
    made = [sent(orjson.dumps({"payload": {}, "dedup_key": key}))["dedup_key"] for key in keys]

    assert made[0] == keys[0]
    assert len(set(made)) == 4


@pytest.mark.parametrize(
    "details",
    [
        {"text": "x" * 600_000},
        {"texts": ["x" * 1000] * 700},
        {f"key {number}": "x" * 400 for number in range(2000)},
        {"wide": [["x" * 500] * 20] * 20, "wider": [[["x" * 500] * 20] * 20] * 20},
    ],
    ids=["a long text", "many texts", "many keys", "many lists"],
)
def test_what_is_too_large_is_shrunk_and_told(details: dict[str, object]) -> None:
    payload = {"summary": "web is unsigned", "source": "c", "severity": "error", "custom_details": details}
    body = orjson.dumps({"event_action": "trigger", "dedup_key": "k", "payload": payload})
    event = sent(body)

    assert len(body) > SIZE_LIMIT
    assert event["payload"]["summary"] == "web is unsigned"
    assert event["dedup_key"] == "k"


@pytest.mark.parametrize("place", ["event", "payload"])
def test_what_pagerduty_needs_stays_whatever_stands_before_it(place: str) -> None:
    many = {f"key {number}": "x" * 400 for number in range(2000)}
    payload = {**(many if place == "payload" else {}), "summary": "web", "source": "c", "severity": "error"}
    event = sent(orjson.dumps({**(many if place == "event" else {}), "dedup_key": "k", "payload": payload}))

    assert [event["payload"][key] for key in ("summary", "source", "severity")] == ["web", "c", "error"]
    assert event["dedup_key"] == "k"


@pytest.mark.parametrize("depth", [300, 900])
def test_what_is_nested_too_deeply_to_be_written_again_is_told(depth: int) -> None:
    nested = b'{"payload": {"summary": "web", "custom_details": ' + b"[" * depth + b"]" * depth + b"}}"
    short = PagerdutyDialect(settings()).shorter(Document("event-1", nested))

    assert sent(nested)["payload"]["summary"] == "web"
    assert short is None or sent(short.body)["payload"]["summary"] == "web"


def test_what_pagerduty_finds_too_large_all_the_same_is_sent_without_details() -> None:
    (document,) = documents([as_json(INCIDENTS[0])])
    dialect = PagerdutyDialect(settings())
    short = dialect.shorter(document)

    assert short is not None
    whole, less = (sent(one.body) for one in (document, short))
    assert less["payload"].keys() == {"summary", "source", "severity", "timestamp"}
    assert less["dedup_key"] == whole["dedup_key"]
    assert dialect.shorter(short) is None


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (202, Delivered()),
        (200, TryAgain("malformed_reply")),
        (204, TryAgain("malformed_reply")),
        (400, Undeliverable("http_400")),
        (429, TryAgain("rate_limited")),
        (500, TryAgain("http_500")),
        (503, TryAgain("http_503")),
    ],
)
def test_only_202_is_a_receipt(status: int, outcome: Outcome) -> None:
    assert PagerdutyDialect(settings()).judge(Reply(status, "", None, 0.0)) == outcome
