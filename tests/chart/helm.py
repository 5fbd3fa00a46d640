"""The chart, rendered by Helm as a user would, and what came of it as objects.

Helm is looked for on PATH, in GATECRIER_KUBE and in ~/.cache/gatecrier-kube; tests that need it are skipped where it is
not there.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Hashable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.simulators.kube_apiserver import program

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "config" / "helm" / "gatecrier"
IMAGE = {"repository": "registry.example/platform/gatecrier"}
Json = dict[str, Any]

needs_helm = pytest.mark.skipif(
    program("helm") is None,
    reason="no helm: go install helm.sh/helm/v3/cmd/helm@v3.19.2 (.ci/run does where there is go)",
)


def helm(*arguments: str | Path, values: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Run it, with an image and these values on standard input."""
    command = [program("helm") or "helm", *map(str, arguments), "--values", "-"]
    given = json.dumps({"image": IMAGE, **(values or {})})  # which is YAML
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=False)


@cache
def _rendered(release: str, values: str, *, hooks: bool) -> str:
    """What the chart makes of values as JSON: always the same, as it asks no cluster, so Helm is started once."""
    done = helm(
        *("template", release, CHART, "--namespace", "gatecrier", "--kube-version", "1.35.0"),
        *(() if hooks else ("--no-hooks",)),
        values=json.loads(values),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class _Loader(yaml.CSafeLoader):
    """Takes no key that stands twice in a map: some tools refuse that, and others read it as they like."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - as yaml has it
        keys = Counter(key.value for key, _ in node.value)
        assert set(keys.values()) <= {1}, f"twice in one map: {[key for key, count in keys.items() if count > 1]}"
        return super().construct_mapping(node, deep)


def rendered(values: Mapping[str, Any] | None = None, *, release: str = "gatecrier", hooks: bool = False) -> list[Json]:
    """Every object that the chart makes of these values, hooks only where they are asked for."""
    text = _rendered(release, json.dumps(values or {}), hooks=hooks)
    return [found for found in yaml.load_all(text, Loader=_Loader) if found]


def refusal(values: Mapping[str, Any]) -> str:
    """Why Helm renders nothing of these values."""
    done = helm("template", "gatecrier", CHART, "--namespace", "gatecrier", "--kube-version", "1.35.0", values=values)
    assert done.returncode != 0, done.stdout
    return done.stderr


def of_kind(objects: list[Json], kind: str, name: str | None = None) -> Json:
    """The only one of a kind, or of a kind and a name."""
    (found,) = [one for one in objects if one["kind"] == kind and name in (None, one["metadata"]["name"])]
    return found
