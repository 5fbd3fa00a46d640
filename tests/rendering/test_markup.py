from __future__ import annotations

import re
import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from router.rendering.markup import Escaped, Lines, Markup, cut_bytes, cut_chars, escape, escape_within
from tests.rendering.hostile import ANY_TEXT

UNSEEN = frozenset("\u115f\u1160\u2800\u3164\uffa0")
SPECIAL = st.text(st.sampled_from("<>&\n\u202e\U000e0041aé "))


def is_seen(character: str) -> bool:
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} and character not in UNSEEN


def test_every_character_that_nobody_sees_is_shown() -> None:
    """By the Unicode data that this Python has: control, format, surrogate, line and paragraph separator, fillers."""
    left = [
        f"{code:x}" for code in range(sys.maxunicode + 1)
        if not is_seen(chr(code)) and escape(chr(code), Markup.SLACK) == chr(code)
    ]  # fmt: skip

    assert left == []


def test_what_people_read_stays_as_it_is() -> None:
    text = "Grüße, 名前 שלום 🔐 e\u0301 \u00a0*_`~"

    assert escape(text, Markup.SLACK) == text


def test_line_breaks_are_shown_unless_they_are_ours() -> None:
    assert escape("a\nb\r\tc", Markup.SLACK) == "a\\nb\\r\\tc"
    assert escape(Lines("a\n<b>\r"), Markup.SLACK) == "a\n&lt;b&gt;\\r"


def test_without_markup_nothing_is_escaped() -> None:
    assert escape("<\u202e&\n", Markup.NONE) == "<\u202e&\n"


@given(SPECIAL)
def test_nothing_is_escaped_twice(text: str) -> None:
    once = escape(text, Markup.SLACK)

    assert escape(Escaped(once), Markup.SLACK) == once


@given(SPECIAL, st.integers(0, 30))
def test_a_cut_ends_inside_no_entity_and_no_escape(text: str, limit: int) -> None:
    escaped = Escaped(escape(text, Markup.SLACK))
    for short in (cut_chars(escaped, limit), cut_bytes(escaped, limit)):
        rest = re.sub(r"&(amp|lt|gt);|\\n|\\u202e|\\U000e0041", "", short)

        assert "&" not in rest
        assert "\\" not in rest
        assert isinstance(short, Escaped)


@given(ANY_TEXT, st.integers(-1, 12))
def test_a_cut_keeps_its_measure(text: str, limit: int) -> None:
    """Lone surrogates count as the one byte that replaces them."""
    assert len(cut_chars(text, limit)) <= max(0, limit)
    assert len(cut_bytes(text, limit).encode(errors="replace")) <= max(0, limit)


def test_a_cut_text_of_lines_is_still_one() -> None:
    assert isinstance(cut_chars(Lines("a\nb\nc"), 3), Lines)


LOGS = (Markup.SYSLOG, Markup.CEF, Markup.LEEF, Markup.QUOTED, Markup.LINE)
UNESCAPED = {
    Markup.SYSLOG: re.compile(r'[^"\\\]]|\\["\\\]]'),
    Markup.CEF: re.compile(r"[^=\\]|\\[=\\n]"),
    Markup.LEEF: re.compile(r"[^|^\t]"),
    Markup.QUOTED: re.compile(r'[^"\\]|\\["\\n]'),
    Markup.LINE: re.compile("."),
}
"""What a value is made of, so that none ends before it should."""


@given(ANY_TEXT, st.sampled_from(LOGS))
def test_a_value_in_a_log_is_of_one_line_and_ends_where_it_should(text: str, markup: Markup) -> None:
    for value in (escape(text, markup), escape(Lines(text), markup)):
        assert "".join(UNESCAPED[markup].findall(value)) == value
        assert not [character for character in value if not is_seen(character)]


@given(st.text(st.sampled_from('"\\]|=^\n\u202e\U000e0041é🔐a')), st.sampled_from(LOGS), st.integers(0, 60))
def test_what_is_cut_while_it_is_escaped_is_cut_between_characters(text: str, markup: Markup, limit: int) -> None:
    whole, short = escape(text, markup), escape_within(text, markup, limit)

    assert len(short.encode()) <= limit
    if short != whole:
        kept = {escape(text[:end], markup) + "…" for end in range(len(text))}
        assert short in kept or (short == "" and limit < 3)


def test_html_ends_no_element_and_no_attribute() -> None:
    assert escape('<b a="\'">&', Markup.HTML) == "&lt;b a=&quot;&apos;&quot;&gt;&amp;"
