"""What the tree promises about itself."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

from tests import conftest
from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "router").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}


def test_no_module_has_a_name_without_a_stage() -> None:
    assert not [path for path in MODULES if path.stem in VAGUE or path.parent.name in VAGUE]


def test_a_module_is_small_and_says_what_it_is_for() -> None:
    """Every admired code base of this field lost its shape per file."""
    for path in MODULES:
        text = path.read_text()

        assert ast.get_docstring(ast.parse(text)), path
        assert text.count("\n") < 300, path


def test_whatever_catches_everything_says_why() -> None:
    """A mistake that is caught where nobody expects it is found by nobody."""
    for path in MODULES:
        for line in path.read_text().splitlines():
            if re.search(r"except (Base)?Exception\b|except:|suppress\((Base)?Exception\b", line):
                _, _, reason = line.partition("#")

                assert len(re.sub(r"noqa: BLE001 - |\(\d\)", "", reason).split()) >= 4, f"{path}: {line}"


def test_no_test_waits_for_less_than_others() -> None:
    """What should happen in a moment takes seconds on a machine that is busy, and only a failure waits to the end."""
    waiting = re.compile(
        r"\basyncio\.timeout\(([0-9.]+)\)|\bwait_for\([^\n]*, ([0-9.]+)\)|^PATIENCE = ([0-9.]+)", re.MULTILINE
    )
    found = {path: [float(one) for some in waiting.findall(path.read_text()) for one in some if one] for path in TESTS}

    assert not [path for path, seconds in found.items() if any(one < PATIENCE for one in seconds)]


def test_nothing_leads_to_a_machine_of_ours() -> None:
    """The project stands by itself: no path of a machine, nothing outside the checkout."""
    files = [*MODULES, *(ROOT / "docs").rglob("*.md"), ROOT / "README.md", *(ROOT / "config").rglob("*.yaml")]
    pattern = re.compile(r"\.\./shared|/(home|root)/[a-z]|/work/")

    assert not [path for path in files if pattern.search(path.read_text())]


def test_the_package_lists_its_parts() -> None:
    """`router/__init__.py` is the first page a reader opens."""
    text = (ROOT / "router" / "__init__.py").read_text()
    parts = {
        path.stem for path in (ROOT / "router").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }

    listed = set(re.findall(r"^    (\w+) {2,}\S", text, re.MULTILINE))
    assert listed == parts - {"__init__", "__main__"}


def test_the_page_names_the_layers_that_are_checked() -> None:
    """Of `docs/architecture.md` it is the one list that nobody generates."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    checked = [set(layer.split(" | ")) for layer in contracts[0]["layers"]]
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = re.search(r"\*layers\*, exhaustive: `([^`]+)`", page)

    assert named is not None
    assert [set(layer.split(" | ")) for layer in " ".join(named[1].split()).split(" > ")] == checked


def test_every_page_can_be_found() -> None:
    """From the first page of the documentation, and from the README."""
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    index = (ROOT / "docs" / "index.md").read_text()
    readme = (ROOT / "README.md").read_text()

    assert {page for page in pages if f"]({page})" not in index} == set()
    assert {page for page in pages if f"](docs/{page})" not in readme} == set()


def test_what_is_begun_with_is_there() -> None:
    """Of the folders and modules whose tests go first, since they take long, none has another name by now."""
    names = {name for path in TESTS for name in (path.name, path.parent.name)}

    assert names >= {*conftest.LONG, *conftest.LONGEST}
