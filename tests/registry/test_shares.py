from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.registry.shares import Shares

LIMIT = 100
CHANGES = st.lists(
    st.tuples(st.sampled_from(["put", "pop", "get"]), st.sampled_from("abc"), st.integers(0, 9), st.integers(1, 120)),
    max_size=60,
)


def test_whoever_brings_much_pushes_out_nothing_of_others() -> None:
    shares = Shares[int, str](LIMIT)
    shares.put("modest.example", 0, "a token", 40)
    for number in range(1000):
        shares.put("greedy.example", number, "another", 7)

    assert shares.get("modest.example", 0) == "a token"
    assert [shares.get("greedy.example", number) for number in (990, 999)] == [None, "another"]
    assert len(shares) == 1 + 60 // 7


def test_what_is_used_stays_longest() -> None:
    shares = Shares[int, str](LIMIT)
    for number in range(10):
        shares.put("a.example", number, "", 10)
        assert shares.get("a.example", 0) == ""
    shares.put("a.example", 10, "", 10)

    assert shares.get("a.example", 0) == ""
    assert shares.get("a.example", 1) is None


@given(CHANGES)
def test_whatever_is_remembered_all_together_stays_below_the_limit(changes: list[tuple[str, str, int, int]]) -> None:
    shares, put = Shares[int, int](LIMIT), dict[tuple[str, int], int]()
    for what, registry, key, size in changes:
        if what == "put":
            shares.put(registry, key, size, size)
            put[registry, key] = size
        elif what == "pop":
            assert shares.pop(registry, key) in {put.pop((registry, key), None), None}
        else:
            assert shares.get(registry, key) in {put.get((registry, key)), None}

        found = {place: shares.get(*place) for place in put}
        kept = [size for size in found.values() if size is not None]
        assert sum(kept) <= LIMIT
        assert len(kept) == len(shares)
        assert sum(kept) == shares._size
