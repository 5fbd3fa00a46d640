from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from router.destinations.dialect import Post, Reply
from router.destinations.document import Document
from router.destinations.encodings import CONTENT_TYPES, encoded
from router.destinations.kinds.webhook import WebhookDialect, WebhookKindSettings
from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable
from router.destinations.standard_webhooks import signature, signing_key
from router.events import CONTENT_TYPE, encode
from router.fields import ReadingContext
from router.rendering.examples import EXAMPLES
from router.rendering.values import as_json, as_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def settings_of(**said: object) -> WebhookKindSettings:
    return WebhookKindSettings.model_validate({"name": "it", "kind": "webhook", "url": "https://a.example/x", **said})


def posted(*documents: Document, **said: object) -> Post:
    return WebhookDialect(settings_of(**said)).compose(documents, 0.0)


def made(value: object, event_id: str = "1") -> Document:
    """What a template made."""
    return Document(event_id, as_json(value))


def event(event_id: str = "1") -> Document:
    """The event itself."""
    return Document(event_id, b'{"id":"%b"}' % event_id.encode(), CONTENT_TYPE)


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The vector of its specification."""
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_attempt_is_signed_anew_and_the_id_stays() -> None:
    environment = {"KEY": "whsec_" + base64.b64encode(b"k" * 32).decode()}
    reading = ReadingContext(Path("/nowhere"), environment, lambda path, _: path.read_bytes())
    written = {"name": "it", "kind": "webhook", "url": "https://a.example/x", "signing_secret": {"env": "KEY"}}
    settings = WebhookKindSettings.model_validate(written, context={"reading": reading})
    dialect = WebhookDialect(settings)
    posts = [dialect.compose([Document("event-1", b"{}")], now) for now in (10.7, 20.0)]

    assert [post.headers["webhook-id"] for post in posts] == ["event-1", "event-1"]
    for sent in (b"{}", b'{"as":"it is sent"}'):
        for sealed, timestamp in zip((sealing(post, sent) for post in posts), ("10", "20"), strict=True):
            mac = hmac.new(b"k" * 32, f"event-1.{timestamp}.".encode() + sent, hashlib.sha256).digest()
            assert sealed["webhook-timestamp"] == timestamp
            assert sealed["webhook-signature"] == "v1," + base64.b64encode(mac).decode()


def test_while_a_secret_is_exchanged_each_of_the_two_signs() -> None:
    """A receiver takes whichever it knows; the new one comes first."""
    secrets = {name: "whsec_" + base64.b64encode(name.encode() * 32).decode() for name in "no"}
    reading = ReadingContext(Path("/nowhere"), secrets, lambda path, _: path.read_bytes())

    def signed(*names: str) -> str:
        written = {"name": "it", "kind": "webhook", "url": "https://a.example/x"}
        said = {**written, "signing_secret": [{"env": name} for name in names]}
        dialect = WebhookDialect(WebhookKindSettings.model_validate(said, context={"reading": reading}))
        return sealing(dialect.compose([made({}, "event-1")], 10.0), b"{}")["webhook-signature"]

    assert signed("n", "o") == f"{signed('n')} {signed('o')}"
    assert signed("n") == signature(b"n" * 32, "event-1", 10, b"{}")


ATTRIBUTE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(ATTRIBUTE, JSON.filter(lambda one: one is not None))
def test_in_binary_mode_attributes_are_headers_and_no_name_begins_one(subject: str, data: object) -> None:
    said = {"specversion": "1.0", "id": "1", "subject": subject, "datacontenttype": "application/json"}
    post = posted(Document("1", as_json({**said, "data": data}), CONTENT_TYPE), cloudevents="binary")
    headers = {name: value for name, value in post.headers.items() if name.startswith("ce-")}

    assert json.loads(post.body) == data
    assert post.headers["Content-Type"] == "application/json"
    assert {name: unquote(value) for name, value in headers.items()} == {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-subject": subject,
    }
    assert re.fullmatch(r"[!#-~]*", headers["ce-subject"])
    assert '"' not in headers["ce-subject"]


@pytest.mark.parametrize("letter", ["x", "%", "é", "\U0001f40b"])
def test_in_binary_mode_no_name_makes_a_header_that_receivers_refuse(letter: str) -> None:
    """Who deploys could else have the alert about him refused: the name of an image may be of any length."""
    said = {"id": "1", "subject": f"Image/{letter * 9000}", "data": {"name": letter * 9000}}
    post = posted(Document("1", as_json(said), CONTENT_TYPE), cloudevents="binary")

    assert len(post.headers["ce-subject"]) < 5000
    assert unquote(post.headers["ce-subject"]).startswith(f"Image/{letter * 100}")
    assert "(9006 characters, sha256 " in unquote(post.headers["ce-subject"])
    assert json.loads(post.body) == said["data"]


def test_in_binary_mode_the_longest_name_of_kubernetes_is_whole() -> None:
    subject = f"{'n' * 63}/{'K' * 63}/{'w' * 253}"
    said = {"id": "1", "subject": subject, "data": {}}

    assert posted(Document("1", as_json(said), CONTENT_TYPE), cloudevents="binary").headers["ce-subject"] == subject


@pytest.mark.parametrize(
    "body", [b'{"id":"1"}', b'{"id":"1","data":null}', b'{"datacontenttype":"a/b","data":"x"}', b"x"]
)
def test_what_can_not_be_taken_apart_goes_out_whole(body: bytes) -> None:
    post = posted(Document("1", body, CONTENT_TYPE), cloudevents="binary")

    assert (post.body, post.headers["Content-Type"].partition(";")[0]) == (body, CONTENT_TYPE)


@pytest.mark.parametrize("body", [encode(one) for one in EXAMPLES.values()], ids=[*EXAMPLES])
def test_an_event_in_binary_mode_says_all_that_it_says_in_structured_mode(body: bytes) -> None:
    post = posted(Document("1", body, CONTENT_TYPE), cloudevents="binary")
    attributes = {name[3:]: unquote(value) for name, value in post.headers.items() if name.startswith("ce-")}
    said = json.loads(body)

    assert {**attributes, "data": json.loads(post.body), "datacontenttype": post.headers["Content-Type"]} == said


def sealing(post: Post, body: bytes) -> Mapping[str, str]:
    """What is said of a body as it is sent."""
    assert post.seal is not None
    return post.seal(body)


@pytest.mark.parametrize(
    ("said", "documents", "content_type", "body"),
    [
        ({}, [event()], "application/cloudevents+json", {"id": "1"}),
        ({"batch_size": 5}, [event()], "application/cloudevents-batch+json", [{"id": "1"}]),
        ({"batch_size": 5}, [event(), event("2")], "application/cloudevents-batch+json", [{"id": "1"}, {"id": "2"}]),
        ({"template": "x"}, [made({"a": 1})], "application/json", {"a": 1}),
        ({"template": "x", "content_type": "application/problem+json"}, [made(1)], "application/problem+json", 1),
        ({"incident_template": "x"}, [made({"a": 1})], "application/json", {"a": 1}),
        ({"incident_template": "x", "batch_size": 5}, [event(), made(2)], "application/json", [{"id": "1"}, 2]),
        ({"template": "x", "encoding": "form"}, [event()], "application/cloudevents+json", {"id": "1"}),
        ({"template": "x", "encoding": "text"}, [event()], "application/cloudevents+json", {"id": "1"}),
    ],
)
def test_the_content_type_says_what_it_is(
    said: dict[str, object], documents: list[Document], content_type: str, body: object
) -> None:
    """Of what a template made, what the operator says; of an event, a notice or a minimal payload, what it is."""
    post = posted(*documents, **said)

    assert post.headers["Content-Type"].startswith(content_type)
    assert json.loads(post.body) == body


@pytest.mark.parametrize("encoding", CONTENT_TYPES)
def test_each_encoding_has_its_media_type(encoding: str) -> None:
    headers = posted(made({"a": 1}), template="x", encoding=encoding).headers

    assert headers["Content-Type"] == dict(CONTENT_TYPES)[encoding]  # type: ignore[index]  # a name of one of them


@given(st.dictionaries(TEXTS, JSON, max_size=4))
def test_a_form_has_a_field_for_each_member(value: dict[str, object]) -> None:
    body = encoded([made(value)], "form")
    found = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(value))

    assert found == [(name, as_text(item)) for name, item in value.items()]


@given(JSON)
def test_lines_are_one_for_each_item_and_none_is_broken(value: object) -> None:
    lines = encoded([made(value), made("last")], "ndjson").split(b"\n")
    items = value if isinstance(value, list) and value else [value]

    assert lines.pop() == b""
    assert [json.loads(line) for line in lines] == [*items, "last"]


@given(JSON)
def test_a_text_stands_as_it_is(value: object) -> None:
    assert encoded([made(value)], "text") == as_text(value).encode()


@pytest.mark.parametrize(
    ("encoding", "body"), [("form", b"payload=no+json"), ("text", b"no json"), ("ndjson", b"no json\n")]
)
def test_what_is_no_object_or_no_json_goes_out_all_the_same(encoding: str, body: bytes) -> None:
    document = Document("1", b"no json")

    assert posted(document, template="x", encoding=encoding).body == body


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_the_method_is_the_operator_s(method: str) -> None:
    assert posted(event(), method=method).verb == method


OK, ACCEPTED, ONLY_OK = {"status": [200]}, {"status": [202, 409]}, {"body": " ok\n"}


@pytest.mark.parametrize(
    ("success", "status", "text", "outcome"),
    [
        (OK, 200, "anything", Delivered()),
        (OK, 202, "", TryAgain("malformed_reply")),
        (OK, 503, "", TryAgain("http_503")),
        (OK, 400, "", Undeliverable("http_400")),
        (ACCEPTED, 409, "", Delivered()),
        (ACCEPTED, 200, "", TryAgain("malformed_reply")),
        (ONLY_OK, 200, "\tok ", Delivered()),
        (ONLY_OK, 204, "ok", Delivered()),
        (ONLY_OK, 200, "no", TryAgain("malformed_reply")),
        (ONLY_OK, 400, "ok", Undeliverable("http_400")),
        ({**OK, **ONLY_OK}, 200, "ok", Delivered()),
        ({**OK, **ONLY_OK}, 201, "ok", TryAgain("malformed_reply")),
    ],
)
def test_a_receipt_is_what_the_operator_says(
    success: dict[str, object], status: int, text: str, outcome: Outcome
) -> None:
    """Another 2xx is none, and asked again: the receiver has not said that it took anything."""
    dialect = WebhookDialect(settings_of(success=success))

    assert dialect.judge(Reply(status, text, None, 0.0)) == outcome
    assert (dialect.receipt_bytes > 0) is ("body" in success)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"encoding": "form"}, "`encoding` is for what a template makes; name one"),
        ({"content_type": "text/plain"}, "`content_type` is for what a template makes"),
        ({"markup": "slack"}, "`markup` is for what a template makes"),
        ({"template": "x", "content_type": "a\r\nX-Evil: 1"}, "is not a valid media type; write one such as"),
        ({"template": "x", "batch_size": 2}, "say `encoding: ndjson`"),
        ({"incident_template": "x", "encoding": "text", "batch_size": 2}, "say `encoding: ndjson`"),
        ({"template": "x", "cloudevents": "binary"}, "`cloudevents` is for events that no template"),
        ({"cloudevents": "batch"}, "go together; say both, or neither"),
        ({"cloudevents": "binary", "batch_size": 2}, "go together; say both, or neither"),
        ({"cloudevents": "binary", "headers": {"CE-Id": "x"}}, "is set by Gatecrier, of the event"),
        ({"username": "x"}, "`username` and `password` go together"),
        ({"username": "x", "password": {"env": "A"}, "bearer": {"env": "A"}}, "not both"),
        ({"bearer": {"env": "A"}, "headers": {"authorization": "x"}}, "drop one"),
        ({"signing_secret": []}, "at least 1 item"),
        ({"success": {}}, "name `status`, `body` or both"),
        ({"success": {"status": [200, 401]}}, "401 says that the receiver refuses us"),
        ({"success": {"status": [429]}}, "the event would be lost"),
        ({"success": {"status": [500]}}, "less than or equal to 499"),
        ({"method": "GET"}, "'POST', 'PUT' or 'PATCH'"),
        ({"template": "x", "encoding": "xml"}, "'json', 'ndjson', 'form' or 'text'"),
        ({"template": "x", "markup": "adf"}, "'none', 'slack', 'markdown'"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_a_remedy(said: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(told)):
        settings_of(**said)


def test_an_event_has_its_id_with_and_without_a_signature() -> None:
    """By it a receiver knows a repetition, even where a template left it out of the payload."""
    settings = WebhookKindSettings(name="it", kind="webhook", url="https://a.example/x", template="mine")
    posts = [WebhookDialect(settings).compose([Document("event-1", b"{}")], now) for now in (10.0, 20.0)]

    assert [post.headers["webhook-id"] for post in posts] == ["event-1", "event-1"]


IDS = st.lists(st.text("abc-1234", min_size=1, max_size=6), min_size=1, max_size=4, unique=True)


@given(IDS, IDS)
def test_a_batch_is_known_by_all_its_events(ids: list[str], others: list[str]) -> None:
    """A receiver that has seen the first event in another batch must not take the rest for a repetition."""
    settings = WebhookKindSettings(name="it", kind="webhook", url="https://a.example/x", batch_size=10)
    dialect = WebhookDialect(settings)
    first, again, other = (
        dialect.compose([Document(one, b"{}") for one in batch], 0.0).headers["webhook-id"]
        for batch in (ids, ids, others)
    )

    assert first == again
    assert (first == other) == (ids == others)


@pytest.mark.parametrize(("written", "shown"), [(CONTENT_TYPE, CONTENT_TYPE), ("application/json", "application/json")])
def test_what_is_an_event_after_all_is_sent_as_one(written: str, shown: str) -> None:
    """A notice, which no template of an operator makes, and the minimal payload when one fails."""
    settings = WebhookKindSettings(name="it", kind="webhook", url="https://a.example/x", template="mine")
    post = WebhookDialect(settings).compose([Document("1", b"{}", written)], 0.0)

    assert post.headers["Content-Type"].startswith(shown)
