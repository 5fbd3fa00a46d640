"""JSON and base64 with one meaning only."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.errors import InvalidSignatureError
from router.verification.documents import (
    folded,
    object_at,
    objects_at,
    protobuf_base64,
    read_object,
    standard_base64,
    text_at,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=8), VALUES, max_size=5)


@given(OBJECTS)
def test_an_object_is_read_as_it_was_written(value: dict[str, object]) -> None:
    assert read_object(json.dumps(value).encode(), "it") == value


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert read_object(b'{"a":"\\ud83d\\ude00"}', "it") == {"a": "\U0001f600"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b'{"a":1,"a":1}',
        b'{"a":{"b":[{"c":1,"c":2}]}}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-32-le"),
        b'{"a":1} {}',
        b'{"a":1}\0',
        b'{"a":"\\ud800"}',
        b'{"a":["\\uDFFF x"]}',
        b'{"\\udBFF":1}',
    ],
    ids=range(20),
)
def test_what_can_be_read_in_two_ways_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidSignatureError) as refused:
        read_object(body, "it")

    assert refused.value.reason == "malformed"


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_refused(body: bytes) -> None:
    try:
        found = read_object(body, "it")
    except InvalidSignatureError:
        return
    assert isinstance(found, dict)


@given(OBJECTS, st.text(max_size=8))
def test_parts_are_of_their_type_or_refused(value: dict[str, object], name: str) -> None:
    for reader in (object_at, objects_at, text_at, lambda held, _, what: folded(held, what)):
        try:
            found = reader(value, name, "it")
        except InvalidSignatureError:
            continue
        assert isinstance(found, dict | list | tuple | str)


def test_names_are_folded_as_go_folds_them() -> None:
    assert folded({"Docker-Manifest-DIGEST": 1, "b": 2}, "it") == {"docker-manifest-digest": 1, "b": 2}


@pytest.mark.parametrize("names", [("critical", "Critical"), ("K", "k"), ("doc\u212aer",), ("cla\u017f\u017f",)])
def test_names_that_readers_fold_differently_are_refused(names: tuple[str, ...]) -> None:
    """The Kelvin sign folds to `k` and the long s to `s`, in Go and in Python, but not in every reader."""
    with pytest.raises(InvalidSignatureError):
        folded(dict.fromkeys(names), "it")


@given(st.binary(max_size=200), st.integers(1, 80))
@example(b"", 1)
def test_base64_survives_line_breaks(content: bytes, width: int) -> None:
    text = base64.b64encode(content).decode()
    broken = "\r\n".join(text[start : start + width] for start in range(0, len(text), width))

    assert standard_base64(broken, "it") == content
    assert protobuf_base64(broken, "it") == content


@given(st.binary(max_size=200))
def test_protobuf_takes_both_alphabets_with_and_without_padding(content: bytes) -> None:
    for text in (base64.b64encode(content).decode(), base64.urlsafe_b64encode(content).decode()):
        assert protobuf_base64(text, "it") == content
        assert protobuf_base64(text.rstrip("="), "it") == content


@pytest.mark.parametrize(
    "text", ["-_-_", "ab", "a", "YQ", "YQ===", "Y Q=", "YQ==YQ==", "=", "YWJj\x00", "\uff39\uff31=="]
)
def test_legacy_base64_is_strict(text: str) -> None:
    with pytest.raises(InvalidSignatureError):
        standard_base64(text, "it")


def test_alphabets_can_not_be_mixed() -> None:
    with pytest.raises(InvalidSignatureError):
        protobuf_base64("+-+-", "it")


@given(st.text(max_size=60))
def test_any_text_is_base64_or_refused(text: str) -> None:
    for decode in (standard_base64, protobuf_base64):
        try:
            found = decode(text, "it")
        except InvalidSignatureError:
            continue
        assert isinstance(found, bytes)
