"""The kustomize base is what the chart says, and kustomize takes it."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import yaml

from tests.chart.base import BASE, VALUES, made
from tests.chart.helm import needs_helm, rendered
from tests.chart.schemas import RELEASES, faults


@needs_helm
def test_the_base_is_what_the_chart_says() -> None:
    """Renew it by `python -m tests.chart.base`."""
    files = made()

    assert {name: (BASE / name).read_text() for name in files} == files


@needs_helm
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl (Debian: apt-get install kubernetes-client)")
def test_kustomize_makes_of_the_base_what_helm_makes_of_the_chart() -> None:
    """The same objects by name; each valid."""
    done = subprocess.run(["kubectl", "kustomize", str(BASE)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    objects = list(yaml.safe_load_all(done.stdout))
    names = [(found["kind"], found["metadata"]["name"]) for found in objects if found["kind"] != "Namespace"]

    wanted = rendered(yaml.safe_load(VALUES.read_text()))
    assert sorted(names) == sorted((found["kind"], found["metadata"]["name"]) for found in wanted)
    assert [fault for found in objects for release in RELEASES for fault in faults(found, release)] == []
