"""The connections to one SQLite file of an outbox, and the threads that use them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from router.outbox import schema, statements
from router.outbox.damage import DamagedError
from router.outbox.noted import NotedSettlements
from router.outbox.statements import Change, OutboxStatement, Settle
from router.outbox.writer import Lazy, Operation, Writer

Result = TypeVar("Result")
WrittenListener: TypeAlias = Callable[[Sequence[OutboxStatement]], None]
Damaged: TypeAlias = Callable[[Writer[OutboxStatement], Sequence[Operation[OutboxStatement]], DamagedError], None]


class OpenedFile:
    """The connections to one file, and what uses them."""

    def __init__(self, path: Path, written: WrittenListener, damaged: Damaged | None, late: float) -> None:
        self.connections = [schema.connect(path) for _ in range(3)]
        self.reading, self.claiming, writing = self.connections
        self.writer: Writer[OutboxStatement] = Writer(
            writing,
            statements.perform,
            written,
            damaged=damaged,
            late=late,
            lazy=Lazy(_is_settlement, Change(_nothing)),
        )
        self.noted = NotedSettlements()
        """What is settled while the file is replaced and taken over."""
        self.reader = ThreadPoolExecutor(1, thread_name_prefix="outbox-reader")

    async def read(self, query: Callable[..., Result], *arguments: object) -> Result:
        """Read in the thread for that; raises sqlite3.Error."""
        return await asyncio.get_running_loop().run_in_executor(self.reader, partial(query, self.reading, *arguments))

    async def close(self) -> None:
        """Finish what was asked and close."""
        await self.writer.close()
        await asyncio.to_thread(self.reader.shutdown)
        for connection in self.connections:  # the last one moves the log into the file, unless that was moved aside
            await asyncio.to_thread(connection.close)


def _is_settlement(asked: OutboxStatement) -> bool:
    """What became of deliveries may be found out again after a power cut, by making them again."""
    return isinstance(asked, Settle)


def _nothing(connection: sqlite3.Connection) -> int:
    """Write a page as it is. A row that is updated to what it was is not written, and nothing flushed for it."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {version}")
    return 0
