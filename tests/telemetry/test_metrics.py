from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from router.telemetry.metrics import Backlog, create


def test_every_closed_series_starts_at_zero() -> None:
    """A rate needs the zero before the first increment."""
    shown = create("1.2.3").exposed().decode()

    assert 'gatecrier_requests_total{mode="enforce",outcome="rejected"} 0.0' in shown
    assert 'gatecrier_image_verdicts_total{verdict="unverifiable"} 0.0' in shown
    assert 'gatecrier_gate_duration_seconds_count{endpoint="validate"} 0.0' in shown


def test_the_documented_labels_are_those_that_are_exposed() -> None:
    """A query by a label that is not there finds nothing, and says nothing."""
    metrics = create("1")
    metrics.expect_destinations(["siem"], ["timeout"])
    metrics.registry_requests.labels("manifest", "ok")
    page = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()
    documented = {
        name: set(filter(None, labels.split(", ")))
        for name, labels in re.findall(r"^\| `(gatecrier_\w+)` \| \w+ \| ([^|]*?) ?\|", page, re.MULTILINE)
    }
    exposed: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.exposed().decode()):
        for sample in family.samples:
            if family.name.startswith("gatecrier_") and not sample.name.endswith("_created"):
                name = f"{family.name}_total" if family.type == "counter" else family.name
                exposed.setdefault(name.removesuffix("_info"), set()).update(sample.labels.keys() - {"le"})

    assert exposed.keys() <= documented.keys()
    assert {name: documented[name] for name in exposed} == exposed
    assert len(exposed) >= len(documented) - 1


def test_the_release_is_shown() -> None:
    assert 'gatecrier_build_info{version="1.2.3"} 1.0' in create("1.2.3").exposed().decode()


def test_destinations_start_at_zero_and_once() -> None:
    metrics = create("1")
    metrics.expect_destinations(["siem", "siem"], ["timeout"])
    metrics.deliveries_set_aside.labels("siem", "timeout").inc()
    metrics.expect_destinations(["siem"], ["timeout"])
    shown = metrics.exposed().decode()

    assert 'gatecrier_delivery_attempts_total{destination="siem",outcome="delivered"} 0.0' in shown
    assert 'gatecrier_deliveries_set_aside_total{destination="siem",reason="timeout"} 1.0' in shown


def test_a_backlog_that_is_gone_is_shown_as_gone() -> None:
    metrics = create("1")
    metrics.expect_destinations(["siem"], ["timeout"])
    metrics.show_backlog({"siem": Backlog(pending=3, oldest_age=12.5, set_aside=1)})
    before = metrics.exposed().decode()
    metrics.show_backlog({})

    assert 'gatecrier_undelivered_age_seconds{destination="siem"} 12.5' in before
    assert 'gatecrier_undelivered_age_seconds{destination="siem"} 0.0' in metrics.exposed().decode()


def test_all_names_share_one_grammar() -> None:
    """`gatecrier_<noun>_<unit>`: one prefix finds them all."""
    names = re.findall(r"^# TYPE (\S+) ", create("1").exposed().decode(), re.MULTILINE)

    own = [name for name in names if not name.startswith("process_")]
    assert own
    assert all(re.fullmatch(r"gatecrier_[a-z_]+", name) for name in own)
