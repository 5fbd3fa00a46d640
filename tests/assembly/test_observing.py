from __future__ import annotations

from collections import Counter

from router.assembly.observing import LATE, MetricsObserver
from router.destinations.outcome import Delivered, TryAgain, Undeliverable
from router.outbox import Waiting
from router.telemetry import logs
from router.telemetry.metrics import Metrics, create
from router.telemetry.troubles import TroubleBook
from router.verdict import Mode, Override, RequestOutcome, Skip, Verdict


def test_what_stages_report_is_counted() -> None:
    metrics = create("0")
    book = TroubleBook(metrics.show_trouble)
    observing = MetricsObserver(metrics, book.held_by("keeper-0"))
    observing.expect_destinations(["siem"])
    for outcome in (Delivered(), TryAgain("http_500"), Undeliverable("http_400")):
        observing.attempted("siem", outcome.label)
    observing.delivered("siem", 0.5)
    observing.set_aside("siem", "http_400", 1)
    observing.set_aside("siem", "outbox_full", 3)
    observing.outbox_size(10, 20)
    observing.fell_back("siem")
    observing.refused("siem", is_refused=True)
    observing.judged(Verdict.UNSIGNED, 0.01)
    observing.asked_registry("r.example", "manifest", "ok")
    observing.answered("validate", 0.01)
    observing.turned_away(503)
    observing.skipped(Skip.UNCHANGED)
    observing.let_in(Override.GRANT)
    observing.lines_dropped("event", 3)
    observing.decided(RequestOutcome.REJECTED, Mode.ENFORCE, [Verdict.UNSIGNED, Verdict.UNSIGNED])
    observing.stored()
    observing.unstored()
    observing.connection_ended("silent")
    observing.handshake_failed()
    observing.client_refused()
    observing.connections({"handshake": 1, "silent": 2, "in_hand": 3})
    observing.reloaded(is_taken=True)
    observing.ready(is_ready=True)
    observing.judging_within(8.0)
    observing.processes("gate", 2)
    observing.process_restarting("keeper", "keeper-0")
    observing.waiting({"siem": Waiting(2, 90.0, 1)}, now=100.0)
    shown = metrics.exposed().decode()

    for line in (
        'gatecrier_delivery_attempts_total{destination="siem",outcome="try_again"} 1.0',
        'gatecrier_delivery_attempts_total{destination="siem",outcome="undeliverable"} 1.0',
        'gatecrier_delivery_lag_seconds_count{destination="siem"} 1.0',
        'gatecrier_deliveries_set_aside_total{destination="siem",reason="http_4xx"} 1.0',
        'gatecrier_deliveries_set_aside_total{destination="siem",reason="outbox_full"} 3.0',
        'gatecrier_deliveries_set_aside_total{destination="siem",reason="destination_removed"} 0.0',
        "gatecrier_outbox_bytes 10.0",
        "gatecrier_outbox_limit_bytes 20.0",
        'gatecrier_rendering_fallbacks_total{destination="siem"} 1.0',
        'gatecrier_destination_paused{destination="siem"} 1.0',
        'gatecrier_verification_duration_seconds_count{verdict="unsigned"} 1.0',
        'gatecrier_registry_requests_total{kind="manifest",result="ok"} 1.0',
        'gatecrier_gate_duration_seconds_count{endpoint="validate"} 1.0',
        'gatecrier_requests_malformed_total{status="503"} 1.0',
        'gatecrier_requests_skipped_total{reason="unchanged"} 1.0',
        'gatecrier_overrides_total{kind="grant"} 1.0',
        'gatecrier_requests_total{mode="enforce",outcome="rejected"} 1.0',
        'gatecrier_image_verdicts_total{verdict="unsigned"} 2.0',
        "gatecrier_events_stored_total 1.0",
        "gatecrier_events_unstored_total 1.0",
        'gatecrier_connections_ended_total{reason="silent"} 1.0',
        "gatecrier_handshakes_failed_total 1.0",
        "gatecrier_clients_refused_total 1.0",
        'gatecrier_connections{state="in_hand"} 3.0',
        'gatecrier_configuration_reloads_total{result="taken"} 1.0',
        "gatecrier_ready 1.0",
        "gatecrier_webhook_deadline_seconds 8.0",
        'gatecrier_processes{role="gate"} 2.0',
        'gatecrier_trouble{cause="destination_paused"} 1.0',
        'gatecrier_trouble{cause="template_failing"} 1.0',
        'gatecrier_trouble{cause="process_ended"} 1.0',
        'gatecrier_trouble{cause="events_unstored"} 1.0',
        'gatecrier_trouble{cause="log_lines_dropped"} 1.0',
        'gatecrier_trouble{cause="destination_down"} 0.0',
        'gatecrier_process_restarts_total{role="keeper"} 1.0',
        f'gatecrier_log_lines_dropped_total{{kind="event"}} {logs.dropped()["event"] + 3}.0',
        'gatecrier_undelivered_age_seconds{destination="siem"} 10.0',
    ):
        assert line in shown


def test_a_state_that_no_connection_has_any_more_is_shown_so() -> None:
    """Sums of several processes leave out what is zero."""
    metrics = create("1")
    observing = MetricsObserver(metrics, TroubleBook(metrics.show_trouble).held_by("supervisor"))
    observing.connections({"handshake": 384, "silent": 2})
    observing.connections(Counter({"silent": 1}) + Counter({"handshake": 0}))
    shown = metrics.exposed().decode()

    assert 'gatecrier_connections{state="handshake"} 0.0' in shown
    assert 'gatecrier_connections{state="silent"} 1.0' in shown


def troubles(metrics: Metrics) -> set[str]:
    """The causes that are shown."""
    lines = metrics.exposed().decode().splitlines()
    return {line.split('"')[1] for line in lines if line.startswith("gatecrier_trouble{") and line.endswith(" 1.0")}


def test_what_waits_for_long_or_was_set_aside_is_trouble_until_it_is_gone() -> None:
    """Also of a destination that left the configuration, and of one that has nothing to be told of any more."""
    metrics = create("0")
    observing = MetricsObserver(metrics, TroubleBook(metrics.show_trouble).held_by("keeper-0"))
    seen = []
    for found in (
        {"siem": Waiting(2, 1000.0 - LATE, 0)},
        {"siem": Waiting(2, 999.0 - LATE, 0), "gone": Waiting(0, None, 3)},
        {"siem": Waiting(1, 999.0, 0), "gone": Waiting(0, None, 3)},
        {"siem": Waiting(1, 999.0, 1)},
        {},
    ):
        observing.waiting(found, now=1000.0)
        seen.append(troubles(metrics))

    assert seen == [
        set(),
        {"deliveries_late", "deliveries_set_aside"},
        {"deliveries_set_aside"},
        {"deliveries_set_aside"},
        set(),
    ]


def test_a_destination_that_refuses_us_is_trouble_until_it_does_not() -> None:
    metrics = create("0")
    observing = MetricsObserver(metrics, TroubleBook(metrics.show_trouble).held_by("keeper-0"))
    observing.refused("siem", is_refused=True)
    during = troubles(metrics)
    observing.refused("siem", is_refused=False)

    assert (during, troubles(metrics)) == ({"destination_paused"}, set())


def test_whatever_a_receiver_answers_the_reasons_of_the_metric_are_a_closed_set() -> None:
    """Else a receiver could make a series of each status that it thinks of."""
    metrics = create("0")
    observing = MetricsObserver(metrics, TroubleBook(metrics.show_trouble).held_by("keeper-0"))
    observing.expect_destinations(["siem"])
    before = metrics.exposed().decode().count("gatecrier_deliveries_set_aside_total{")
    for status in range(100, 1000):
        observing.set_aside("siem", f"http_{status}", 1)
    observing.set_aside("siem", "no_reason_of_ours", 1)
    shown = metrics.exposed().decode()

    assert shown.count("gatecrier_deliveries_set_aside_total{") == before
    assert 'gatecrier_deliveries_set_aside_total{destination="siem",reason="http_4xx"} 100.0' in shown
    assert 'gatecrier_deliveries_set_aside_total{destination="siem",reason="http_other"} 701.0' in shown
