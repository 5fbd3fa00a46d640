"""Alertmanager: one alert for each incident, that fires as long as it is open, in every replica."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from pydantic import ValidationError

from router.destinations.catalogue import open_destination
from router.destinations.dialect import EXCHANGES
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.destinations.kinds.alertmanager import KIND, AlertmanagerDialect, AlertmanagerSettings
from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable, gist
from router.events import as_json, encode, timestamp
from router.fields import ReadingContext
from router.rendering.examples import EXAMPLES, INCIDENTS, NOTICES
from router.rendering.library import Templates
from router.rendering.template import Template
from tests.contracts.kinds import AS_DECIDED, documents_of, shipped
from tests.incidents.stage import World, found
from tests.rendering.hostile import bodies_of
from tests.simulators.alertmanager import Alertmanager, alertmanager, started
from tests.simulators.sinks import Sink, answer

__all__ = ["alertmanager"]

LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
SHIPPED = shipped(KIND)
documents = partial(documents_of, KIND)
BAD = Template.parse("bad", "{{ nothing }}")
FAILING = Templates(BAD, BAD, None, BAD)
STORED = [*map(as_json, INCIDENTS), *map(as_json, NOTICES), *map(encode, EXAMPLES.values())]
NOW = 1_796_000_000.0
SECRETS = {"PASSWORD": "a password that is secret", "TOKEN": "token-4711"}


def settings(*urls: str, **written: object) -> AlertmanagerSettings:
    reading = ReadingContext(Path("/nowhere"), SECRETS, lambda path, _: path.read_bytes())
    return AlertmanagerSettings.model_validate(
        {
            "name": "alerts",
            "kind": "alertmanager",
            "urls": urls or ["http://am.example"],
            "plain_http": True,
            **written,
        },
        context={"reading": reading},
    )


def posted(document: Document, **written: object) -> list[dict[str, Any]]:
    """The alerts that a replica gets for a document."""
    made = settings(**written)
    made.bind(1000.0)
    alerts: list[dict[str, Any]] = json.loads(next(AlertmanagerDialect(made).exchange([document], NOW)).body)
    return alerts


def alert(body: bytes, **written: object) -> dict[str, Any]:
    """The alert itself, after those that it ends."""
    return posted(Document("event-1", body), **written)[-1]


async def told(all_documents: Sequence[Document], *urls: str, **written: object) -> list[Outcome]:
    """Deliver them, each with the receipt of the one before."""
    destination = open_destination(settings(*urls, **written), LOOPBACK)
    outcomes = list[Outcome]()
    receipt = ""
    for document in all_documents:
        outcomes.append(gist(await destination.deliver([replace(document, receipt=receipt)])))
        receipt = getattr(outcomes[-1], "receipt", "") or receipt
    await destination.close()
    return outcomes


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"urls": []}, "at least 1 item"),
        # each is asked in every attempt
        ({"urls": [f"https://{number}.example" for number in range(EXCHANGES + 1)]}, f"at most {EXCHANGES} items"),
        ({"urls": ["http://a.example"], "plain_http": False}, "the url is http"),
        ({"urls": ["https://a.example", "b"]}, "the url is not https"),
        ({"resend_every": "5s"}, "greater than or equal to 10"),
        ({"labels": {"severity": "x"}}, "the label 'severity' is set by Gatecrier"),
        ({"labels": {"a-b": "x"}}, "String should match pattern"),
        ({"username": "x"}, "`username` and `password` go together"),
        ({"username": "x", "password": {"env": "PASSWORD"}, "bearer": {"env": "TOKEN"}}, "not both"),
    ],
)
def test_a_mistake_is_told(written: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**written)

    assert words in str(caught.value)


def test_the_path_is_added_to_each_url() -> None:
    made = settings("http://a.example", "http://b.example/am/", "http://c.example/api/v2/alerts")

    assert made.replicas == tuple(f"http://{one}/api/v2/alerts" for one in ("a.example", "b.example/am", "c.example"))


def test_it_says_who_it_is() -> None:
    written: list[dict[str, object]] = [
        {},
        {"bearer": {"env": "TOKEN"}},
        {"username": "x", "password": {"env": "PASSWORD"}},
    ]
    posts = [next(AlertmanagerDialect(settings(**one)).exchange([Document("1", b"x")], NOW)) for one in written]

    assert [post.headers.get("Authorization", "")[:12] for post in posts] == ["", "Bearer token", "Basic eDphIH"]


async def test_an_incident_fires_until_it_is_over(world: World, alertmanager: Alertmanager) -> None:
    world.tell(found(), name="fires")
    world.pass_time(301.0)
    world.tell(found(), found("untrusted", container="c1"), name="fires")
    world.pass_time(61.0)
    before = documents([as_json(body) for body in world.bodies()])
    world.tell(found("verified"), found("verified", container="c1"), name="fires")
    after = documents([as_json(body) for body in world.bodies()])
    outcomes = await told(before, alertmanager.url)
    fired = alertmanager.active(owner="fires")
    outcomes += await told(after, alertmanager.url)

    assert world.states() == ["opened", "changed", "resolved"]
    assert {type(one) for one in outcomes} == {Delivered}
    assert [one["labels"]["alertname"] for one in fired] == ["GatecrierIncident"]
    assert fired[0]["annotations"]["summary"] == "Deployment fires: would be rejected"
    assert alertmanager.active(owner="fires") == []


async def test_one_that_was_restarted_has_the_alert_again(tmp_path: Path) -> None:
    """It keeps alerts in memory; what is delivered again (`resend_every`) is the same message."""
    told_first, told_again = documents([as_json(INCIDENTS[0])]), documents([as_json(INCIDENTS[0])])
    with started(tmp_path) as one:
        await told(told_first, one.url)
        (before,) = one.active(alertname="GatecrierIncident")
    with started(tmp_path) as one:
        lost = one.active(alertname="GatecrierIncident")
        await told(told_again, one.url)
        (after,) = one.active(alertname="GatecrierIncident")

    assert lost == []
    assert (before["fingerprint"], before["startsAt"]) == (after["fingerprint"], after["startsAt"])


async def test_when_the_severity_changes_one_alert_fires(alertmanager: Alertmanager) -> None:
    incidents = [json.loads(as_json(INCIDENTS[0])) for _ in range(3)]
    for one, severity in zip(incidents, ("medium", "high", "critical"), strict=True):
        one["data"]["incident"].update(severity=severity, owner={"kind": "Deployment", "name": "rises"})
    fired = []
    for count in (1, 2, 3):
        await told(documents([as_json(one) for one in incidents[:count]]), alertmanager.url)
        fired.append([one["labels"]["severity"] for one in alertmanager.active(owner="rises")])

    assert fired == [["medium"], ["high"], ["critical"]]


async def test_what_is_over_fires_under_no_severity(alertmanager: Alertmanager) -> None:
    """Where the receipt was lost, too."""
    opened, resolved = (json.loads(as_json(one)) for one in (INCIDENTS[0], INCIDENTS[3]))
    for one, severity in ((opened, "medium"), (resolved, "critical")):
        one["data"]["incident"].update(severity=severity, owner={"kind": "Deployment", "name": "lost"})
    for one in documents([as_json(opened), as_json(resolved)]):
        await told([one], alertmanager.url)

    assert alertmanager.active(owner="lost") == []


def test_the_old_severity_is_ended_first() -> None:
    (document,) = documents([as_json(INCIDENTS[0])])
    old, new = posted(replace(document, receipt="low"))
    (same,) = posted(replace(document, receipt="high"))

    assert [one["labels"]["severity"] for one in (old, new, same)] == ["low", "high", "high"]
    assert [one["endsAt"] for one in (old, new, same)] == [timestamp(NOW), *[timestamp(NOW + 1000.0)] * 2]
    assert {**old["labels"], "severity": "high"} == new["labels"]


async def test_trouble_of_gatecrier_fires_until_it_is_over(alertmanager: Alertmanager) -> None:
    """Its end is told as `info`, whatever its beginning was."""
    began, ended = (
        [
            as_json({**one, "data": {**one["data"], "cluster": "in-trouble"}})
            for one in NOTICES
            if one["data"]["notice"]["event_type"].endswith(f"{state}.v1")
        ]
        for state in ("trouble.began", "trouble.ended")
    )
    for document in documents(began):
        await told([document], alertmanager.url)
    first = alertmanager.active(cluster="in-trouble")
    for document in documents(ended):
        await told([document], alertmanager.url)

    assert len(first) == len(began)
    assert alertmanager.active(cluster="in-trouble") == []


@pytest.mark.parametrize("templates", [SHIPPED, FAILING], ids=["shipped", "minimal"])
@pytest.mark.parametrize("body", STORED, ids=lambda body: orjson.loads(body)["id"])
def test_whatever_is_told_is_taken(body: bytes, templates: Templates, alertmanager: Alertmanager) -> None:
    (document,) = documents([body], templates)

    assert alertmanager.refusal(orjson.dumps(posted(document))) == ""


@pytest.mark.parametrize("body", STORED, ids=lambda body: orjson.loads(body)["id"])
def test_where_a_template_fails_it_is_the_same_alert(body: bytes) -> None:
    (whole,), (small,) = documents([body]), documents([body], FAILING)
    first, second = (alert(one.body) for one in (whole, small))
    kept = [{name: value for name, value in one["labels"].items() if value} for one in (first, second)]

    assert kept[0] == kept[1]
    assert first["endsAt"] == second["endsAt"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
TIMES = st.sampled_from(
    ["2026-11-23T10:15:30.123Z", "2026-11-23", " 2099-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"]
)
NEARLY = st.fixed_dictionaries(
    {"labels": JSON},
    optional={
        "annotations": JSON,
        "startsAt": TIMES | JSON,
        "endsAt": TIMES | JSON,
        "generatorURL": JSON,
        "lasts": JSON,
    },
)


@given(bodies_of(JSON | NEARLY))
@limits(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_a_template_makes_is_taken(alertmanager: Alertmanager, body: bytes) -> None:
    """A 400 for ever would be a lost alert."""
    assert alertmanager.refusal(orjson.dumps(posted(Document("event-1", body)))) == ""


@pytest.mark.parametrize(
    ("made", "ends"),
    [
        ({"labels": {}}, NOW + 1000.0),
        ({"labels": {}, "lasts": 60}, NOW + 60),
        ({"labels": {}, "lasts": -1}, NOW + 1000.0),
        ({"labels": {}, "lasts": 1e12}, NOW + 1000.0),
        ({"labels": {}, "endsAt": "2020-01-01T00:00:00Z"}, NOW),
    ],
)
def test_an_alert_is_open_until_it_ends_or_is_forgotten(made: dict[str, object], ends: float) -> None:
    assert alert(orjson.dumps(made))["endsAt"] == timestamp(ends)


def test_an_alert_begins_when_it_began_and_never_later() -> None:
    later = "0001-01-01T00:00:00+14:00"  # the year before the first
    texts = ["2026-01-01T00:00:00.000Z", "2099-01-01T00:00:00Z", "yesterday", 5, later]
    began = [alert(orjson.dumps({"labels": {}, "startsAt": text}))["startsAt"] for text in texts]

    assert began == [texts[0], *[timestamp(NOW)] * 4]


@pytest.mark.parametrize(
    ("url", "is_link"),
    [
        ("https://wiki.example/a%20b?c=%c3%a9&d#e", True),
        ("http://wiki.example:8443", True),
        ("http://[2001:db8::1]:9093/x", True),
        ("https://wiki.example?x=1", True),
        ("https://x/%zz", False),
        ("https://x/%2", False),
        ("https://x?y=%", False),
        ("https://x%41/", False),
        ("https://x:port/", False),
        ("https://x:99999999/", False),
        ("https:///x", False),
        ("https://x<y/", False),
        ("https://[::1/", False),
        ("https://x/ y", False),
        ("https://x/" + "a" * 5000, False),
    ],
)
def test_a_generator_url_that_is_none_is_left_out(alertmanager: Alertmanager, url: str, *, is_link: bool) -> None:
    document = Document("event-1", orjson.dumps({"labels": {}, "generatorURL": url}))

    assert (posted(document)[0].get("generatorURL") == url) is is_link
    assert alertmanager.refusal(orjson.dumps(posted(document))) == ""


def test_labels_are_the_template_s_and_those_of_the_settings() -> None:
    body = b'{"labels": {"alertname": "Mine", "a-b.c": 1, "1st": true, "team": "mine"}}'
    named = alert(body, labels={"team": "soc", "env": "prod"}, alertname="Other")
    unnamed = alert(b'{"labels": {}}', alertname="Other")

    assert named["labels"] == {"alertname": "Mine", "team": "mine", "env": "prod", "a_b_c": "1", "_1st": "true"}
    assert unnamed["labels"] == {"alertname": "Other"}


@AS_DECIDED
def test_an_alert_says_what_the_cluster_was_told(event: bytes, summary: str, *, is_rejected: bool) -> None:
    made = alert(documents([event])[0].body)["annotations"]

    assert made["summary"].startswith(summary)
    assert ("Gatecrier rejected" in made["description"]) is is_rejected


TAKEN, FAILS, REFUSES, UNKNOWN = answer("200 OK"), answer("500 Oops"), answer("400 Bad"), answer("401 No")


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        ([TAKEN, TAKEN], Delivered(receipt="high")),
        ([b"", TAKEN], Delivered(receipt="high")),
        ([TAKEN, b""], Delivered(receipt="high")),
        ([FAILS, TAKEN], Delivered(receipt="high")),
        ([REFUSES, TAKEN], Delivered(receipt="high")),
        ([b"", b""], TryAgain("connection_failed")),
        ([REFUSES, FAILS], TryAgain("http_500")),
        ([UNKNOWN, FAILS], TryAgain("http_500")),
        ([UNKNOWN, REFUSES], TryAgain("unauthorised", pauses=True)),
        ([REFUSES, REFUSES], Undeliverable("http_400")),
    ],
)
async def test_every_replica_is_told_whatever_becomes_of_the_others(says: list[bytes], outcome: Outcome) -> None:
    sinks = [Sink(one) for one in says]
    async with sinks[0].running(), sinks[1].running():
        (found_,) = await told(documents([as_json(INCIDENTS[0])]), *(one.url("/am") for one in sinks))

    assert found_ == outcome
    assert [[got.path for got in one.got] for one in sinks] == [["/am/api/v2/alerts"]] * 2
    assert sinks[0].got[0].body == sinks[1].got[0].body


async def test_no_replica_is_told_at_an_address_that_is_not_allowed() -> None:
    """The second one, too."""
    async with Sink().running() as sink:
        outcomes = await told(documents([as_json(INCIDENTS[0])]), "http://169.254.169.254", sink.url())

    assert outcomes == [Delivered(receipt="high")]
    assert len(sink.got) == 1


async def test_what_comes_late_changes_nothing() -> None:
    """A replayed message about an incident that is over would open its alert again."""
    (document,) = documents([as_json(INCIDENTS[0])])
    async with Sink().running() as sink:
        outcomes = await told([replace(document, is_late=True)], sink.url())

    assert outcomes == [Delivered()]
    assert sink.got == []


def test_what_is_too_large_is_sent_with_short_annotations() -> None:
    (document,) = documents([as_json(INCIDENTS[0])])
    made = json.loads(document.body)
    large = replace(document, body=orjson.dumps({**made, "annotations": {"summary": "x" * 50_000}}))
    dialect = AlertmanagerDialect(settings())
    short = dialect.shorter(large)

    assert short is not None
    assert len(alert(short.body)["annotations"]["summary"]) == 500
    assert alert(short.body)["labels"] == alert(large.body)["labels"]
    assert dialect.shorter(short) is None


async def test_what_a_replica_repeats_of_our_credentials_is_not_shown() -> None:
    says = {"username": "x", "password": {"env": "PASSWORD"}}
    async with Sink().running() as sink:
        sink.behave = lambda got: answer("400 Bad", got.headers["authorization"].encode())
        (outcome,) = await told(documents([as_json(INCIDENTS[0])]), sink.url(), **says)

    assert outcome == Undeliverable("http_400", "Basic [redacted]")
