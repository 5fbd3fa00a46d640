"""What the signer says of the signature itself: the protected header, understood as a whole or refused. Pure.

Source: Notary Project signature specification, "Signed Attributes"; RFC 7515 section 4.1.11 and RFC 9052 section 3.1
for what is critical. Rules:

(1) Algorithm and content type are there, and are those of the key and of Notation's payload.
(2) `crit` names the signing scheme, and expiry and authentic signing time where they are there; each name once, each
    of them there, and nothing else: what is critical and not understood is refused. notation-go does not, unless a
    plugin verifies.
(3) What asks for a verification plugin is refused, critical or not, and so is `b64`, which changes what is signed.
(4) `notary.x509` has a signing time, which proves nothing; `notary.x509.signingAuthority` has an authentic one, which
    counts where the authority is trusted. Neither has the other's.
(5) Times in JWS are RFC 3339 texts, in COSE epoch-based (tag 1).

Attributes that are not critical and not ours say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from router.errors import InvalidSignatureError
from router.reasons import EvidenceFlaw
from router.verification.documents import malformed
from router.verification.notation.algorithms import Algorithm
from router.verification.notation.envelopes import JWS_TYPE, Header, Moment, SignedStatement

PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
_PREFIX = "io.cncf.notary."
_SCHEME = _PREFIX + "signingScheme"
_SIGNING_TIME = _PREFIX + "signingTime"
_AUTHENTIC_TIME = _PREFIX + "authenticSigningTime"
_EXPIRY = _PREFIX + "expiry"
_CRITICAL = (_SCHEME, _AUTHENTIC_TIME, _EXPIRY)
_PLUGIN = _PREFIX + "verificationPlugin"
_WHAT = "the protected header of an envelope of Notation"
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)


class SigningScheme(StrEnum):
    """Who answers for the time of signing."""

    X509 = "notary.x509"
    """Nobody, or a timestamp authority."""
    SIGNING_AUTHORITY = "notary.x509.signingAuthority"
    """The authority that signs for others."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a signature says of itself. Times are Unix times in seconds."""

    scheme: SigningScheme
    authentic_time: float | None
    """When the signing authority says that it signed; None under `notary.x509`."""
    expiry: float | None


@dataclass(frozen=True, slots=True)
class _Names:
    algorithm: object
    critical: object
    content_type: object


_JWS_NAMES = _Names("alg", "crit", "cty")
_COSE_NAMES = _Names(1, 2, 3)


def read_attributes(statement: SignedStatement, media_type: str, algorithm: Algorithm) -> Attributes:
    """Understand the header of what was signed with this algorithm.

    Raises:
        InvalidSignatureError: It is not understood as a whole (critical_attribute), says another algorithm (algorithm)
            or type (payload_type), or can't be read (malformed).
    """
    header = statement.header
    is_jws = media_type == JWS_TYPE
    names = _JWS_NAMES if is_jws else _COSE_NAMES
    said = header.get(names.algorithm)
    if type(said) not in (int, str) or said != (algorithm.jws if is_jws else algorithm.cose):
        raise InvalidSignatureError(f"{_WHAT} says another algorithm than its key has", reason=EvidenceFlaw.ALGORITHM)
    if header.get(names.content_type) != PAYLOAD_TYPE:
        raise InvalidSignatureError(f"{_WHAT} is about another type of payload", reason=EvidenceFlaw.PAYLOAD_TYPE)
    _expect_understood(header, header.get(names.critical))
    try:
        scheme = SigningScheme(str(header.get(_SCHEME)))
    except ValueError as error:
        raise malformed(_WHAT, "has no signing scheme that is known") from error
    signing, authentic, expiry = (_time(header, name) for name in (_SIGNING_TIME, _AUTHENTIC_TIME, _EXPIRY))
    expected, other = (signing, authentic) if scheme is SigningScheme.X509 else (authentic, signing)
    if expected is None or other is not None:
        raise malformed(_WHAT, "has not the time of signing that its scheme has")
    return Attributes(scheme, authentic, expiry)


def _expect_understood(header: Mapping[object, object], critical: object) -> None:
    if not isinstance(critical, list) or not all(isinstance(name, str) for name in critical):
        raise _not_understood("has no list of critical attributes that can be understood")
    wanted = {name for name in _CRITICAL if name in header} | {_SCHEME}
    if len(critical) != len(set(critical)) or set(critical) != wanted:
        raise _not_understood("has critical attributes that are unknown, absent, named twice, or not named")
    if "b64" in header or any(isinstance(name, str) and name.startswith(_PLUGIN) for name in header):
        raise _not_understood("asks for a plugin or another encoding, which are not supported")


def _not_understood(problem: str) -> InvalidSignatureError:
    return InvalidSignatureError(f"{_WHAT} {problem}", reason=EvidenceFlaw.CRITICAL_ATTRIBUTE)


def _time(header: Header, name: str) -> float | None:
    match header.get(name):
        case None if name not in header:
            return None
        case Moment(seconds):
            return seconds
        case str() as text if _RFC_3339.fullmatch(text) is not None:
            try:
                return datetime.fromisoformat(text).timestamp()
            except (ValueError, OverflowError) as error:
                raise malformed(_WHAT, "has a time that there is not") from error
        case _:
            raise malformed(_WHAT, "has a time that is none")
