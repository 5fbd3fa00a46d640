from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from router.rendering.markup import Escaped, Lines, Markup, cut_bytes, cut_chars, escape, escape_within
from router.text import one_line
from tests.rendering.hostile import ANY_TEXT

SPECIAL = st.text(st.sampled_from("<>&\n\u202e\U000e0041aé "))


def test_what_people_read_stays_as_it_is() -> None:
    text = "Grüße, 名前 שלום 🔐 e\u0301 *_`~"

    assert escape(text, Markup.SLACK) == text


def test_what_nobody_sees_is_shown() -> None:
    """Which characters that are is said in one place for everything that people read (`router.text`)."""
    assert escape("a\u202e\u00a0<", Markup.SLACK) == "a\\u202e\\u00a0&lt;"


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


def test_what_would_do_harm_in_a_card_is_shown_and_names_are_not() -> None:
    shown = {
        "[a](b)": "[a]\\u0028b)",
        "(b)": "\\u0028b)",
        "[a]: https://evil.example": "[a]\\u003a https://evil.example",
        "<at>SOC</AT>": "\\u003cat>SOC\\u003c/AT>",
        "a<": "a\\u003c",
        "{{DATE(x)}}": "\\u007b{DATE(x)}}",
        "a&#47;b&lt;": "a\\u0026#47;b\\u0026lt;",
        "a\u202e\nb": "a\\u202e\\nb",
    }
    names = [
        "[a][b]",
        "[::1]:5000/a_b__c*d~e",
        "a/b:c@sha256:0",
        "x (container web)",
        "<none>",
        "a & b",
        "['a', 'b']",
        "1 < 2",
    ]

    assert {text: escape(text, Markup.ADAPTIVE_CARD) for text in shown} == shown
    assert [escape(name, Markup.ADAPTIVE_CARD) for name in names] == names


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
        assert one_line(value) == value


@given(st.text(st.sampled_from('"\\]|=^\n\u202e\U000e0041é🔐a')), st.sampled_from(LOGS), st.integers(0, 60))
def test_what_is_cut_while_it_is_escaped_is_cut_between_characters(text: str, markup: Markup, limit: int) -> None:
    whole, short = escape(text, markup), escape_within(text, markup, limit)

    assert len(short.encode()) <= limit
    if short != whole:
        kept = {escape(text[:end], markup) + "…" for end in range(len(text))}
        assert short in kept or (short == "" and limit < 3)


def test_html_ends_no_element_and_no_attribute() -> None:
    assert escape('<b a="\'">&', Markup.HTML) == "&lt;b a=&quot;&apos;&quot;&gt;&amp;"
