"""Service accounts: assertions that an authorization server takes, by a reader of JWTs that is not ours."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.types import Options
from pydantic import ValidationError

from router.destinations.catalogue import open_destination
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.destinations.kinds.webhook import WebhookKindSettings
from router.destinations.outcome import Delivered, TryAgain
from router.destinations.over_http import HttpDestination
from router.destinations.service_accounts import GRANT, LIFE
from router.fields import ReadingContext
from tests.simulators.sinks import Receipt, Sink, answer

NOW = 1_795_428_990.0
EMAIL, SCOPES = "gate@shop.iam.gserviceaccount.example", ["https://scopes.example/auth/pubsub", "openid"]
LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
DOCUMENT = Document("event-1", b'{"text":"hello"}')


@cache
def key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def pem(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def account(**changed: object) -> str:
    """A key file, as a cloud makes it."""
    told = {
        "type": "service_account",
        "client_email": EMAIL,
        "private_key_id": "key-1",
        "private_key": pem(key()),
        "token_uri": "https://oauth2.example/token",
    }
    return json.dumps({**told, **changed}, indent=2)


def settings(text: str | None = None, /, **written: object) -> WebhookKindSettings:
    files = {"/conf/key.json": (account() if text is None else text).encode()}
    reading = ReadingContext(Path("/conf"), {"X": "bearer-4711"}, lambda path, _: files[str(path)])
    told = {"name": "it", "kind": "webhook", "url": "https://a.example/x", "credentials": {"file": "key.json"}}
    return WebhookKindSettings.model_validate({**told, "scopes": SCOPES, **written}, context={"reading": reading})


class Authority:
    """An authorization server that grants by RFC 7523 and a receiver that wants its last token."""

    def __init__(self) -> None:
        self.tokens = list[str]()
        self.asked = list[dict[str, object]]()
        self.refusal: bytes | None = None

    def behave(self, receipt: Receipt) -> bytes:
        """What is answered to a request."""
        if receipt.path != "/token":
            is_known = self.tokens and receipt.headers.get("authorization") == f"Bearer {self.tokens[-1]}"
            return answer("200 OK" if is_known else "401 Unauthorized")
        told = parse_qs(receipt.body.decode())
        assert receipt.headers["content-type"] == "application/x-www-form-urlencoded"
        assert told["grant_type"] == [GRANT]
        (assertion,) = told["assertion"]
        if self.refusal is not None:
            return answer("400 Bad Request", self.refusal + assertion.encode())
        assert jwt.get_unverified_header(assertion) == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
        wanted: Options = {"require": ["iss", "aud", "exp", "iat"], "verify_exp": False, "verify_iat": False}
        url = f"http://{receipt.headers['host']}/token"
        self.asked.append(jwt.decode(assertion, key().public_key(), ["RS256"], wanted, audience=url))
        self.tokens.append(f"ya29.granted-{len(self.tokens)}")
        return answer("200 OK", json.dumps({"access_token": self.tokens[-1], "expires_in": 3599}).encode())


def opened(sink: Sink, **written: object) -> HttpDestination:
    told = settings(account(token_uri=sink.url("/token")), url=sink.url("/x"), plain_http=True, **written)
    destination = open_destination(told, LOOPBACK)

    assert isinstance(destination, HttpDestination)
    destination._clock = lambda: NOW
    return destination


async def test_an_assertion_is_granted_one_token_for_many_requests() -> None:
    authority = Authority()
    async with Sink(behave=authority.behave).running() as sink:
        destination = opened(sink)
        found = [await destination.deliver([DOCUMENT]) for _ in range(3)]
        await destination.close()

    (claims,) = authority.asked
    assert {type(one) for one in found} == {Delivered}
    assert (claims["iss"], claims["scope"]) == (EMAIL, " ".join(SCOPES))
    assert (claims["iat"], claims["exp"]) == (int(NOW), int(NOW) + LIFE)


@pytest.mark.parametrize("host", ["127.0.0.2", "169.254.169.254"])
async def test_the_address_of_an_authorization_server_is_judged_as_that_of_a_receiver(host: str) -> None:
    """Whoever gives an operator a key file says in it where the assertion goes."""
    only_theirs = EgressSettings.model_validate({"allow": ["127.0.0.1/32"]})
    async with Sink().running() as sink:
        told = settings(account(token_uri=f"http://{host}:{sink.port}/token"), url=sink.url("/x"), plain_http=True)
        destination = open_destination(told, only_theirs)
        found = await destination.deliver([DOCUMENT])
        await destination.close()

    assert isinstance(found, TryAgain)
    assert found.reason == "forbidden_address"
    assert sink.got == []


async def test_a_refusal_pauses_and_repeats_nothing_that_proves_us() -> None:
    """An authorization server may repeat the assertion, which serves for an hour, and what it has of the key."""
    authority = Authority()
    secret = pem(key()).splitlines()[7]
    authority.refusal = f"invalid_grant {secret} ".encode()
    async with Sink(behave=authority.behave).running() as sink:
        destination = opened(sink)
        found = await destination.deliver([DOCUMENT])
        await destination.close()

    assert isinstance(found, TryAgain)
    assert (found.reason, found.pauses) == ("unauthorised", True)
    assert found.words.split() == ["invalid_grant", "[redacted]", "[redacted]"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("no JSON", "no key of a service account"),
        ("[" * 100_000, "no key of a service account"),
        ("[]", "no key of a service account"),
        (account(client_email="\ud800@shop.example"), "no key of a service account"),
        (account(type="external_account"), "workload identity"),
        (account(type="authorized_user"), "no key of a service account"),
        (account(client_email=None), "no key of a service account"),
        (account(token_uri=7), "no key of a service account"),
        (account(private_key="x"), "no key of a service account"),
        (account(private_key=pem(key(1024))), "no key of a service account"),
        (account(private_key=pem(ec.generate_private_key(ec.SECP256R1()))), "no key of a service account"),
        (account(token_uri="http://oauth2.example/token"), "the `token_uri`.*http"),
        (account(token_uri="https://u:p@oauth2.example/token"), "the `token_uri`"),
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(text: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told) as raised:
        settings(text)

    shown = "\n".join(str(one["msg"]) for one in raised.value.errors(include_input=False, include_context=False))
    assert pem(key()).splitlines()[3] not in shown
    assert EMAIL not in shown


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"scopes": None}, "go together"),
        ({"credentials": None}, "go together"),
        ({"bearer": {"env": "X"}}, "name `bearer` or `credentials`, not both"),
        ({"username": "x", "password": {"env": "X"}}, "`username` and `password` or `credentials`, not both"),
        ({"headers": {"Authorization": "Basic x"}}, "'Authorization' is set by Gatecrier, of `credentials`"),
        ({"scopes": []}, "at least 1"),
        ({"scopes": ["a b"]}, "pattern"),
        ({"credentials": "key.json"}, "a reference"),
    ],
)
def test_what_makes_no_sense_is_refused(written: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        settings(**written)


@pytest.mark.parametrize("between", ["\n", "\r\n", " ", ""])
def test_the_key_is_hidden_however_its_lines_end(between: str) -> None:
    begin, *lines, end = pem(key()).splitlines()
    found = settings(account(private_key=between.join([begin, *lines, end]))).credentials
    assert found is not None

    assert "".join(sorted(found.hidden)) == "".join(sorted(lines) if between else lines)


def test_offline_nothing_is_read() -> None:
    def read(path: Path, _: int) -> bytes:
        raise AssertionError(f"{path} was read")

    reading = ReadingContext(Path("/conf"), {}, read, is_offline=True)
    told = {"name": "it", "kind": "webhook", "url": "https://a.example", "credentials": {"file": "key.json"}}
    found = WebhookKindSettings.model_validate({**told, "scopes": SCOPES}, context={"reading": reading})

    assert found.grant is None
