from __future__ import annotations

from router.assembly.observing import Observing
from router.destinations.outcome import Delivered, TryAgain, Undeliverable
from router.outbox import Waiting
from router.telemetry import logs
from router.telemetry.metrics import create
from router.telemetry.troubles import TroubleBook
from router.verdict import Mode, RequestOutcome, Skip, Verdict


def test_what_stages_report_is_counted() -> None:
    metrics = create("0")
    metrics.expect_destinations(["siem"])
    book = TroubleBook(metrics.show_trouble)
    observing = Observing(metrics, book.held_by("keeper-0"))
    for outcome in (Delivered(), TryAgain("http_500"), Undeliverable("http_400")):
        observing.attempted("siem", outcome.label)
    observing.delivered("siem", 0.5)
    observing.set_aside("siem", "http_400")
    observing.fell_back("siem")
    observing.refused("siem", is_refused=True)
    observing.judged(Verdict.UNSIGNED, 0.01)
    observing.asked_registry("r.example", "manifest", "ok")
    observing.answered("validate", 0.01)
    observing.turned_away(503)
    observing.skipped(Skip.UNCHANGED)
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
    observing.processes("gate", 2)
    observing.process_restarting("keeper", "keeper-0")
    observing.waiting({"siem": Waiting(2, 90.0, 1)}, now=100.0)
    shown = metrics.exposed().decode()

    for line in (
        'gatecrier_delivery_attempts_total{destination="siem",outcome="try_again"} 1.0',
        'gatecrier_delivery_attempts_total{destination="siem",outcome="undeliverable"} 1.0',
        'gatecrier_delivery_lag_seconds_count{destination="siem"} 1.0',
        'gatecrier_deliveries_set_aside_total{destination="siem"} 1.0',
        'gatecrier_rendering_fallbacks_total{destination="siem"} 1.0',
        'gatecrier_destination_paused{destination="siem"} 1.0',
        'gatecrier_verification_duration_seconds_count{verdict="unsigned"} 1.0',
        'gatecrier_registry_requests_total{kind="manifest",result="ok"} 1.0',
        'gatecrier_gate_duration_seconds_count{endpoint="validate"} 1.0',
        'gatecrier_requests_malformed_total{status="503"} 1.0',
        'gatecrier_requests_skipped_total{reason="unchanged"} 1.0',
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
