from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.settings.problems import (
    MOST_SHOWN,
    FilePosition,
    Path,
    Plain,
    Problem,
    in_words,
    inside,
    kind_in_words,
    listing,
    path_text,
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("policy", 0, "verifier"), "policy[0].verifier"),
        (("a", 1, 2, "b"), "a[1][2].b"),
        (("enforcement", "namespaces", "team-*"), 'enforcement.namespaces["team-*"]'),
        (("headers", "X-Tenant"), "headers.X-Tenant"),
        (("a b",), '["a b"]'),
    ],
)
def test_a_path_is_written_as_one_would_say_it(path: Path, text: str) -> None:
    assert path_text(path) == text


@pytest.mark.parametrize(
    ("value", "words", "kind"),
    [
        (None, "nothing", "nothing"),
        (True, "true", "true or false"),
        (False, "false", "true or false"),
        (7, "7", "a number"),
        (1.5, "1.5", "a number"),
        ("a", '"a"', "a text"),
        ([], "an empty list", "an empty list"),
        ([1], "a list", "a list"),
        ({}, "an empty map", "an empty map"),
        ({"a": 1}, "a map", "a map"),
    ],
)
def test_values_are_told_in_words(value: Plain, words: str, kind: str) -> None:
    assert (in_words(value), kind_in_words(value)) == (words, kind)


def test_problems_are_told_in_order_once_and_within_a_limit() -> None:
    problems = [Problem(FilePosition(line, 1), "a", "b") for line in range(MOST_SHOWN + 5, 0, -1)] * 2
    lines = listing("f.yaml", problems).splitlines()

    assert lines[0] == "f.yaml:1:1: a: b"
    assert lines[-1] == "f.yaml: and 5 more"
    assert len(lines) == MOST_SHOWN + 1


def test_a_problem_of_the_document_has_no_path() -> None:
    assert Problem(FilePosition(2, 3), "", "no YAML").line("f.yaml") == "f.yaml:2:3: no YAML"


@given(st.text(), st.text())
def test_a_problem_is_one_printable_line(path: str, text: str) -> None:
    """A terminal must not be steered by what somebody wrote into a file."""
    assert Problem(FilePosition(1, 1), path, text).line("f.yaml").isprintable()


def test_inside_what_does_not_stand_there_is_nothing() -> None:
    assert inside({"a": [1]}, "a") == [1]
    assert inside([1], 0) == 1
    assert inside([1], 1) is None
    assert inside("text", 0) is None
    assert inside({"a": 1}, 0) is None
