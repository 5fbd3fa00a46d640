"""Which step is due to keep a certificate that everybody trusts. Pure: the clock is an argument.

There is one Secret, which all replicas share, and some webhook configurations, each with a bundle of CAs (`caBundle`).
The Secret holds what is `current`, while a renewal is under way what comes `next`, and the CA of what was there before
(`previous`). Each replica leaves its mark in the Secret: which certificate it shows.

A renewal, done by the replica that leads:
(1) Two thirds of its life are over (of the certificate, or its CA): `next` is made, and stands in the Secret.
(2) Its CA is put into the bundles, beside that of `current`.
(3) `SETTLE` seconds after all bundles were seen to be so, and have been at every look since, `next` becomes `current`,
    and what was current leaves its CA as `previous`. Each replica that sees it shows the new one, and marks that.
(4) `SETTLE` seconds after every mark was seen to be that of `current`, `previous` goes, and with it its CA.
A bundle that is not as it should be is put right before anything else.

Invariant: the CA of what any replica shows is in the bundle that is wanted. For a replica leaves its mark *before* it
shows its first certificate, by a write that fails if the Secret has changed meanwhile; it shows only what is `current`;
it marks a later one only when that is shown; and while one mark is another than that of `current`, `previous` stays and
nothing new is made. So never more than two certificates are shown.

Who has gone for good does not hold this up for ever: a mark that was not renewed for `MARK_ENDS` counts no more.

Two leaders at once, one of which was stopped in between, do no harm: whatever is written is refused if it has changed
since it was read, and bundles are read before the Secret that says what they should be.

Where nothing is known (a new Secret, or one that somebody has emptied) what this replica shows is put back, else the
first certificate is made; and where what is known has ended, there is nobody left to be careful for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from router.certificates.making import HeldCertificate

SETTLE = 30.0
"""Seconds that every API server gets to take what was written, and every replica to show it."""
RENEWED_AFTER = 2 / 3
"""Part of its life after which a certificate is renewed."""
MARK_RENEWED = 3600.0
"""Seconds after which a replica renews its mark."""
MARK_ENDS = 86400.0
"""Seconds after which a mark that nobody has renewed counts no more."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a replica shows."""

    shown: str
    """`HeldCertificate.mark`."""
    at: float
    """When it said so, in Unix time."""


@dataclass(frozen=True, slots=True)
class StoredCertificates:
    """What the Secret holds."""

    current: HeldCertificate | None = None
    next: HeldCertificate | None = None
    previous: bytes | None = None
    """The CA of what was current before, as PEM."""
    marks: Mapping[str, Mark] = field(default_factory=dict)
    """By replica."""

    def bundle(self) -> bytes:
        """The CAs that may vouch for us, as PEM, in an order that no step changes."""
        authorities = [
            *([] if self.current is None else [self.current.authority]),
            *([] if self.next is None else [self.next.authority]),
            *([] if self.previous is None else [self.previous]),
        ]
        return b"".join(authority.strip() + b"\n" for authority in sorted(set(authorities)))


@dataclass(slots=True)
class Since:
    """What the one who leads has seen, and since when, by a clock that only grows; None where it is not so."""

    trusted: float | None = None
    """Every bundle is as it should be."""
    shown: float | None = None
    """Every replica shows what is current."""


@dataclass(frozen=True, slots=True)
class Write:
    """Write this into the Secret."""

    kept: StoredCertificates
    why: str
    """For the log."""


@dataclass(frozen=True, slots=True)
class Mend:
    """Put this bundle into every webhook configuration that has another."""

    bundle: bytes


@dataclass(frozen=True, slots=True)
class Make:
    """Make a certificate: what comes next, or the first."""

    is_first: bool


CertificateStep: TypeAlias = Write | Mend | Make | None


def step(
    kept: StoredCertificates,
    bundles: Sequence[bytes],
    since: Since,
    own: HeldCertificate | None,
    moment: float,
    now: float,
) -> CertificateStep:
    """What the one who leads does now; None where nothing is due.

    Args:
        kept: What the Secret holds, read after the bundles.
        bundles: Those of all webhooks.
        since: What was seen before; noted is what is seen now.
        own: What this replica shows, if it has ever had it of the Secret.
        moment: Of a clock that only grows.
        now: Unix time.
    """
    current = kept.current
    if current is None or _has_ended(current, now):
        since.trusted = since.shown = None
        if current is None and own is not None and not _has_ended(own, now):
            return Write(replace(kept, current=own), "restored")
        return Make(is_first=True)
    wanted = kept.bundle()
    if any(bundle != wanted for bundle in bundles):
        since.trusted = None
        return Mend(wanted)
    since.trusted = moment if since.trusted is None else since.trusted
    return _renewal(kept, current, since, moment, now)


def _renewal(
    kept: StoredCertificates, current: HeldCertificate, since: Since, moment: float, now: float
) -> CertificateStep:
    """The step of a renewal that is due where every bundle is right: from (4) to (1), so that one ends first."""
    marks = {name: mark for name, mark in kept.marks.items() if abs(now - mark.at) < MARK_ENDS}
    if any(mark.shown != current.mark for mark in marks.values()):
        since.shown = None
        return None
    since.shown = moment if since.shown is None else since.shown
    if kept.previous is not None:
        is_over = moment - since.shown >= SETTLE
        return Write(replace(kept, previous=None, marks=marks), "old_ca_withdrawn") if is_over else None
    if kept.next is not None:
        is_trusted = since.trusted is not None and moment - since.trusted >= SETTLE
        if not is_trusted:
            return None
        since.shown = None
        return Write(StoredCertificates(kept.next, None, current.authority, kept.marks), "renewed")
    return Make(is_first=False) if is_due(current, now) else None


def is_due(held: HeldCertificate, now: float) -> bool:
    """Whether it is to be renewed."""
    begins, ends = held.validity
    return now >= begins + (ends - begins) * RENEWED_AFTER


def _has_ended(held: HeldCertificate, now: float) -> bool:
    return now >= held.validity[1]


def made(kept: StoredCertificates, fresh: HeldCertificate, *, is_first: bool) -> Write:
    """What is written once a certificate was made."""
    if is_first:
        return Write(StoredCertificates(current=fresh, marks=kept.marks), "first_made")
    return Write(replace(kept, next=fresh), "next_made")


@dataclass(frozen=True, slots=True)
class Own:
    """What one replica does about what it shows: whichever is set, in this order."""

    mark: str | None = None
    """Leave this mark first."""
    show: HeldCertificate | None = None
    """Then show this."""


def own_step(kept: StoredCertificates, replica: str, shown: str | None, now: float) -> Own:
    """What a replica does that shows a certificate with this mark, or none yet."""
    current = kept.current
    mark = kept.marks.get(replica)
    if current is None:
        return Own()
    if shown is None:
        return Own(current.mark, current)
    is_told = mark is not None and mark.shown == shown and 0 <= now - mark.at < MARK_RENEWED
    return Own(None if is_told else shown, None if shown == current.mark else current)
