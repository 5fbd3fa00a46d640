"""Hands in what a scan has found to whoever keeps it: in portions, then that it was full.

Rules:
(1) One portion after the other, each when the one before is durable; then, in portions too, of which namespaces the
    scan was full. Whoever ends before that has said of no namespace that it was scanned.
(2) A portion is at most `recording.PORTION` findings and, unless one alone is larger, `PORTION_BYTES`.
(3) What is written is the same wherever it is asked for (`recording`): in the file of this machine, or at the collector
    (`router.replicas.handing_in`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import msgspec

from router.errors import OutboxError
from router.outbox.records import SqliteRecords
from router.readiness.judging import Scan
from router.readiness.ledger import note_nothing_runs
from router.scanning import recording
from router.scanning.recording import NAMESPACES, PORTION, Portion, ScanClosing, Terms, Which
from router.scanning.scan import ScanFinding, Scanned

PORTION_BYTES = 768 * 1024
"""As MessagePack."""


class Keeper(Protocol):
    """Who keeps what a scan has found. Raises OutboxError or ReplicaError where it can't."""

    async def take(self, portion: Portion) -> int:
        """Keep these; returns how many are left out, since their namespaces are not wanted. Durable when it returns."""

    async def end(self, ended: ScanClosing) -> int:
        """Note that it was full; returns how many portions are not there: then nothing is noted."""


class InFile:
    """Keeps it in the outbox's file: by its owner, or beside him."""

    def __init__(self, records: SqliteRecords, terms: Terms) -> None:
        self._records = records
        self._terms = terms

    async def take(self, portion: Portion) -> int:
        """As `Keeper` says; whoever is told is told at once where we own the file."""
        due, now = set[str](), self._records.own_time()
        return await self._records.change(
            partial(recording.take, portion=portion, terms=self._terms, now=now, due=due), due
        )

    async def end(self, ended: ScanClosing) -> int:
        """As `Keeper` says."""
        missing = await self._records.change(partial(recording.end, ended=ended, terms=self._terms))
        idle = () if missing else await self._records.read(partial(recording.idle, ended=ended, terms=self._terms))
        for start in range(0, len(idle), NAMESPACES):
            some, began_at = idle[start : start + NAMESPACES], ended.scan.began_at
            await self._records.change(partial(note_nothing_runs, namespaces=some, began_at=began_at))
        return missing


@dataclass(slots=True)
class HandedIn:
    """How far it is."""

    kept: int = 0
    """Findings."""
    left_out: int = 0
    """Findings in namespaces that are not wanted."""


async def hand_in(scanned: Scanned, scan: Which, keeper: Keeper, so_far: HandedIn) -> None:
    """Have all of it kept; `so_far` says how far it is.

    Raises:
        OutboxError, ReplicaError: Not all of it is kept; what is, is not told again.
    """
    number = 0
    for number, found in enumerate(_portions(scanned.found), 1):
        left_out = await keeper.take(Portion(scan, number, found))
        so_far.left_out += left_out
        so_far.kept += len(found) - left_out
    full = {**dict.fromkeys(scan.only or (), Scan(scan.began_at, 0, 0)), **scanned.by_namespace}
    names = [*full]
    for start in range(0, len(names) or 1, NAMESPACES):
        some = {name: full[name] for name in names[start : start + NAMESPACES]}
        if await keeper.end(ScanClosing(scan, number, some, is_last=start + NAMESPACES >= len(names))):
            raise OutboxError("what was kept of it is not all there any more: has the outbox been replaced?")


def _portions(found: Sequence[ScanFinding]) -> Iterator[Sequence[ScanFinding]]:
    some, size = list[ScanFinding](), 0
    for one in found:
        length = len(msgspec.msgpack.encode(one))
        if some and (len(some) == PORTION or size + length > PORTION_BYTES):
            yield some
            some, size = [], 0
        some.append(one)
        size += length
    if some:
        yield some
