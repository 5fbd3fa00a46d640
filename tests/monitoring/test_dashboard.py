"""The dashboard asks for what the product shows, and Grafana can lay it out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from router.telemetry.metrics import create
from tests.monitoring.product import DASHBOARD, MINUTES, faults, labels, named, scraped, series, unknown, written

BOARD: Mapping[str, Any] = json.loads(DASHBOARD.read_text())
PANELS: list[Mapping[str, Any]] = BOARD["panels"]
NAMED = {variable["name"] for variable in BOARD["templating"]["list"]}
WIDTH = 24


def queries() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every query with the title of its panel."""
    for panel in PANELS:
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", target


def asked(expression: str) -> str:
    """The query as Grafana sends it when everything is chosen."""
    text = expression.replace("$__rate_interval", "5m")
    for name in NAMED:
        text = text.replace(f"${name}", ".*")
    return text


@pytest.mark.parametrize(("title", "target"), [*queries()], ids=lambda value: value if isinstance(value, str) else "")
def test_a_query_names_what_the_product_has(title: str, target: Mapping[str, Any]) -> None:
    expression = asked(target["expr"])
    shown = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target["legendFormat"]))
    grouped = set(re.findall(r"\w+", " ".join(re.findall(r"\bby \(([^)]*)\)", expression))))
    (known,) = {frozenset(labels()[name]) for name in sorted(named(expression)[0])[:1]}

    assert title
    assert unknown(expression) == set()
    assert shown <= (grouped or known)
    assert "$" not in expression


def test_every_query_finds_something(tmp_path: Path) -> None:
    """Asked of promtool, with every series that the product has; a panel that stays empty tells nobody anything."""
    moving = {
        written(name, of): f"0+1x{MINUTES}" for (name, of), kind in series().items() if kind in {"counter", "histogram"}
    }
    tests = [
        {
            "expr": f"count({asked(target['expr'])}) > bool 0",
            "eval_time": "60m",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        for _, target in queries()
    ]

    assert (
        faults(tmp_path, [{"interval": "1m", "input_series": scraped(moving, well="1"), "promql_expr_test": tests}])
        == ""
    )


def test_what_is_chosen_from_is_there() -> None:
    """A choice whose query finds nothing leaves every panel empty."""
    chosen = [variable for variable in BOARD["templating"]["list"] if variable["type"] == "query"]
    for variable in chosen:
        metric, label = re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]  # else it fails
        assert label in labels()[metric]
        assert unknown(asked(variable["definition"].removeprefix("label_values"))) <= {label}

    assert [variable["name"] for variable in chosen] == ["job", "instance", "destination"]


def test_every_metric_is_looked_at() -> None:
    """By the dashboard or by an alert: one that is new is to be placed, or nobody will ever look at it."""
    text = DASHBOARD.read_text() + (DASHBOARD.parent / "alerts.yaml").read_text()
    families = {family.name for family in create("1").registry.collect() if family.name.startswith("gatecrier_")}

    assert {name for name in families if name not in text} == {"gatecrier_build"}


def test_panels_do_not_cover_each_other() -> None:
    places = [panel["gridPos"] for panel in PANELS]

    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= WIDTH for place in places)
    assert not [
        (one, other)
        for one, other in combinations(places, 2)
        if one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    ]


def test_rows_are_in_the_order_of_the_questions() -> None:
    rows = [panel["title"] for panel in PANELS if panel["type"] == "row"]

    assert rows == [
        "Does it work?",
        "Is everybody told?",
        "What is decided?",
        "How fast?",
        "For how long will it last?",
    ]
    assert [panel["gridPos"]["y"] for panel in PANELS] == sorted(panel["gridPos"]["y"] for panel in PANELS)
