from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.rendering.markup import Escaped, Markup, TextLines, code, cut_bytes, cut_chars, escape, escape_within
from router.text import one_line
from tests.rendering.hostile import ANY_TEXT, HOSTILE
from tests.rendering.readers import Elements, in_markdown

SPECIAL = st.text(st.sampled_from("<>&\n\u202e\U000e0041aé "))


def test_what_people_read_stays_as_it_is() -> None:
    text = "Grüße, 名前 שלום 🔐 e\u0301 *_`~"

    assert escape(text, Markup.SLACK) == text


def test_what_nobody_sees_is_shown() -> None:
    """Which characters that are is said in one place for everything that people read (`router.text`)."""
    assert escape("a\u202e\u00a0<", Markup.SLACK) == "a\\u202e\\u00a0&lt;"


def test_line_breaks_are_shown_unless_they_are_ours() -> None:
    assert escape("a\nb\r\tc", Markup.SLACK) == "a\\nb\\r\\tc"
    assert escape(TextLines("a\n<b>\r"), Markup.SLACK) == "a\n&lt;b&gt;\\r"


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
    assert isinstance(cut_chars(TextLines("a\nb\nc"), 3), TextLines)


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


LOGS = (Markup.SYSLOG, Markup.CEF, Markup.CEF_EXTENSION, Markup.LEEF, Markup.QUOTED, Markup.LINE)
UNESCAPED = {
    Markup.SYSLOG: re.compile(r'[^"\\\]]|\\["\\\]]'),
    Markup.CEF: re.compile(r"[^=\\|]|\\[=\\n]"),
    Markup.CEF_EXTENSION: re.compile(r"[^=\\]|\\[=\\n]"),
    Markup.LEEF: re.compile(r"[^|^\t]"),
    Markup.QUOTED: re.compile(r'[^"\\]|\\["\\n]'),
    Markup.LINE: re.compile("."),
}
"""What a value is made of, so that none ends before it should."""


@given(ANY_TEXT, st.sampled_from(LOGS))
def test_a_value_in_a_log_is_of_one_line_and_ends_where_it_should(text: str, markup: Markup) -> None:
    for value in (escape(text, markup), escape(TextLines(text), markup)):
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


MARKDOWNS = (Markup.MARKDOWN, Markup.DISCORD)
PLACES = (
    "{}",
    "a {} b",
    "a{}b",
    "- {}",
    "> {}",
    "# {}",
    "| a | {} |\n|---|---|\n| {} | b |",
    "a\n{}\nb",
    "[a]{}",
    "{}{}",
)
"""Where a template may have a value."""
ANY_MARKUP = st.one_of(
    st.sampled_from(HOSTILE).map(lambda text: text[:200]),
    st.text(st.sampled_from("#*_-+=~`[](){}<>!|\\&;:@$.1a /\n\u202e"), max_size=12),
    ANY_TEXT.map(lambda text: text[:200]),
)


def shown_without_harm(text: str) -> str:
    """What people read of it, whichever characters stand there as escapes."""
    return re.sub(r"\s+", "", re.sub(r"\\u00([0-9a-f]{2})", lambda one: chr(int(one[1], 16)), text))


@given(ANY_MARKUP, st.sampled_from(MARKDOWNS), st.sampled_from(PLACES))
def test_a_value_makes_nothing_in_markdown(text: str, markup: Markup, place: str) -> None:
    """No element but those that the template has, wherever it stands, as its reader sees it; and it is seen whole."""
    elements, seen = in_markdown(place.replace("{}", escape(text, markup)))
    expected, _ = in_markdown(place.replace("{}", "x" if text.strip() or "{}{}" in place else text))

    if text.strip():
        assert elements == expected
        assert shown_without_harm(one_line(text)) in shown_without_harm(seen)


@given(ANY_MARKUP, st.sampled_from((*MARKDOWNS, Markup.GOOGLE_CHAT)))
def test_a_value_in_a_span_of_code_stays_there(text: str, markup: Markup) -> None:
    elements, seen = in_markdown(f"a {code(text, markup)} b")

    assert elements == [*EMPTY, *(["code_inline"] if text else [])]
    assert shown_without_harm(one_line(text)) in shown_without_harm(seen)


EMPTY = ["paragraph_open", "inline", "paragraph_close"]
MENTIONS = {
    Markup.SLACK: r"<[!@#]|<https?:",
    Markup.ADAPTIVE_CARD: r"(?i)</?at\b",
    Markup.MARKDOWN: r"<[!@#/:a-z]|(?<!\w)@\w",
    Markup.DISCORD: r"<[!@#/:a-z]|@(?:everyone|here)",
    Markup.GOOGLE_CHAT: r"<[a-z/]",
}


@given(ANY_MARKUP, st.sampled_from(list(MENTIONS)), st.sampled_from([escape, code]))
def test_nobody_is_mentioned(text: str, markup: Markup, shown: Callable[[str, Markup], str]) -> None:
    """In the form in which each service looks for mentions in a message, before or after it reads its Markdown."""
    assert re.search(MENTIONS[markup], shown(text, markup)) is None


@pytest.mark.parametrize("markup", MENTIONS)
@pytest.mark.parametrize("name", ["registry.example:5000/a/b:1.4@sha256:0f", "web-7d4b9c", "shop", "1.20"])
def test_a_name_in_a_span_of_code_is_as_it_is(markup: Markup, name: str) -> None:
    assert code(name, markup).strip("`") == name


def test_only_services_that_have_spans_of_code_get_them() -> None:
    assert {markup: code("a", markup) for markup in (Markup.SLACK, Markup.NONE, Markup.HTML, Markup.ADAPTIVE_CARD)} == {
        Markup.SLACK: "`a`",
        Markup.NONE: "a",
        Markup.HTML: "a",
        Markup.ADAPTIVE_CARD: "a",
    }


@given(ANY_MARKUP)
def test_a_value_in_html_is_text_and_the_value_of_its_attribute(text: str) -> None:
    value = escape(text, Markup.HTML)
    page = Elements(f"<p title=\"{value}\" class='{value}'>{value}</p>")

    assert page.text == html.unescape(value) == one_line(text)
    assert page.found == [("p", [("title", one_line(text)), ("class", one_line(text))])]
