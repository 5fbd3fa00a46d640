"""A list is cut into its entries whatever stands in one of them, as a reader of the whole would have found them."""

from __future__ import annotations

import json
from array import array

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import entries as entries_module
from router.entries import UncutListError, cut_entries

DEEP = b"[" * 100_000 + b"]" * 100_000
BAD = [
    rb'{"a": "\ud800"}',
    rb'{"\ud800": 1}',
    rb'{"a": "\x"}',
    b'{"a": "\xff\n"}',
    b'{"a": ' + DEEP + b"}",
    b'{"a": ' + b"9" * 10_000 + b"e9999}",
    b'{"a" 1}',
    b"{,}",
    b"nothing",
    DEEP,
    rb'"\ud800 ]}, {["',
    rb'{"a": "\"]}\\", "b": "\\\"[{", "c": tru}',
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('"\\[]{}, a\n\ud7ff', max_size=6),
    lambda held: st.lists(held, max_size=3) | st.dictionaries(st.text('"\\]a', max_size=3), held, max_size=3),
    max_leaves=12,
)


class Whole(msgspec.Struct):
    """What a reader of the whole document finds."""

    listed: list[msgspec.Raw] | None = msgspec.field(default=None, name="list")


def cut(body: bytes, most: int = 100) -> list[bytes] | None:
    found = cut_entries(body, "list", most)
    return None if found is None else [bytes(one) for one in found]


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_entry_hides_none_of_the_others(bad: bytes) -> None:
    body = b' {"a": [1], "list" : [ {"b": ["]"]} ,' + bad + b' , "c,", 5,[] ] , "z": {}} '
    first, its, *others = cut(body) or []

    assert first == b'{"b": ["]"]}'
    assert others == [b'"c,"', b"5", b"[]"]
    assert its == bad


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_member_beside_the_list_hides_no_entry(bad: bytes) -> None:
    assert cut(b'{"a": ' + bad + b', "list": [1, 2]}') == [b"1", b"2"]
    assert cut(b'{"list": [1, 2], "a": ' + bad + b"}") == [b"1", b"2"]


@given(
    document=st.dictionaries(st.sampled_from(["a", "list", "\u00e9"]), JSON | st.lists(JSON, max_size=4)),
    is_ascii=st.booleans(),
)
def test_of_what_can_be_read_the_same_is_cut(document: dict[str, object], *, is_ascii: bool) -> None:
    """Nothing is found that a reader of the whole would not have found, and nothing is left out."""
    body = json.dumps(document, ensure_ascii=is_ascii).encode()
    try:
        whole = msgspec.json.decode(body, type=Whole).listed
    except msgspec.ValidationError:
        with pytest.raises(UncutListError):
            cut(body)
        return

    assert (cut(body) or []) == [bytes(one) for one in whole or []]
    assert (cut(body) is None) == (whole is None)


@given(st.text('"\\[]{},:list 1', max_size=40) | st.text('"\\[]{}, ', max_size=30).map('{{"list": [{}]}}'.format))
def test_no_body_crashes_it(text: str) -> None:
    try:
        found = cut(text.encode())
    except UncutListError:
        return

    assert all(text.encode().count(one) for one in found or [])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"5",
        b"[" * 100_000,
        b'{"list": {}}',
        b'{"list": 5}',
        b'{"list": [1}',
        b'{"list": [1] 2}',
        b'{"list": [[] 2]}',
        b'{"list": [1]} 2',
        b'{"list": [1]',
        b'{"list": [1], }x',
        b'{"list": [1]}\x0b',
        b'{"list": ["1]}',
        b'{"list": [{"a": [}]}',
        b'{"list": [1], "list": [2]}',
        b'{"list": [1], "list": null}',
        b"{" + b'"a": 1, ' * 100 + b'"list": []}',
    ],
)
def test_what_holds_no_list_is_not_cut(body: bytes) -> None:
    with pytest.raises(UncutListError):
        cut(body)


@pytest.mark.parametrize("body", [b"{}", b'{"a": [1]}', b'{"list": null}', b'{"list": null, "a": 1}'])
def test_no_list_is_none(body: bytes) -> None:
    assert cut(body) is None


@pytest.mark.parametrize("key", [b'"list"', rb'"l\u0069st"'])
def test_the_list_is_known_however_its_name_is_written(key: bytes) -> None:
    assert cut(b"{" + key + b": []}") == []


def test_no_more_entries_are_cut_than_one_beyond_the_limit() -> None:
    body = b'{"list": [' + b"1," * 10_000 + b"1]}"

    assert len(cut(body, 10_001) or []) == 10_001
    assert len(cut(body, 10) or []) == 11


@pytest.mark.parametrize(
    "entry", [b"[],", b"[[]],", b'{"a": {}, "b": "' + b"[" * 90 + b'"},', b"[" * 999 + b"]" * 999 + b","]
)
def test_what_is_cut_costs_no_more_than_it_is_long(monkeypatch: pytest.MonkeyPatch, entry: bytes) -> None:
    """Counts the bytes that are searched for brackets, of many small entries and of one that holds as many."""
    searched: list[int] = []

    def noted(kind: str, run: bytes) -> array[int]:
        searched.append(len(run))
        return array(kind, run)

    monkeypatch.setattr(entries_module, "array", noted)
    for body in (b'{"list": [' + entry * 1_000 + b"0]}", b'{"list": [[' + entry * 1_000 + b"0]]}"):
        searched.clear()
        assert len(cut(body, 2_000) or []) in {1, 1_001}
        assert sum(searched) <= 5 * len(body) + 64 * 1_001
