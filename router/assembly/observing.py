"""What the stages report, as metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable
from router.outbox import Waiting
from router.telemetry.metrics import Backlog, Metrics
from router.verdict import Verdict


class Observing:
    """Counts deliveries and verdicts."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def attempted(self, destination: str, outcome: Outcome) -> None:
        """An attempt to deliver ended."""
        match outcome:
            case Delivered():
                label = "delivered"
            case TryAgain():
                label = "try_again"
            case Undeliverable():
                label = "undeliverable"
            case _:
                assert_never(outcome)
        self._metrics.delivery_attempts.labels(destination, label).inc()

    def delivered(self, destination: str, lag: float) -> None:
        """An event arrived, so many seconds after it was stored."""
        self._metrics.delivery_lag.labels(destination).observe(lag)

    def set_aside(self, destination: str, reason: str) -> None:  # noqa: ARG002 - the log has the reason
        """A delivery was given up."""
        self._metrics.deliveries_set_aside.labels(destination).inc()

    def fell_back(self, destination: str) -> None:
        """A template failed; the minimal payload went out."""
        self._metrics.rendering_fallbacks.labels(destination).inc()

    def refused(self, destination: str, *, is_refused: bool) -> None:
        """The destination began or ceased to refuse our credentials."""
        self._metrics.destination_paused.labels(destination).set(is_refused)

    def judged(self, verdict: Verdict, seconds: float) -> None:
        """A verdict was found out, not remembered."""
        self._metrics.verification_seconds.labels(verdict.value).observe(seconds)

    def asked_registry(self, registry: str, kind: str, result: str) -> None:  # noqa: ARG002 - hosts come from whoever deploys
        """A registry was asked; its name is no label, since whoever deploys chooses it."""
        self._metrics.registry_requests.labels(kind, result).inc()

    def waiting(self, found: Mapping[str, Waiting], now: float) -> None:
        """What waits in the outbox."""
        self._metrics.show_backlog(
            {
                name: Backlog(
                    pending=of.pending,
                    oldest_age=0.0 if of.oldest_appended_at is None else max(0.0, now - of.oldest_appended_at),
                    set_aside=of.set_aside,
                )
                for name, of in found.items()
            }
        )
