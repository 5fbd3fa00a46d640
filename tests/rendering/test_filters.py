from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.rendering.filters import SEVERITIES, all_filters
from router.rendering.markup import Escaped, Markup, cut_bytes, cut_chars, escape
from router.rendering.rehearsal import OF_DECISIONS
from router.rendering.template import Template
from router.verdict import Severity

IMAGE = "registry.example:5000/shop/web:1.4@sha256:" + "ab" * 32


def shown(expression: str, **context: object) -> object:
    return json.loads(Template.parse("t", f"{{{{ {expression} }}}}").render(context).body)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("t | rfc3339", "2026-11-23T10:15:30.123Z"),
        ("'2026-11-23T11:15:30.123+01:00' | rfc3339", "2026-11-23T10:15:30.123Z"),
        ("'2026-11-23T10:15:30' | rfc3339", "2026-11-23T10:15:30.000Z"),
        ("t | epoch_s", 1795428930),
        ("t | epoch_ms", 1795428930123),
        ("t | epoch_us", 1795428930123000),
        ("t | epoch_ns", 1795428930123000000),
        ("image | image_registry", "registry.example:5000"),
        ("image | image_repository", "shop/web"),
        ("image | image_tag", "1.4"),
        ("image | image_digest", "sha256:" + "ab" * 32),
        ("'no image!' | image_tag", ""),
        ("'nginx' | image_digest", ""),
        ("[1, none] | tojson", [1, None]),
        ("'abcdef' | truncate_chars(4)", "abc…"),
        ("12345 | truncate_chars(3)", "12…"),
        ("'ééé' | truncate_bytes(5)", "é…"),
        ("7 | truncate_bytes(5)", "7"),
        ("'<a>&' | slack_escape | slack_escape", "&lt;a&gt;&amp;"),
        ("'4' | map_severity('opsgenie')", "P4"),
        ("[1, 2, 2.5] | sum", 5.5),
        ("[{'n': 1}, {'n': 2}] | sum(attribute='n')", 3),
        ("[{'n': {'m': 1}}] | map(attribute='n.m')", [1]),
        ("[{}, {'n': 1}] | map(attribute='n', default=0)", [0, 1]),
        ("['a', 'A', 'b'] | unique", ["a", "b"]),
        ("[2, 1] | reverse", [1, 2]),
        ("'ab' | reverse", "ba"),
        ("[1, none, true] | join('-')", "1--true"),
        ("[{'n': 'a'}, {'n': 'b'}] | join(',', attribute='n')", "a,b"),
        ("'aXbX' | replace('X', 'y', 1)", "aybX"),
        ("'  a ' | trim", "a"),
        ("'xax' | trim('x')", "a"),
        ("true | string", "true"),
        ("2.567 | round(1)", 2.6),
        ("'ab cd' | title", "Ab Cd"),
        ("'ab' | capitalize", "Ab"),
        ("{'b': 1, 'a': 2} | dictsort", [["a", 2], ["b", 1]]),
        ("{'a': 1} | items", [["a", 1]]),
        ("[{'k': 1, 'v': 2}] | groupby('k')", [[1, [{"k": 1, "v": 2}]]]),
        ("([{'k': 1, 'v': 2}] | groupby('k') | first).grouper", 1),
        ("([{'k': 1, 'v': 2}] | groupby('k') | first).list", [{"k": 1, "v": 2}]),
        ("[1, 2, 3] | select('gt', 1) | length", 2),
    ],
)
def test_a_filter_says_what_its_name_says(expression: str, value: object) -> None:
    assert shown(expression, t="2026-11-23T10:15:30.123Z", image=IMAGE) == value


@pytest.mark.parametrize("service", SEVERITIES)
def test_every_service_has_a_word_for_every_severity(service: str) -> None:
    assert set(SEVERITIES[service]) >= {severity.value for severity in Severity}
    assert shown(f"'unknown' | map_severity('{service}')") == SEVERITIES[service]["medium"]


def test_falco_names_are_falco_s() -> None:
    assert [shown(f"'{severity}' | map_severity('falco')") for severity in ("critical", "high", "medium", "info")] == [
        "critical", "error", "warning", "informational",
    ]  # fmt: skip


@given(st.text(), st.integers(0, 50))
def test_a_cut_text_is_short_enough_and_begins_as_it_did(text: str, limit: int) -> None:
    short = cut_chars(text, limit)

    assert len(short) <= limit or short == text
    assert text.startswith(short.removesuffix("…")) or short == text


@given(st.text(st.sampled_from("<>&a ")), st.integers(0, 30))
def test_a_cut_never_ends_inside_an_entity(text: str, limit: int) -> None:
    short = cut_chars(escape(text, Markup.SLACK), limit)

    rest = short.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    assert "&" not in rest


@given(st.text(), st.integers(0, 40))
def test_a_cut_by_bytes_is_whole_characters(text: str, limit: int) -> None:
    short = cut_bytes(text, limit)

    assert len(short.encode(errors="replace")) <= limit or short == text


def test_a_cut_by_bytes_spares_entities_too() -> None:
    assert cut_bytes(Escaped("aaa&amp;"), 7) == "aaa…"


@given(st.text())
def test_escaped_text_mentions_nobody_and_hides_nothing(text: str) -> None:
    escaped = escape(text, Markup.SLACK)

    assert "<" not in escaped
    assert ">" not in escaped
    assert not any(character in escaped for character in "\u202e\u2066\x00\x1b\u200b")
    assert escape(Escaped(escaped), Markup.SLACK) == escaped


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "templates.md").read_text()


def test_the_guide_lists_every_filter_and_no_other() -> None:
    table = PAGE.partition("## Filters")[2].partition("Those that Jinja has")[0]
    listed = set(re.findall(r"`([a-z0-9_]+)(?:\([^`]*\))?`", table)) - {*SEVERITIES, "priority"}

    assert listed == set(all_filters())


def test_the_guide_lists_every_service_of_map_severity() -> None:
    assert all(f"`{service}`" in PAGE or f"('{service}')" in PAGE for service in SEVERITIES)


def test_the_guide_lists_every_name() -> None:
    assert all(f"`{name}`" in PAGE for name in OF_DECISIONS.known)


def test_the_guide_s_example_is_a_template() -> None:
    example = PAGE.partition("<!-- example -->\n```json\n")[2].partition("```")[0]
    template = Template.parse("mine", example, known=OF_DECISIONS.known)
    OF_DECISIONS.rehearse(template)
    document = json.loads(template.render(OF_DECISIONS.known).body)

    assert document["count"] == len(document["images"]) > len(document["failing"]) > 0
