"""What is wrong with Gatecrier at this moment, as all of its processes say: one book for the whole product.

Rules:
(1) A trouble (`causes`) is there while anybody holds that it is: the same may be seen by several processes.
(2) When it begins and when it ends that is a line of the log, the gauge of its cause is set, and whoever makes events
    of it is told (`changed`). Saying again what is known changes the text only.
(3) What a process that ended has said holds for `INHERITED` seconds more, in which the next one in its place will say
    it again if it is still so; an outage of a receiver does not end because we were killed.
(4) Bounded: `SUBJECTS` subjects of a cause; further ones share one, which ends when none of them was said for a while.
    Subjects and texts are cut.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from router.telemetry.causes import Cause, Troubles
from router.telemetry.logs import logger
from router.verdict import Severity

log = logger()

SUBJECTS = 100
"""Subjects of one cause that are told apart."""
OTHERS = "(others)"
"""The subject that all beyond that share."""
SUBJECT_LIMIT, TEXT_LIMIT = 253, 500
"""Characters."""
INHERITED = 120.0
"""Seconds that what an ended process has said still holds."""
LOOK = 1.0
"""Seconds between two looks for what was not said for too long."""
_SHARED_LASTS = 600.0
_FOR_EVER = float("inf")


@dataclass(slots=True)
class Trouble:
    """Something that is wrong, or was."""

    cause: Cause
    subject: str
    text: str
    began_at: float
    """Seconds since 1970."""
    ended_at: float | None = None
    """Seconds since 1970; None while it lasts."""
    holders: dict[str, float] = field(default_factory=dict)
    """Who says so, and until when that holds."""


class TroubleBook:
    """Knows what is wrong.

    Args:
        show: Is told of a cause whether anything is wrong by it.
        changed: Is told of a trouble that has begun or ended.
        clock: Seconds that only grow.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        show: Callable[[Cause, bool], None],
        changed: Callable[[Trouble], None] = lambda _: None,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._show = show
        self._changed = changed
        self._clock = clock
        self._now = now
        self._there: dict[tuple[Cause, str], Trouble] = {}

    def held_by(self, origin: str) -> Troubles:
        """What a process says to this book."""
        return _Page(self, origin)

    def began(self, origin: str, cause: Cause, subject: str, text: str) -> None:
        """This process says that something is wrong, or still is."""
        subject, text = self._placed(cause, subject[:SUBJECT_LIMIT]), text[:TEXT_LIMIT]
        lasts = _SHARED_LASTS if subject == OTHERS else cause.lasts
        until = _FOR_EVER if lasts is None else self._clock() + lasts
        trouble = self._there.get((cause, subject))
        if trouble is not None:
            trouble.text = text
            trouble.holders[origin] = until
            return
        trouble = Trouble(cause, subject, text, self._now(), holders={origin: until})
        self._there[cause, subject] = trouble
        self._show(cause, True)
        say = log.warning if cause.severity in {Severity.INFO, Severity.MEDIUM} else log.error
        say("trouble_began", cause=cause.value, subject=subject, text=text, advice=cause.remedy)
        self._changed(trouble)

    def ended(self, origin: str, cause: Cause, subject: str) -> None:
        """This process says that it is not, or not any more."""
        trouble = self._there.get((cause, subject[:SUBJECT_LIMIT]))
        if trouble is not None and trouble.holders.pop(origin, None) is not None:
            self._end_if_nobody_holds(trouble)

    def left(self, origin: str) -> None:
        """This process has ended."""
        until = self._clock() + INHERITED
        for trouble in self._there.values():
            if origin in trouble.holders:
                trouble.holders[origin] = min(until, trouble.holders[origin])

    def keep_destinations(self, names: Collection[str]) -> None:
        """There are no other destinations any more, and so no trouble with them; but what is left of them is one."""
        for trouble in [*self._there.values()]:
            cause = trouble.cause
            if cause.of == "destination" and cause not in _OF_WHAT_IS_LEFT and trouble.subject not in names:
                trouble.holders.clear()
                self._end_if_nobody_holds(trouble)

    def look(self) -> None:
        """End what was not said for too long; to be called every `LOOK` seconds."""
        now = self._clock()
        for trouble in [*self._there.values()]:
            for origin in [origin for origin, until in trouble.holders.items() if until <= now]:
                del trouble.holders[origin]
            self._end_if_nobody_holds(trouble)

    def _placed(self, cause: Cause, subject: str) -> str:
        if (cause, subject) in self._there:
            return subject
        of_cause = sum(known is cause for known, _ in self._there)
        return subject if of_cause < SUBJECTS else OTHERS

    def _end_if_nobody_holds(self, trouble: Trouble) -> None:
        if trouble.holders:
            return
        del self._there[trouble.cause, trouble.subject]
        trouble.ended_at = self._now()
        self._show(trouble.cause, any(cause is trouble.cause for cause, _ in self._there))
        seconds = round(max(0.0, trouble.ended_at - trouble.began_at), 1)
        log.info("trouble_ended", cause=trouble.cause.value, subject=trouble.subject, seconds=seconds)
        self._changed(trouble)


_OF_WHAT_IS_LEFT = frozenset({Cause.DESTINATION_REMOVED, Cause.DELIVERIES_SET_ASIDE, Cause.SET_ASIDE_ENDING})


@dataclass(frozen=True, slots=True)
class _Page:
    """Implements `Troubles` for one process."""

    book: TroubleBook
    origin: str

    def trouble_began(self, cause: Cause, subject: str, text: str) -> None:
        """Something is wrong with this subject, or still is."""
        self.book.began(self.origin, cause, subject, text)

    def trouble_ended(self, cause: Cause, subject: str) -> None:
        """It is not any more, or never was."""
        self.book.ended(self.origin, cause, subject)
