"""Jira: one ticket of one trouble, whatever is repeated, and nothing that Jira would refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
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
from router.destinations.kinds.jira import KIND, JiraSettings, dialect_of
from router.destinations.kinds.jira.issue_text import in_adf, in_wiki, issue_text
from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable, gist
from router.events import as_json, encode
from router.fields import ReadingContext
from router.rendering.examples import EXAMPLES, INCIDENTS, NOTICES
from router.rendering.library import Templates
from router.rendering.template import Template
from tests.contracts.kinds import AS_DECIDED, documents_of, shipped
from tests.incidents.stage import World
from tests.rendering.hostile import bodies_of, event_with
from tests.simulators.jira import Jira
from tests.simulators.sinks import NOTHING, Sink, answer

LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
SHIPPED = shipped(KIND)
documents = partial(documents_of, KIND)
BAD = Template.parse("bad", "{{ nothing }}")
FAILING = Templates(BAD, BAD, None, BAD)
STORED = [*map(as_json, INCIDENTS), *map(as_json, NOTICES), *map(encode, EXAMPLES.values())]
OPENED, RESOLVED = (as_json(INCIDENTS[index]) for index in (0, 3))


def settings(**written: object) -> JiraSettings:
    reading = ReadingContext(Path("/nowhere"), {"TOKEN": "token-secret"}, lambda path, _: path.read_bytes())
    least = {"name": "tickets", "kind": "jira", "url": "https://shop.atlassian.net", "token": {"env": "TOKEN"},
             "project": "SEC", "email": "bot@shop.example"}  # fmt: skip
    return JiraSettings.model_validate({**least, **written}, context={"reading": reading})


async def told(jira: Jira, all_documents: Sequence[Document], **written: object) -> list[Outcome]:
    """Deliver them, each with the receipt of the one before."""
    outcomes, receipt = list[Outcome](), ""
    async with Sink(behave=jira.behave).running() as sink:
        where = {"url": sink.url(""), "plain_http": True}
        destination = open_destination(settings(**where, **written), LOOPBACK)
        for document in all_documents:
            outcomes.append(gist(await destination.deliver([replace(document, receipt=document.receipt or receipt)])))
            receipt = getattr(outcomes[-1], "receipt", "") or receipt
        await destination.close()
    return outcomes


def text_of(adf: Any) -> str:  # noqa: ANN401 - JSON
    return str(adf["content"][0]["content"][0]["text"])


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"email": None}, "Jira Cloud needs `email`"),
        ({"url": "http://a.example"}, "the url is http"),
        ({"project": "A B"}, "String should match pattern"),
        ({"project": 'SEC" OR "1'}, "String should match pattern"),
        ({"labels": ["a b"]}, "String should match pattern"),
        ({"fields": {"summary": "x"}}, "the field 'summary' is set by Gatecrier"),
        ({"token": "literal"}, "never a literal"),
    ],
)
def test_a_mistake_is_told(written: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**written)

    assert words in str(caught.value)


async def test_an_incident_is_one_ticket_from_its_beginning_to_its_end(world: World) -> None:
    world.tell_of_one()
    jira = Jira()
    outcomes = await told(jira, documents([as_json(body) for body in world.bodies()]), resolve="Done")

    assert world.states() == ["opened", "changed", "resolved"]
    assert outcomes == [Delivered(receipt="SEC-1"), Delivered(), Delivered()]
    (ticket,) = jira.tickets
    assert (ticket.category, len(ticket.comments)) == ("done", 2)
    assert ticket.fields["summary"] == "Deployment web in shop: would be rejected"
    assert text_of(ticket.comments[1]).startswith("Deployment web: resolved")


async def test_what_a_ticket_is_made_with() -> None:
    jira = Jira()
    await told(jira, documents([OPENED]), fields={"customfield_10042": "platform"}, labels=["soc"], issue_type="Bug")
    (ticket,) = jira.tickets

    assert ticket.fields["project"] == {"key": "SEC"}
    assert ticket.fields["issuetype"] == {"name": "Bug"}
    assert ticket.fields["priority"] == {"name": "High"}
    assert ticket.fields["customfield_10042"] == "platform"
    assert ticket.fields["labels"][0] == "soc"
    assert ticket.fields["labels"][1].startswith("gatecrier-")
    assert jira.authorizations == {"Basic Ym90QHNob3AuZXhhbXBsZTp0b2tlbi1zZWNyZXQ="}


async def test_data_center_is_told_in_its_own_way() -> None:
    jira = Jira(is_cloud=False)
    await told(jira, documents([OPENED, RESOLVED]), deployment="data_center", email=None)
    (ticket,) = jira.tickets

    assert jira.asked == ["search", "issue", "issue/SEC-1?fields=status", "issue/SEC-1/comment"]
    assert ticket.fields["description"].startswith("{noformat}\nDeployment web: would be rejected")
    assert ticket.fields["description"].endswith("[runbook|https://wiki.example/gatecrier/no_signature]")
    assert jira.authorizations == {"Bearer token-secret"}


async def test_a_lost_answer_makes_no_second_ticket() -> None:
    jira = Jira()
    (document,) = documents([OPENED])
    await told(jira, [document])  # whose receipt is lost
    await told(jira, [document])

    assert [len(one.comments) for one in jira.tickets] == [1]


async def test_a_receipt_finds_the_ticket_that_the_index_does_not_know_yet() -> None:
    jira = Jira(lags=True)
    await told(jira, documents([OPENED, OPENED]))

    assert [len(one.comments) for one in jira.tickets] == [1]


async def test_a_ticket_that_was_deleted_is_made_anew() -> None:
    jira = Jira()
    await told(jira, documents([OPENED]))
    jira.tickets[0] = replace(jira.tickets[0], key="OTHER-9", fields={"labels": []})
    outcomes = await told(jira, [replace(documents([OPENED])[0], receipt="SEC-1")])

    assert outcomes == [Delivered(receipt="SEC-2")]


@pytest.mark.parametrize("receipt", ["", "SEC-1", "not a key", "../x-1"])
@pytest.mark.parametrize(
    ("reopen", "tickets", "category"),
    [(True, 1, "indeterminate"), ("Back to work", 1, "indeterminate"), ("Nowhere", 1, "done"), (False, 2, "done")],
)
async def test_what_begins_again_opens_its_ticket_again(
    receipt: str, reopen: object, tickets: int, category: str
) -> None:
    jira = Jira()
    await told(jira, documents([OPENED, RESOLVED]), resolve="Done")
    await told(jira, [replace(documents([OPENED])[0], receipt=receipt)], reopen=reopen)

    assert len(jira.tickets) == tickets
    assert jira.tickets[0].category == category


async def test_a_ticket_that_was_done_long_ago_stays_done() -> None:
    jira = Jira()
    await told(jira, documents([OPENED, RESOLVED]), resolve="Done")
    jira.tickets[0].is_old = True
    await told(jira, documents([OPENED]))

    assert [one.category for one in jira.tickets] == ["done", "new"]


async def test_what_is_over_makes_no_ticket_and_moves_none_unless_told_to() -> None:
    jira, commented = Jira(), Jira()
    outcomes = await told(jira, documents([RESOLVED]))
    await told(commented, documents([OPENED, RESOLVED]))

    assert outcomes == [Delivered()]
    assert jira.tickets == []
    assert [(one.category, len(one.comments)) for one in commented.tickets] == [("new", 1)]


async def test_a_transition_that_is_not_offered_is_passed_over() -> None:
    jira = Jira()
    outcomes = await told(jira, documents([OPENED, RESOLVED]), resolve="Ship it")

    assert outcomes[-1] == Delivered()
    assert [(one.category, len(one.comments)) for one in jira.tickets] == [("new", 1)]


async def test_what_comes_late_moves_nothing() -> None:
    jira = Jira()
    late = [replace(one, is_late=True) for one in documents([OPENED])]
    await told(jira, [*documents([OPENED, RESOLVED]), *late], resolve="Done")

    assert [(one.category, len(one.comments)) for one in jira.tickets] == [("done", 2)]


async def test_an_attempt_that_ends_before_its_comment_repeats_none() -> None:
    jira = Jira()
    await told(jira, documents([OPENED]))
    jira.answers = {"/comment": answer("503 No")}
    failed = await told(jira, documents([RESOLVED]), resolve="Done")
    jira.answers = {}
    await told(jira, documents([RESOLVED]), resolve="Done")

    assert failed == [TryAgain("http_503")]
    assert [(one.category, len(one.comments)) for one in jira.tickets] == [("done", 1)]


@pytest.mark.parametrize(
    ("end", "says", "outcome"),
    [
        ("search/jql", answer("401 No"), TryAgain("unauthorised", pauses=True)),
        ("search/jql", answer("429 No", Retry_After="7"), TryAgain("rate_limited", after=7.0)),
        ("search/jql", answer("200 OK", b"[]"), TryAgain("malformed_reply", words="[]")),
        ("search/jql", answer("200 OK", b"{}"), TryAgain("malformed_reply", words="{}")),
        ("search/jql", NOTHING, TryAgain("connection_failed")),
        (
            "issue",
            answer("400 Bad", b'{"errors":{"priority":"x"}}'),
            Undeliverable("http_400", '{"errors":{"priority":"x"}}'),
        ),
        ("issue", answer("201 Created", b"<html>"), TryAgain("malformed_reply", words="<html>")),
        ("issue", answer("201 Created", b'{"key":"../x"}'), Delivered()),
    ],
)
async def test_what_jira_answers_decides(end: str, says: bytes, outcome: Outcome) -> None:
    assert await told(Jira(answers={end: says}), documents([OPENED])) == [outcome]


@pytest.mark.parametrize("body", STORED, ids=lambda body: orjson.loads(body)["id"])
async def test_whatever_is_told_is_taken_and_where_a_template_fails_it_is_the_same_ticket(body: bytes) -> None:
    for is_cloud in (True, False):
        jira = Jira(is_cloud)
        where = {} if is_cloud else {"deployment": "data_center"}
        outcomes = await told(jira, [*documents([body]), *documents([body], FAILING)], **where)

        assert {type(one) for one in outcomes} == {Delivered}
        assert len({issue_text(one).key for of in (SHIPPED, FAILING) for one in documents([body], of)}) == 1
        assert len(jira.tickets) <= 1


async def test_trouble_of_gatecrier_is_a_ticket_that_ends() -> None:
    began, ended = (
        next(as_json(one) for one in NOTICES if one["data"]["notice"]["event_type"].endswith(f"{state}.v1"))
        for state in ("trouble.began", "trouble.ended")
    )
    jira = Jira()
    await told(jira, documents([began, ended]), resolve="Done")

    assert [one.category for one in jira.tickets] == ["done"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NEARLY = st.fixed_dictionaries({}, optional=dict.fromkeys(("key", "severity", "summary", "text", "links"), JSON))


@given(bodies_of(JSON | NEARLY))
def test_whatever_a_template_makes_becomes_a_ticket(body: bytes) -> None:
    """A 400 for ever would be a lost alert."""
    said = issue_text(Document("event-1", body))

    assert 0 < len(said.summary) <= 255
    assert "\n" not in said.summary
    assert text_of(in_adf(said)).strip()
    assert len(in_wiki(said)) < 32_767 + 50_000


def test_what_others_wrote_stands_in_a_block_of_code() -> None:
    hostile = "x {noformat} [~admin] [a|https://evil.example] {code} a_b__c*d"
    (document,) = documents([event_with(hostile)])
    wiki, adf = in_wiki(issue_text(document)), in_adf(issue_text(document))
    inside = wiki.removeprefix("{noformat}\n").partition("\n{noformat}")

    assert "{noformat}" not in inside[0]
    assert "[~" not in inside[0]
    assert "a_b__c*d" in inside[0]
    assert inside[2] == ""
    assert hostile in text_of(adf)
    assert [one["type"] for one in adf["content"]] == ["codeBlock"]  # type: ignore[attr-defined]  # JSON


@AS_DECIDED
def test_a_ticket_says_what_the_cluster_was_told(event: bytes, summary: str, *, is_rejected: bool) -> None:
    said = issue_text(documents([event])[0])

    assert said.summary.startswith(summary)
    assert ("Gatecrier rejected" in said.text) is is_rejected


def test_what_is_too_large_is_sent_shorter() -> None:
    large = Document("1", orjson.dumps({"key": "k", "summary": "web", "text": "x" * 50_000, "links": {}}))
    dialect = dialect_of(settings())
    short = dialect.shorter(large)

    assert len(issue_text(large).text) == 15_000
    assert short is not None
    assert (issue_text(short).key, len(issue_text(short).text)) == ("k", 1000)
    assert dialect.shorter(short) is None


async def test_what_jira_repeats_of_our_credentials_is_not_shown() -> None:
    """A page of an error may show the request, header by header."""
    said = b"Authorization: Basic Ym90QHNob3AuZXhhbXBsZTp0b2tlbi1zZWNyZXQ= is wrong"
    (outcome,) = await told(Jira(answers={"search/jql": answer("400 Bad", said)}), documents([OPENED]))

    assert outcome == Undeliverable("http_400", "Authorization: Basic [redacted] is wrong")
