"""How long namespaces have been watched: heartbeats, and the gaps between them. Pure; `ledger` keeps it.

Rules:
(1) While a gate can be asked and its events are kept, a beat is written every `BEAT` seconds. Nothing else is: whoever
    is not there can't write that he is not.
(2) What lies between two beats of one process is a gap by the clock that never jumps: no step of the time of day makes
    or hides one. The first beat of a process is held against the last one of before by the time of day, in which
    nobody knows anything else; where that stepped back by more than a gap, nobody knows how long it was, and it is one.
(3) Gaps of `SHORTEST` and more are kept, whatever the configuration says of gaps today; of more than `GAPS_KEPT` the
    shortest are forgotten.
(4) A gap that is longer than `readiness.gap` begins the window of a namespace anew, at its end, unless a full scan of
    that namespace has begun after it.
(5) Of several replicas each writes its own beats, whoever collects, and tells the collector of them when that has all
    that was decided until then. It was watched while any of them watched (`together`): a gap is a time in which none
    did. How long ago a beat or a gap was is what they tell, so that their clocks need not agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

BEAT = 60.0
"""Seconds."""
SHORTEST = 5 * BEAT
GAPS_KEPT = 200


class Gap(NamedTuple):
    """When nobody watched, in seconds since 1970."""

    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of watching; times are in seconds since 1970."""

    began_at: float
    """When watching began at all."""
    beat_at: float
    """When it was last known to go on."""
    gaps: tuple[Gap, ...] = ()

    def beaten(self, now: float, silent: float) -> Watch:
        """The same after a beat that comes after so many seconds of silence."""
        gaps = list(self.gaps)
        if silent >= SHORTEST:
            gaps.append(Gap(now - silent, now))
        if len(gaps) > GAPS_KEPT:
            gaps.remove(min(gaps, key=lambda gap: gap.end - gap.begin))
        return Watch(min(self.began_at, now), now, tuple(gaps))

    def moved(self, seconds: float) -> Watch:
        """The same, so much later: what is told as seconds ago is moved by the time of day, and back (5)."""
        gaps = tuple(Gap(begin + seconds, end + seconds) for begin, end in self.gaps)
        return Watch(self.began_at + seconds, self.beat_at + seconds, gaps)

    def stretches(self) -> Iterator[tuple[float, float]]:
        """From when to when it was watched, in order; a beat between two gaps is one, too."""
        begin = self.began_at
        for gap in sorted(self.gaps):
            if gap.begin >= begin:
                yield begin, gap.begin
            begin = max(begin, gap.end)
        yield begin, max(begin, self.beat_at)

    def since(self, longest: float, scanned_at: float | None, now: float) -> float:
        """Since when there was no longer gap that no full scan followed; `now` counts as a beat that may be late."""
        last = Gap(self.beat_at, now)
        broken = [gap for gap in (*self.gaps, last) if gap.end - gap.begin > longest]
        ends = [gap.end for gap in broken if scanned_at is None or scanned_at < gap.end]
        return max((self.began_at, *ends))


def together(watches: Sequence[Watch]) -> Watch | None:
    """What is known of watching by all who watch: a gap is where nobody did; None where nobody ever has."""
    if len(watches) <= 1:
        return watches[0] if watches else None
    (began, last), *others = sorted(stretch for watch in watches for stretch in watch.stretches())
    gaps = list[Gap]()
    for begin, end in others:
        if begin - last >= SHORTEST:
            gaps.append(Gap(last, begin))
        last = max(last, end)
    return Watch(began, last, tuple(gaps))
