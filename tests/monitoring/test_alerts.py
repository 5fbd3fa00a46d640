"""The alerts fire when they should and only then, and speak of what the product has."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from router.assembly.observing import LATE
from router.telemetry.causes import Cause
from router.telemetry.metrics import GATE_BUCKETS
from tests.architecture.generated import ROOT
from tests.monitoring.product import ALERTS, MINUTES, Alert, alerts, faults, labels, named, promtool, scraped, unknown

AT = "60m"
"""When promtool is asked what fires."""


def answered(within: int, of: int = 100) -> dict[str, str]:
    """Of so many answers a minute, so many take 5 to 10 ms and the others 5 to 10 s."""
    return bucketed({at: 0 if at <= 0.005 else within if at < 10.0 else of for at in GATE_BUCKETS}, of)


def all_between(lower: float, upper: float) -> dict[str, str]:
    """A hundred answers a minute, which take so many seconds."""
    assert {lower, upper} <= {*GATE_BUCKETS, math.inf}
    return bucketed({bound: 0 if bound < upper else 100 for bound in GATE_BUCKETS}, 100)


def bucketed(counts: Mapping[float, int], of: int) -> dict[str, str]:
    """So many a minute within each bound."""
    name = 'gatecrier_gate_duration_seconds_bucket{endpoint="validate",le="%s"}'
    return {
        **{name % bound: f"0+{count}x{MINUTES}" for bound, count in counts.items()},
        name % "+Inf": f"0+{of}x{MINUTES}",
    }


def since_a_moment(value: int) -> str:
    """A counter that went from 0 to this five minutes before promtool is asked."""
    return f"0x54 {value}x{MINUTES}"


WELL: Mapping[str, str] = {
    "gatecrier_ready": f"1x{MINUTES}",
    "gatecrier_webhook_deadline_seconds": f"8x{MINUTES}",
    "gatecrier_outbox_bytes": f"10x{MINUTES}",
    "gatecrier_outbox_limit_bytes": f"100x{MINUTES}",
    "gatecrier_undelivered_deliveries": f"40x{MINUTES}",
    "gatecrier_undelivered_age_seconds": f"60x{MINUTES}",
    'gatecrier_image_verdicts_total{verdict="verified"}': f"0+100x{MINUTES}",
    'gatecrier_gate_duration_seconds_count{endpoint="validate"}': f"0+100x{MINUTES}",
    **answered(100),
}
"""A product that is well, and has work."""
MALFORMED = "gatecrier_requests_malformed_total"
SET_ASIDE = "gatecrier_deliveries_set_aside_total"
UNVERIFIABLE = 'gatecrier_image_verdicts_total{verdict="unverifiable"}'
FIRING: list[tuple[str, Mapping[str, str]]] = [
    ("GatecrierDown", {"gatecrier_ready": f"1x57 0x{MINUTES}"}),
    ("GatecrierDown", {"gatecrier_ready": f"1x50 _x{MINUTES}"}),
    ("GatecrierRestarting", {'gatecrier_process_restarts_total{role="gate"}': since_a_moment(5)}),
    ("GatecrierFailsOpen", {MALFORMED + '{status="503"}': since_a_moment(1)}),
    ("GatecrierUnreadable", {MALFORMED + '{status="400"}': since_a_moment(12)}),
    ("GatecrierHandshakesFail", {"gatecrier_handshakes_failed_total": f"0+6x{MINUTES}"}),
    ("GatecrierSlow", answered(90)),
    ("GatecrierSlow", {"gatecrier_webhook_deadline_seconds": f"0.01x{MINUTES}"}),
    ("GatecrierSlow", all_between(4.5, 5.0)),
    ("GatecrierSlow", {"gatecrier_webhook_deadline_seconds": f"26x{MINUTES}", **all_between(20.0, 30.0)}),
    ("GatecrierUnverifiable", {UNVERIFIABLE: f"0+30x{MINUTES}"}),
    ("GatecrierDeliveriesLate", {"gatecrier_undelivered_age_seconds": f"901x{MINUTES}"}),
    ("GatecrierDestinationPaused", {"gatecrier_destination_paused": f"1x{MINUTES}"}),
    ("GatecrierDeliveriesSetAside", {"gatecrier_set_aside_deliveries": f"1x{MINUTES}"}),
    ("GatecrierEventsGivenUp", {SET_ASIDE + '{reason="outbox_full"}': since_a_moment(5)}),
    ("GatecrierOutboxFilling", {"gatecrier_outbox_bytes": f"81x{MINUTES}"}),
]
QUIET: list[Mapping[str, str]] = [
    {},
    {"gatecrier_ready": f"1x50 0x0 1x{MINUTES}"},
    {'gatecrier_process_restarts_total{role="gate"}': since_a_moment(2)},
    {MALFORMED + '{status="400"}': since_a_moment(9)},
    {"gatecrier_handshakes_failed_total": since_a_moment(25)},
    {UNVERIFIABLE: f"0+20x{MINUTES}"},
    {"gatecrier_undelivered_age_seconds": f"900x{MINUTES}"},
    {SET_ASIDE + '{reason="http_4xx"}': since_a_moment(5)},
    {"gatecrier_outbox_bytes": f"79x{MINUTES}"},
    {"gatecrier_outbox_bytes": f"0x{MINUTES}", "gatecrier_outbox_limit_bytes": f"0x{MINUTES}"},
    answered(99),
    all_between(2.5, 3.5),
    {"gatecrier_webhook_deadline_seconds": f"26x{MINUTES}", **all_between(12.5, 15.0)},
]
"""What is no reason to call anybody, near what is."""
READ = frozenset[str]().union(*(named(alert.expression)[0] for alert in alerts()))
"""The metrics that alerts are made of: no other makes one fire."""
OF_CAUSE = {found[1]: alert.name for alert in alerts() if (found := re.search(r'cause="(\w+)"', alert.expression))}
"""The alerts that are made of causes."""


def expecting(firing: str | None, values: Mapping[str, str], *, at: str = AT, minutes: int = 1) -> dict[str, object]:
    """A test of promtool: with these series that alert fires, with all labels that its texts use, and no other."""
    samples = [] if firing is None else [{"labels": f'{{alertname="{firing}"}}', "value": 1}]
    expected = [{"expr": "count by (alertname) (ALERTS{alertstate='firing'})", "eval_time": at, "exp_samples": samples}]
    if firing is not None:
        used = "".join(f", {label}!=''" for label in sorted(used_labels(firing)))
        expected.append(
            {
                "expr": f"count by (alertname) (ALERTS{{alertstate='firing', alertname='{firing}'{used}}})",
                "eval_time": at,
                "exp_samples": samples,
            }
        )
    series = [one for one in scraped(values) if one["series"].partition("{")[0] in READ]
    return {"interval": f"{minutes}m", "input_series": series, "promql_expr_test": expected}


def changed(change: Mapping[str, str]) -> Mapping[str, str]:
    """A product that is well but for this, which is looked for first."""
    return {**change, **{name: value for name, value in WELL.items() if name not in change}}


def used_labels(name: str) -> set[str]:
    """The labels that the texts of an alert show."""
    (alert,) = [one for one in alerts() if one.name == name]
    return set(re.findall(r"\$labels\.(\w+)", str(alert.annotations))) | {"severity"}


def test_the_rules_are_rules() -> None:
    done = promtool("check", "rules", str(ALERTS))

    assert (done.returncode, done.stderr) == (0, "")
    assert len({alert.name for alert in alerts()}) == len(alerts())


def test_an_alert_fires_when_it_should_and_no_other_does(tmp_path: Path) -> None:
    """All stories at once: promtool takes longer to start than to look at one. Each alone only names what fails."""
    stories: list[tuple[str | None, Mapping[str, str]]] = [*FIRING, *((None, change) for change in QUIET)]

    if faults(tmp_path, [expecting(name, changed(change)) for name, change in stories]):
        found = [(name, change, faults(tmp_path, [expecting(name, changed(change))])) for name, change in stories]
        failing = [told for told in found if told[-1]]
        pytest.fail(f"{failing or 'only together'}")


def test_every_cause_of_trouble_fires_an_alert(tmp_path: Path) -> None:
    """One that is new must not be forgotten: it is told by the alert that is made of it, or by a better one."""
    better = {alert.labels["cause"] for alert in alerts() if "cause" in alert.labels}
    stories = [
        expecting(OF_CAUSE.get(cause.value), changed({f'gatecrier_trouble{{cause="{cause}"}}': f"1x{MINUTES}"}))
        for cause in Cause
    ]

    assert OF_CAUSE.keys() | better == {cause.value for cause in Cause}
    assert not OF_CAUSE.keys() & better
    assert faults(tmp_path, stories) == ""


def test_who_is_not_asked_for_hours_hears_of_it_and_who_has_just_come_does_not(tmp_path: Path) -> None:
    unasked = {"gatecrier_gate_duration_seconds_count": f"5x{MINUTES}"}
    there, new = changed(unasked), changed(unasked | {"gatecrier_ready": f"_x30 1x{MINUTES}"})

    assert (
        faults(
            tmp_path,
            [
                expecting("GatecrierNotAsked", there, at="7h", minutes=5),
                expecting(None, WELL, at="7h", minutes=5),
                expecting(None, new, at="7h", minutes=5),
            ],
        )
        == ""
    )


def test_a_replica_that_is_not_ready_is_told_beside_one_that_is(tmp_path: Path) -> None:
    other = {"series": 'gatecrier_ready{job="gatecrier",instance="gatecrier-1"}', "values": f"1x50 0x{MINUTES}"}
    story = expecting("GatecrierNotReady", WELL)
    story["input_series"] = [*scraped(WELL), other]

    assert faults(tmp_path, [story]) == ""


def test_every_alert_has_a_story_in_which_it_fires() -> None:
    told = {name for name, _ in FIRING} | set(OF_CAUSE.values()) | {"GatecrierNotAsked", "GatecrierNotReady"}

    assert {alert.name for alert in alerts()} == told


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_an_alert_names_what_the_product_has_and_says_what_to_do(alert: Alert) -> None:
    """A rule about a metric that is not there never fires, and nobody notices."""
    told = alert.annotations
    page, _, anchor = told["runbook_url"].partition("#")
    text = (ROOT / page).read_text()
    anchors = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}

    assert named(alert.expression)[0]
    assert unknown(alert.expression) == set()
    assert alert.labels["severity"] in {"critical", "warning", "info"}
    assert told["summary"]
    assert told["description"]
    assert anchor in anchors


def test_a_name_that_the_product_does_not_have_is_found() -> None:
    assert unknown('rate(gatecrier_requests_totals{outcome="x"}[5m])') == {"gatecrier_requests_totals", "outcome"}
    assert unknown("sum by (instance, verdikt) (gatecrier_image_verdicts_total)") == {"verdikt"}
    assert unknown('gatecrier_image_verdicts_total{colour="red"}') == {"colour"}
    assert unknown('gatecrier_image_verdicts_total{verdict!="unsined"}') == {"unsined"}
    assert "le" in labels()["gatecrier_gate_duration_seconds_bucket"]


def test_late_means_the_same_as_in_the_product() -> None:
    (late,) = [alert for alert in alerts() if alert.labels.get("cause") == Cause.DELIVERIES_LATE]

    assert late.expression == f"gatecrier_undelivered_age_seconds > {LATE:g}"
