"""Keeps an outbox within its time and its size. What anybody waits for is never removed for its age.

Time (`tidy`), counted in the outbox's own time:
(1) An event goes `keep` seconds after everybody has it, or has been given up by an operator.
(2) What was set aside stays for `keep_set_aside` seconds, so that somebody can see and replay it. `NOTICE` before its
    end that is told (`set_aside_ending`), and in the log when it is gone.
(3) Deliveries to a destination that the configuration does not have any more are told (`destination_removed`). When it
    was missing for `REMOVED_AFTER`, they are set aside with that cause: then they end like (2).

Size (`make_room`), looked at every few seconds:
(4) What counts is what the outbox holds, not what its file has free. Above the limit that is told
    (`outbox_nearly_full`), and room is made until it holds `AIM` of it: the oldest events go that everybody has; then,
    from the oldest on, `info` events that were set aside; then `info` events that still wait, which are set aside with
    the cause `outbox_full` first. What no incident could be made of yet, as while a collector is away, waits for that
    as for a destination: of it the oldest `info` events go last, and that is told (`incidents_incomplete`). Anything
    more severe is kept, whatever its age.
(5) Without a limit of its own an outbox may hold `SHARE` of what it has and its disk has free.
(6) Whatever is set aside here is counted as what delivery gives up is, and how large the outbox is with every look.

Whatever is removed or given up is so in small transactions, between which others get their turn. Freed pages are taken
out of the file, but for `SPARE`.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from router.outbox import changes, queries, retaining
from router.outbox.changes import FORGET_ROWS
from router.outbox.file import SqliteFile
from router.outbox.observer import OutboxObserver
from router.outbox.retaining import DESTINATION_REMOVED, OUTBOX_FULL
from router.outbox.schema import MESSAGES_BEGIN
from router.outbox.statements import Change
from router.telemetry.causes import Cause
from router.telemetry.logs import logger

log = logger()

DAY = 86400.0
NOTICE = 7 * DAY
REMOVED_AFTER = DAY
SHARE, AIM = 0.8, 0.9
SPARE = 4 * 2**20
"""Bytes that a file keeps free for what comes next."""
VACUUM_PAGES = 256
"""Pages that one transaction takes out of the file: a few milliseconds."""
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """What an operator wants."""

    keep: float
    """Seconds."""
    keep_set_aside: float
    """Seconds."""
    max_size: int | None
    """Bytes; None where it depends on the disk."""


class Retention:
    """Removes what has had its time, or must make room.

    Args:
        file: The outbox.
        now: Its own time.
        observer: Who counts, and hears what is wrong.
        time_of_day: Seconds since 1970.
    """

    def __init__(
        self, file: SqliteFile, now: Callable[[], float], observer: OutboxObserver, time_of_day: Callable[[], float]
    ) -> None:
        self._file = file
        self._now = now
        self._observer = observer
        self._time_of_day = time_of_day
        self._ending: frozenset[str] = frozenset()
        self._removed: frozenset[str] = frozenset()
        self._looked_at = 0
        """Up to which number what waits for incidents is known to be more severe: no body is read twice."""

    async def tidy(self, keeping: RetentionRules, destinations: Collection[str]) -> int:
        """Remove what has had its time; returns how many events. Raises OutboxError."""
        await self.notice_removed(destinations)
        for name in await self._file.read(retaining.removed_before, self._now() - REMOVED_AFTER):
            await self._give_up(partial(retaining.of_destination, destination=name), name, DESTINATION_REMOVED)
        removed = await self.forget(keeping.keep, keeping.keep_set_aside)
        await self._tell_of_endings(keeping.keep_set_aside)
        await self.give_back()
        return removed

    async def notice_removed(self, destinations: Collection[str]) -> None:
        """Tell of deliveries that wait for a destination which is none of these. Raises OutboxError."""
        left = {
            name: waiting
            for name, waiting in (await self._file.read(queries.waiting)).items()
            if name not in destinations
        }
        for name, waiting in left.items():
            text = f"{waiting.pending} deliveries wait and {waiting.set_aside} were set aside"
            self._observer.trouble_began(Cause.DESTINATION_REMOVED, name, text)
        for name in self._removed - left.keys():
            self._observer.trouble_ended(Cause.DESTINATION_REMOVED, name)
        if left.keys() != self._removed or not left:
            note = partial(retaining.note_removed, names=sorted(left), now=self._now())
            await self._file.write(Change(note))
        self._removed = frozenset(left)

    async def forget(self, keep: float, keep_set_aside: float | None = None) -> int:
        """Remove events that nobody has waited for within `keep` seconds; returns how many. Raises OutboxError.

        What was set aside is kept for `keep_set_aside` seconds, or as long as everything else where that is None.
        """
        total, now = 0, self._now()
        before = now - keep
        before_aside = before if keep_set_aside is None else now - keep_set_aside
        while found := await self._file.read(queries.forgettable, before, before_aside):
            total += await self._removed_of(found)
        return total

    async def make_room(self, keeping: RetentionRules) -> int:
        """Remove what must go because the outbox has grown too large; returns how many events. Raises OutboxError."""
        used, limit = await self._used(), await self._limit(keeping)
        self._observer.outbox_size(used, int(limit))
        if used <= limit * (1 + AIM) / 2:
            self._observer.trouble_ended(Cause.OUTBOX_NEARLY_FULL, "")
        if used <= limit:
            return 0
        text = f"it holds {used // _MIB} MiB and may have {int(limit) // _MIB} MiB"
        self._observer.trouble_began(Cause.OUTBOX_NEARLY_FULL, "", text)
        goal = limit * AIM
        removed = await self._without_settled(goal)
        removed += await self._without_info(goal)
        removed += await self._without_unseen(goal)
        log.warning("outbox_made_room", events=removed, mebibytes=(await self._used()) // _MIB)
        await self.give_back()
        return removed

    async def give_back(self) -> None:
        """Give what the file has free back to the disk, but for `SPARE`. Raises OutboxError."""
        if not await self._file.read(retaining.can_give_back):
            return
        while (await self._file.read(retaining.size)).free > SPARE:
            if not await self._file.write(Change(partial(retaining.give_back, pages=VACUUM_PAGES))):
                break
        await self._file.read(retaining.checkpoint)

    async def _without_settled(self, goal: float) -> int:
        removed, after = 0, MESSAGES_BEGIN
        while await self._used() > goal:
            found = await self._file.read(retaining.oldest_settled, after, FORGET_ROWS)
            if not found:
                break
            after = found[-1]
            removed += await self._removed_of(found)
        return removed

    async def _without_info(self, goal: float) -> int:
        removed = 0
        while await self._used() > goal:
            found = await self._file.read(retaining.oldest_given_up, FORGET_ROWS)
            found = found or await self._file.read(retaining.oldest_waiting, FORGET_ROWS)
            if not (gone := await self._given_up(found)):
                break
            removed += gone
        return removed

    async def _without_unseen(self, goal: float) -> int:
        removed = 0
        while await self._used() > goal:
            found = await self._file.read(retaining.oldest_unseen, self._looked_at, FORGET_ROWS)
            if found.last == self._looked_at:
                break
            removed += await self._given_up(found.sequences)
            self._looked_at = found.last
        if removed:
            text = f"{removed} events of severity info had to make room"
            self._observer.trouble_began(Cause.INCIDENTS_INCOMPLETE, "", text)
            log.error("events_gone_before_incidents", count=removed)
        return removed

    async def _given_up(self, sequences: Sequence[int]) -> int:
        """Remove these, whoever waits for them; returns how many."""
        for name in await self._file.read(retaining.waited_for_by, sequences):
            await self._set_aside(sequences, name, OUTBOX_FULL)
        return await self._removed_of(sequences)

    async def _removed_of(self, sequences: Sequence[int]) -> int:
        total, lost = 0, Counter[str]()
        for start in range(0, len(sequences), FORGET_ROWS):
            some = sequences[start : start + FORGET_ROWS]
            lost.update(await self._file.read(retaining.set_aside_of, some))
            done = await self._file.write(Change(partial(changes.forget, sequences=some)))
            total += done if isinstance(done, int) else 0
        for name, count in sorted(lost.items()):
            log.error("set_aside_removed", destination=name, count=count)
        return total

    async def _give_up(self, find: Callable[..., Sequence[int]], destination: str, reason: str) -> None:
        while found := await self._file.read(partial(find, limit=FORGET_ROWS)):
            await self._set_aside(found, destination, reason)

    async def _set_aside(self, sequences: Sequence[int], destination: str, reason: str) -> None:
        give_up = partial(
            retaining.give_up,
            sequences=sequences,
            destination=destination,
            reason=reason,
            at=self._time_of_day(),
            now=self._now(),
        )
        count = cast("int", await self._file.write(Change(give_up)))
        log.error("deliveries_set_aside", destination=destination, reason=reason, count=count)
        self._observer.set_aside(destination, reason, count)

    async def _tell_of_endings(self, keep_set_aside: float) -> None:
        ending = await self._file.read(retaining.set_aside_before, self._now() - max(0.0, keep_set_aside - NOTICE))
        for name, count in ending.items():
            text = f"{count} deliveries go within 7 days; `gatecrier deliveries list --state set_aside` shows them"
            self._observer.trouble_began(Cause.SET_ASIDE_ENDING, name, text)
        for name in self._ending - ending.keys():
            self._observer.trouble_ended(Cause.SET_ASIDE_ENDING, name)
        self._ending = frozenset(ending)

    async def _used(self) -> int:
        return (await self._file.read(retaining.size)).used

    async def _limit(self, keeping: RetentionRules) -> float:
        if keeping.max_size is not None:
            return keeping.max_size
        used, free = await self._file.read(retaining.size)
        return SHARE * (used + free + shutil.disk_usage(self._file.path.parent).free)
