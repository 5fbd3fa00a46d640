from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.registry import shares
from router.registry.shares import Shares

LIMIT = 100


@pytest.fixture(autouse=True, scope="module")
def _cheap() -> Iterator[None]:
    """Entries that cost what these tests say."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shares, "ENTRY", 0)
        yield


CHANGES = st.lists(
    st.tuples(st.sampled_from(["put", "pop", "get"]), st.sampled_from("abc"), st.integers(0, 9), st.integers(1, 120)),
    max_size=60,
)


def test_whoever_brings_much_pushes_out_nothing_of_others() -> None:
    kept_of_all = Shares[int, str](LIMIT)
    kept_of_all.put("modest.example", 0, "a token", 40)
    for number in range(1000):
        kept_of_all.put("greedy.example", number, "another", 7)

    assert kept_of_all.get("modest.example", 0) == "a token"
    assert [kept_of_all.get("greedy.example", number) for number in (990, 999)] == [None, "another"]
    assert len(kept_of_all) == 1 + 60 // 7


def test_what_is_used_stays_longest() -> None:
    kept_of_all = Shares[int, str](LIMIT)
    for number in range(10):
        kept_of_all.put("a.example", number, "", 10)
        assert kept_of_all.get("a.example", 0) == ""
    kept_of_all.put("a.example", 10, "", 10)

    assert kept_of_all.get("a.example", 0) == ""
    assert kept_of_all.get("a.example", 1) is None


@given(CHANGES)
def test_whatever_is_remembered_all_together_stays_below_the_limit(changes: list[tuple[str, str, int, int]]) -> None:
    kept_of_all, put = Shares[int, int](LIMIT), dict[tuple[str, int], int]()
    for what, registry, key, size in changes:
        if what == "put":
            kept_of_all.put(registry, key, size, size)
            put[registry, key] = size
        elif what == "pop":
            assert kept_of_all.pop(registry, key) in {put.pop((registry, key), None), None}
        else:
            assert kept_of_all.get(registry, key) in {put.get((registry, key)), None}

        found = {place: kept_of_all.get(*place) for place in put}
        kept = [size for size in found.values() if size is not None]
        assert sum(kept) <= LIMIT
        assert len(kept) == len(kept_of_all)
        assert sum(kept) == kept_of_all._size


def test_an_entry_costs_something_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "ENTRY", 40)
    kept_of_all = Shares[int, str](LIMIT)
    for number in range(9):
        kept_of_all.put("a.example", number, "", 10)

    assert len(kept_of_all) == 2
