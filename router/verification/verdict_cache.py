"""Remembers judgements about digests, and makes sure that one verification per key is in flight.

Rules of memory:
(1) A key is (registry, repository, digest, content of the rule, id of the trust): whatever could change the answer is
    part of it. Tags are not: what a tag means is asked anew in every request.
(2) `verified` is kept for a day: a signature does not decay, and when the trust changes its id does; but never beyond
    the time that the proof itself names. `unsigned`, `untrusted` and `invalid` are kept for 30 seconds: somebody may
    be signing right now, and a controller that tries again and again must not make us ask as often. `unverifiable` is
    never kept: nothing was found out.
(3) Both are bounded by bytes, each by itself, so that no refusal takes a proof's place: whoever deploys can cause as
    many refusals as they like. Names and details count as they are long, for others choose them. The one unused for
    longest goes first.

Rules of flight:
(4) Who asks for what is being found out waits for that. A waiter that gives up, is cancelled or runs out of time takes
    nothing from the others; when the last one goes, the work ends.
(5) A flight has the deadline of those who waited when it began. If it ran out of time, a waiter that still has some
    flies again, once for all who wait by then, until the latest of their deadlines.
(6) What nobody expected (a bug) reaches everybody who waits.
(7) A flight never waits for a turn: whoever joins has its own (`turns`), so nobody waits longer because of who was
    first. What the flight asks is on the wire for all who have joined it.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

from router.errors import TimedOutError
from router.images import Digest
from router.reasons import Obstacle
from router.registry.wire import Wire, listen, wire
from router.verdict import Verdict
from router.verification.judgement import Judgement, refused

PROOF_BYTES = 48 * 2**20
"""Of remembered proofs: 50,000 with names of usual length."""
REFUSAL_BYTES = 8 * 2**20
"""Of remembered refusals: some 9,000."""
_ENTRY_BYTES = 470
"""What an entry costs whatever it holds: its place in the table, key, digest, judgement and times."""
_SIGNER_BYTES = 96
PROOF_SECONDS = 24 * 3600.0
REFUSAL_SECONDS = 30.0

Key: TypeAlias = tuple[str, str, Digest, str, str]
"""Registry, repository, digest, content of the rule, id of the trust."""
Work: TypeAlias = Callable[[float], Coroutine[Any, Any, Judgement]]
"""Finds a judgement out until a deadline, in the time of the running loop."""


class _Kept(NamedTuple):
    judgement: Judgement
    until: float
    cost: int


class _Shelf:
    """Judgements of one kind, within so many bytes."""

    def __init__(self, limit: int) -> None:
        self.kept: OrderedDict[Key, _Kept] = OrderedDict()
        self.size = 0
        self._limit = limit

    def put(self, key: Key, kept: _Kept) -> None:
        """Keep something; what was unused for longest makes room."""
        self.drop(key)
        self.kept[key] = kept
        self.size += kept.cost
        while self.size > self._limit:
            self.size -= self.kept.popitem(last=False)[1].cost

    def drop(self, key: Key) -> None:
        """Forget something, where it is there."""
        if (kept := self.kept.pop(key, None)) is not None:
            self.size -= kept.cost


class VerdictCache:
    """Judgements that are remembered for as long as they are good."""

    def __init__(
        self,
        clock: Callable[[], float],
        now: Callable[[], float] = time.time,
        *,
        proof_bytes: int = PROOF_BYTES,
        refusal_bytes: int = REFUSAL_BYTES,
    ) -> None:
        """Remember nothing yet.

        Args:
            clock: Seconds, by which ages are told.
            now: Unix time in seconds, by which proofs say until when they are good.
            proof_bytes: For proofs.
            refusal_bytes: For refusals.
        """
        self._clock = clock
        self._now = now
        self._proofs = _Shelf(proof_bytes)
        self._refusals = _Shelf(refusal_bytes)

    def __len__(self) -> int:
        return len(self._proofs.kept) + len(self._refusals.kept)

    @property
    def size(self) -> int:
        """Bytes that are remembered, about."""
        return self._proofs.size + self._refusals.size

    def get(self, key: Key) -> Judgement | None:
        """What is remembered, marked as such, or None."""
        shelf = self._proofs
        if (kept := shelf.kept.get(key)) is None:
            shelf = self._refusals
            if (kept := shelf.kept.get(key)) is None:
                return None
        judgement, until, _ = kept
        if until <= self._clock() or (judgement.valid_until is not None and judgement.valid_until <= self._now()):
            shelf.drop(key)
            return None
        shelf.kept.move_to_end(key)
        return judgement

    def put(self, key: Key, judgement: Judgement) -> None:
        """Remember a judgement for as long as its verdict allows; what it was before is forgotten."""
        seconds = _lifetime(judgement.verdict)
        if seconds is None:
            return
        self._proofs.drop(key)
        self._refusals.drop(key)
        shelf = self._proofs if judgement.verdict is Verdict.VERIFIED else self._refusals
        shelf.put(key, _Kept(replace(judgement, cached=True), self._clock() + seconds, _cost(key, judgement)))


def _cost(key: Key, judgement: Judgement) -> int:
    """Bytes of memory that it takes to remember this; what all entries share, such as the ids of rules, is free."""
    registry, repository, digest, _, _ = key
    texts = [registry, repository, digest.algorithm, digest.hex, judgement.detail]
    for signer in judgement.signers:
        texts += [text for text in (signer.identity, signer.issuer) if text is not None]
    return _ENTRY_BYTES + _SIGNER_BYTES * len(judgement.signers) + sum(map(sys.getsizeof, texts))


def _lifetime(verdict: Verdict) -> float | None:
    match verdict:
        case Verdict.VERIFIED:
            return PROOF_SECONDS
        case Verdict.UNSIGNED | Verdict.UNTRUSTED | Verdict.INVALID:
            return REFUSAL_SECONDS
        case _:  # nothing was found out, or there was nothing to find out
            return None


@dataclass(slots=True)
class _Flight:
    task: asyncio.Task[Judgement]
    deadline: float
    latest: float
    """The latest deadline of those who ever waited for it."""
    wire: Wire
    """What it asks."""
    waiting: int = 0


class Flights:
    """One piece of work per key, shared by all who want its result."""

    def __init__(self) -> None:
        self._flights: dict[Key, _Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def join(self, key: Key, deadline: float, work: Work) -> Judgement:
        """The result of the work, which may be under way already; unverifiable(timeout) at the deadline."""
        until = deadline
        while True:
            flight = self._flights.get(key) or self._start(key, until, work)
            await self._wait(key, flight, deadline)
            if not flight.task.done():
                return refused(TimedOutError("no verdict within the deadline of the request"), key[2])
            judgement = flight.task.result()
            ran_out = judgement.verdict is Verdict.UNVERIFIABLE and judgement.reason is Obstacle.TIMEOUT
            if not ran_out or flight.deadline >= deadline:
                return judgement
            until = max(deadline, flight.latest)

    def _start(self, key: Key, deadline: float, work: Work) -> _Flight:
        own = Wire()
        context = contextvars.copy_context()
        context.run(listen, own)
        task = asyncio.get_running_loop().create_task(work(deadline), context=context)
        flight = _Flight(task, deadline, deadline, own)
        self._flights[key] = flight
        flight.task.add_done_callback(lambda task: self._landed(key, flight, task))
        return flight

    async def _wait(self, key: Key, flight: _Flight, deadline: float) -> None:
        flight.waiting += 1
        if (mine := wire()) is not None:
            mine.join(flight.wire)
        flight.latest = max(flight.latest, deadline)
        try:
            remaining = deadline - asyncio.get_running_loop().time()
            await asyncio.wait({flight.task}, timeout=max(0.0, remaining))
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._forget(key, flight)
                flight.task.cancel()

    def _landed(self, key: Key, flight: _Flight, task: asyncio.Task[Judgement]) -> None:
        self._forget(key, flight)
        if not task.cancelled():
            task.exception()  # seen here, so that asyncio does not complain where nobody waits any more

    def _forget(self, key: Key, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
