"""What a signature says of itself: understood as a whole, or refused though its key signed it."""

from __future__ import annotations

from collections.abc import Mapping

import cbor2
import pytest

from router.errors import InvalidSignatureError
from router.verification.keys import PublicKey
from router.verification.notation.algorithms import SigningKey
from router.verification.notation.attributes import Attributes, SigningScheme, read_attributes
from router.verification.notation.envelopes import COSE_TYPE, JWS_TYPE, Moment, SignedStatement
from tests.verification.notation.world import (
    AUTHENTIC_TIME,
    EXPIRY,
    FORMS,
    NOW,
    SCHEME,
    SIGNING_TIME,
    by_authority,
    header,
    key,
    with_expiry,
)

ES256 = SigningKey.of(PublicKey.of(key("any").public_key())).algorithm
_COSE = {"alg": 1, "crit": 2, "cty": 3}


def said(form: str, found: Mapping[object, object]) -> SignedStatement:
    """As an envelope of this format would give it."""
    if form == JWS_TYPE:
        times = {NOW: "2026-11-01T00:00:00Z", NOW - 86_400: "2026-10-31T00:00:00Z"}
        return SignedStatement({k: times[v] if isinstance(v, float) else v for k, v in found.items()}, b"")
    values = {_COSE.get(str(k), k): Moment(v) if isinstance(v, float) else v for k, v in found.items()}
    return SignedStatement(values | ({1: -7} if values.get(1) == "ES256" else {}), b"")


def read(form: str, found: Mapping[object, object]) -> Attributes:
    return read_attributes(said(form, found), form, ES256)


def reason_of(form: str, found: Mapping[object, object]) -> str:
    with pytest.raises(InvalidSignatureError) as refused:
        read(form, found)
    return refused.value.reason


def without(found: Mapping[object, object], *names: str) -> dict[object, object]:
    return {name: value for name, value in found.items() if name not in names}


@pytest.mark.parametrize("form", FORMS)
def test_both_schemes_are_understood_with_their_times(form: str) -> None:
    assert read(form, header()) == Attributes(SigningScheme.X509, None, None)
    assert read(form, with_expiry(NOW)) == Attributes(SigningScheme.X509, None, NOW)
    assert read(form, by_authority(NOW)) == Attributes(SigningScheme.SIGNING_AUTHORITY, NOW, None)


REFUSED = {
    "no algorithm": (without(header(), "alg"), "algorithm"),
    "another algorithm": (header("ES384"), "algorithm"),
    "none": (header("none"), "algorithm"),
    "symmetric": (header("HS256"), "algorithm"),
    "PKCS#1 v1.5": (header("RS256"), "algorithm"),
    "an algorithm that is true": (header() | {"alg": True}, "algorithm"),
    "no content type": (without(header(), "cty"), "payload_type"),
    "another content type": (header() | {"cty": "application/json"}, "payload_type"),
    "no list of critical attributes": (without(header(), "crit"), "critical_attribute"),
    "an empty one": (header() | {"crit": []}, "critical_attribute"),
    "a critical attribute twice": (header() | {"crit": [SCHEME, SCHEME]}, "critical_attribute"),
    "an unknown one": (header() | {"crit": [SCHEME, "com.example.x"], "com.example.x": 1}, "critical_attribute"),
    "an unknown number": (header() | {"crit": [SCHEME, 99], 99: 1}, "critical_attribute"),
    "one that is absent": (header() | {"crit": [SCHEME, EXPIRY]}, "critical_attribute"),
    "a registered one": (header() | {"crit": [SCHEME, "alg"]}, "critical_attribute"),
    "no text": (header() | {"crit": [SCHEME, None]}, "critical_attribute"),
    "no list": (header() | {"crit": SCHEME}, "critical_attribute"),
    "an expiry that is not critical": (header() | {EXPIRY: NOW}, "critical_attribute"),
    "an authentic time that is not": (by_authority(NOW) | {"crit": [SCHEME]}, "critical_attribute"),
    "a plugin": (header() | {"io.cncf.notary.verificationPlugin": "x"}, "critical_attribute"),
    "a plugin's version": (header() | {"io.cncf.notary.verificationPluginMinVersion": "1"}, "critical_attribute"),
    "a plugin that is critical": (
        header() | {"io.cncf.notary.verificationPlugin": "x", "crit": [SCHEME, "io.cncf.notary.verificationPlugin"]},
        "critical_attribute",
    ),
    "an encoding": (header() | {"b64": False}, "critical_attribute"),
    "no scheme": (without(header(), SCHEME), "malformed"),
    "another scheme": (header() | {SCHEME: "notary.x509.timestamped"}, "malformed"),
    "no signing time": (without(header(), SIGNING_TIME), "malformed"),
    "both times": (header() | {AUTHENTIC_TIME: NOW, "crit": [SCHEME, AUTHENTIC_TIME]}, "malformed"),
    "the other scheme's time": (header() | {SCHEME: "notary.x509.signingAuthority"}, "malformed"),
    "a time that is null": (header() | {SIGNING_TIME: None}, "malformed"),
    "a time that is a number": (header() | {SIGNING_TIME: 1}, "malformed"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("found", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_a_header_that_is_not_understood_as_a_whole_is_refused(
    form: str, found: Mapping[object, object], reason: str
) -> None:
    """notation-go takes unknown critical attributes unless a plugin verifies; the specification says refuse."""
    assert reason_of(form, found) == reason


@pytest.mark.parametrize("form", FORMS)
def test_attributes_that_are_neither_critical_nor_ours_say_nothing(form: str) -> None:
    assert read(form, header() | {"com.example.build": 7, "kid": "x"}) == read(form, header())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-01T00:00:00Z", NOW),
        ("2026-11-01T00:00:00.250Z", NOW + 0.25),
        ("2026-11-01T02:00:00+02:00", NOW),
        ("2026-11-01T00:00:00z", None),
        ("2026-11-01 00:00:00Z", None),
        ("2026-11-01T00:00:00", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-11-01T00:00:00Z\n", None),
        ("\uff12026-11-01T00:00:00Z", None),
        ("20261101T000000Z", None),
        ("", None),
    ],
)
def test_a_time_in_jws_is_of_rfc_3339(text: str, seconds: float | None) -> None:
    found = said(JWS_TYPE, header()).header | {"crit": [SCHEME, EXPIRY], EXPIRY: text}  # type: ignore[operator]  # a dict
    statement = SignedStatement(found, b"")
    if seconds is not None:
        assert read_attributes(statement, JWS_TYPE, ES256).expiry == seconds
        return
    with pytest.raises(InvalidSignatureError, match="time"):
        read_attributes(statement, JWS_TYPE, ES256)


def test_the_names_of_one_format_mean_nothing_in_the_other() -> None:
    """A header that holds both could be two signatures."""
    jws, cose = said(JWS_TYPE, header()), said(COSE_TYPE, header())
    for statement, form in ((jws, COSE_TYPE), (cose, JWS_TYPE)):
        with pytest.raises(InvalidSignatureError):
            read_attributes(statement, form, ES256)

    assert cbor2.dumps(dict(cose.header), default=lambda encoder, value: encoder.encode(value.seconds))
