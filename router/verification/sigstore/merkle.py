"""Whether an entry is in a Merkle tree of which only the root is known. Pure.

Source: RFC 9162 sections 2.1.1 (hashes, with different prefixes for leaves and nodes, so that none is taken for the
other) and 2.1.3.2 (verifying an inclusion proof).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

HASH_BYTES = 32
PROOF_LIMIT = 64
"""Hashes of a proof: one for each level of a tree, whose size is a 64-bit number."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def root_from(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root of the tree of this size in which the leaf has this index; None where the proof is of another shape."""
    if not 0 <= index < size or len(proof) > PROOF_LIMIT or any(len(sibling) != HASH_BYTES for sibling in proof):
        return None
    node, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if node & 1 or node == last:
            found = _node(sibling, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = _node(found, sibling)
        node, last = node >> 1, last >> 1
    return found if last == 0 else None


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
