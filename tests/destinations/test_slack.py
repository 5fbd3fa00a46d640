from __future__ import annotations

import html
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.destinations.dialect import Reply
from router.destinations.document import Document
from router.destinations.kinds.slack.block_kit import (
    BLOCKS_LIMIT,
    BUTTON_LIMIT,
    EMPTY,
    FIELD_LIMIT,
    FIELDS_LIMIT,
    HEADER_LIMIT,
    ID_LIMIT,
    SECTION_LIMIT,
    TEXT_LIMIT,
    TOTAL_LIMIT,
    UNSAID,
    _size,
    cut,
    length,
    message_of,
    plain_message,
    shorter,
    within_limits,
)
from router.destinations.kinds.slack.webhook import IncomingWebhookDialect
from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text", "type", "blocks", "fields", "elements", "attachments", "a"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)
TEXTS = st.tuples(st.sampled_from(["x", "&amp;", "😀", "é"]), st.integers(0, 3500))
"""What it repeats, and how often: a report of a case shows this and not its hundreds of kilobytes."""
BLOCKS = st.tuples(
    st.sampled_from(["header", "section", "context"]),
    TEXTS,
    st.lists(TEXTS, max_size=3),
    st.integers(1, 4),
    st.integers(1, 15),
)
"""Type, text, further texts, how often each of them stands in a block, how many of this block."""
Plan = list[tuple[str, tuple[str, int], list[tuple[str, int]], int, int]]


def blocks_of(plan: Plan) -> list[dict[str, object]]:
    def told(text: tuple[str, int]) -> dict[str, object]:
        of, times = text
        return {"type": "mrkdwn", "text": of * times}

    blocks: list[dict[str, object]] = []
    for kind, text, others, repeated, times in plan:
        further = [told(other) for other in others] * repeated
        match kind:
            case "header":
                block: dict[str, object] = {"type": kind, "text": told(text)}
            case "section":
                block = {"type": kind, "text": told(text), "fields": further}
            case _:
                block = {"type": kind, "elements": further}
        blocks += [block] * times
    return blocks


def texts_of(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for item in value.values() for text in texts_of(item)]
        case list():
            return [text for item in value for text in texts_of(item)]
        case _:
            return []


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, "ok", Delivered()),
        (200, "ok\n", Delivered()),
        (200, "<html>", TryAgain("malformed_reply")),
        (200, "", TryAgain("malformed_reply")),
        (202, "ok", TryAgain("malformed_reply")),
        (400, "invalid_payload", Undeliverable("http_400")),
        (403, "action_prohibited", TryAgain("refused_here", pauses=True)),
        (404, "no_service", TryAgain("refused_here", pauses=True)),
        (407, "", TryAgain("unauthorised", pauses=True)),
        (410, "channel_is_archived", TryAgain("refused_here", pauses=True)),
        (429, "", TryAgain("rate_limited", after=30.0)),
        (500, "rollup_error", TryAgain("http_500", after=30.0)),
        (599, "", TryAgain("http_599", after=30.0)),
    ],
)
def test_slack_s_answers_mean_what_slack_says(status: int, body: str, outcome: Outcome) -> None:
    """A receipt is 200 and `ok`; 400 is about the message, 403, 404 and 410 about the webhook; a 407 is the proxy's."""
    assert IncomingWebhookDialect().judge(Reply(status, body, "30", 0.0)) == outcome


@given(JSON)
def test_any_document_becomes_a_message_within_slack_s_limits(document: object) -> None:
    message = within_limits(document)

    assert isinstance(message["text"], str)
    assert message["text"].strip()
    assert within_limits(message) == message


@given(st.lists(BLOCKS, max_size=5))
def test_blocks_of_any_size_become_blocks_that_slack_takes(plan: Plan) -> None:
    """A message beyond the limits would be refused for ever, and the alert lost."""
    blocks = blocks_of(plan)
    message = within_limits({"text": "an alert", "blocks": blocks})
    kept = message["blocks"]

    assert isinstance(kept, list)
    assert len(kept) <= BLOCKS_LIMIT
    assert sum(map(length, texts_of(kept))) <= TOTAL_LIMIT
    assert not blocks or kept
    for block in kept:
        assert length(block.get("text", {}).get("text", "")) <= (
            HEADER_LIMIT if block["type"] == "header" else SECTION_LIMIT
        )
        assert len(block.get("fields", [])) <= FIELDS_LIMIT
        assert all(0 < length(field["text"]) <= FIELD_LIMIT for field in block.get("fields", []))
    assert within_limits(message) == message


def test_a_message_that_fits_stays_as_it_is() -> None:
    message = {
        "text": "t" * TEXT_LIMIT,
        "username": "x",
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": "a &amp; b " * 300}},
            {"type": "rich_text", "elements": [{"type": "text", "text": str(number)} for number in range(30)]},
            {"type": "divider"},
        ],
    }

    assert within_limits(message) == message


def test_a_block_that_is_too_large_alone_is_shortened_not_dropped() -> None:
    fields = [{"type": "mrkdwn", "text": f"*Field {number}*\n" + "y" * 1900} for number in range(10)]
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "What happened: " + "x" * 2900}, "fields": fields}
    kept = within_limits({"blocks": [section]})["blocks"]

    assert isinstance(kept, list)
    assert len(kept) == 1
    assert kept[0]["text"]["text"].startswith("What happened: xxx")
    assert [field["text"][:9] for field in kept[0]["fields"]] == [f"*Field {number}*" for number in range(10)]


def test_blocks_that_are_left_out_are_said_to_be() -> None:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 9000}, "fields": [{"text": "y" * 9000}] * 10}
    many = within_limits({"blocks": [{"type": "divider"}] * 51})["blocks"]
    large = within_limits({"blocks": [section] * 30})["blocks"]

    assert isinstance(many, list)
    assert len(many) == BLOCKS_LIMIT
    assert isinstance(large, list)
    assert 1 < len(large) < 30
    assert "more than Slack can take" in str(many[-1])
    assert "more than Slack can take" in str(large[-1])


SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}, "fields": [{"text": "y" * 1900}] * 4}


@pytest.mark.parametrize("count", [0, 1, 5, 19])
@pytest.mark.parametrize("last", [[], [SECTION]], ids=["none", "one more"])
def test_blocks_of_attachments_share_the_room_that_there_is(count: int, last: list[object]) -> None:
    """What stands beside a bar of colour counts like all else."""
    attachments = [*[{"blocks": [SECTION] * 4}] * count, {"blocks": last}]
    sent = within_limits({"text": "a", "blocks": [SECTION] * 4, "attachments": attachments})
    beside = sent["attachments"]

    assert isinstance(beside, list)
    assert _size([sent["blocks"], [one["blocks"] for one in beside]]) <= TOTAL_LIMIT


def test_blocks_of_attachments_become_shorter() -> None:
    whole = Document("1", orjson.dumps({"text": "a", "attachments": [{"color": "#f00", "blocks": [SECTION]}]}))
    short = shorter(whole)

    assert short is not None
    assert len(short.body) < len(orjson.dumps(message_of(whole))) / 4


def test_what_slack_refuses_as_empty_is_filled() -> None:
    blank = {"text": "", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": " "}}]}

    assert within_limits({"text": " "}) == {"text": UNSAID}
    assert within_limits({"text": ""}) == plain_message('{"text":""}')
    assert within_limits(blank) == {
        "text": UNSAID,
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": EMPTY}}],
    }


def test_smaller_parts_have_smaller_limits() -> None:
    button = {"type": "button", "text": {"type": "plain_text", "text": "b" * 100}, "action_id": "i" * 300}
    nested = {"attachments": [{"color": "red", "blocks": [{"type": "actions", "elements": [button] * 30}]}] * 30}
    attachments = within_limits(nested)["attachments"]

    assert isinstance(attachments, list)
    assert len(attachments) == 20
    elements = attachments[0]["blocks"][0]["elements"]
    assert len(elements) == 25
    assert len(elements[0]["text"]["text"]) == BUTTON_LIMIT
    assert len(elements[0]["action_id"]) == ID_LIMIT


@given(st.text("ab&<>é😀 ", max_size=60), st.integers(0, 70))
def test_a_text_is_never_cut_inside_an_entity(text: str, limit: int) -> None:
    """`&am` would be shown as such, and could join what follows."""
    escaped = html.escape(text, quote=False)
    short = cut(escaped, limit)

    assert length(short) <= limit
    assert short == escaped or not short or short.endswith("…")
    assert escaped.startswith(short.removesuffix("…"))
    assert text.startswith(html.unescape(short.removesuffix("…")))


@given(st.binary(max_size=60) | JSON.map(orjson.dumps))
def test_every_body_is_sent_as_a_message(body: bytes) -> None:
    sent = json.loads(IncomingWebhookDialect().compose([Document("1", body)], 0.0).body)

    assert sent["text"].strip()


def test_what_was_parsed_is_not_parsed_again() -> None:
    """A rendered document was parsed to be checked; a message may have a quarter of a megabyte."""
    document = Document("1", b"no JSON, and nobody reads it", value={"text": "hello"})

    assert json.loads(IncomingWebhookDialect().compose([document], 0.0).body) == {"text": "hello"}


def test_a_shorter_form_does_not_speak_of_what_it_was_made_of() -> None:
    value = {"text": "x" * TEXT_LIMIT}
    short = IncomingWebhookDialect().shorter(Document("1", orjson.dumps(value), value=value))

    assert short is not None
    assert short.parsed() == orjson.loads(short.body)


@given(JSON)
def test_a_value_is_sent_as_its_body_would_be(value: object) -> None:
    parsed, unparsed = (Document("1", orjson.dumps(value), value=one) for one in (value, None))

    assert IncomingWebhookDialect().compose([parsed], 0.0) == IncomingWebhookDialect().compose([unparsed], 0.0)


@pytest.mark.parametrize("body", [b"[" * 400 + b"]" * 400, b'{"text":1,"a":' + b"[" * 400 + b"]" * 400 + b"}"])
def test_what_can_not_be_written_again_is_sent_as_text(body: bytes) -> None:
    assert json.loads(IncomingWebhookDialect().compose([Document("1", body)], 0.0).body) == plain_message(body.decode())
