"""What the stages report, as metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from router.destinations.outcome import REASONS
from router.outbox import Waiting, retaining
from router.telemetry.causes import Cause, Troubles
from router.telemetry.metrics import CONNECTION_STATES, ENDPOINTS, Backlog, Metrics
from router.verdict import Mode, Override, RequestOutcome, Skip, Verdict

LATE = 900.0
"""Seconds for which an event may wait before somebody should know."""
_NOTHING = Waiting(0, None, 0)
_OF_STATUS = ("http_4xx", "http_5xx", "http_other")
SET_ASIDE_LABELS = (*REASONS, *retaining.REASONS, *_OF_STATUS)
"""Why deliveries are set aside, as the metric says it: a closed set, since a receiver may choose any status."""


class MetricsObserver:
    """Counts what admission, delivery and the server report, and passes on what is wrong.

    Args:
        metrics: What is counted.
        troubles: Who hears what is wrong with the process that reports.

    Series that every request touches are looked up once: finding one by its labels takes longer than counting.
    """

    def __init__(self, metrics: Metrics, troubles: Troubles) -> None:
        self._metrics = metrics
        self._troubles = troubles
        self._waited: AbstractSet[str] = frozenset()
        self._answered = {endpoint: metrics.gate_seconds.labels(endpoint).observe for endpoint in ENDPOINTS}
        self._decided = {
            (outcome, mode): metrics.requests.labels(outcome.value, mode.value).inc
            for outcome in RequestOutcome
            for mode in Mode
        }
        self._verdicts = {verdict: metrics.image_verdicts.labels(verdict.value).inc for verdict in Verdict}

    # What is wrong

    def trouble_began(self, cause: Cause, subject: str, text: str) -> None:
        """Something is wrong with this subject, or still is; `text` says what was found."""
        self._troubles.trouble_began(cause, subject, text)

    def trouble_ended(self, cause: Cause, subject: str) -> None:
        """It is not any more, or never was."""
        self._troubles.trouble_ended(cause, subject)

    def _state(self, cause: Cause, subject: str, text: str, *, is_there: bool) -> None:
        if is_there:
            self.trouble_began(cause, subject, text)
        else:
            self.trouble_ended(cause, subject)

    # Admission

    def answered(self, endpoint: str, seconds: float) -> None:
        """A call was answered, so many seconds after its first byte."""
        self._answered[endpoint](seconds)

    def turned_away(self, status: int) -> None:
        """A call was answered by this HTTP error, not by a review."""
        self._metrics.requests_malformed.labels(str(int(status))).inc()

    def skipped(self, reason: Skip) -> None:
        """A request was only counted."""
        self._metrics.requests_skipped.labels(reason.value).inc()

    def judged(self, verdict: Verdict, seconds: float) -> None:
        """A verdict was found out, not remembered."""
        self._metrics.verification_seconds.labels(verdict.value).observe(seconds)

    def decided(self, outcome: RequestOutcome, mode: Mode, verdicts: Sequence[Verdict]) -> None:
        """A request was decided."""
        self._decided[outcome, mode]()
        for verdict in verdicts:
            self._verdicts[verdict]()

    def let_in(self, override: Override) -> None:
        """A request was let in by an override."""
        self._metrics.overrides.labels(override.value).inc()

    def stored(self) -> None:
        """An event is durable in the outbox."""
        self._metrics.events_stored.inc()

    def unstored(self) -> None:
        """The outbox could not take an event; it is in the log."""
        self._metrics.events_unstored.inc()
        self.trouble_began(Cause.EVENTS_UNSTORED, "", "`event_not_stored` in the log says why")

    def asked_registry(self, registry: str, kind: str, result: str) -> None:  # noqa: ARG002 - hosts come from whoever deploys
        """A registry was asked; its name is no label, since whoever deploys chooses it."""
        self._metrics.registry_requests.labels(kind, result).inc()

    # The server

    def connection_ended(self, reason: str) -> None:
        """A connection was closed by a limit."""
        self._metrics.connections_ended.labels(reason).inc()

    def handshake_failed(self) -> None:
        """A TLS handshake came to nothing."""
        self._metrics.handshakes_failed.inc()

    def client_refused(self) -> None:
        """A request came with a client certificate of another name."""
        self._metrics.clients_refused.inc()

    def connections(self, counts: Mapping[str, int]) -> None:
        """How many connections of each state there are; none of a state that is not named."""
        for state in CONNECTION_STATES:
            self._metrics.connections.labels(state).set(counts.get(state, 0))

    # Delivery

    def attempted(self, destination: str, outcome: str) -> None:
        """An attempt to deliver ended."""
        self._metrics.delivery_attempts.labels(destination, outcome).inc()

    def delivered(self, destination: str, lag: float) -> None:
        """An event arrived, so many seconds after it was stored."""
        self._metrics.delivery_lag.labels(destination).observe(lag)

    def set_aside(self, destination: str, reason: str, count: int) -> None:
        """So many deliveries were given up."""
        self._metrics.deliveries_set_aside.labels(destination, set_aside_label(reason)).inc(count)

    def outbox_size(self, used: int, limit: int) -> None:
        """What the outbox holds, and what it may hold, in bytes."""
        self._metrics.outbox_bytes.set(used)
        self._metrics.outbox_limit_bytes.set(limit)

    def fell_back(self, destination: str) -> None:
        """A template failed, or the receiver found the payload too large; the minimal payload went out."""
        self._metrics.rendering_fallbacks.labels(destination).inc()
        self.trouble_began(Cause.TEMPLATE_FAILING, destination, "`template_failed` in the log says why")

    def refused(self, destination: str, *, is_refused: bool) -> None:
        """The destination began or ceased to refuse our credentials."""
        self._metrics.destination_paused.labels(destination).set(is_refused)
        self._state(
            Cause.DESTINATION_PAUSED, destination, "`destination_refuses_us` in the log says why", is_there=is_refused
        )

    def waiting(self, found: Mapping[str, Waiting], now: float) -> None:
        """What waits in the outbox."""
        for name in self._waited | found.keys():
            of = found.get(name, _NOTHING)
            is_late = of.oldest_appended_at is not None and now - of.oldest_appended_at > LATE
            self._state(Cause.DELIVERIES_LATE, name, f"{of.pending} wait", is_there=is_late)
            self._state(Cause.DELIVERIES_SET_ASIDE, name, f"{of.set_aside} are there", is_there=of.set_aside > 0)
        self._waited = set(found)
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

    def namespaces(self, counts: Mapping[str, int], states: Mapping[str, str]) -> None:
        """How many namespaces there are by `MODE/STATE`, and the state of those that have series of their own."""
        self._metrics.show_namespaces(counts, states)

    def expect_destinations(self, names: Sequence[str]) -> None:
        """These destinations are delivered to: their series start at 0."""
        self._metrics.expect_destinations(names, SET_ASIDE_LABELS)

    # The running router

    def reloaded(self, *, is_taken: bool) -> None:
        """A changed configuration was taken or refused."""
        self._metrics.reloads.labels("taken" if is_taken else "refused").inc()

    def judging_within(self, seconds: float) -> None:
        """The configuration in force wants every request judged within so many seconds."""
        self._metrics.webhook_deadline.set(seconds)

    def processes(self, role: str, ready: int) -> None:
        """So many processes in this role can do their work."""
        self._metrics.processes.labels(role).set(ready)

    def process_restarting(self, role: str, name: str) -> None:
        """The process of this name and role has ended, and another is started in its place."""
        self._metrics.process_restarts.labels(role).inc()
        self.trouble_began(Cause.PROCESS_ENDED, name, "it ended without being told to")

    def lines_dropped(self, kind: str, count: int) -> None:
        """Another process of ours could not hand over so many lines, or events, of its log."""
        self._metrics.lines_dropped.elsewhere[kind] += count
        self.trouble_began(Cause.LOG_LINES_DROPPED, "", f"{count} more of kind {kind}")

    def ready(self, *, is_ready: bool) -> None:
        """Requests are taken from now on, or not any more."""
        self._metrics.ready.set(is_ready)


def set_aside_label(reason: str) -> str:
    """How the metric calls this reason: itself, or the class of its status."""
    if reason in SET_ASIDE_LABELS:
        return reason
    of_class = f"{reason[:6]}xx"
    return of_class if of_class in _OF_STATUS else "http_other"
