"""What is trusted by itself, for people to look at: keys, certificates, logs, and from when until when. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from router.verification.sigstore.certificates import Authority
from router.verification.sigstore.logs import Log
from router.verification.sigstore.trusted_root import TrustedRoot

AnchorKind: TypeAlias = Literal[
    "key", "certificate", "certificate_authority", "certificate_log", "transparency_log", "timestamp_authority"
]


@dataclass(frozen=True, slots=True)
class Anchor:
    """Something that is trusted because it was said so, and not because something else vouches for it."""

    kind: AnchorKind
    name: str
    """What the operator calls it, or where it is; empty where it has no name but its own."""
    who: str
    """The subject of a certificate, the fingerprint of a key."""
    since: float | None = None
    """Unix time in seconds; None: it names no beginning."""
    until: float | None = None
    """The same of its end."""


def anchors_of(root: TrustedRoot) -> tuple[Anchor, ...]:
    """All that a trusted root holds."""
    return (
        *(anchor for each in root.authorities for anchor in _authority("certificate_authority", each)),
        *_logs("certificate_log", root.certificate_logs.values()),
        *_logs("transparency_log", root.logs.values()),
        *(
            anchor
            for each in root.timestamp_authorities
            for anchor in _authority("timestamp_authority", each.authority)
        ),
    )


def _authority(kind: AnchorKind, authority: Authority) -> Iterator[Anchor]:
    for issuer in authority.issuers:
        subject = issuer.certificate.parsed.subject.rfc4514_string()
        yield Anchor(kind, "", subject, issuer.period.begin, _end(issuer.period.end))


def _logs(kind: AnchorKind, logs: Iterable[Log]) -> Iterator[Anchor]:
    for log in logs:
        yield Anchor(kind, log.origin, log.key.fingerprint, log.period.begin, _end(log.period.end))


def _end(moment: float) -> float | None:
    return None if math.isinf(moment) else moment
