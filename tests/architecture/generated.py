"""The parts of the documentation that are made from the code: `python -m tests.architecture.generated` renews them.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`, in YAML between `# generated: NAME` and `# end`, or
is a whole file. Tests compare; only this command writes.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry, Info
from prometheus_client.metrics import MetricWrapperBase

from router import cli, events
from router.cli.parsing import examples_of
from router.reasons import REASONS
from router.server.operations import Unhealthy, Unready
from router.telemetry import metrics
from router.telemetry.causes import Cause
from router.verdict import Severity
from tests.architecture.alert import rendered_alert
from tests.architecture.arriving import arriving_parts
from tests.architecture.budgets import budget_list
from tests.architecture.gallery import gallery
from tests.architecture.kinds_table import kind_list, to_come
from tests.architecture.mistakes import mistake_list
from tests.chart.values_schema import MADE, values_schema

ROOT = Path(__file__).resolve().parents[2]
DESTINATIONS = ROOT / "docs" / "destinations.md"


def module_map() -> str:
    """Every package and module of `router/` with the first sentence of its docstring."""
    lines = ["```text"]
    for path in sorted((ROOT / "router").rglob("*.py"), key=_in_reading_order):
        relative = path.relative_to(ROOT)
        depth = len(relative.parts) - 2
        name = f"{relative.parent.name}/" if path.name == "__init__.py" else path.name
        depth -= path.name == "__init__.py"
        if path.name == "__main__.py":
            continue
        lines.append(f"{'    ' * max(0, depth + 1)}{name}".ljust(34) + _summary(path))
    return "\n".join([*lines, "```"])


def _in_reading_order(path: Path) -> tuple[tuple[int, str], ...]:
    """Modules of a folder before its packages, the package's own line first."""
    parts = path.relative_to(ROOT).parts
    names = [(1, part) for part in parts[:-1]]
    return (*names, (-1 if path.name == "__init__.py" else 0, path.name))


def _summary(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    sentence = docstring.split("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=[.]) ", sentence)[0].rstrip(".")


def metric_list() -> str:
    """Every metric with its labels and meaning."""
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    registry = metrics.create("0").registry
    labels = _declared_labels(registry)
    for family in sorted(registry.collect(), key=lambda family: family.name):
        if not family.name.startswith("gatecrier_"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append(f"| `{name}` | {family.type} | {', '.join(labels[family.name])} | {family.documentation} |")
    return "\n".join(rows)


def _declared_labels(registry: CollectorRegistry) -> Mapping[str, Sequence[str]]:
    """The labels that each metric was made with, whether it has a sample yet or not; an info has its own as values."""
    found: dict[str, Sequence[str]] = {}
    for collector in registry._collector_to_names:
        if isinstance(collector, MetricWrapperBase):
            values = [key for family in collector.collect() for sample in family.samples for key in sample.labels]
            found[collector._name] = values if isinstance(collector, Info) else collector._labelnames
        else:
            found |= {family.name: getattr(family, "_labelnames", ()) for family in collector.collect()}
    return found


def trouble_list() -> str:
    """Every cause of trouble."""
    rows = ["| cause | severity | what | what to do |", "|---|---|---|---|"]
    rows += [f"| `{cause}` | {cause.severity} | {_what(cause)} | {cause.remedy} |" for cause in Cause]
    return "\n".join(rows)


def _what(cause: Cause) -> str:
    """Its title, of any subject."""
    return cause.title_of(cause.of.upper().replace("_", " "))


def trouble_alerts() -> str:
    """An alert for every cause of trouble that no other alert of the file tells of."""
    groups = yaml.safe_load((ROOT / "config" / "monitoring" / "alerts.yaml").read_text())["groups"]
    rules = [rule for group in groups if group["name"] != "gatecrier-trouble" for rule in group["rules"]]
    told = {rule["labels"].get("cause") for rule in rules}
    alerts = [_trouble_alert(cause) for cause in sorted(Cause) if cause.value not in told]
    lines = yaml.safe_dump(alerts, sort_keys=False, allow_unicode=True, width=10_000).splitlines()
    return "\n".join(f"      {line}" for line in lines)


def _trouble_alert(cause: Cause) -> dict[str, object]:
    text = f"{cause.remedy[0].upper()}{cause.remedy[1:]}."
    return {
        "alert": "Gatecrier" + cause.value.title().replace("_", ""),
        "expr": f'gatecrier_trouble{{cause="{cause}"}} == 1',
        "labels": {"severity": _ALERT_SEVERITIES[cause.severity]},
        "annotations": {
            "summary": f"{_what(cause)} ({{{{ $labels.instance }}}})",
            "description": f"{text} `trouble_began` in the log says what was found.",
            "runbook_url": "docs/operations.md#trouble",
        },
    }


_ALERT_SEVERITIES = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "critical",
    Severity.MEDIUM: "warning",
    Severity.INFO: "info",
}
"""As Prometheus' users call them."""


def probe_list() -> str:
    """What the probes answer, and why."""
    rows = ["| what | answers 503 | then |", "|---|---|---|"]
    rows += [f"| `/healthz` | {reason} | a restart mends it |" for reason in Unhealthy]
    rows += [f"| `/readyz` | {reason} | requests should go elsewhere |" for reason in Unready]
    return "\n".join(rows)


def command_help() -> str:
    """Every command with its options; made from the parsers, since help texts differ between versions of Python."""
    sections: list[str] = []

    def describe(parser: argparse.ArgumentParser) -> None:
        inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if not inner:
            sections.append("\n".join([f"## {parser.prog}", "", _described(parser), "", *_options(parser)]))
        for action in inner:
            for child in action.choices.values():
                describe(child)

    describe(cli.parser())
    return "\n\n".join(sections)


def _described(parser: argparse.ArgumentParser) -> str:
    paragraphs = [paragraph.replace("\n", " ") for paragraph in (parser.description or "").split("\n\n")]
    return "\n\n".join([*paragraphs, f"```sh\n{examples_of(parser)}\n```"])


def _options(parser: argparse.ArgumentParser) -> list[str]:
    rows = ["| option | meaning |", "|---|---|"]
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        value = (
            "" if action.nargs == 0 else f" {action.metavar or '|'.join(action.choices or ()) or action.dest.upper()}"
        )
        names = ", ".join(action.option_strings) or action.dest
        shown = f"{names}{value if action.option_strings else ''}".replace("|", "\\|")
        text = (action.help or "").replace("%(default)s", str(action.default))
        rows.append(f"| `{shown}` | {text} |")
    return rows if len(rows) > 2 else []


def reason_list() -> str:
    """Every reason code by verdict, with its meaning and its remedy."""
    sections = []
    for verdict, codes in REASONS.items():
        rows = [f"| `{code}` | {code.meaning} | {code.remedy} |" for code in codes]
        sections.append("\n".join([f"## {verdict}", "", "| reason | meaning | what to do |", "|---|---|---|", *rows]))
    return "\n\n".join(sections)


def event_schema() -> str:
    """The JSON Schema of the event."""
    return json.dumps(events.event_schema(), indent=2, sort_keys=True) + "\n"


def notice_schema() -> str:
    """The JSON Schema of the event that tells of Gatecrier itself."""
    return json.dumps(events.notice_schema(), indent=2, sort_keys=True) + "\n"


WHOLE: dict[str, Callable[[], str]] = {
    "docs/gallery.md": gallery,
    "config/schema/event.schema.json": event_schema,
    "config/schema/notice.schema.json": notice_schema,
    MADE: values_schema,
}
PARTS: dict[tuple[str, str], Callable[[], str]] = {
    ("docs/architecture.md", "map"): module_map,
    ("docs/destinations.md", "kinds"): lambda: kind_list(DESTINATIONS.read_text()),
    ("docs/destinations.md", "to come"): to_come,
    ("docs/operations.md", "probes"): probe_list,
    ("docs/operations.md", "troubles"): trouble_list,
    ("docs/operations.md", "metrics"): metric_list,
    ("docs/commands.md", "commands"): command_help,
    ("docs/reasons.md", "reasons"): reason_list,
    ("SECURITY.md", "budgets"): budget_list,
    ("README.md", "alert"): rendered_alert,
    ("docs/templates.md", "mistakes"): mistake_list,
    ("config/monitoring/alerts.yaml", "troubles"): trouble_alerts,
    **arriving_parts(DESTINATIONS.read_text()),
}


def with_part(text: str, name: str, part: str) -> str:
    """The text with this generated part renewed."""
    for begin, end in ((f"<!-- generated: {name} -->\n", "<!-- end -->"), (f"# generated: {name}\n", "# end")):
        before, found, rest = text.partition(begin)
        if found:
            return f"{before}{begin}{part}\n{end}{rest.partition(end)[2]}"
    raise ValueError(f"no place for the generated part {name!r}")


def main() -> None:
    """Renew everything."""
    for file, make in WHOLE.items():
        (ROOT / file).write_text(make())
    for (file, name), make in PARTS.items():
        path = ROOT / file
        path.write_text(with_part(path.read_text(), name, make()))


if __name__ == "__main__":
    main()
