"""Keeps an outbox going whose file was damaged, cut, removed or replaced while it runs.

Order:
(1) It is noticed by whoever reads or writes, by a look at the files every second, or by the check of the whole file,
    which runs beside everything else after the start, and gets of the processor what nobody else wants (`STEP_BACK`).
(2) It is told (`outbox_damaged`, `outbox_replaced`). What is asked from then on waits.
(3) What is left of the file is moved aside, never deleted. A new one takes its place, whose numbers go on, in a new
    folder where that has gone, too; a gap of `UNKNOWN` says that the last number could not be read. What waited is
    written to it: alerts go on.
(4) What is still readable by the connections to the file of before (all of it where that was only removed) is taken
    over beside that (`taking`), and what the lanes have in memory. Meanwhile the new one may be replaced, too.

The trouble lasts for as long as something that was moved aside is there for somebody to look at; where nothing was left
to be moved aside, for an hour. At most `LIMIT` are left behind: somebody or something destroys them again and again
then, and appending fails until that ends.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from router.errors import OutboxError
from router.outbox import damage, retaining, salvage, schema
from router.outbox.damage import Watched
from router.outbox.file import SqliteFile
from router.outbox.opened import OpenedFile
from router.outbox.protocol import Delivery
from router.outbox.taking import TakingOver
from router.telemetry.causes import Cause, Troubles
from router.telemetry.going_on import awaited_or_else
from router.telemetry.logs import logger

log = logger()

AGAIN = 5.0
"""Seconds before a replacement that failed is tried again."""
LIMIT = 20
UNKNOWN = 10_000
"""Numbers that are left out where it is not known which was the last."""
STEP_BACK = 10
"""Niceness of the thread that checks the whole file: a tenth of the share of a thread that appends. Not less, since the
log can't be emptied while it reads."""
LASTS = 3600.0
"""Seconds that it is told that a file has gone."""
_PRIVATE = 0o700
"""Who may use a folder that is made anew: nobody else, since it is not known whom the one of before let in."""
CLOSING = 5.0
"""Seconds that closing waits for what is being taken over."""


class Replacing:
    """Watches one file and replaces it.

    Args:
        file: The file; its tables are of this release.
        troubles: Who hears of it.
        held: What the lanes have in memory.
        replaced: Is told when there is a new file.
    """

    def __init__(
        self,
        file: SqliteFile,
        troubles: Troubles,
        *,
        held: Callable[[], Sequence[Delivery]],
        replaced: Callable[[], None],
    ) -> None:
        self._file = file
        self._path = file.path
        self._troubles = troubles
        self._taking = TakingOver(file, held)
        self._followed = replaced
        self._watched = Watched(self._path)
        self._task: asyncio.Task[None] | None = None
        self._check: asyncio.Task[None] | None = None
        self._checking: sqlite3.Connection | None = None
        self._last = self._last_number() or 0
        file.damaged = partial(self._begin, Cause.OUTBOX_DAMAGED)
        self._tell_of_what_is_left()

    def look(self) -> None:
        """See whether the files are still there; to be called every second or so."""
        if self._task is not None:
            return
        self._last = self._last_number() or self._last
        if wrong := self._watched.look():
            self._begin(Cause.OUTBOX_REPLACED, wrong)
        elif self._file.is_replacing:
            self._begin(Cause.OUTBOX_DAMAGED, "it was found damaged, and could not be replaced")
        elif missing := self._missing():
            self._begin(Cause.OUTBOX_DAMAGED, f"{missing} bytes of it are missing")

    def check(self) -> None:
        """Read the whole file, beside everything else, for damage that nobody has met yet."""
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._checked())

    def look_aside(self) -> None:
        """See whether what was moved aside was taken away; to be called now and then."""
        if not damage.left_aside(self._path):
            self._troubles.trouble_ended(Cause.OUTBOX_DAMAGED, "")

    async def close(self) -> None:
        """End what goes on, after what is being taken over, if that ends in time."""
        if self._checking is not None:
            with suppress(sqlite3.ProgrammingError):  # it has just ended
                self._checking.interrupt()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                while tasks := self._tasks():
                    await asyncio.wait(tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._taking.close()

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [one for one in (self._task, self._taking.task, self._check) if one is not None and not one.done()]

    def _last_number(self) -> int | None:
        try:
            return self._file.look(salvage.last_number)
        except OutboxError:
            return None

    def _missing(self) -> int:
        missing = 0
        for _ in range(2):  # between a look at its pages and one at its size it may have become smaller in good order
            try:
                used, free = self._file.look(retaining.size)
            except OutboxError:  # which was told, if it is damage
                return 0
            if not (missing := self._watched.missing(used + free)):
                return 0
        return missing

    def _begin(self, cause: Cause, found: str) -> None:
        if self._task is None or self._task.done():
            self._troubles.trouble_began(cause, "", found)
            log.error("outbox_replacing", path=str(self._path), found=found)
            self._task = asyncio.create_task(self._begun(cause))

    async def _begun(self, cause: Cause) -> None:
        try:  # nobody waits for this task, so nobody would hear; the next look begins again
            replace = partial(self._replaced, cause)
            await awaited_or_else(replace, _not_replaced, "outbox_not_replaced", path=str(self._path))
        finally:
            self._task = None

    async def _replaced(self, cause: Cause) -> None:
        before, last = await self._exchanged(cause)
        self._watched = Watched(self._path)
        self._followed()
        self._taking.begin(before, last)

    async def _exchanged(self, cause: Cause) -> tuple[OpenedFile, int]:
        while True:
            try:
                before = await self._file.replace(self._make)
            except OutboxError as error:
                self._troubles.trouble_began(cause, "", str(error))
                await asyncio.sleep(AGAIN)
            else:
                self._tell_of_what_is_left()
                if cause is Cause.OUTBOX_REPLACED:
                    loop = asyncio.get_running_loop()
                    loop.call_later(LASTS, self._troubles.trouble_ended, cause, "")
                return before, self._last

    def _ledger(self) -> salvage.Ledger:
        try:
            return self._file.look(salvage.ledger)
        except OutboxError:
            return {}

    def _make(self) -> None:
        """Runs in a thread, when the writer of the file of before has ended: what it still stored is counted, too."""
        if len(damage.left_aside(self._path)) >= LIMIT:
            raise OutboxError(f"{LIMIT} damaged files were moved aside beside {self._path}; see what destroys them")
        last, ledger = self._last_number(), self._ledger()
        self._last = self._last if last is None else last
        _make_folder_of(self._path)
        aside = damage.move_aside(self._path)
        schema.prepare(self._path)
        with closing(schema.connect(self._path)) as connection:
            salvage.count_on(connection, self._last + UNKNOWN if last is None else last)
            salvage.put_ledger(connection, ledger)
        log.error("outbox_replaced", path=str(self._path), moved_to=None if aside is None else str(aside))

    async def _checked(self) -> None:
        own = ThreadPoolExecutor(1, thread_name_prefix="outbox-check", initializer=_step_back)
        try:
            wrong = await asyncio.get_running_loop().run_in_executor(own, self._wrong)
        finally:
            own.shutdown(wait=False)
        if wrong:
            self._begin(Cause.OUTBOX_DAMAGED, wrong)

    def _wrong(self) -> str:
        """What a reading of the whole file finds; runs in a thread."""
        try:
            uri = f"{self._path.absolute().as_uri()}?mode=rw"  # where the file has gone meanwhile, none is made
            with closing(sqlite3.connect(uri, uri=True, timeout=10.0, check_same_thread=False)) as connection:
                self._checking = connection
                found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.Error as error:
            return str(error) if damage.is_damage(error) else ""
        except OutboxError as error:
            return str(error) if isinstance(error, damage.DamagedError) else ""
        finally:
            self._checking = None
        return "" if found == "ok" else found

    def _tell_of_what_is_left(self) -> None:
        if left := damage.left_aside(self._path):
            names = ", ".join(file.name for file in left[:3])
            self._troubles.trouble_began(Cause.OUTBOX_DAMAGED, "", f"moved aside in {self._path.parent}: {names}")


def _make_folder_of(path: Path) -> None:
    try:
        path.parent.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    except OSError as error:
        raise OutboxError(
            f"there is no folder {path.parent} for the outbox, and it can't be made: {error.strerror}; "
            "make it, writable for this user"
        ) from error


async def _not_replaced() -> None:
    """Nothing more can be done now."""


def _step_back() -> None:
    if sys.platform == "linux":  # elsewhere it would be the priority of the whole process
        with suppress(OSError):  # where it may not be changed, the check takes its share
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), STEP_BACK)


def made_usable(path: Path) -> None:
    """Bring an outbox up to date before it is opened.

    What SQLite would refuse as damaged, or leave out of the log in silence, is moved aside or copied first, and told.

    Raises:
        OutboxError: It can't be used for another reason.
    """
    if wrong := damage.unreadable_log(path):
        log.error("outbox_log_moved_aside", path=str(path), found=wrong, moved_to=str(damage.move_log_aside(path)))
    if wrong := _damage(path):
        log.error("outbox_moved_aside", path=str(path), found=wrong, moved_to=str(damage.move_aside(path)))
        schema.prepare(path)


def _damage(path: Path) -> str:
    try:
        with schema.recovered(path) as frames:
            if lost := damage.lost_frames(path, frames):
                kept = damage.copy_log_aside(path)
                log.error("outbox_log_cut", path=str(path), lost_frames=lost, copied_to=str(kept))
        schema.prepare(path)
    except damage.DamagedError as error:
        return str(error)
    return ""
