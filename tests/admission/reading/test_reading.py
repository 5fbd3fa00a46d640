"""Both readers, beside each other and beside Python's own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.admission.reading import reader as reader_module
from router.admission.reading import shapes
from router.admission.reading import tolerant as tolerant_module
from router.admission.reading.reader import read_document, read_entries, read_texts
from router.admission.reading.tolerant import TEXT_LIMIT, Reader, UnreadableJsonError
from router.steps import Steps, T, finish

STRING = tolerant_module._STRING

KEYS = st.sampled_from(
    [
        "metadata",
        "name",
        "spec",
        "containers",
        "image",
        "volumes",
        "template",
        "replicas",
        "deletionTimestamp",
        "x",
        "\\",
    ]
)
TEXTS = st.text(max_size=6) | st.sampled_from(["\\", '"', "]", "}", "\ud800", "\x00", "é😀"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(KEYS, inner), max_size=4).map(tuple),
    max_leaves=12,
)


def written(value: object, blank: str = "") -> str:
    """JSON; a tuple of pairs is an object, which may have equal keys."""
    if isinstance(value, tuple):
        return "{" + ",".join(f"{blank}{json.dumps(k)}{blank}:{written(v, blank)}{blank}" for k, v in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(f"{blank}{written(item, blank)}" for item in value) + "]"
    return json.dumps(value)


def tolerant(document: bytes) -> object:
    return as_plain(finish(Reader(document).document(shapes.AnyObject)))


def as_plain(found: object) -> object:
    """A shape as dictionaries, what is unread as bytes."""
    if isinstance(found, msgspec.Struct):
        return {name: as_plain(getattr(found, name)) for name in found.__struct_fields__}
    return bytes(memoryview(found)).strip() if isinstance(found, msgspec.Raw) else found


@settings(max_examples=300)
@given(st.lists(st.tuples(KEYS, VALUES), max_size=5).map(tuple), st.sampled_from(["", " ", "\t\r\n "]))
def test_both_readers_read_the_same(value: object, blank: str) -> None:
    """What the fast one refuses, the tolerant one reads; where both read, nobody can tell which it was."""
    document = written(value, blank).encode()
    try:
        fast = as_plain(msgspec.json.decode(document, type=shapes.AnyObject))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return

    assert tolerant(document) == fast


@given(st.lists(st.tuples(KEYS, VALUES), max_size=5).map(tuple))
def test_what_is_read_is_what_python_reads(value: object) -> None:
    document = written(value)
    metadata = json.loads(document).get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    found = finish(read_document(memoryview(document.encode()), shapes.AnyObject))

    expected = name.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(name, str) else None
    assert found is not None
    assert (found.metadata.name if found.metadata else None) == expected


@given(st.binary(max_size=200))
def test_no_bytes_are_a_crash(document: bytes) -> None:
    with suppress(UnreadableJsonError):
        finish(read_document(memoryview(document), shapes.AnyObject))


@given(st.lists(st.tuples(KEYS, VALUES), max_size=5).map(tuple), st.data())
def test_a_document_that_was_cut_is_none(value: object, data: st.DataObject) -> None:
    document = written(value).encode()
    cut = document[: data.draw(st.integers(0, len(document) - 1))]

    with pytest.raises(UnreadableJsonError):
        tolerant(cut)


@pytest.mark.parametrize(
    ("document", "name"),
    [
        (b'{"metadata":{"name":"a"},"metadata":{"name":"b"}}', "b"),
        (b'{"metadata":{"name":"a","name":"b"}}', "b"),
        (b'{"metadata":{"name":"a"},"metadata":{}}', None),
        (b'{"metadata":{"name":"a"},"metadata":5}', None),
        (b'{"metadata":{"n\\u0061me":"a"}}', "a"),
        (b'{"metadata":{"Name":"a"}}', None),
        (b'{"metadata":{"name":"a\xffb"}}', "a\ufffdb"),
        (b'{"metadata":{"name":"a\\ud800b"}}', "a\ufffdb"),
        (b'{"metadata":{"name":"\\ud83d\\ude00"}}', "\U0001f600"),
        (b'{"metadata":{"name":"a","x":' + b"[" * 20_000 + b"]" * 20_000 + b"}}", "a"),
        (b'{"metadata":{"x":"' + b'\\"' * 100_000 + b'","name":"a"}}', "a"),
        (b'{"metadata":{"x":[' + b'"]",' * 50_000 + b'"}"],"name":"a"}}', "a"),
        (b'{"metadata":{"x":' + b"9" * 100_000 + b',"name":"a"}}', "a"),
        (b'{"metadata":{"x":{"' + b"k" * 100_000 + b'":1},"name":"a"}}', "a"),
    ],
)
def test_a_name_is_found_among_anything(document: bytes, name: str | None) -> None:
    found = finish(read_document(memoryview(document), shapes.AnyObject))

    assert found is not None
    assert (found.metadata.name if found.metadata else None) == name


@pytest.mark.parametrize("character", ["x", "é", "\U0001f600", "\\n", "\\ud83d\\ude00"])
def test_a_text_is_read_up_to_its_limit(character: str) -> None:
    body = b'{"metadata":{"name":"' + character.encode() * (2 * TEXT_LIMIT) + b'","generateName":"after"}}'
    found = finish(Reader(body).document(shapes.AnyObject))

    assert found is not None
    assert found.metadata is not None
    assert found.metadata.name == json.loads(f'"{character}"') * TEXT_LIMIT
    assert found.metadata.generate_name == "after"


MIB = 2**20
FULL: dict[str, Callable[[int], bytes]] = {
    "objects": lambda size: b'{"spec":{"x":[' + b"{}," * (size // 3) + b"{}]}}",
    "texts": lambda size: b'{"spec":{"x":[' + b'"",' * (size // 3) + b"{}]}}",
    "escapes": lambda size: b'{"metadata":{"name":"' + b"\\n" * (size // 2) + b'"}}',
    "depth": lambda size: b'{"spec":' + b"[" * (size // 2) + b"]" * (size // 2) + b"}",
    "members": lambda size: b"{" + b'"metadata":{},' * (size // 14) + b'"x":1}',
    "blanks": lambda size: b" " * size + b"{}",
    "digits": lambda size: b'{"x":' + b"9" * size + b"}",
}


def longest_step(steps: Steps[T]) -> float:
    """Seconds of CPU of the longest step."""
    longest = 0.0
    while True:
        began = time.thread_time()
        try:
            next(steps)
        except StopIteration:
            return max(longest, time.thread_time() - began)
        longest = max(longest, time.thread_time() - began)


@pytest.mark.parametrize("filling", FULL)
def test_no_filling_holds_the_loop_for_long(filling: str) -> None:
    """50 ms for 3 MiB are allowed; ten times that is the claim here, so that a slow machine proves nothing wrong."""
    assert longest_step(read_document(memoryview(FULL[filling](3 * MIB)), shapes.AnyObject)) < 0.5


def test_what_is_passed_over_costs_no_more_than_it_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand containers with an empty `resources` each took ten seconds: nobody heard what their images were."""
    looked_at = []

    class Strings:
        """Counts the bytes that are searched for strings."""

        @staticmethod
        def sub(_: bytes, run: memoryview) -> bytes:
            looked_at.append(len(run))
            return STRING.sub(b"", run)

    monkeypatch.setattr(tolerant_module, "_STRING", Strings)
    document = b'{"spec": {"containers": [], "x": [' + b'{"image": "a", "resources": {}}, ' * 3_000 + b"{}]}}"
    entries = b"[" + b'{"image": "a", "resources": {}}, ' * 3_000 + b"{}]"
    finish(Reader(document).document(shapes.AnyObject))
    finish(read_entries(msgspec.Raw(entries), shapes.Container, lambda _: None))

    assert sum(looked_at) < 3 * (len(document) + len(entries))


def test_a_list_is_never_read_or_given_away_at_one_go() -> None:
    """Three megabytes of empty groups held the loop for seconds, and entries that are null for 50 ms a quarter."""
    texts, entries = (msgspec.Raw(b"[" + one * 19_999 + one[:-1] + b"]") for one in (b'"",', b"null,"))

    assert sum(1 for _ in read_texts(texts, 20_000)) >= 20_000
    assert sum(1 for _ in read_entries(entries, shapes.Container, lambda _: None)) >= 20


def test_what_is_too_large_to_be_read_at_one_go_is_read_in_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "FAST_LIMIT", 1000)
    monkeypatch.setattr(reader_module, "FEW", 1000)
    steps = read_document(memoryview(FULL["objects"](MIB)), shapes.AnyObject)
    count = sum(1 for _ in steps)

    assert count > 20


@pytest.mark.parametrize(
    ("document", "entries"),
    [
        (b"", []),
        (b"null", []),
        (b'{"a":1}', []),
        (b"[]", []),
        (
            b'[{"name":"a","image":"x"},null,5,[],{"image":{}},{"name":"b","name":"c"}]',
            ["a", None, None, None, None, "c"],
        ),
        (b"[" + b'{"name":"a"},' * 3000 + b'{"name":"b"}]', ["a"] * 3000 + ["b"]),
        (b'[{"name":"a","x":' + b"[" * 2000 + b"]" * 2000 + b"}]", ["a"]),
    ],
)
def test_a_list_is_read_entry_by_entry(document: bytes, entries: list[str | None]) -> None:
    found: list[str | None] = []
    finish(
        read_entries(
            msgspec.Raw(document), shapes.Container, lambda entry: found.append(None if entry is None else entry.name)
        )
    )

    assert found == entries


def test_texts_are_read_without_what_else_stands_among_them() -> None:
    assert finish(read_texts(msgspec.Raw(b'["a",1,null,["b"],"c"]'), 5)) == ["a", "c"]
    assert finish(read_texts(msgspec.Raw(b'["a","b","c" and so on'), 2)) == ["a", "b"]
    assert finish(read_texts(msgspec.Raw(b"{}"), 5)) == []
