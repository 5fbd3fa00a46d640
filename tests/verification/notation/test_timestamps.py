"""Timestamps over signatures: whose word counts, about which bytes, and within which range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import InvalidSignatureError
from router.steps import finish
from router.verification.notation.certificates import Chains, read_certificate
from router.verification.notation.timestamps import stamped_range
from router.verification.pki.certificates import Period
from tests.verification.notation.world import (
    CA,
    CLOCK,
    DAY,
    LEAF,
    NOW,
    Signatory,
    Stamp,
    clock,
    der,
    key,
    root,
    signatory,
)

CONTENT = b"a signature"
WHEN = NOW - DAY


def stamped(token: bytes, *roots: x509.Certificate, content: bytes = CONTENT) -> Period:
    trusted = [read_certificate(der(one)) for one in roots or (root("clock"),)]
    return finish(stamped_range(token, content, trusted, Chains()))


def reason_of(token: bytes, *roots: x509.Certificate, content: bytes = CONTENT) -> str:
    with pytest.raises(InvalidSignatureError) as refused:
        stamped(token, *roots, content=content)
    return refused.value.reason


def brought(*chain: x509.Certificate) -> tuple[bytes, ...]:
    return tuple(map(der, chain))


def test_a_trusted_clock_says_when_with_its_accuracy() -> None:
    assert stamped(Stamp(CONTENT).token(clock())) == Period(WHEN - 1, WHEN + 1)
    assert stamped(Stamp(CONTENT, accuracy=None).token(clock())) == Period(WHEN, WHEN)


def test_the_root_need_not_come_along_and_intermediates_must() -> None:
    long = signatory("clock", "far", shape=CLOCK, between=(CA,))

    assert stamped(Stamp(CONTENT, brings=brought(*long.chain[:2])).token(long)).covers(WHEN)
    assert reason_of(Stamp(CONTENT, brings=brought(long.chain[0], long.chain[2])).token(long)) == "timestamp"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_certificates_may_come_in_any_order(order: Sequence[int]) -> None:
    """DER wants a set sorted; several authorities do not sort it, and nobody has signed it."""
    long = signatory("clock", "far", shape=CLOCK, between=(CA,))

    assert stamped(Stamp(CONTENT, brings=brought(*(long.chain[place] for place in order))).token(long)).covers(WHEN)


def test_a_timestamp_of_other_bytes_is_none() -> None:
    assert reason_of(Stamp(CONTENT).token(clock()), content=b"another signature") == "timestamp"


def test_a_clock_that_nobody_trusts_says_nothing() -> None:
    token = Stamp(CONTENT).token(clock("other"))

    assert reason_of(token) == "timestamp"
    assert stamped(token, root("other"), root("clock")).covers(WHEN)


def test_a_stranger_with_a_trusted_clocks_certificate_is_none() -> None:
    """Certificates are public: it is the signature that counts."""
    forged = Signatory(key("stranger"), clock().chain, "ES256")

    assert reason_of(Stamp(CONTENT).token(forged)) == "timestamp"


def test_a_certificate_for_code_tells_no_time() -> None:
    assert reason_of(Stamp(CONTENT).token(clock(shape=LEAF))) == "certificate"


def test_a_token_must_say_with_which_certificate_it_is_signed() -> None:
    """Without that, another certificate of the same key could be put in its place."""
    assert reason_of(Stamp(CONTENT, names_certificate=False).token(clock())) == "timestamp"


@pytest.mark.parametrize(("begin", "end"), [(WHEN, WHEN + DAY), (WHEN - DAY, WHEN), (WHEN + 10, WHEN + DAY)])
def test_the_whole_range_lies_in_the_validity_of_the_clock(begin: float, end: float) -> None:
    token = Stamp(CONTENT).token(clock(shape=replace(CLOCK, begin=begin, end=end)))

    assert reason_of(token) == "timestamp"


def test_without_certificates_nobody_can_be_found() -> None:
    assert reason_of(Stamp(CONTENT, brings=()).token(clock())) in {"timestamp", "malformed"}


def test_more_certificates_than_are_looked_at_are_refused() -> None:
    """Each costs work, and whoever pushes may put in as many as he likes."""
    many = [der(signatory("clock", f"number {number}", shape=CLOCK).chain[0]) for number in range(12)]

    assert reason_of(Stamp(CONTENT, brings=(*brought(*clock().chain), *many)).token(clock())) == "timestamp"


def test_a_clock_that_is_known_is_checked_again_where_anything_is_other() -> None:
    """What is remembered is that certificates are a chain, never that a token was signed or what it is about."""
    chains, trusted = Chains(), [read_certificate(der(root("clock")))]

    def reason(token: bytes, content: bytes = CONTENT) -> str:
        try:
            finish(stamped_range(token, content, trusted, chains))
        except InvalidSignatureError as error:
            return error.reason
        return "none"

    forged = Signatory(key("stranger"), clock().chain, "ES256")

    assert reason(Stamp(CONTENT).token(clock())) == "none"
    assert reason(Stamp(CONTENT).token(clock())) == "none"
    assert reason(Stamp(CONTENT).token(forged)) == "timestamp"
    assert reason(Stamp(CONTENT).token(clock()), b"another signature") == "timestamp"
    assert reason(Stamp(CONTENT, names_certificate=False).token(clock())) == "timestamp"
    assert reason(Stamp(CONTENT).token(clock("other"))) == "timestamp"
    assert reason(Stamp(CONTENT, moment=NOW + 400 * DAY).token(clock())) == "timestamp"


SOUND = Stamp(CONTENT).token(clock())


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(SOUND) - 1), st.integers(1, 255))
def test_a_changed_token_says_the_same_or_nothing(place: int, change: int) -> None:
    """Nothing but our own refusal may come of it."""
    token = SOUND[:place] + bytes([SOUND[place] ^ change]) + SOUND[place + 1 :]
    try:
        found = stamped(token)
    except InvalidSignatureError:
        return
    assert found == Period(WHEN - 1, WHEN + 1)


@settings(max_examples=100)
@given(st.binary(max_size=120) | st.integers(0, len(SOUND)).map(lambda end: SOUND[:end]))
def test_any_bytes_are_a_token_or_refused(token: bytes) -> None:
    if token == SOUND:
        return
    with pytest.raises(InvalidSignatureError):
        stamped(token)
