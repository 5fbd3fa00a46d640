from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.cli.tables import table

WORDS = st.text(alphabet="abcdefgh", min_size=1, max_size=12)
CELLS = st.lists(WORDS, max_size=6).map(" ".join)


def test_what_fits_stands_in_columns() -> None:
    assert table(["A", "LONG"], [["one", "x"], ["two", ""]], width=80) == "A    LONG\none  x\ntwo"


def test_what_is_wide_is_wrapped_between_words() -> None:
    made = table(["WHAT", "STATE"], [["a table that is wider than this", "fine"]], indent="  ", width=24)

    assert made.splitlines() == ["  WHAT             STATE", "  a table that is  fine", "  wider than this"]


def test_columns_that_do_not_fit_beside_the_others_go_beneath_them() -> None:
    made = table(["STATE", "EVENT", "NEXT"], [["pending", "x" * 20, "y" * 10]], width=30)

    assert made.splitlines() == [
        "STATE    EVENT",
        "    NEXT",
        f"pending  {'x' * 20}",
        f"    {'y' * 10}",
    ]


def test_what_can_not_be_seen_is_shown_as_an_escape() -> None:
    assert table(["A"], [["\x1b[2J\n"]], width=80) == "A\n\\u001b[2J\\n"


def test_without_a_terminal_the_width_is_80(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)

    assert max(map(len, table(["A", "B"], [["word " * 12, "word " * 12]]).splitlines())) <= 80


@given(st.integers(1, 5).flatmap(lambda size: st.lists(st.lists(CELLS, min_size=size, max_size=size), min_size=1)))
def test_no_word_is_cut_and_nothing_is_wider_than_it_must_be(rows: list[list[str]]) -> None:
    lines = table(rows[0], rows[1:], width=40).splitlines()

    assert sorted(" ".join(lines).split()) == sorted(word for row in rows for cell in row for word in cell.split())
    assert max(map(len, lines), default=0) <= 40
