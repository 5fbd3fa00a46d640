"""What admission reports while it works: plain facts, whoever counts them, in this process or in another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from router.verdict import Mode, Override, RequestOutcome, Skip, Verdict


class AdmissionObserver(Protocol):
    """Who counts what happens; every call is quick."""

    def answered(self, endpoint: str, seconds: float) -> None:
        """A call was answered, so many seconds after its first byte; `endpoint` is `validate` or `mutate`."""

    def turned_away(self, status: int) -> None:
        """A call was answered by this HTTP error, not by a review."""

    def skipped(self, reason: Skip) -> None:
        """A request was only counted."""

    def judged(self, verdict: Verdict, seconds: float) -> None:
        """A verdict about an image was found out, not remembered."""

    def decided(self, outcome: RequestOutcome, mode: Mode, verdicts: Sequence[Verdict]) -> None:
        """A request was decided; a verdict for each place of an image."""

    def let_in(self, override: Override) -> None:
        """A request was let in by an override."""

    def stored(self) -> None:
        """An event is durable in the outbox."""

    def unstored(self) -> None:
        """The outbox could not take an event; it is in the log."""
