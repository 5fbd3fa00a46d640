from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.destinations.catalogue import DestinationSettings, open_destination
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.destinations.encodings import encoded, forms
from router.destinations.outcome import Delivered
from router.destinations.secrets import Filling, places_of
from router.destinations.settings import HttpSettings
from router.destinations.standard_webhooks import signature, signing_key
from router.destinations.words import Words, secrets_of
from router.rendering.secret_places import PREFIX, SecretPlace
from router.rendering.values import as_json
from tests.contracts.kinds import read
from tests.simulators.sinks import Sink

LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
SIGNING = "whsec_" + "a" * 40
ONE_LINE = (
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cc", "Cs"]), min_size=1).map(str.strip).filter(bool)
)


def webhook(
    folder: Path = Path("/nowhere"), more: Mapping[str, object] | None = None, **secrets: str
) -> DestinationSettings:
    """With these secrets."""
    written = {
        "name": "it",
        "kind": "webhook",
        "url": "https://a.example/x",
        "plain_http": True,
        "secrets": {name: {"env": name.upper()} for name in secrets},
        **(more or {}),
    }
    return read(written, folder, {name.upper(): value for name, value in secrets.items()} | {"SIGNING": SIGNING})


@given(ONE_LINE, ONE_LINE)
def test_each_secret_is_in_its_place_as_the_encoding_has_it(one: str, other: str) -> None:
    settings = webhook(one=one, other=other)
    places, filling = places_of(settings), Filling(settings)
    value = {"k": f"a {places['one']}", "o": {"deep": [places["other"]]}}
    document = Document("1", as_json(value))
    filled = {form: filling.filled(encoded([document], form), form) for form in ("json", "ndjson", "form", "text")}
    expected = {"k": f"a {one}", "o": {"deep": [other]}}

    assert json.loads(filled["json"]) == json.loads(filled["ndjson"]) == expected
    fields = dict(parse_qsl(filled["form"].decode("ascii")))
    assert fields["k"] == f"a {one}"
    assert json.loads(fields["o"]) == expected["o"]
    assert json.loads(filled["text"]) == expected
    assert filling.filled(encoded([Document("1", as_json(f"x{places['one']}"))], "text"), "text") == f"x{one}".encode()


@given(ONE_LINE)
def test_a_limit_that_holds_for_a_place_holds_for_its_secret(one: str) -> None:
    settings = webhook(one=one)

    assert len(places_of(settings)["one"]) >= len(forms(one)[1].encode())


def test_nobody_else_can_make_a_place() -> None:
    """Neither who guesses its form, nor who asks for one that there is not."""
    settings = webhook(one="the secret")
    place = places_of(settings)["one"]
    beyond = place.replace("000E", "010E")
    forged = [SecretPlace("0f" * 16, 0).text(), PREFIX, place[:-1], place.upper(), beyond]

    assert beyond != place
    for text in forged:
        assert Filling(settings).filled(text.encode(), "json") == text.encode()


async def test_a_signature_is_of_what_is_sent(tmp_path: Path) -> None:
    async with Sink().running() as sink:
        more = {"url": sink.url(), "signing_secret": {"env": "SIGNING"}, "template": "mine"}
        settings = webhook(tmp_path, more, one="a secret")
        destination = open_destination(settings, LOOPBACK)
        outcome = await destination.deliver([Document("event-1", as_json({"k": places_of(settings)["one"]}))])
        await destination.close()
    (got,) = sink.got

    assert outcome == Delivered(status=200)
    assert got.body == b'{"k":"a secret"}'
    timestamp = int(got.headers["webhook-timestamp"])
    assert got.headers["webhook-signature"] == signature(signing_key(SIGNING), "event-1", timestamp, got.body)


async def test_what_is_told_by_other_means_is_filled_in_too(tmp_path: Path) -> None:
    written = {"name": "it", "kind": "file", "path": str(tmp_path / "lines"), "secrets": {"one": {"env": "ONE"}}}
    settings = read(written, tmp_path, {"ONE": 'a "secret"'})
    destination = open_destination(settings, EgressSettings())
    outcome = await destination.deliver([Document("1", as_json({"k": places_of(settings)["one"]}))])
    await destination.close()

    assert outcome == Delivered()
    assert json.loads((tmp_path / "lines").read_bytes()) == {"k": 'a "secret"'}


def test_another_value_is_another_destination(tmp_path: Path) -> None:
    """So that a reload makes a new one where a file has another content, and none where it has not."""
    found = []
    for content in ("one", "two", "two"):
        (tmp_path / "key").write_text(content)
        written = {"name": "it", "kind": "file", "path": "x", "secrets": {"one": {"file": str(tmp_path / "key")}}}
        found.append(read(written, tmp_path, {}))

    assert found[0] != found[1]
    assert found[1] == found[2]


REPEATED: Mapping[str, Callable[[str], str]] = {
    "percent": lambda text: quote(text, safe=""),
    "path": quote,
    "query": quote_plus,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON of PHP": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON of Go": lambda text: json.dumps(text, ensure_ascii=False)[1:-1].replace("&", "\\u0026"),
}


@pytest.mark.parametrize("repeated", REPEATED.values(), ids=REPEATED)
def test_a_credential_is_left_out_as_others_encode_it(repeated: Callable[[str], str]) -> None:
    """A receiver shows the request that it refused, or a link with what it was given."""
    secret = 'p@ss w&rd/sécret"/+%2F=='
    written = {"name": "it", "kind": "webhook", "url": "https://a.example/x", "username": "gate"}
    settings = read({**written, "password": {"env": "PASSWORD"}}, Path("/nowhere"), {"PASSWORD": secret})
    assert isinstance(settings, HttpSettings)
    words = Words(secrets_of(settings))

    assert words.shown(f"bad request: <{repeated(secret)}> was refused") == "bad request: <[redacted]> was refused"


@pytest.mark.parametrize("form", range(3))
def test_what_a_receiver_repeats_is_left_out_in_every_form(form: int) -> None:
    secret = 'a"b&c%d\\e f=g+h'
    settings = webhook(one=secret)
    assert isinstance(settings, HttpSettings)
    shown = Words(secrets_of(settings)).shown(f"bad request: <{forms(secret)[form]}> was refused")

    assert shown == "bad request: <[redacted]> was refused"
