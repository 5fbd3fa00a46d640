"""Envelopes as strangers can write them: read in one way, bounded, or refused."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import InvalidSignatureError
from router.images import Digest
from router.verification.keys import PublicKey, SignedBytes
from router.verification.notation.algorithms import SigningKey
from router.verification.notation.envelopes import (
    CHAIN_LIMIT,
    COSE_TYPE,
    ENVELOPE_LIMIT,
    JWS_TYPE,
    PART_LIMIT,
    Moment,
    UncheckedEnvelope,
    read_envelope,
)
from tests.verification.notation.world import (
    FORMS,
    SIGNING_TIME,
    Letter,
    content_of,
    header,
    letter,
    protected_of,
    sign,
    signatory,
)

DIGEST = Digest.of(b"the image")


def sound(form: str) -> Letter:
    return letter(form, DIGEST, signatory())


def reason_of(form: str, body: bytes) -> str:
    with pytest.raises(InvalidSignatureError) as refused:
        read_envelope(form, body)
    return refused.value.reason


def opened(form: str, protected: bytes) -> UncheckedEnvelope:
    return read_envelope(form, replace(sound(form), protected=protected).written(form))


@pytest.mark.parametrize("form", FORMS)
def test_both_formats_are_one_value(form: str) -> None:
    one = sound(form)
    found = read_envelope(form, one.written(form))
    key = SigningKey.of(PublicKey.of(signatory().chain[0].public_key()))
    statement = found.opened(SignedBytes(key, found.content, found.signature))

    assert (found.payload, found.chain, found.timestamp) == (one.payload, tuple(one.chain), None)
    assert statement.payload == one.payload
    assert set(statement.header) >= {SIGNING_TIME}


@pytest.mark.parametrize("form", FORMS)
def test_nobody_says_what_was_signed_but_who_holds_it_as_signed(form: str) -> None:
    """Two envelopes by one signer must not lend each other their signatures."""
    mine, other = (read_envelope(form, letter(form, d, signatory()).written(form)) for d in (DIGEST, Digest.of(b"b")))
    key = SigningKey.of(PublicKey.of(signatory().chain[0].public_key()))
    with pytest.raises(ValueError, match="something else"):
        mine.opened(SignedBytes(key, other.content, other.signature))


@pytest.mark.parametrize("form", ["application/json", "", "application/cose+json", JWS_TYPE.upper()])
def test_another_media_type_is_no_envelope(form: str) -> None:
    assert reason_of(form, sound(JWS_TYPE).written(JWS_TYPE)) == "media_type"


def test_the_media_type_alone_says_which_format_it_is() -> None:
    """What a reader guesses from the bytes, another guesses otherwise."""
    assert reason_of(COSE_TYPE, sound(JWS_TYPE).written(JWS_TYPE)) == "malformed"
    assert reason_of(JWS_TYPE, sound(COSE_TYPE).written(COSE_TYPE)) == "malformed"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [0, CHAIN_LIMIT + 1])
def test_a_chain_has_some_certificates_and_not_many(form: str, count: int) -> None:
    assert reason_of(form, replace(sound(form), chain=[b"x"] * count).written(form)) == "malformed"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("part", ["timestamp", "chain"])
def test_no_part_is_beyond_its_limit(form: str, part: str) -> None:
    large = b"x" * (PART_LIMIT + 1)
    changed = replace(sound(form), timestamp=large) if part == "timestamp" else replace(sound(form), chain=[large])

    assert reason_of(form, changed.written(form)) == "too_large"


@pytest.mark.parametrize("form", FORMS)
def test_no_envelope_is_beyond_its_limit(form: str) -> None:
    changed = replace(sound(form), payload=b"x" * ENVELOPE_LIMIT)

    assert reason_of(form, changed.written(form)) == "too_large"


JWS = json.loads(sound(JWS_TYPE).written(JWS_TYPE))
BROKEN_JWS = {
    "no JSON": b"{",
    "a list": b"[]",
    "no payload": json.dumps({name: JWS[name] for name in JWS if name != "payload"}).encode(),
    "compact": f"{JWS['protected']}.{JWS['payload']}.{JWS['signature']}".encode(),
    "general": json.dumps({"payload": JWS["payload"], "signatures": [JWS]}).encode(),
    "padded": json.dumps(JWS | {"signature": JWS["signature"] + "=="}).encode(),
    "standard alphabet": json.dumps(JWS | {"signature": "+/+/"}).encode(),
    "broken into lines": json.dumps(JWS | {"payload": JWS["payload"][:8] + "\n" + JWS["payload"][8:]}).encode(),
    "a character over": json.dumps(JWS | {"protected": "A"}).encode(),
    "certificates of URL-safe base64": json.dumps(JWS | {"header": {"x5c": ["-_-_"]}}).encode(),
    "certificates are no list": json.dumps(JWS | {"header": {"x5c": "MIIB"}}).encode(),
    "no header": json.dumps(JWS | {"header": None}).encode(),
    "UTF-16": json.dumps(JWS).encode("utf-16"),
    "deep": b'{"payload":' + b"[" * 100_000,
}


@pytest.mark.parametrize("body", BROKEN_JWS.values(), ids=list(BROKEN_JWS))
def test_what_is_no_flattened_jws_is_refused(body: bytes) -> None:
    assert reason_of(JWS_TYPE, body) == "malformed"


def cose(*parts: object) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(18, list(parts)))


GOOD = sound(COSE_TYPE)
OUTSIDE = {33: list(GOOD.chain)}
BROKEN_COSE = {
    "empty": b"",
    "untagged": sound(COSE_TYPE).written(COSE_TYPE)[1:],
    "a tag twice": b"\xd2" + sound(COSE_TYPE).written(COSE_TYPE),
    "a long tag": b"\xd8\x12" + sound(COSE_TYPE).written(COSE_TYPE)[1:],
    "something behind": sound(COSE_TYPE).written(COSE_TYPE) + b"\x00",
    "three parts": cose(GOOD.protected, OUTSIDE, GOOD.payload),
    "detached payload": cose(GOOD.protected, OUTSIDE, None, GOOD.signature),
    "header is no bytes": cose({1: -7}, OUTSIDE, GOOD.payload, GOOD.signature),
    "outside is not a map": cose(GOOD.protected, [], GOOD.payload, GOOD.signature),
    "no chain": cose(GOOD.protected, {}, GOOD.payload, GOOD.signature),
    "chain of texts": cose(GOOD.protected, {33: ["x"]}, GOOD.payload, GOOD.signature),
    "timestamp is a text": cose(
        GOOD.protected, OUTSIDE | {"io.cncf.notary.timestampSignature": "x"}, GOOD.payload, GOOD.signature
    ),
    "a name twice": b"\xd2\x84\x40\xa2\x18\x21\x40\x18\x21\x40\x40\x40",
    "indefinite": b"\xd2\x84\x40\xbf\x18\x21\x40\xff\x40\x40",
    "huge array": b"\xd2\x84\x40\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
    "huge text": b"\xd2\x84\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
    "a pattern": b"\xd2\x84\x40\xa1\x18\x21\xd8\x23\x61\x28\x40\x40",
    "a big number": b"\xd2\x84\x40\xa1\x18\x21\xc2\x41\x01\x40\x40",
    "a shared value": b"\xd2\x84\x40\xa1\x18\x21\xd8\x1d\x00\x40\x40",
    "deep": b"\xd2\x84" + b"\x81" * 10_000,
}


@pytest.mark.parametrize("body", BROKEN_COSE.values(), ids=list(BROKEN_COSE))
def test_what_is_no_tagged_cose_sign1_is_refused(body: bytes) -> None:
    """Tags that a reader understands are code that strangers would choose: only the envelope's own is allowed."""
    assert reason_of(COSE_TYPE, body) == "malformed"


def test_a_single_certificate_may_stand_by_itself_in_cose() -> None:
    body = cose(GOOD.protected, {33: GOOD.chain[0]}, GOOD.payload, GOOD.signature)

    assert read_envelope(COSE_TYPE, body).chain == (GOOD.chain[0],)


BROKEN_HEADERS = [
    (JWS_TYPE, b"[]"),
    (JWS_TYPE, b'{"alg": "ES256", "alg": "ES256"}'),
    (JWS_TYPE, b'{"crit": [], "x": {"a": 1, "a": 2}}'),
    (COSE_TYPE, cbor2.dumps([1])),
    (COSE_TYPE, b"\xa2\x01\x26\x01\x26"),
    (COSE_TYPE, b"\xa1\xf5\x26"),
    (COSE_TYPE, b"\xa1\x40\x26"),
    (COSE_TYPE, cbor2.dumps({1: -7}) + b"\x00"),
    (COSE_TYPE, cbor2.dumps({SIGNING_TIME: cbor2.CBORTag(0, "2026-11-01T00:00:00Z")})),
    (COSE_TYPE, cbor2.dumps({SIGNING_TIME: cbor2.CBORTag(1, "soon")})),
]


@pytest.mark.parametrize(("form", "protected"), BROKEN_HEADERS)
def test_a_header_with_two_meanings_is_refused_though_its_key_signed_it(form: str, protected: bytes) -> None:
    """In CBOR `true` is no other way to say 1, and only times are tagged."""
    by = signatory()
    found = opened(form, protected)
    content = content_of(form, protected, found.payload)
    signed = SignedBytes(SigningKey.of(PublicKey.of(by.chain[0].public_key())), content, sign(by.key, content))
    with pytest.raises(InvalidSignatureError) as refused:
        found.opened(signed)

    assert refused.value.reason == "malformed"


def test_a_time_in_cose_is_a_number_with_its_tag() -> None:
    found = cbor2.loads(protected_of(COSE_TYPE, header()), semantic_decoders={1: lambda value, _: Moment(value)})

    assert isinstance(found[SIGNING_TIME], Moment)


@settings(max_examples=150)
@given(st.sampled_from(FORMS), st.binary(max_size=200) | st.binary(max_size=60).map(lambda end: b"\xd2\x84" + end))
def test_any_bytes_are_an_envelope_or_refused(form: str, body: bytes) -> None:
    try:
        found = read_envelope(form, body)
    except InvalidSignatureError:
        return
    assert found.chain


TEXTS = st.text(max_size=12) | st.binary(max_size=12).map(lambda content: base64.urlsafe_b64encode(content).decode())


@settings(max_examples=100)
@given(st.fixed_dictionaries({name: TEXTS | st.none() for name in JWS if name != "header"}), st.lists(TEXTS))
def test_any_members_are_an_envelope_or_refused(members: dict[str, str | None], chain: list[str]) -> None:
    try:
        found = read_envelope(JWS_TYPE, json.dumps({**members, "header": {"x5c": chain}}).encode())
    except InvalidSignatureError:
        return
    assert found.content == f"{members['protected']}.{members['payload']}".encode()
