"""Trusted roots: read wholly, checked once, named by what they hold."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.verification.sigstore.trusted_root import UnusableRootError, read_trusted_root
from router.verification.trust_roots import public_good
from tests.verification.world import DATA

BODY = (DATA / "keyless" / "trusted_root.json").read_bytes()


def changed(**members: object) -> bytes:
    document: dict[str, Any] = json.loads(BODY)
    return json.dumps(document | members).encode()


def test_a_root_holds_authorities_and_logs_by_their_ids() -> None:
    root = read_trusted_root(BODY)

    assert [log.origin for log in root.logs.values()] == ["log2026.rekor.shop.example", "rekor.shop.example"]
    assert (len(root.authorities), len(root.certificate_logs), len(root.timestamp_authorities)) == (1, 1, 1)
    assert root.unusable == ()


def test_the_same_root_in_another_spelling_is_the_same() -> None:
    spelt = json.dumps(dict(reversed(json.loads(BODY).items())), indent=4).encode()

    assert read_trusted_root(spelt) == read_trusted_root(BODY)
    assert read_trusted_root(changed(ctlogs=[])) != read_trusted_root(BODY)


def test_the_shipped_root_is_the_public_good_instances() -> None:
    root = public_good()

    assert "rekor.sigstore.dev" in {log.origin for log in root.logs.values()}
    assert len(root.authorities) >= 2
    assert root.timestamp_authorities


def _without_start() -> list[Any]:
    logs: list[Any] = json.loads(BODY)["tlogs"]
    del logs[0]["publicKey"]["validFor"]["start"]
    return logs


def _twice() -> list[Any]:
    logs: list[Any] = json.loads(BODY)["tlogs"]
    return [logs[0], logs[0]]


def _reversed() -> list[Any]:
    authorities: list[Any] = json.loads(BODY)["certificateAuthorities"]
    authorities[0]["certChain"]["certificates"].reverse()
    return authorities


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not valid JSON"),
        (b"[]", "not a valid JSON object"),
        (changed(mediaType="application/json"), "known version"),
        (changed(tlogs=[], certificateAuthorities=[]), "neither"),
        (changed(tlogs=_without_start()), "without a time"),
        (changed(tlogs=_twice()), "two logs of one id"),
        (changed(certificateAuthorities=_reversed()), "no chain"),
        (changed(timestampAuthorities=[{}]), "certChain"),
        (changed(tlogs=[{}] * 65), "more than 64"),
        (b" " * (256 * 1024 + 1), "more than"),
        (b'{"mediaType": "x", ' + BODY.strip()[1:], "one way"),
    ],
)
def test_what_is_no_root_is_refused_with_its_reason(body: bytes, words: str) -> None:
    with pytest.raises(UnusableRootError, match=words):
        read_trusted_root(body)


def test_a_log_whose_key_nobody_accepts_is_left_out_and_told() -> None:
    """A newer root with one more kind of log must not stop the rest."""
    logs: list[Any] = json.loads(BODY)["tlogs"]
    logs[0]["publicKey"]["rawBytes"] = "AAAA"
    root = read_trusted_root(changed(tlogs=logs))

    assert len(root.logs) == 1
    assert "log2026.rekor.shop.example" in root.unusable[0]


@given(st.integers(min_value=0, max_value=len(BODY) - 1), st.integers(min_value=1, max_value=255))
def test_a_damaged_root_is_refused_or_read_never_a_crash(place: int, change: int) -> None:
    body = bytearray(BODY)
    body[place] ^= change
    with contextlib.suppress(UnusableRootError):
        read_trusted_root(bytes(body))
