"""The newcomer's road: what the documentation tells people to type is typed, in its order, at a real API server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.chart.cluster import Cluster, cluster
from tests.chart.helm import ROOT, needs_helm
from tests.simulators.kube_apiserver import needs_api_server, program

pytestmark = [
    needs_helm,
    needs_api_server,
    pytest.mark.skipif(
        shutil.which("kubectl") is None, reason="no kubectl (Debian: apt-get install kubernetes-client)"
    ),
]
PAGES = ("installation.md", "rollout.md", "upkeep.md")


class Step(NamedTuple):
    """What somebody types, or the file that they write."""

    file: str | None
    text: str


def steps(page: str) -> Iterator[Step]:
    """The blocks of a page that are marked as walked."""
    text = (ROOT / "docs" / page).read_text()
    for file, block in re.findall(r"^<!-- walked(?:: (\S+))? -->\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Step(file or None, block)


def walk(made: Cluster, folder: Path, page: str) -> str:
    """Do what the page says; returns all that was said."""
    path = os.pathsep.join(
        [str(Path(program("helm") or "").parent), str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    environment = os.environ | {"KUBECONFIG": str(made.server.kubeconfig), "PATH": path}
    said = ""
    for step in steps(page):
        if step.file is not None:
            (folder / step.file).write_text(step.text)
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", step.text],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{step.text}\n{done.stdout}\n{done.stderr}"
        said += done.stdout
    return said


def test_the_road_of_the_documentation_can_be_walked(tmp_path: Path) -> None:
    desk = tmp_path / "desk"
    desk.mkdir()
    (desk / "config").symlink_to(ROOT / "config")
    shutil.copy(ROOT / "tests/data/keys/release.pub", desk)
    (desk / "slack-url").write_text("https://hooks.slack.com/services/T/B/x")
    with cluster(tmp_path) as made:
        made.define()
        installed = walk(made, desk, "installation.md")
        assert "files and environment were not looked at" in installed
        assert "STATUS: deployed" in installed

        made.namespace("payments")
        assert re.search(r"payments .*enforce", walk(made, desk, "rollout.md"))
        assert made.ask("GET", "/api/v1/namespaces/gatecrier/services/gatecrier").status == 200

        kept = walk(made, desk, "upkeep.md")
        assert "Rollback was a success" in kept
        assert 'release "gatecrier" uninstalled' in kept
        assert made.ask("GET", "/api/v1/namespaces/gatecrier/services/gatecrier").status == 404


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_the_road_has_steps(page: str) -> None:
    """Else nothing would be walked."""
    assert list(steps(page))
