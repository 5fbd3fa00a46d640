from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from router.settings.problems import FilePosition, Problem
from router.settings.reading import LARGEST, read_document

ODD = st.text("abyn017:.-~{}[]&*!#\n \"'%@,?|>", max_size=6)


def plain(texts: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Maps of whatever JSON can hold, with these texts and keys."""
    values = st.recursive(
        st.none() | st.booleans() | st.integers(-(10**17), 10**17) | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=20,
    )
    return st.dictionaries(texts, values, max_size=4)


def data(text: str) -> dict[str, Any]:
    """The data of a document without problems."""
    document, problems = read_document(text.encode())

    assert not problems
    assert document is not None
    return document.data


def only_problem(content: str | bytes) -> Problem:
    _, problems = read_document(content if isinstance(content, bytes) else content.encode())

    assert len(problems) == 1, problems
    return problems[0]


@settings(max_examples=60)
@given(plain(st.text(max_size=8)))
def test_what_is_written_as_json_is_read_as_it_was(value: dict[str, Any]) -> None:
    """JSON is YAML 1.2: every quoted text stays a text, whatever it looks like."""
    document, problems = read_document(json.dumps(value).encode())

    if problems:  # a surrogate pair written as two escapes is JSON, but not YAML
        assert "\\ud" in json.dumps(value)
    else:
        assert document is not None
        assert document.data == value


@settings(max_examples=60)
@given(plain(ODD))
def test_what_pyyaml_writes_is_read_as_it_was(value: dict[str, Any]) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    document, problems = read_document(text.encode())

    assert not problems
    assert document is not None
    assert document.data == value


@settings(max_examples=200)
@given(st.text("ab:-?[]{},#&*!|>'\"%@\t\n \\é<~1", max_size=40))
def test_whatever_is_read_there_is_a_document_or_a_place_of_a_problem(text: str) -> None:
    document, problems = read_document(text.encode())

    assert document is not None or problems
    assert all(problem.place >= (1, 1) for problem in problems)


@settings(max_examples=60)
@given(st.binary(max_size=40))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    document, problems = read_document(content)

    assert document is not None or problems


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("~", None),
        ("", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("off", "off"),
        ("no", "no"),
        ("12", 12),
        ("-12", -12),
        ("0o17", 15),
        ("0x1F", 31),
        ("012", 12),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("-", "-"),
        (".", "."),
        ("9" * 30, "9" * 30),
        ("1795428930123000000", 1795428930123000000),
        ("-9223372036854775808", -(2**63)),
        ("-9223372036854775809", "-9223372036854775809"),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", "18446744073709551616"),
        ("0xFFFFFFFFFFFFFFFF", 2**64 - 1),
        ("2026-01-01", "2026-01-01"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
        ("!!int 12", 12),
        ("!!bool true", True),
        ("! 12", "12"),
        ("127.0.0.1:8443", "127.0.0.1:8443"),
    ],
)
def test_scalars_mean_what_the_core_schema_says(text: str, value: object) -> None:
    read = data(f"a: {text}" if text != "-" else "a: '-'")["a"]

    assert read == value
    assert type(read) is type(value)


def test_every_value_and_key_has_its_place() -> None:
    document, _ = read_document(b"# first\na: 1\nb:\n  - c: x\n    d: [1, 22]\n  - e\n")

    assert document is not None
    assert document.place(()) == (2, 1)
    assert document.place(("a",)) == (2, 4)
    assert document.place(("a",), at_key=True) == (2, 1)
    assert document.place(("b",)) == (4, 3)
    assert document.place(("b", 0, "d"), at_key=True) == (5, 5)
    assert document.place(("b", 0, "d", 1)) == (5, 12)
    assert document.place(("b", 1)) == (6, 5)


def test_what_is_missing_stands_where_its_parent_does() -> None:
    document, _ = read_document(b"a: 1\nb:\n  c: x\nd:\n  - {e: 1}\n")

    assert document is not None
    assert document.place(("gone",)) == (1, 1)
    assert document.place(("b", "gone")) == (2, 1)
    assert document.place(("d", 0, "gone")) == (5, 5)
    assert document.place(("d", 7)) == (4, 1)


def test_an_alias_stands_for_its_anchor_and_has_a_place_of_its_own() -> None:
    document, problems = read_document(b"a: &x {b: [1, 2]}\nc: *x\n")

    assert not problems
    assert document is not None
    assert document.data == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}
    assert document.place(("c",)) == (2, 4)
    assert document.place(("c", "b", 1)) == (1, 15)


def test_a_byte_order_mark_is_no_content() -> None:
    document, problems = read_document("\ufeffa: 1\n".encode())

    assert not problems
    assert document is not None
    assert document.data == {"a": 1}


@pytest.mark.parametrize(
    ("content", "place", "words"),
    [
        ("", (1, 1), "is empty"),
        ("# nothing but a comment\n", (1, 1), "is empty"),
        ("---\n", (2, 1), "the configuration is nothing"),
        ("- a\n", (1, 1), "the configuration is a list"),
        ("hush, a secret\n", (1, 1), "the configuration is a text"),
        ("a: 1\nb: 2\na: 3\n", (3, 1), 'the key "a" stands twice, first on line 1'),
        ("a: 1\n---\nb: 2\n", (2, 1), "a second document"),
        ("a:\n\t- b\n", (2, 1), "indent with spaces"),
        ("a: [1, 2\nb: 3\n", (2, 2), "a flow sequence that starts at line 1, column 4"),
        ("a: 'b\n", (2, 1), "starts at line 1, column 4"),
        ("a: b: c\n", (1, 5), "mapping values are not allowed"),
        ("a: *gone\n", (1, 4), "names no anchor"),
        ("a: &x [*x]\n", (1, 8), "within its own anchor"),
        ("a: !secret x\n", (1, 4), 'the tag "!secret" is not allowed'),
        ("a: !!python/name:os.system x\n", (1, 4), "is not allowed"),
        ("a: !!binary aGk=\n", (1, 4), "is not allowed"),
        ("a: !!int twelve\n", (1, 4), "is not allowed"),
        ("a: !!set {b}\n", (1, 4), "is not allowed"),
        ("a: !!map [b]\n", (1, 4), "is not allowed"),
        ("8443: a\n", (1, 1), 'the key 8443 is not a text; quote it: "8443"'),
        ("true: a\n", (1, 1), "the key true is not a text"),
        ("~: a\n", (1, 1), "the key nothing is not a text"),
        ("a: 1\n? [b]\n: c\n", (2, 3), "a list can't be a key"),
        ("a: {{ b }}\n", (1, 5), "a map can't be a key"),
        ("a: {b: 1}\nc: {<<: {d: 1}}\n", (2, 5), "merge keys"),
        ("a: b\nc: \x07\n", (2, 4), "U+0007"),
        (b"a: b\nc: \xff\n", (2, 4), "0xff is not UTF-8"),
        ("a: b".encode("utf-16"), (1, 1), "not UTF-8"),
        (b"a: " + b"x" * LARGEST, (1, 1), "more than 1048576 bytes"),
        ("a: " + "[" * 1000, (1, 54), "more than 50"),
        ("a: " + "{b: " * 1000, (1, 201), "more than 50"),
        ('a: "\\ud800"\n', (1, 7), "invalid Unicode character escape code"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_place(content: str | bytes, place: FilePosition, words: str) -> None:
    problem = only_problem(content)

    assert problem.place == place
    assert words in problem.text
    assert "hush" not in problem.text


def test_reading_goes_on_after_what_does_not_stop_it() -> None:
    document, problems = read_document(b"a: 1\na: 2\nb: *x\n1: c\nd: !e f\n")

    assert [problem.place.line for problem in problems] == [2, 3, 4, 5]
    assert document is not None
    assert document.data == {"a": 1, "b": None, "1": "c", "d": "f"}


def test_aliases_do_not_make_a_small_file_large() -> None:
    """A billion laughs: each line repeats the one before it ten times."""
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]

    assert "more than 100000 values" in only_problem("\n".join(lines)).text


def test_aliases_do_not_repeat_a_long_text_for_ever() -> None:
    text = f"a: &a {'x' * 500_000}\nb: [{', '.join(['*a'] * 20)}]\n"

    assert "4194304 characters" in only_problem(text).text
