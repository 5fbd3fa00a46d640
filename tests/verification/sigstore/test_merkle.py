"""Inclusion proofs, against a tree that is built here by its definition."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from router.verification.sigstore.merkle import leaf_hash, root_from


def tree(entries: list[bytes]) -> bytes:
    """RFC 9162 section 2.1.1."""
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    half = split(len(entries))
    return hashlib.sha256(b"\x01" + tree(entries[:half]) + tree(entries[half:])).digest()


def path(index: int, entries: list[bytes]) -> list[bytes]:
    """RFC 9162 section 2.1.3.1."""
    if len(entries) == 1:
        return []
    half = split(len(entries))
    if index < half:
        return [*path(index, entries[:half]), tree(entries[half:])]
    return [*path(index - half, entries[half:]), tree(entries[:half])]


def split(size: int) -> int:
    """The largest power of two below the size."""
    return 1 << (size - 1).bit_length() - 1


PLACES = st.integers(1, 40).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1)))


@given(PLACES)
def test_each_entry_of_each_tree_leads_to_its_root(place: tuple[int, int]) -> None:
    size, index = place
    entries = [bytes([number]) for number in range(size)]

    assert root_from(leaf_hash(entries[index]), index, size, path(index, entries)) == tree(entries)


@given(PLACES, st.integers(-2, 45), st.integers(0, 45))
def test_no_proof_is_one_for_another_place(place: tuple[int, int], index: int, size: int) -> None:
    """A leaf's path leads to the root by one index only."""
    true_size, true_index = place
    entries = [bytes([number]) for number in range(true_size)]
    found = root_from(leaf_hash(entries[true_index]), index, size, path(true_index, entries))

    assert found != tree(entries) or index == true_index


def test_a_node_is_no_leaf() -> None:
    """Otherwise a tree of other entries could have the same root."""
    entries = [b"a", b"b", b"c", b"d"]
    inner = tree(entries[:2])

    assert root_from(inner, 0, 2, [tree(entries[2:])]) == tree(entries)
    assert leaf_hash(inner) != inner


def test_proofs_of_another_shape_are_none() -> None:
    leaf = leaf_hash(b"a")

    assert root_from(leaf, 0, 1, [leaf]) is None
    assert root_from(leaf, 0, 2, []) is None
    assert root_from(leaf, 0, 2, [b"short"]) is None
    assert root_from(leaf, 1, 1, []) is None
    assert root_from(leaf, 0, 1 << 62, [leaf] * 65) is None
