"""Texts that others wrote: nothing in them hides, breaks a line or steers a terminal, wherever they are shown."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.text import (
    HEAD,
    LISTED,
    SHORTENED,
    SHOWN,
    TAIL,
    advice,
    cut,
    cut_middle,
    escape_in_json,
    how_often,
    is_seen,
    listed,
    nearest,
    one_line,
    shortened,
    shortened_into,
    shown,
)

ANY_TEXT = st.text(st.characters(exclude_categories=[]) | st.sampled_from("\n\u202e\u200b\ufe0f\u0336\u3164⚠ é\ud800"))
LIMITS = st.integers(0, 300)


def characters() -> list[str]:
    return [chr(code) for code in range(sys.maxunicode + 1)]


def test_whatever_unicode_calls_invisible_is_not_seen() -> None:
    """By the data that this Python has: controls, formats, surrogates, separators, private and unassigned ones."""
    seen = [one for one in characters() if unicodedata.category(one)[0] in "CZ" and is_seen(one)]

    assert seen == [" "]


def test_a_mark_that_hides_what_it_stands_on_is_not_seen() -> None:
    """It crosses out (combining class 1, overlay) or encloses."""
    hiding = (one for one in characters() if unicodedata.category(one) == "Me" or unicodedata.combining(one) == 1)

    assert [f"{ord(one):x}" for one in hiding if is_seen(one)] == []


def test_all_else_but_what_shows_nothing_is_seen() -> None:
    """Fillers, joiners and selectors are few; letters, other marks, numbers and symbols of all languages stay."""
    hidden = [one for one in characters() if unicodedata.category(one)[0] in "LNPS" and not is_seen(one)]

    assert hidden == ["\u115f", "\u1160", "\u2800", "\u3164", "\uffa0"]


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ("registry.example/shop/web:1.4", "registry.example/shop/web:1.4"),
        ("a\nb\r\tc\x1b[31m", r"a\nb\r\tc\u001b[31m"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("a\u200bb\ufeff\xa0", r"a\u200bb\ufeff\u00a0"),
        ("\ud800", r"\ud800"),
        ("x\U000e0041", r"x\U000e0041"),
        ("o\u0336\u3164", r"o\u0336\u3164"),
        ("nginx\ufe0f", r"nginx\ufe0f"),
        ("\u26a0\ufe0f", "\u26a0\ufe0f"),
        ("名前 é e\u0301 हिन्दी שלום 🔐", "名前 é e\u0301 हिन्दी שלום 🔐"),
    ],
)
def test_what_others_wrote_is_shown_on_one_line(written: str, line: str) -> None:
    assert one_line(written) == line


@given(ANY_TEXT)
def test_no_text_hides_or_breaks_a_line(text: str) -> None:
    line = one_line(text)

    assert line.isprintable()
    assert line.encode().decode() == line
    assert len(line.splitlines()) <= 1
    assert one_line(line) == line


@given(ANY_TEXT)
def test_what_is_seen_stays_as_it_is(text: str) -> None:
    """Nothing is escaped that needs none, and an escape stands for its character alone."""
    visible = "".join(one for one in text if is_seen(one))

    assert one_line(visible) == visible
    assert (one_line(text) == text) == (is_seen(text) or is_seen(text.replace("⚠\ufe0f", "⚠").replace("⚠\ufe0e", "⚠")))


@given(ANY_TEXT)
def test_escapes_of_json_are_undone_by_whoever_reads_it(text: str) -> None:
    line = one_line(json.dumps(text, ensure_ascii=False), escape_in_json)

    assert line.isprintable()
    assert json.loads(line) == json.loads(json.dumps(text))


@given(ANY_TEXT, LIMITS)
def test_a_cut_text_keeps_its_measure_and_says_that_it_is_cut(text: str, limit: int) -> None:
    for short in (cut(text, limit), cut_middle(text, limit)):
        assert len(short) <= limit
        assert short == text or not limit or "…" in short


def test_without_its_middle_a_name_keeps_its_registry_and_its_tag() -> None:
    name = cut_middle("registry.example/" + "x" * 500 + ":1.4", 60)

    assert name.startswith("registry.example/")
    assert name.endswith(":1.4")


@given(ANY_TEXT, ANY_TEXT)
def test_a_shortened_text_is_known_again(one: str, other: str) -> None:
    first, second = (shortened(text + "x" * HEAD * 2) for text in (one, other))

    assert len(first) < HEAD + TAIL + 60
    assert (first == second) == (one.encode(errors="replace") == other.encode(errors="replace"))
    assert shortened(one, len(one)) == one
    assert shortened(first, SHORTENED) == first
    assert shortened_into(one, len(one)) == one
    assert len(shortened_into(one + "x" * 500, 400)) == 400


@given(ANY_TEXT)
def test_a_shown_text_is_short_and_in_quotes_that_it_can_not_leave(text: str) -> None:
    line = shown(text)

    assert line.isprintable()
    assert len(line) <= SHOWN * 12 + 5
    assert text.startswith((json.loads(line), json.loads(line).removesuffix("...")))


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("shop-kees", ["allow", "deny", "shop-keys"], "shop-keys"),
        ("Cluster", ["cluster"], "cluster"),
        ("on_unverified", ["on_unverifiable", "mode"], "on_unverifiable"),
        ("zzz", ["cluster"], None),
        ("a", [], None),
    ],
)
def test_the_nearest_name_is_one_that_was_probably_meant(name: str, known: list[str], near: str | None) -> None:
    assert nearest(name, known) == near


@given(st.lists(st.text("abc", min_size=1), max_size=50), st.integers(0, 40))
def test_a_list_counts_what_it_leaves_out(names: list[str], most: int) -> None:
    told, _, rest = listed(names, most).partition("and ")

    assert len(told.strip().split(", ")) == min(most, len(names)) or not told.strip()
    assert rest == (f"{len(names) - most} more" if len(names) > most else "")


def test_advice_names_what_is_near_or_what_there_is() -> None:
    assert advice("alow", ["allow", "deny"]) == 'did you mean "allow"? (known: allow, deny)'
    assert advice("zzz", ["allow", "deny"]) == "expected one of allow, deny"
    assert advice("zzz", ["allow"]) == "expected allow"
    assert advice("zzz", []) == "there is none to name"
    assert advice("zzz", [f"name{n}" for n in range(40)]).endswith(f"name{LISTED - 1} and 10 more")


@pytest.mark.parametrize(("times", "said"), [(0, "0 times"), (1, "once"), (2, "2 times")])
def test_how_often_reads_as_people_say_it(times: int, said: str) -> None:
    assert how_often(times) == said
