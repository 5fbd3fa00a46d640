"""The kustomize base in config/kubernetes, made from the chart: `python -m tests.chart.base` renews it.

For those who have no Helm. Each file is a template of the chart, rendered with config/helm/base.values.yaml, without
what only Helm needs. `kustomization.yaml` and `namespace.yaml` are written by hand. A test compares; only this command
writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import yaml

from tests.chart.helm import CHART, ROOT, helm

BASE = ROOT / "config" / "kubernetes"
VALUES = ROOT / "config" / "helm" / "base.values.yaml"
_TEMPLATES = {
    "certificate.yaml": "tls.yaml",
    "disruption.yaml": "disruption.yaml",
    "modes.yaml": "modes.yaml",
    "network.yaml": "network.yaml",
    "service.yaml": "service.yaml",
    "serviceaccount.yaml": "serviceaccount.yaml",
    "statefulset.yaml": "statefulset.yaml",
    "webhook.yaml": "webhooks.yaml",
}
_HEAD = (
    "# Made from the chart in config/helm by `python -m tests.chart.base`; change it there, or by a kustomize patch.\n"
)
_OF_HELM = re.compile(r"^# Source: .*\n|^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", re.MULTILINE)


def made() -> Mapping[str, str]:
    """Every file of the base by its name."""
    files = {name: _HEAD + _rendered(template) for name, template in _TEMPLATES.items()}
    configuration = yaml.safe_load(_rendered("configuration.yaml"))["data"]["gatecrier.yaml"]
    return {**files, "gatecrier.yaml": _HEAD + configuration}


def _rendered(template: str) -> str:
    done = helm(
        *("template", "gatecrier", CHART, "--namespace", "gatecrier", "--kube-version", "1.35.0", "--no-hooks"),
        *("--show-only", f"templates/{template}"),
        values=yaml.safe_load(VALUES.read_text()),
    )
    if done.returncode != 0:
        raise ValueError(done.stderr)
    return _OF_HELM.sub("", done.stdout).removeprefix("---\n")


def main() -> None:
    """Write it."""
    for name, text in made().items():
        (BASE / name).write_text(text)


if __name__ == "__main__":
    main()
