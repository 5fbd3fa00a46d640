"""Records of decisions are numbered 1, 2, 3 ..., each once, and the documentation names them all."""

from __future__ import annotations

import re

from tests.architecture.test_tree import ROOT


def test_records_of_decisions_are_numbered_each_once() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    titles = [re.match(r"# ([0-9]+)\. ", record.read_text(encoding="utf-8")) for record in records]

    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    assert [title and int(title[1]) for title in titles] == list(range(1, len(records) + 1))


def test_the_documentation_names_every_record() -> None:
    named = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")

    assert [one.name for one in (ROOT / "docs" / "adr").glob("*.md") if f"adr/{one.name}" not in named] == []
