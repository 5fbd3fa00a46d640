"""Whether a namespace can be enforced now: from what is known of it to a state, and to what is missing. Pure.

    ready       it was watched for the window without a longer gap, enough was seen, every running Pod was scanned
                since, nothing is failing, and there is nothing that could not be looked at within `UNREACHABLE_FOR`
    not_ready   something that was seen within the window, or since the last scan, and not mended, would be refused
    unknown     nothing is known to be wrong, and what is known does not suffice; every cause of that is named

Rules:
(1) What is known to be wrong does not become uncertain by what is not known: `not_ready` outranks `unknown`.
(2) Nothing but all of it is `ready`: each cause of `unknown` is looked for, and only where none is there it is.
(3) What failed before the window and was not seen since counts no more: nobody can say that it is still there. But what
    was seen since the last full scan began, or by it, may run until another scan has looked, however long that is.
(4) A namespace that enforces already is judged alike.
(5) What was seen is what was found then: which rules hold now is not asked. After rules became stricter, what passed by
    the old ones passes until it is deployed or scanned anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from router.readiness.settings import ReadinessSettings
from router.readiness.watching import Watch

UNREACHABLE_FOR = 86400.0
"""Seconds for which an image that could not be looked at keeps a namespace from being ready."""


class ReadinessState(StrEnum):
    """Whether a namespace can be enforced now."""

    READY = "ready"
    NOT_READY = "not_ready"
    UNKNOWN = "unknown"


class Missing(StrEnum):
    """What is not known; a public code."""

    NOTHING_SEEN = "nothing_seen"
    """No request of this namespace was ever seen, and nothing of it was scanned."""
    WATCHED_TOO_SHORT = "watched_too_short"
    """It was not watched for the whole window, or there was a longer gap in watching."""
    TOO_FEW_REQUESTS = "too_few_requests"
    """Fewer requests than `readiness.least_requests` were seen within the window, and nothing was scanned."""
    NOT_SCANNED = "not_scanned"
    """Pods may run since before anybody watched: no scan has looked at all that run."""
    PODS_UNKNOWN = "pods_unknown"
    """A scan could not say of some Pods which image they run, or could not look at their images."""
    UNREACHABLE = "unreachable"
    """Some image could not be looked at within the last 24 hours."""
    FORGOTTEN = "forgotten"
    """More would have been refused than is kept of one namespace, and some of it is forgotten; where other rules are
    supposed: more was seen of it."""


@dataclass(frozen=True, slots=True)
class Scan:
    """The last full scan of a namespace; times are in seconds since 1970."""

    began_at: float
    pods: int
    """Running Pods."""
    unknown: int
    """Those of them of which it could not be said whether they would be refused."""


@dataclass(frozen=True, slots=True)
class NamespaceRecord:
    """What is known of one namespace; times are in seconds since 1970."""

    watch: Watch | None
    """None where nobody ever watched."""
    requests: int
    """That were seen within the window."""
    failing: int
    """Images of owners that failed within the window or since the last full scan, and were not seen mended since."""
    unreachable: int
    """The same of what could not be looked at within `UNREACHABLE_FOR`."""
    overflowed_at: float | None = None
    """When something open was last seen that was forgotten."""
    scan: Scan | None = None
    is_known: bool = True
    """Whether any request of it was ever seen."""


@dataclass(frozen=True, slots=True)
class NamespaceJudgement:
    """What that means."""

    state: ReadinessState
    missing: Sequence[Missing]
    """What is not known, also where it is not ready."""
    watched_since: float | None
    """Since when there was no longer gap."""
    ready_at: float | None
    """When the window is over; None where nobody watches."""


def judged(known: NamespaceRecord, settings: ReadinessSettings, now: float) -> NamespaceJudgement:
    """Whether it can be enforced; `now` is in seconds since 1970."""
    scanned_at = None if known.scan is None else known.scan.began_at
    since = None if known.watch is None else known.watch.since(settings.gap, scanned_at, now)
    missing = [one for one, is_so in _missing(known, settings, since, now) if is_so]
    state = ReadinessState.NOT_READY if known.failing else ReadinessState.UNKNOWN if missing else ReadinessState.READY
    return NamespaceJudgement(state, missing, since, None if since is None else since + settings.window)


def _missing(
    known: NamespaceRecord, settings: ReadinessSettings, since: float | None, now: float
) -> Sequence[tuple[Missing, bool]]:
    is_scanned = known.scan is not None and since is not None and known.scan.began_at >= since
    is_nothing = not known.is_known and known.scan is None
    return (
        (Missing.NOTHING_SEEN, is_nothing),
        (Missing.WATCHED_TOO_SHORT, since is None or now - since < settings.window),
        (Missing.TOO_FEW_REQUESTS, not is_nothing and known.scan is None and known.requests < settings.least_requests),
        (Missing.NOT_SCANNED, not is_scanned),
        (Missing.PODS_UNKNOWN, known.scan is not None and known.scan.unknown > 0),
        (Missing.UNREACHABLE, known.unreachable > 0),
        (Missing.FORGOTTEN, known.overflowed_at is not None and known.overflowed_at > now - settings.window),
    )
