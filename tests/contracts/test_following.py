"""The pages for contributors, followed to the letter in a copy of the tree: what they say is all there is to do."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "contributing"
CONFIGURATION = """
cluster: here
webhook: {listen: "127.0.0.1:8443", tls: self-signed}
operations: {listen: "127.0.0.1:9090"}
outbox: {url: "sqlite:///outbox.db"}
"""
TELLS_PHONES = """
policy: [{pattern: "**", verifier: deny}]
destinations: [{name: phones, kind: ntfy, topic: gate, token: {env: NTFY_TOKEN}}]
routes: {destinations: [phones]}
"""
ASKS_FOR_A_KEY = """
verifiers: [{name: old, kind: legacy_key, key: release.pub}]
policy: [{pattern: "**", verifier: old}]
"""


@dataclass(frozen=True)
class Block:
    """A part of a file, or a change of one, as a page shows it."""

    language: str
    file: str
    text: str

    def follow(self, folder: Path) -> None:
        """Write the file, or change it."""
        path = folder / self.file
        if self.language != "diff":
            path.write_text(self.text)
            return
        lines = self.text.splitlines(keepends=True)
        before, after = ("".join(line[1:] for line in lines if line[0] in of) for of in (" -", " +"))
        found = path.read_text()
        assert found.count(before) == 1, f"{self.file} has this no more:\n{before}"
        path.write_text(found.replace(before, after))


def blocks(page: str) -> list[Block]:
    text = (PAGES / page).read_text()
    return [
        Block(*found) for found in re.findall(r'^```(\w+) title="([^"]+)"\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
    ]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The tree, with what was compiled of it."""
    for folder in ("config", "docs", "router", "templates", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("bench", "data"))
    (tmp_path / "tests" / "data").symlink_to(ROOT / "tests" / "data")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    if (known := ROOT / ".mypy_cache").exists():  # what mypy knows of the tree need not be found out again
        shutil.copytree(known, tmp_path / ".mypy_cache")
    return tmp_path


def run(folder: Path, *command: str) -> str:
    """What a command prints that must succeed, with the `router` of the folder."""
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "NTFY_TOKEN": "tk", "HOME": str(folder)}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, f"{command}\n{ran.stdout[-5000:]}{ran.stderr[-5000:]}"
    return ran.stdout


PYTHON = (sys.executable, "-m")


def holds(folder: Path, configuration: str, section: str, *changed: str) -> None:
    """The product takes what was added, shows it, and every check of a change passes."""
    (folder / "gatecrier.yaml").write_text(CONFIGURATION + configuration)
    assert "valid (" in run(folder, *PYTHON, "router", "config", "check", "gatecrier.yaml")
    assert f"\n## {section}\n" in run(folder, *PYTHON, "router", "config", "reference")
    assert "0 broken" in run(folder, "lint-imports", "--no-cache")
    run(folder, "ruff", "check", "--no-cache", "--fix", "router")
    assert "no issues" in run(folder, "mypy", *changed)


def passed(folder: Path, chosen: str, *contracts: str) -> int:
    """How many of the contract tests pass that are chosen; none fails."""
    told = run(folder, *PYTHON, "pytest", "-q", "-p", "no:cacheprovider", *contracts, "-k", chosen)
    return int(re.findall(r"\b([0-9]+) passed", told)[-1])


def test_a_new_destination_is_what_its_page_says_and_no_more(copy: Path) -> None:
    for block in blocks("new-destination.md"):
        block.follow(copy)

    contracts = (
        "tests/contracts/test_kinds.py",
        "tests/contracts/test_destinations.py",
        "tests/contracts/test_http_dialects.py",
        "tests/contracts/test_secret_hygiene.py",
    )
    assert passed(copy, "ntfy or catalogue", *contracts) > 50
    holds(
        copy,
        TELLS_PHONES,
        "`destinations[]` of kind `ntfy`",
        "router/destinations/kinds/ntfy.py",
        "router/destinations/catalogue.py",
    )


def test_a_new_verifier_is_what_its_page_says_and_no_more(copy: Path) -> None:
    """It proves what its key has signed, by the contract of all schemes, and is taken by the product."""
    for block in blocks("new-verifier.md"):
        block.follow(copy)
    shutil.copy(ROOT / "tests" / "data" / "keys" / "release.pub", copy)

    assert passed(copy, "legacy_key or every_kind", "tests/contracts/test_schemes.py") > 10
    holds(
        copy,
        ASKS_FOR_A_KEY,
        "`verifiers[]` of kind `legacy_key`",
        "router/verification/legacy_key.py",
        "router/verification/catalogue.py",
    )
