"""Which troubles are told to people, and when: soon, but never more often than they can read.

Rules:
(1) A trouble is told when it begins and when it ends. After one was told nothing more is told of it for `EVERY`
    seconds; then what holds by that time is told once, with the count of its beginnings meanwhile, if there is news.
    So one that comes and goes is news once in `EVERY` seconds, whatever its rhythm, and the last word is right.
(2) At most `MOST` pieces of news in any `EVERY` seconds over all troubles; what is beyond waits its turn: the most
    severe first, then what began first. Nothing is dropped, for not news waits but troubles, which are bounded.
(3) What ended before its beginning was told is told as over: somebody may want to know why it happened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from router.telemetry.causes import Cause
from router.telemetry.troubles import Trouble
from router.verdict import Severity

EVERY = 300.0
"""Seconds between two pieces of news of one trouble."""
MOST = 20
"""Pieces of news in that time."""
_RANKS = {severity: rank for rank, severity in enumerate(Severity)}
_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class TroubleNews:
    """What is told of a trouble."""

    cause: Cause
    subject: str
    text: str
    began_at: float
    """Seconds since 1970."""
    ended_at: float | None
    """Seconds since 1970; None where it lasts."""
    times: int
    """How often it began since it was told last; at least 1 where it begins or has come and gone."""


@dataclass(slots=True)
class _Known:
    trouble: Trouble
    told_at: float = _NEVER
    is_told: bool = False
    """Whether the last that was told is that it is there."""
    times: int = 0

    @property
    def is_news(self) -> bool:
        return self.times > 0 or self.is_told is not (self.trouble.ended_at is None)


class TroublePace:
    """Holds what is to be told until its time has come."""

    def __init__(self) -> None:
        self._known: dict[tuple[Cause, str], _Known] = {}
        self._told: deque[float] = deque()

    def heard(self, trouble: Trouble) -> None:
        """A trouble has begun, or has ended."""
        known = self._known.setdefault((trouble.cause, trouble.subject), _Known(trouble))
        known.trouble = trouble
        if trouble.ended_at is None:
            known.times += 1

    def due(self, now: float) -> Sequence[TroubleNews]:
        """What is to be told now; `now` is in seconds of any clock that does not go back."""
        while self._told and self._told[0] <= now - EVERY:
            self._told.popleft()
        ripe = [known for known in self._known.values() if known.told_at <= now - EVERY]
        news = sorted((known for known in ripe if known.is_news), key=_urgency)[: MOST - len(self._told)]
        said = [_news_of(known) for known in news]
        for known in news:
            known.told_at, known.times, known.is_told = now, 0, known.trouble.ended_at is None
            self._told.append(now)
        for known in ripe:
            if not known.is_news and not known.is_told and known.told_at <= now - EVERY:
                del self._known[known.trouble.cause, known.trouble.subject]
        return said


def _urgency(known: _Known) -> tuple[int, float]:
    return _RANKS[known.trouble.cause.severity], known.trouble.began_at


def _news_of(known: _Known) -> TroubleNews:
    of = known.trouble
    return TroubleNews(of.cause, of.subject, of.text, of.began_at, of.ended_at, known.times)
