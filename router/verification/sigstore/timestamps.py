"""Timestamps by RFC 3161: an authority's signed word that a signature was there at a time. Pure.

Sources: RFC 3161 section 2.4.2, RFC 5652 (CMS), RFC 5816 (ESSCertIDv2); sigstore/timestamp-authority's profile. The CMS
itself is read by `rfc3161-client`; its signature is checked by `signed_data`. Rules:

(1) Who signed is read from the one signer's issuer and serial number, which lead to an authority of the trust root. By
    nobody whom we know: it says nothing. By one whom we know, it must hold in every respect.
(2) The authority's certificate is for time stamping by a critical extended key usage (RFC 3161 section 2.3) and by key
    usage, and its path to the anchor is checked when the trust root is read. Where the trust root holds no leaf, the
    one that came along counts if the authority has issued it.
(3) SHA-256, SHA-384 or SHA-512, for the imprint and for the signature.
(4) The imprint is of these very bytes.
(5) The time lies in the validity of the path and of the authority's entry in the trust root.
(6) Granted without changes, one signer, at most 16 KiB.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import rfc3161_client
from cryptography import x509

from router.errors import InvalidSignatureError
from router.reasons import Flaw
from router.verification.documents import malformed
from router.verification.libraries import reading
from router.verification.sigstore.certificates import TIME_STAMPING, Authority, Certificate, Period
from router.verification.sigstore.der import read
from router.verification.sigstore.signed_data import expect_signed_by

TIMESTAMP_LIMIT = 16 * 1024
"""Bytes of one timestamp: real ones have some 700 to 6,000."""
TIMESTAMPS_LIMIT = 4
"""Timestamps of one signature that are looked at; each costs several signature checks."""
_BROUGHT_LIMIT = 6
"""Certificates of a timestamp that are looked at."""
_WHAT = "a timestamp"
_HASHES = {
    "2.16.840.1.101.3.4.2.1": hashlib.sha256,
    "2.16.840.1.101.3.4.2.2": hashlib.sha384,
    "2.16.840.1.101.3.4.2.3": hashlib.sha512,
}


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
        has_leaf = bool(chain) and len(chain) > 1 and not chain[0].may_issue(TIME_STAMPING, 0)
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
    with reading(_WHAT):
        answer = rfc3161_client.decode_timestamp_response(der)
        signed, info, status = answer.signed_data, answer.tst_info, answer.status
        signers = list(signed.signer_infos)
        imprint = info.message_imprint
        said = imprint.message, imprint.hash_algorithm.dotted_string, info.gen_time.timestamp()
        brought, algorithms = list(signed.certificates), {entry.dotted_string for entry in signed.digest_algorithms}
        named = [(signer.issuer, signer.serial_number) for signer in signers]
    if status != rfc3161_client.PKIStatus.GRANTED or len(named) != 1:
        raise _wrong("was not granted as asked, or is not by exactly one signer")
    if (by := _signer(named[0], brought, authorities)) is None:
        return None
    function = _HASHES.get(said[1])
    if function is None or not algorithms <= _HASHES.keys():
        raise _wrong("is over a hash that is not accepted")
    if function(content).digest() != said[0]:
        raise _wrong("is of another signature")
    if not by.period.covers(said[2]):
        raise _wrong("was made when its authority's word did not count")
    _expect_said(expect_signed_by(der, by.leaf), said[0], info.gen_time)
    return said[2]


@dataclass(frozen=True, slots=True)
class _Clock:
    leaf: Certificate
    period: Period


def _signer(
    named: tuple[x509.Name, int], brought: Sequence[bytes], authorities: Sequence[TimestampAuthority]
) -> _Clock | None:
    for authority in authorities:
        if authority.leaf is not None:
            if _is(authority.leaf, named):
                return _Clock(authority.leaf, authority.period)
            continue
        for der in brought[:_BROUGHT_LIMIT]:
            leaf = Certificate.from_der(der, "the certificate of a timestamp")
            if _is(leaf, named) and (path := authority.authority.path_to(leaf, ())) is not None:
                _expect_clock(leaf)
                return _Clock(leaf, path[1])
    return None


def _is(certificate: Certificate, named: tuple[x509.Name, int]) -> bool:
    return (certificate.parsed.issuer, certificate.parsed.serial_number) == named


def _expect_clock(leaf: Certificate) -> None:
    leaf.expect_leaf_for(TIME_STAMPING)
    for entry in leaf.extensions:
        if isinstance(entry.value, x509.ExtendedKeyUsage) and not (entry.critical and len(list(entry.value)) == 1):
            raise _wrong("is by a certificate that may be used otherwise, too")


def _expect_said(signed: bytes, imprint: bytes, time: dt.datetime) -> None:
    """Make sure that what was read is what was signed, whoever read it (RFC 3161 section 2.4.2, TSTInfo)."""
    fields = read(signed, _WHAT).children(_WHAT)
    if (
        len(fields) < 5  # noqa: PLR2004 - up to the time
        or fields[2].children(_WHAT)[-1].content != imprint
        or not fields[4].content.startswith(time.strftime("%Y%m%d%H%M%S").encode())
    ):
        raise malformed(_WHAT, "can be read in two ways")


def _wrong(problem: str) -> InvalidSignatureError:
    return InvalidSignatureError(f"{_WHAT} {problem}", reason=Flaw.TIMESTAMP)
