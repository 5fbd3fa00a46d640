"""Timestamps of Sigstore: an authority of the trust root has said that a signature was there at a time. Pure.

Sources: RFC 3161 section 2.3; sigstore/timestamp-authority's profile; sigstore client specification, "Timestamps". What
holds for every timestamp is in `router.verification.pki.timestamps`. Rules:

(1) Who signed is read from the one signer's issuer and serial number, which lead to an authority of the trust root. By
    nobody whom we know: it says nothing. By one whom we know, it must hold in every respect.
(2) The authority's certificate is for time stamping by a critical extended key usage (RFC 3161 section 2.3) and by key
    usage, and its path to the anchor is checked when the trust root is read. Where the trust root holds no leaf, the
    one that came along counts if the authority has issued it.
(3) The imprint is of these very bytes.
(4) The time lies in the validity of the path and of the authority's entry in the trust root.
(5) It is a whole answer, granted without changes, of at most 16 KiB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from cryptography import x509

from router.errors import InvalidSignatureError
from router.reasons import EvidenceFlaw
from router.verification.documents import malformed
from router.verification.pki.certificates import Certificate, Period
from router.verification.pki.timestamps import Stamp, read_response
from router.verification.sigstore.certificates import (
    TIME_STAMPING,
    Authority,
    expect_leaf_for,
    may_issue,
    read_certificate,
)

TIMESTAMP_LIMIT = 16 * 1024
"""Bytes of one timestamp: real ones have some 700 to 6,000."""
TIMESTAMPS_LIMIT = 4
"""Timestamps of one signature that are looked at; each costs several signature checks."""
_BROUGHT_LIMIT = 6
"""Certificates of a timestamp that are looked at."""
_WHAT = "a timestamp"


@dataclass(frozen=True, slots=True)
class TimestampAuthority:
    """Whose word on time counts; its path is checked when this is made."""

    leaf: Certificate | None
    """Its own certificate; None where it comes with each timestamp."""
    authority: Authority
    period: Period

    @classmethod
    def of(cls, chain: Sequence[Certificate], period: Period) -> Self:
        """From a chain with or without the authority's own certificate first, the anchor last.

        Raises:
            InvalidSignatureError: It is no chain for time stamping (certificate).
        """
        has_leaf = bool(chain) and len(chain) > 1 and not may_issue(chain[0], TIME_STAMPING, 0)
        authority = Authority.of(chain[1:] if has_leaf else chain, period, TIME_STAMPING)
        if not has_leaf:
            return cls(None, authority, period)
        leaf = chain[0]
        path = authority.path_to(leaf, ())
        if path is None:
            raise malformed("the certificate of a timestamp authority", "is issued by none of its authorities")
        _expect_clock(leaf)
        return cls(leaf, authority, path[1])


def proven_time(der: bytes, content: bytes, authorities: Sequence[TimestampAuthority]) -> float | None:
    """When these bytes were there, in Unix time in seconds; None where nobody whom we know says so.

    Raises:
        InvalidSignatureError: A known authority has not said that of these bytes (timestamp), or nobody can read it
            (malformed).
    """
    if len(der) > TIMESTAMP_LIMIT:
        raise malformed(_WHAT, f"has more than {TIMESTAMP_LIMIT} bytes")
    stamp = read_response(der)
    if (by := _signer(stamp, authorities)) is None:
        return None
    if not stamp.is_over(content):
        raise _wrong("is of another signature")
    if not by.period.covers(stamp.moment):
        raise _wrong("was made when its authority's word did not count")
    stamp.expect_signed_by(by.leaf, takes_sha1=True)
    return stamp.moment


@dataclass(frozen=True, slots=True)
class _Clock:
    leaf: Certificate
    period: Period


def _signer(stamp: Stamp, authorities: Sequence[TimestampAuthority]) -> _Clock | None:
    for authority in authorities:
        if authority.leaf is not None:
            if authority.leaf.naming == stamp.signer:
                return _Clock(authority.leaf, authority.period)
            continue
        for der in stamp.certificates[:_BROUGHT_LIMIT]:
            leaf = read_certificate(der, "the certificate of a timestamp")
            if leaf.naming == stamp.signer and (path := authority.authority.path_to(leaf, ())) is not None:
                _expect_clock(leaf)
                return _Clock(leaf, path[1])
    return None


def _expect_clock(leaf: Certificate) -> None:
    expect_leaf_for(leaf, TIME_STAMPING)
    extended = leaf.held(x509.ExtendedKeyUsage)
    if extended is None or not extended.critical or len(list(extended.value)) != 1:
        raise _wrong("is by a certificate that may be used otherwise, too")


def _wrong(problem: str) -> InvalidSignatureError:
    return InvalidSignatureError(f"{_WHAT} {problem}", reason=EvidenceFlaw.TIMESTAMP)
