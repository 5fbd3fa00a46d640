"""Timestamps by a real authority, and what is left of them when they are changed."""

from __future__ import annotations

import base64
import json
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import InvalidSignatureError
from router.verification.pki.certificates import Period
from router.verification.pki.der import Value, read
from router.verification.sigstore.timestamps import TimestampAuthority, proven_time
from router.verification.sigstore.trusted_root import read_trusted_root
from tests.verification.test_keyless_cases import FOLDER
from tests.verification.test_keyless_mutations import written

WHEN = 1_795_474_396.0
"""2026-11-23T22:53:16Z, as the bundle's other material says."""


@cache
def recorded() -> tuple[bytes, bytes]:
    """A timestamp, and the signature that it is over."""
    bundle = json.loads(written("bundle-email"))
    stamps = bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    signature = bundle["dsseEnvelope"]["signatures"][0]["sig"]
    return base64.b64decode(stamps[0]["signedTimestamp"]), base64.b64decode(signature)


@cache
def authorities(name: str = "trusted_root.json") -> tuple[TimestampAuthority, ...]:
    return read_trusted_root((FOLDER / name).read_bytes()).timestamp_authorities


def reason_of(stamp: bytes, content: bytes) -> str:
    with pytest.raises(InvalidSignatureError) as refused:
        proven_time(stamp, content, authorities())
    return refused.value.reason


def test_a_timestamp_proves_when_a_signature_was_there() -> None:
    assert proven_time(*recorded(), authorities()) == WHEN


def test_a_timestamp_of_other_bytes_is_refused() -> None:
    stamp, content = recorded()

    assert reason_of(stamp, content + b"x") == "timestamp"
    assert reason_of(stamp, b"") == "timestamp"


def test_by_an_authority_that_nobody_knows_it_says_nothing() -> None:
    """The other instance's authority bears another name; and without any there is none."""
    assert proven_time(*recorded(), ()) is None


def test_an_authority_whose_word_did_not_count_then_proves_nothing() -> None:
    (known,) = authorities()
    later = TimestampAuthority(known.leaf, known.authority, Period(WHEN + 1, WHEN + 2))
    with pytest.raises(InvalidSignatureError, match="did not count"):
        proven_time(*recorded(), [later])


def test_no_changed_bit_makes_another_time_and_no_crash() -> None:
    """What is around the signed part (the status, versions) may change, what it says may not."""
    stamp, content = recorded()
    found: set[object] = set()
    for place in range(8 * len(stamp)):
        changed = bytearray(stamp)
        changed[place // 8] ^= 1 << place % 8
        try:
            found.add(proven_time(bytes(changed), content, authorities()))
        except InvalidSignatureError as error:
            found.add(error.reason)

    assert found <= {"malformed", "timestamp", None, WHEN}
    assert {"malformed", "timestamp"} <= found


def test_what_is_cut_or_goes_on_is_malformed() -> None:
    stamp, content = recorded()

    assert {reason_of(stamp[:length], content) for length in range(0, len(stamp), 7)} == {"malformed"}
    assert reason_of(stamp + b"\x00", content) == "malformed"
    assert reason_of(b"\x30" * 20_000, content) == "malformed"


@given(st.binary(max_size=200))
def test_whatever_is_no_timestamp_is_refused(body: bytes) -> None:
    assert reason_of(body, b"x") == "malformed"


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda held: bytes([0x30, len(held)]) + held))
def test_der_has_one_reading_or_none(body: bytes) -> None:
    """No other length for the same, and nothing after the end."""
    try:
        value = read(body, "a text")
        children = value.children("a text")
    except InvalidSignatureError:
        return

    assert value.whole == body
    assert b"".join(child.whole for child in children) == value.content


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x30",
        b"\x30\x80\x00\x00",
        b"\x30\x81\x01\x00",
        b"\x30\x82\x00\x80" + b"x" * 128,
        b"\x3f\x20\x00",
        b"\x30\x02\x00",
    ],
)
def test_lengths_that_are_no_der_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidSignatureError):
        read(body, "a text")


def test_a_value_holds_no_more_than_is_read() -> None:
    many = Value(0x30, b"\x05\x00" * 65, b"")
    with pytest.raises(InvalidSignatureError, match="too much"):
        many.children("a text")
