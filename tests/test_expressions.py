from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.expressions import LENGTH, full_match


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        ("(?=a)b", "lookahead (?=...)"),
        ("(?!kube-).*", "negative lookahead (?!...)"),
        ("(?<=a)b", "lookbehind (?<=...)"),
        ("x(?<!a)b", "negative lookbehind (?<!...)"),
        (r"(a)\1", r"a back-reference \1"),
        ("(?P<n>a)(?P=n)", "a back-reference (?P=...)"),
        ("(?>a)", "an atomic group (?>...)"),
        ("a++", "a possessive quantifier ++"),
        ("(a)?(?(1)b|c)", "a condition (?(...)...)"),
        (r"[(?=]\((?=a)", "lookahead (?=...)"),
    ],
)
def test_what_needs_more_than_linear_time_is_named(expression: str, part: str) -> None:
    with pytest.raises(ValueError, match=f"has {re.escape(part)}; patterns run in linear time"):
        full_match(expression)


@pytest.mark.parametrize("expression", ["[(?=]+", r"\(\?=", r"\Q(?=\E", "(?:a|b)+?", "[]a]", "(?i)a", "(?P<name>a)"])
def test_what_only_looks_like_it_is_taken(expression: str) -> None:
    assert full_match(expression)("+") in {True, False}


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("(", "not a valid regular expression (RE2): missing )"),
        ("a{1001}", "invalid repetition size"),
        (r"a\Z", "invalid escape sequence"),
        (r"[\pL\pN]{1000}", "its program is larger than 1 MiB"),
        ("a" * (LENGTH + 1), "of 1001 characters; at most 1000"),
        ("a\ud800", "lone surrogates"),
    ],
)
def test_what_is_none_is_refused_with_words(expression: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        full_match(expression)


def test_no_text_keeps_it_busy() -> None:
    """With a backtracking engine this takes longer than the universe has been there."""
    assert not full_match("(a+)+(a|aa)+b")("a" * 50_000)


def test_the_whole_text_is_matched_and_a_line_break_hides_nothing() -> None:
    matches = full_match("a.b")

    assert matches("a\nb")
    assert not matches("xa.b")
    assert not matches("a.b\n")
    assert not full_match("a$")("a\n")
    assert full_match(".")("\u00e9")
    assert full_match(".")("\ud800")


@given(st.text(alphabet="ab.*+?()[]{}|\\\\^$=!<>P1,\n", max_size=30))
def test_any_text_is_an_expression_or_refused(expression: str) -> None:
    with contextlib.suppress(ValueError):
        assert full_match(expression)("ab") in {True, False}


@given(st.text(alphabet="abé.*(\n", max_size=20), st.text(alphabet="abé.*(\n", max_size=20))
def test_an_escaped_text_matches_itself_alone(text: str, other: str) -> None:
    matches = full_match(re.escape(text))

    assert matches(text)
    assert matches(other) is (text == other)
