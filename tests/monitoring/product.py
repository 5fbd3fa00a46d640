"""What Prometheus would have of a product: every series that it shows, taken from its own registry, and promtool."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from router.assembly.observing import MetricsObserver
from router.telemetry.metrics import create
from router.telemetry.troubles import TroubleBook

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "config" / "monitoring" / "alerts.yaml"
DASHBOARD = ROOT / "config" / "monitoring" / "dashboard.json"
OF_TARGET = frozenset({"job", "instance"})
"""Labels that every series gets where it is scraped."""
TARGET = {"job": "gatecrier", "instance": "gatecrier-0"}
MINUTES = 120
"""How long the series are."""
_METRIC = re.compile(r"\b(?:gatecrier|process)_[a-z_]+")
_GROUPED = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_EXACT = re.compile(r"([a-z_]+)\s*!?=\s*\"([^\"]*)\"")
_MATCHED = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)\s*\"")


@cache
def series() -> Mapping[tuple[str, tuple[tuple[str, str], ...]], str]:
    """The type of every series of a product with one destination, by name and labels."""
    metrics = create("1.2.3")
    observing = MetricsObserver(metrics, TroubleBook(metrics.show_trouble).held_by("keeper-0"))
    observing.expect_destinations(["siem"])
    observing.asked_registry("registry.example", "manifest", "ok")  # whose labels are known when it is asked
    metrics.show_namespaces({}, {"payments": "ready"})  # which are known when it is configured
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): family.type
        for family in text_string_to_metric_families(metrics.exposed().decode())
        for sample in family.samples
    }


@cache
def labels() -> Mapping[str, frozenset[str]]:
    """The labels of each metric."""
    found: dict[str, frozenset[str]] = {}
    for name, of in series():
        found[name] = found.get(name, OF_TARGET) | {label for label, _ in of}
    return found


def named(expression: str) -> tuple[frozenset[str], frozenset[str]]:
    """The metrics and the labels that an expression names."""
    grouped = {name.strip() for group in _GROUPED.findall(expression) for name in group.split(",")}
    matched = {name for inside in re.findall(r"\{([^}]*)\}", expression) for name in _MATCHED.findall(inside)}
    return frozenset(_METRIC.findall(re.sub(r'"[^"]*"', '""', expression))), frozenset((grouped | matched) - {""})


def unknown(expression: str) -> frozenset[str]:
    """Metrics, labels and values of labels that an expression names and the product does not have."""
    metrics, wanted = named(expression)
    known = labels()
    of_these: frozenset[str] = frozenset().union(OF_TARGET, *(known.get(name, ()) for name in metrics))
    pairs = {pair for name, of in series() if name in metrics for pair in of}
    exact = {(label, value) for label, value in _EXACT.findall(expression) if label in of_these - OF_TARGET}
    return (metrics - known.keys()) | (wanted - of_these) | {value for _, value in exact - pairs}


class Alert(NamedTuple):
    """A rule of the file."""

    name: str
    expression: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@cache
def alerts() -> Sequence[Alert]:
    """Every alert of the file."""
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    return [Alert(rule["alert"], rule["expr"], rule["labels"], rule["annotations"]) for rule in rules]


def scraped(values: Mapping[str, str], *, well: str = "0") -> list[dict[str, str]]:
    """The series of the product as input of promtool: what `values` says of those that it names, else `well`.

    A value is a name, or a name with matchers as they are written in `values`, and a sequence in promtool's notation.
    """
    return [
        {"series": written(name, [*of, *TARGET.items()]), "values": _value(name, of, values) or f"{well}x{MINUTES}"}
        for name, of in series()
    ]


def written(name: str, of: Iterable[tuple[str, str]]) -> str:
    """A series as promtool reads it."""
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in of) + "}"


def _value(name: str, of: Sequence[tuple[str, str]], values: Mapping[str, str]) -> str | None:
    for selected, value in values.items():
        wanted, _, matchers = selected.partition("{")
        pairs = set(re.findall(r'([a-z_]+)="([^"]*)"', matchers))
        if wanted == name and pairs <= set(of):
            return value
    return None


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run promtool; the test is skipped where there is none."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=120, check=False)


def faults(folder: Path, tests: Sequence[Mapping[str, object]], rules: Path | None = ALERTS) -> str:
    """What promtool says is wrong with these tests of rules; empty where nothing is."""
    path = folder / "tests.yaml"
    files = [] if rules is None else [str(rules)]
    path.write_text(json.dumps({"rule_files": files, "evaluation_interval": "1m", "tests": [*tests]}))  # which is YAML
    done = promtool("test", "rules", str(path))
    return "" if done.returncode == 0 else done.stdout + done.stderr
