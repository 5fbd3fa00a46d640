"""Which registries end the questions that they are asked, and which keep them: rule 6 of `router.verification.turns`.

Pure: the clock is an argument.

Rules:
(1) A registry is silent where it has questions and has not ended one for two seconds. An end counts if it came by
    itself: a question that was cut off is no sign of life.
(2) A registry is quick if its oldest question is younger than that, it has ended one before, and none of its questions
    has given way since.
(3) What gives way is a question at a silent registry. Where there is none, and somebody waits for a quick one: a
    question that has been under way for two seconds, the next time for four, then for eight.
(4) Who gets the room waits for a quick registry; else for one that is not silent, those first that ended one before.
(5) Bounded: of 1,024 registries it is remembered when they last ended a question.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeVar

from router.verification.line import T, Turn

W = TypeVar("W")

SILENT_SECONDS = 2.0
"""After this long without the end of a question, a registry counts as silent."""
HEARD = 1024
"""Registries of which it is remembered when they last ended a question."""


class RegistrySilence:
    """When registries were last heard of."""

    def __init__(self) -> None:
        self.heard: OrderedDict[str, float] = OrderedDict()
        """When a question last ended by itself, by registry; who ended one last stands last."""
        self._tardy: set[str] = set()
        """Registries of which a question gave way, and none has ended since then."""

    def broken(self, registry: str, now: float) -> None:
        """A registry has ended a question by itself."""
        self.heard[registry] = now
        self.heard.move_to_end(registry)
        self._tardy.discard(registry)
        if len(self.heard) > HEARD:
            self.heard.popitem(last=False)

    def forget(self, registry: str) -> None:
        """Nobody asks this registry anything any more."""
        self._tardy.discard(registry)

    def exchange(
        self, under_way: Iterable[Turn[T]], holders: Sequence[Turn[T]], waiters: Sequence[tuple[str, W]], now: float
    ) -> tuple[Turn[T], W] | None:
        """Who gives way to whom; None where nobody does.

        Args:
            under_way: Every question under way, those that are so the longest first.
            holders: Those of them that may give way, in the same order.
            waiters: Who would have the next turns, with the registry that each of them would ask.
            now: In the time of the turns.
        """
        oldest: dict[str, float] = {}
        for turn in under_way:
            oldest.setdefault(turn.registry, turn.since)
        quick = (waiter for registry, waiter in waiters if self._is_quick(registry, oldest.get(registry, now), now))
        speaking = [
            (registry in self.heard, waiter)
            for registry, waiter in waiters
            if not self._is_silent(registry, oldest.get(registry, now), now)
        ]
        first = next(quick, None)
        loser = next((turn for turn in holders if self._is_silent(turn.registry, oldest[turn.registry], now)), None)
        if loser is None and first is not None:
            loser = next((turn for turn in holders if now - turn.since >= SILENT_SECONDS * 2**turn.gave_way), None)
            if loser is not None:
                loser.gave_way += 1
        waiter = first if first is not None else max(speaking, key=lambda one: one[0], default=(False, None))[1]
        if waiter is None or loser is None:
            return None
        self._tardy.add(loser.registry)
        return loser, waiter

    def _is_silent(self, registry: str, asked: float, now: float) -> bool:
        return now - max(asked, self.heard.get(registry, float("-inf"))) >= SILENT_SECONDS

    def _is_quick(self, registry: str, asked: float, now: float) -> bool:
        return now - asked < SILENT_SECONDS and registry in self.heard and registry not in self._tardy
