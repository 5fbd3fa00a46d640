"""Teams: every card is one that Teams shows, says what happened, and reads nothing that others wrote as markup."""

from __future__ import annotations

import json
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
from router.destinations.kinds.teams import KIND, SIZE_LIMIT, TeamsDialect, TeamsSettings, card_of, text_card
from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable
from router.events import as_json, encode
from router.fields import ReadingContext
from router.rendering.examples import EXAMPLES, INCIDENTS, NOTICES, WHOLE
from router.rendering.library import Templates
from router.rendering.markup import Markup
from router.rendering.template import Template
from tests.contracts.kinds import AS_DECIDED, documents_of, shipped
from tests.incidents.stage import World
from tests.rendering.hostile import bodies_of, event_with
from tests.simulators.sinks import Sink
from tests.simulators.teams import Teams, in_markdown, marks, refusals, texts

FLOW = "https://prod-1.westeurope.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sig=secret"
LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
CARDS = Markup.ADAPTIVE_CARD
SHIPPED = shipped(KIND)
documents = partial(documents_of, KIND)
BAD = Template.parse("bad", "{{ nothing }}")
STORED = [*map(as_json, INCIDENTS), *map(as_json, NOTICES), *map(encode, EXAMPLES.values())]
HOSTILE = "[registry.example](https://evil.example) <at>SOC</at> {{DATE(2026-01-01T00:00:00Z)}} [a][b]"


def settings(url: str = FLOW, **written: object) -> TeamsSettings:
    reading = ReadingContext(Path("/nowhere"), {"URL": url}, lambda path, _: path.read_bytes())
    return TeamsSettings.model_validate(
        {"name": "soc", "kind": "teams", "url": {"env": "URL"}, **written}, context={"reading": reading}
    )


def sent(body: bytes) -> dict[str, Any]:
    """The card that Teams shows for a payload."""
    post = TeamsDialect(settings()).compose([Document("event-1", body)], 0.0)

    assert refusals(post.body, post.headers["Content-Type"]) == []
    assert len(post.body) <= SIZE_LIMIT
    card: dict[str, Any] = json.loads(post.body)["attachments"][0]["content"]
    return card


def read(card: dict[str, Any]) -> str:
    """What people read."""
    return "\n".join(texts(card))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://acme.webhook.office.com/webhookb2/secret", "a connector (MessageCard), which Microsoft has retired"),
        ("https://webhook.office.com/webhookb2/secret", "which Microsoft has retired"),
        ("https://ACME.webhook.office.com./webhookb2/secret", "which Microsoft has retired"),
        ("https://outlook.office.com/webhook/secret", "make a flow of the Workflows app"),
        ("http://flow.example/secret", "the url is http"),
        ("secret", "the url is not https"),
    ],
)
def test_a_url_that_no_card_reaches_is_refused_without_its_secret(url: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(url)

    assert words in str(caught.value)
    assert "secret" not in str(caught.value).replace("a secret", "")


@pytest.mark.parametrize("host", ["notwebhook.office.com", "webhook.office.com.example", "prod-1.logic.azure.com"])
def test_other_hosts_are_taken(host: str) -> None:
    assert settings(f"https://{host}/x").endpoint == f"https://{host}/x"


async def test_an_incident_is_told_from_its_beginning_to_its_end(world: World) -> None:
    world.tell_of_one()
    teams = Teams()
    async with Sink(behave=teams.behave).running() as sink:
        destination = open_destination(settings(sink.url(), plain_http=True), LOOPBACK)
        told = documents([as_json(body) for body in world.bodies()])
        outcomes = [await destination.deliver([one]) for one in told]
        await destination.close()

    assert world.states() == ["opened", "changed", "resolved"]
    assert outcomes == [Delivered()] * 3
    titles = [next(texts(card)) for card in teams.cards]
    assert [title.partition(": ")[2] for title in titles] == [
        "would be rejected",
        "would now be rejected",
        "resolved",
    ]


@pytest.mark.parametrize("body", STORED, ids=lambda body: orjson.loads(body)["id"])
def test_whatever_is_told_is_a_card_that_has_no_markdown(body: bytes) -> None:
    """With the shipped templates, and where they fail."""
    for templates in (SHIPPED, Templates(BAD, BAD, None, BAD)):
        card = sent(documents([body], templates)[0].body)

        assert list(in_markdown(card)) == []
        assert marks(card) == []


def test_a_name_stands_in_a_card_as_it_is() -> None:
    """People copy it."""
    name = "[::1]:5000/team_a/__init__*web~1:v1.2_3@sha256:0a"
    cards = [sent(documents([event_with(name)], one)[0].body) for one in (SHIPPED, Templates(BAD))]

    assert [name in read(card) for card in cards] == [True, True]


@pytest.mark.parametrize("templates", [SHIPPED, Templates(BAD)], ids=["shipped", "minimal"])
def test_nothing_that_others_wrote_mentions_or_links(templates: Templates) -> None:
    card = sent(documents([event_with(HOSTILE)], templates)[0].body)

    assert "registry.example" in read(card)
    assert marks(card) == []


def test_a_template_of_ones_own_is_safe_in_text_blocks_too() -> None:
    source = (
        '{"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": '
        '"{{ event.images[0].image }}{{ event.images[0].image }}[us](https://ours.example)"}]}'
    )
    own = Templates(Template.parse("own", source, CARDS))
    texts_of = [sent(documents([event_with(text)], own)[0].body) for text in (HOSTILE, "(x)[y", "at>x<", "{DATE(1)}{")]

    assert [marks(card) for card in texts_of] == [["]("]] * 4  # our own link


@AS_DECIDED
def test_a_card_says_what_the_cluster_was_told(event: bytes, summary: str, *, is_rejected: bool) -> None:
    card = sent(documents([event])[0].body)

    assert next(texts(card)).startswith(summary)
    assert ("Gatecrier rejected" in read(card)) is is_rejected


@pytest.mark.parametrize(
    ("severity", "colour"),
    [("critical", "attention"), ("high", "attention"), ("medium", "warning"), ("info", "default")],
)
def test_a_card_is_as_loud_as_what_it_tells(severity: str, colour: str) -> None:
    incident, decision = json.loads(as_json(INCIDENTS[0])), json.loads(encode(WHOLE))
    incident["data"]["incident"]["severity"] = decision["data"]["decision"]["severity"] = severity
    incident["data"]["incident"]["state"] = "opened"
    cards = [sent(one.body) for one in documents([as_json(incident), as_json(decision)])]

    assert [card["body"][0]["inlines"][0]["color"] for card in cards] == [colour, colour]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(bodies_of(JSON))
def test_whatever_a_template_makes_becomes_a_card(body: bytes) -> None:
    """What a flow refuses later nobody would see."""
    assert read(sent(body))


@pytest.mark.parametrize("body", [b"web is unsigned", b'"web is unsigned"', b'{"text": "web is unsigned"}'])
def test_a_text_is_the_text_of_a_card(body: bytes) -> None:
    assert read(sent(body)) == "web is unsigned"


def test_only_the_first_of_several_cards_is_sent() -> None:
    """A flow reads no other."""
    message = {"type": "message", "attachments": [{"content": text_card("one")}, {"content": text_card("two")}]}

    assert read(sent(orjson.dumps(message))) == "one"


@pytest.mark.parametrize(
    "body",
    [
        [{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "web is unsigned " + "x" * 100_000}]}],
        [{"type": "TextBlock", "text": f"web is unsigned {number}"} for number in range(3000)],
        [{"type": "TextBlock", "text": "web is unsigned " + "é" * 1000}] * 30,
        [{"type": "Container", "items": [{"type": "TextBlock", "text": "web is unsigned " + "é" * 100}] * 900}],
    ],
    ids=["a long text", "many elements", "many bytes", "one large element"],
)
def test_what_is_too_large_is_cut_and_says_what_happened(body: list[object]) -> None:
    card = {**text_card("-"), "body": body}
    made = sent(orjson.dumps(card))

    assert read(made).startswith("web is unsigned")
    assert "…" in read(made)
    assert len(json.dumps(made, separators=(",", ":"))) <= SIZE_LIMIT


@pytest.mark.parametrize(
    "element",
    [
        {"type": "Container", "items": [{"type": "TextBlock", "text": "web is unsigned " + "😀" * 253}] * 30},
        {"type": "Container", "items": [{"type": "TextBlock", "text": "web is unsigned " + "\x7f" * 253}] * 30},
        {"type": "TextBlock", "text": "web is unsigned", "of a plugin": "\x7f" * 19_000},
        {"type": "TextBlock", "text": "web is unsigned", "of a plugin": [1e16] * 4_000},
        {"type": "TextBlock", "text": "web is unsigned", "of a plugin": [0.00001] * 2_500},
    ],
    ids=["beyond U+FFFF", "controls", "controls elsewhere", "large numbers", "small numbers"],
)
def test_whatever_is_long_there_is_a_card_that_fits(element: dict[str, object]) -> None:
    card = {**text_card("-"), "body": [element, *[{"type": "TextBlock", "text": "y" * 300}] * 100]}

    assert "web is unsigned" in read(sent(orjson.dumps(card)))


def test_what_is_nested_too_deeply_is_a_text() -> None:
    element = {"type": "TextBlock", "text": "web is unsigned", "of a plugin": "DEEP"}
    written = orjson.dumps({**text_card("-"), "body": [element]})
    for depth in range(240, 260):
        nested = b"[" * depth + b"]" * depth

        assert "web is unsigned" in read(sent(written.replace(b'"DEEP"', nested)))


def test_links_are_never_cut() -> None:
    """Half a link leads elsewhere."""
    url = "https://wiki.example/" + "a" * 3000
    card = {**text_card("x" * 30_000), "actions": [{"type": "Action.OpenUrl", "title": "runbook", "url": url}]}

    assert sent(orjson.dumps(card))["actions"][0]["url"] == url


def test_what_is_found_too_large_all_the_same_is_sent_shorter() -> None:
    document = Document("event-1", orjson.dumps(text_card("x" * 5000)))
    dialect = TeamsDialect(settings())
    short = dialect.shorter(document)

    assert short is not None
    assert len(read(dict(card_of(short.body)))) == 500
    assert dialect.shorter(short) is None


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (202, Delivered()),
        (200, TryAgain("malformed_reply")),
        (400, Undeliverable("http_400")),
        (401, TryAgain("unauthorised", pauses=True)),
        (429, TryAgain("rate_limited")),
        (502, TryAgain("http_502")),
    ],
)
def test_only_202_is_a_receipt(status: int, outcome: Outcome) -> None:
    """A connector said 200, and in the body that nothing was delivered."""
    assert TeamsDialect(settings()).judge(Reply(status, "", None, 0.0)) == outcome
