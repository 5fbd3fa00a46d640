"""What was decided about the same places before, remembered for as long as every proof in it holds.

Forty Pods of one ReplicaSet are forty requests with the same images at the same places: one decision, one wording.

Rules:
(1) Exact: what is remembered is what would be made anew, byte for byte. A decision follows from what stands in `Alike`
    and from what is known about the images; so it is remembered only where all of that was known without asking, and
    only for as long as that holds: until a proof, a refusal, the time for a tag or an exemption that it rests on ends,
    or a verifier trusts others.
(2) One memory belongs to one configuration, and goes with it.
(3) Bounded by bytes: what was unused for longest makes room. What is too large for the rest is not remembered.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from router.admission.draft import Draft
from router.decision import Place
from router.verdict import Mode
from router.verification.lasting import Lasting

LIMIT = 16 * 2**20
"""Bytes of memory that decisions take, of all gates together."""
_ENTRY = 4096
"""Bytes that an entry takes besides its images."""
_PER_BYTE = 4
"""Bytes of memory for each byte of JSON: as values, encoded, and in the reply."""


class Alike(NamedTuple):
    """What makes two requests alike, as far as they are decided alike."""

    places: tuple[Place, ...]
    notices: tuple[str, ...]
    mode: Mode
    never_block: bool
    exempt_in: str | None = None
    """The namespace, where exemptions are about it."""


class _Decided(NamedTuple):
    draft: Draft
    lasting: Lasting
    cost: int


class Decisions:
    """Decisions of one configuration.

    Args:
        holds: Whether what was known still holds.
        limit: Bytes.
    """

    def __init__(self, holds: Callable[[Lasting], bool], limit: int = LIMIT) -> None:
        self._holds = holds
        self._limit = limit
        self._size = 0
        self._decided: OrderedDict[Alike, _Decided] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes of memory that are taken, about."""
        return self._size

    def get(self, alike: Alike) -> Draft | None:
        """What is decided about these, where that is known."""
        decided = self._decided.get(alike)
        if decided is None:
            return None
        if not self._holds(decided.lasting):
            self._size -= self._decided.pop(alike).cost
            return None
        self._decided.move_to_end(alike)
        return decided.draft

    def put(self, alike: Alike, draft: Draft, lasting: Lasting, cost: int) -> None:
        """Remember a decision; `cost` is the bytes of memory that its places take."""
        cost += _ENTRY + _PER_BYTE * draft.parts.size
        if cost > self._limit // 4:
            return
        if (before := self._decided.pop(alike, None)) is not None:
            self._size -= before.cost
        self._decided[alike] = _Decided(draft, lasting, cost)
        self._size += cost
        while self._size > self._limit:
            self._size -= self._decided.popitem(last=False)[1].cost
