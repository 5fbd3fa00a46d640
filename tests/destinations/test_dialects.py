from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.destinations.dialect import Reply, judge_by_status
from router.destinations.document import Document
from router.destinations.kinds.webhook import WebhookDialect, WebhookSettings, signature, signing_key
from router.destinations.outcome import REASONS, Delivered, TryAgain, Undeliverable
from router.events import CONTENT_TYPE
from router.fields import ReadingContext


@given(st.integers(100, 599))
def test_every_status_has_a_meaning(status: int) -> None:
    outcome = judge_by_status(Reply(status, "", None, 0.0))

    assert isinstance(outcome, Delivered) == (200 <= status < 300)
    is_refusal = 400 <= status < 500 and status not in {401, 403, 404, 405, 407, 408, 410, 421, 425, 429}
    assert isinstance(outcome, Undeliverable) == is_refusal
    assert isinstance(outcome, Delivered) or outcome.reason in REASONS or outcome.reason == f"http_{status}"


@pytest.mark.parametrize("status", [408, 429, 503])
def test_a_receiver_is_left_alone_for_as_long_as_it_asks(status: int) -> None:
    outcome = judge_by_status(Reply(status, "", "Sun, 06 Nov 1994 08:49:37 GMT", 784111740.0))

    assert isinstance(outcome, TryAgain)
    assert outcome.after == 37.0


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


def test_an_event_has_its_id_with_and_without_a_signature() -> None:
    """By it a receiver knows a repetition, even where a template left it out of the payload."""
    settings = WebhookSettings(name="it", kind="webhook", url="https://a.example/x", template="mine")
    posts = [WebhookDialect(settings).compose([Document("event-1", b"{}")], now) for now in (10.0, 20.0)]

    assert [post.headers["webhook-id"] for post in posts] == ["event-1", "event-1"]


IDS = st.lists(st.text("abc-1234", min_size=1, max_size=6), min_size=1, max_size=4, unique=True)


@given(IDS, IDS)
def test_a_batch_is_known_by_all_its_events(ids: list[str], others: list[str]) -> None:
    """A receiver that has seen the first event in another batch must not take the rest for a repetition."""
    settings = WebhookSettings(name="it", kind="webhook", url="https://a.example/x", batch_size=10)
    dialect = WebhookDialect(settings)
    first, again, other = (
        dialect.compose([Document(one, b"{}") for one in batch], 0.0).headers["webhook-id"]
        for batch in (ids, ids, others)
    )

    assert first == again
    assert (first == other) == (ids == others)


def test_every_reason_is_one_that_a_label_can_have() -> None:
    assert all(reason.isidentifier() and reason.islower() and meaning for reason, meaning in REASONS.items())


@pytest.mark.parametrize(("written", "shown"), [(CONTENT_TYPE, CONTENT_TYPE), ("application/json", "application/json")])
def test_what_is_an_event_after_all_is_sent_as_one(written: str, shown: str) -> None:
    """A notice, which no template of an operator makes, and the minimal payload when one fails."""
    settings = WebhookSettings(name="it", kind="webhook", url="https://a.example/x", template="mine")
    post = WebhookDialect(settings).compose([Document("1", b"{}", written)], 0.0)

    assert post.headers["Content-Type"].startswith(shown)
