from __future__ import annotations

import base64
import hashlib
import hmac
import json
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.destinations.dialect import RETRY_AFTER_LIMIT, Reply, judge_by_status
from router.destinations.document import Document
from router.destinations.egress import EgressGuard, EgressSettings
from router.destinations.outcome import Delivered, TryAgain, Undeliverable
from router.destinations.slack import (
    BLOCKS_LIMIT,
    FIELD_LIMIT,
    HEADER_LIMIT,
    SECTION_LIMIT,
    TEXT_LIMIT,
    TOTAL_LIMIT,
    SlackDialect,
    within_limits,
)
from router.destinations.webhook import WebhookDialect, WebhookSettings, signature, signing_key
from router.errors import ForbiddenAddressError
from router.fields import ReadingContext

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "type", "blocks", "fields", "elements", "a"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(st.text(max_size=40), st.floats(0, 4e9))
def test_no_retry_after_makes_us_wait_longer_than_our_limit(text: str, now: float) -> None:
    asked = Reply(429, "", text, now).asked_to_wait()

    assert asked is None or 0 <= asked <= RETRY_AFTER_LIMIT


@given(st.integers(0, 3600), st.integers(10**6, 10**9))
def test_both_forms_of_retry_after_mean_the_same(seconds: int, now: int) -> None:
    as_date = formatdate(now + seconds, usegmt=True)

    assert Reply(503, "", str(seconds), now).asked_to_wait() == seconds
    assert Reply(503, "", as_date, now).asked_to_wait() == seconds


@given(st.integers(100, 599))
def test_every_status_has_a_meaning(status: int) -> None:
    outcome = judge_by_status(Reply(status, "", None, 0.0))

    assert isinstance(outcome, Delivered) == (200 <= status < 300)
    assert isinstance(outcome, TryAgain) == (status in {401, 403, 408, 425, 429} or not 200 <= status < 500)


def test_slack_has_taken_it_only_when_it_says_ok() -> None:
    judge = SlackDialect().judge

    assert judge(Reply(200, "ok", None, 0.0)) == Delivered()
    assert judge(Reply(200, "<html>", None, 0.0)) == TryAgain("malformed_reply")
    assert judge(Reply(404, "no_service", None, 0.0)) == Undeliverable("http_404")


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The vector of its specification."""
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_attempt_is_signed_anew_and_the_id_stays() -> None:
    environment = {"KEY": "whsec_" + base64.b64encode(b"k" * 32).decode()}
    reading = ReadingContext(Path("/nowhere"), environment, lambda path, _: path.read_bytes())
    written = {"name": "it", "kind": "webhook", "url": "https://a.example/x", "signing_secret": {"env": "KEY"}}
    settings = WebhookSettings.model_validate(written, context={"reading": reading})
    dialect = WebhookDialect(settings)
    posts = [dialect.compose([Document("event-1", b"{}")], now) for now in (10.7, 20.0)]

    assert [post.headers["webhook-id"] for post in posts] == ["event-1", "event-1"]
    assert [post.headers["webhook-timestamp"] for post in posts] == ["10", "20"]
    for post in posts:
        signed = f"event-1.{post.headers['webhook-timestamp']}.".encode() + post.body
        mac = hmac.new(b"k" * 32, signed, hashlib.sha256).digest()
        assert post.headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({}, "application/cloudevents+json"),
        ({"batch_size": 5}, "application/cloudevents-batch+json"),
        ({"template": "x"}, "application/json"),
    ],
)
def test_the_content_type_says_what_it_is(more: dict[str, object], kind: str) -> None:
    settings = WebhookSettings.model_validate({"name": "it", "kind": "webhook", "url": "https://a.example/x", **more})
    post = WebhookDialect(settings).compose([Document("1", b'{"a":1}'), Document("2", b'{"a":2}')], 0.0)

    assert post.headers["Content-Type"].startswith(kind)
    assert json.loads(post.body) == ([{"a": 1}, {"a": 2}] if "batch" in kind else {"a": 1})


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


@given(JSON)
def test_any_document_becomes_a_message_within_slack_s_limits(document: object) -> None:
    message = within_limits(document)

    assert {"text", "blocks", "attachments"} & set(message)
    assert within_limits(message) == message


def test_a_message_that_is_far_too_large_is_cut_everywhere() -> None:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 9000}, "fields": [{"text": "y" * 9000}] * 20}
    message = within_limits(
        {"text": "t" * 90_000, "blocks": [{"type": "header", "text": {"text": "h" * 900}}, section] * 60}
    )

    blocks = message["blocks"]
    assert isinstance(blocks, list)
    assert len(blocks) <= BLOCKS_LIMIT
    assert sum(map(len, texts_of(blocks))) <= TOTAL_LIMIT
    assert len(str(message["text"])) == TEXT_LIMIT
    assert len(blocks[0]["text"]["text"]) == HEADER_LIMIT
    for block in blocks[1:]:
        if block["type"] == "section":
            assert len(block["text"]["text"]) <= SECTION_LIMIT
            assert all(len(found["text"]) <= FIELD_LIMIT for found in block["fields"])


def test_what_is_no_json_is_sent_as_text() -> None:
    assert json.loads(SlackDialect().compose([Document("1", b"not json")], 0.0).body) == {"text": "not json"}


@pytest.mark.parametrize(
    ("address", "allow", "is_allowed"),
    [
        ("8.8.8.8", [], True),
        ("10.1.2.3", [], False),
        ("10.1.2.3", ["10.0.0.0/8"], True),
        ("127.0.0.1", [], False),
        ("::1", ["::1/128"], True),
        ("[fd00::1]", ["fd00::/8"], True),
        ("169.254.169.254", ["0.0.0.0/0"], False),
        ("fd00:ec2::254", ["::/0"], False),
        ("::ffff:10.0.0.1", [], False),
        ("::ffff:169.254.169.254", ["::/0", "0.0.0.0/0"], False),
        ("fe80::1", ["::/0"], False),
        ("siem.example", [], True),
    ],
)
def test_events_go_only_where_they_may(address: str, allow: list[str], is_allowed: bool) -> None:  # noqa: FBT001 - a case
    guard = EgressGuard(EgressSettings.model_validate({"allow": allow}))
    if is_allowed:
        guard.check(address)
        return
    with pytest.raises(ForbiddenAddressError, match=r"egress\.allow"):
        guard.check(address)
