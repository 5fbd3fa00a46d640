"""Every metric of the router, named in one place: `gatecrier_<noun>_<unit>_total`.

Each instance of the router has a registry of its own. All label sets that are known beforehand start at 0, so that
a rate over a counter shows its first increment and an absent series means a mistake in the query. Labels come from
closed sets and from names in the configuration, never from requests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from router.telemetry import logs
from router.telemetry.causes import Cause
from router.verdict import Mode, Override, RequestOutcome, Skip, Verdict

GATE_BUCKETS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 3.5, 4.5, 5.0, 7.5, 10.0, 12.5, 15.0,
    20.0, 30.0,
)  # fmt: skip
"""Seconds: close to each other where an alert compares a quantile with a part of the deadline, and up to the longest
deadline there is: a quantile beyond the last is the last."""
LAG_BUCKETS = (0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0, 86400.0)
ENDPOINTS = ("validate", "mutate", "modes")
ATTEMPT_OUTCOMES = ("delivered", "try_again", "undeliverable", "pending")
CONNECTION_STATES = ("handshake", "silent", "in_hand")
CONNECTION_ENDINGS = ("head_late", "head_too_large", "silent", "crowded_out", "answer_not_taken", "request_late")
PROCESS_ROLES = ("gate", "keeper")
READINESS_STATES = ("ready", "not_ready", "unknown")
CONTENT_TYPE = CONTENT_TYPE_LATEST


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one destination has not got yet."""

    pending: int
    oldest_age: float
    """Seconds since the oldest undelivered event was stored; 0 where none waits."""
    set_aside: int


class DroppedLines(Collector):
    """What the log could not take: that of this process counts for itself, since it is older than any router."""

    def __init__(self) -> None:
        self.elsewhere: dict[str, int] = defaultdict(int)
        """What other processes of ours could not hand over to it."""

    def collect(self) -> Iterable[CounterMetricFamily]:
        """The counts of this moment."""
        text = "Lines, or whole events whose last resort it was, that the log had no room for since nobody reads it"
        family = CounterMetricFamily("gatecrier_log_lines_dropped", text, labels=["kind"])
        for kind, count in logs.dropped().items():
            family.add_metric([kind], count + self.elsewhere[kind])
        return [family]


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of one running router."""

    registry: CollectorRegistry
    requests: Counter
    requests_skipped: Counter
    overrides: Counter
    requests_malformed: Counter
    image_verdicts: Counter
    gate_seconds: Histogram
    verification_seconds: Histogram
    registry_requests: Counter
    events_stored: Counter
    events_unstored: Counter
    delivery_attempts: Counter
    delivery_lag: Histogram
    deliveries_set_aside: Counter
    rendering_fallbacks: Counter
    undelivered: Gauge
    undelivered_age: Gauge
    set_aside: Gauge
    outbox_bytes: Gauge
    outbox_limit_bytes: Gauge
    destination_paused: Gauge
    trouble: Gauge
    reloads: Counter
    ready: Gauge
    webhook_deadline: Gauge
    processes: Gauge
    process_restarts: Counter
    connections: Gauge
    connections_ended: Counter
    handshakes_failed: Counter
    clients_refused: Counter
    lines_dropped: DroppedLines
    namespaces: Gauge
    namespace_state: Gauge
    known_destinations: set[str] = field(default_factory=set)

    def expect_destinations(self, names: Iterable[str], set_aside_reasons: Collection[str]) -> None:
        """Start every series of these destinations at 0; the reasons are those for which deliveries are set aside."""
        for name in names:
            if name in self.known_destinations:
                continue
            self.known_destinations.add(name)
            for outcome in ATTEMPT_OUTCOMES:
                self.delivery_attempts.labels(name, outcome)
            self.delivery_lag.labels(name)
            for reason in set_aside_reasons:
                self.deliveries_set_aside.labels(name, reason)
            self.rendering_fallbacks.labels(name)
            for gauge in (self.undelivered, self.undelivered_age, self.set_aside, self.destination_paused):
                gauge.labels(name).set(0)

    def show_backlog(self, backlog: Mapping[str, Backlog]) -> None:
        """Set the gauges of what waits; a destination that is not named has nothing waiting."""
        for name in self.known_destinations | set(backlog):
            of = backlog.get(name, Backlog(0, 0.0, 0))
            self.undelivered.labels(name).set(of.pending)
            self.undelivered_age.labels(name).set(of.oldest_age)
            self.set_aside.labels(name).set(of.set_aside)

    def show_namespaces(self, counts: Mapping[str, int], states: Mapping[str, str]) -> None:
        """Set the gauges of readiness: how many there are by `MODE/STATE`, and the state of single ones."""
        for mode in Mode:
            for state in READINESS_STATES:
                self.namespaces.labels(mode.value, state).set(counts.get(f"{mode.value}/{state}", 0))
        self.namespace_state.clear()
        for namespace, current in states.items():
            for state in READINESS_STATES:
                self.namespace_state.labels(namespace, state).set(state == current)

    def show_trouble(self, cause: Cause, is_there: bool) -> None:  # noqa: FBT001 - the value of a gauge
        """Set the gauge of a cause."""
        self.trouble.labels(cause.value).set(is_there)

    def exposed(self) -> bytes:
        """All of it in the Prometheus text format."""
        return generate_latest(self.registry)


def create(version: str) -> Metrics:
    """A fresh set of metrics, every series of closed label sets at 0."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(dropped := DroppedLines())
    Info("gatecrier_build", "Which release is running", registry=registry).info({"version": version})
    per_destination = ["destination"]

    def counter(name: str, text: str, labels: Iterable[str] = ()) -> Counter:
        return Counter(f"gatecrier_{name}", text, list(labels), registry=registry)

    def gauge(name: str, text: str, labels: Iterable[str] = ()) -> Gauge:
        return Gauge(f"gatecrier_{name}", text, list(labels), registry=registry)

    def histogram(name: str, text: str, labels: Iterable[str], buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"gatecrier_{name}", text, list(labels), registry=registry, buckets=buckets)

    metrics = Metrics(
        registry=registry,
        requests=counter("requests", "Admission requests that were decided", ["outcome", "mode"]),
        requests_skipped=counter("requests_skipped", "Requests that bring no image to judge", ["reason"]),
        overrides=counter("overrides", "Requests that were let in by an exemption or by break-glass", ["kind"]),
        requests_malformed=counter("requests_malformed", "Calls with an HTTP error, or let in unread", ["status"]),
        image_verdicts=counter("image_verdicts", "Verdicts about images", ["verdict"]),
        gate_seconds=histogram("gate_duration_seconds", "From request to reply", ["endpoint"], GATE_BUCKETS),
        verification_seconds=histogram(
            "verification_duration_seconds", "Verdicts that were not remembered", ["verdict"], GATE_BUCKETS
        ),
        registry_requests=counter("registry_requests", "Requests to image registries", ["kind", "result"]),
        events_stored=counter("events_stored", "Events that are durable in the outbox"),
        events_unstored=counter("events_unstored", "Events that the outbox could not take; each is in the log"),
        delivery_attempts=counter("delivery_attempts", "Attempts to deliver", ["destination", "outcome"]),
        delivery_lag=histogram("delivery_lag_seconds", "From stored to received", per_destination, LAG_BUCKETS),
        deliveries_set_aside=counter(
            "deliveries_set_aside", "Deliveries that were given up", [*per_destination, "reason"]
        ),
        rendering_fallbacks=counter(
            "rendering_fallbacks", "Payloads that the template failed to make; a minimal one was sent", per_destination
        ),
        undelivered=gauge("undelivered_deliveries", "Deliveries that wait", per_destination),
        undelivered_age=gauge("undelivered_age_seconds", "Age of the oldest delivery that waits", per_destination),
        set_aside=gauge("set_aside_deliveries", "Deliveries that were set aside and can be replayed", per_destination),
        outbox_bytes=gauge("outbox_bytes", "What the outbox holds"),
        outbox_limit_bytes=gauge("outbox_limit_bytes", "What the outbox may hold before room is made in it"),
        destination_paused=gauge("destination_paused", "1 while a destination refuses us", per_destination),
        trouble=gauge("trouble", "1 while something is wrong that a person must mend, by cause", ["cause"]),
        reloads=counter("configuration_reloads", "Attempts to take a changed configuration", ["result"]),
        ready=gauge("ready", "1 while requests are taken"),
        webhook_deadline=gauge("webhook_deadline_seconds", "Within which every request is judged: `webhook.deadline`"),
        processes=gauge("processes", "Processes that can do their work", ["role"]),
        process_restarts=counter("process_restarts", "Processes that ended and were started again", ["role"]),
        connections=gauge("connections", "Connections of the webhook", ["state"]),
        connections_ended=counter("connections_ended", "Connections that were closed by a limit", ["reason"]),
        handshakes_failed=counter("handshakes_failed", "TLS handshakes that came to nothing"),
        lines_dropped=dropped,
        namespaces=gauge(
            "namespaces",
            "Namespaces by mode (of the last request, else the configured one) and readiness",
            ["mode", "state"],
        ),
        namespace_state=gauge(
            "namespace_state", "1 for the state of each of `readiness.metrics_namespaces`", ["namespace", "state"]
        ),
        clients_refused=counter("clients_refused", "Requests with a client certificate of another name"),
    )
    _start_at_zero(metrics)
    return metrics


def _start_at_zero(metrics: Metrics) -> None:
    for outcome in RequestOutcome:
        for mode in Mode:
            metrics.requests.labels(outcome.value, mode.value)
    metrics.show_namespaces({}, {})
    known: tuple[tuple[Counter | Gauge | Histogram, Iterable[str]], ...] = (
        (metrics.requests_skipped, Skip),
        (metrics.overrides, Override),
        (metrics.requests_malformed, ("400", "408", "413", "415", "503")),
        (metrics.image_verdicts, Verdict),
        (metrics.verification_seconds, Verdict),
        (metrics.gate_seconds, ENDPOINTS),
        (metrics.connections, CONNECTION_STATES),
        (metrics.connections_ended, CONNECTION_ENDINGS),
        (metrics.trouble, Cause),
        (metrics.processes, PROCESS_ROLES),
        (metrics.process_restarts, PROCESS_ROLES),
        (metrics.reloads, ("taken", "refused")),
    )
    for metric, labels in known:
        for label in labels:
            metric.labels(str(label))
