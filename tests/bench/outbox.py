"""The outbox beside bare sqlite3, on the same disk: group commit, one million rows, claims and settlements."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from router.assembly.running import new_event_loop
from router.outbox import Accepted, NewEvent
from router.outbox.sqlite import SqliteOutbox
from tests.bench.table import Row

BODY = b'{"padding":"' + b"x" * 1400 + b'","data":{"a":1}}'
EVENTS, APPENDERS, ROUNDS = 10_000, 256, 3
MANY = 1_000_000


def run() -> Sequence[Row]:
    """Appending, appending behind a million rows, claiming and settling."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_run())


async def _run() -> Sequence[Row]:
    ours, bare, settled = [], [], []
    with tempfile.TemporaryDirectory(prefix="gatecrier-bench-") as name:
        folder = Path(name)
        for number in range(ROUNDS):
            bare.append(_bare(folder / f"bare{number}.db"))
            outbox = await SqliteOutbox.open(folder / f"ours{number}.db")
            ours.append(await _appended(outbox, f"r{number}"))
            settled.append(await _settled(outbox))
            await outbox.close()
        large = folder / "large.db"
        await (await SqliteOutbox.open(large)).close()
        _fill(large)
        outbox = await SqliteOutbox.open(large)
        behind = [await _appended(outbox, f"m{number}") for number in range(ROUNDS)]
        await outbox.close()
    rate, least, late, done = (statistics.median(values) for values in (ours, bare, behind, settled))
    return [
        Row("outbox, events/s", f"{rate:,.0f}", f"{least:,.0f} (16 a commit)", f"{rate / least:.0%}", ">= 20,000/s"),
        Row("the same at 1,000,000 rows", f"{late:,.0f}", f"{rate:,.0f} (empty)", f"{late / rate:.0%}", "no slower"),
        Row("claimed and settled, events/s", f"{done:,.0f}", "", "", ""),
    ]  # fmt: skip


async def _appended(outbox: SqliteOutbox, prefix: str) -> float:
    numbers = iter(range(EVENTS))

    async def append() -> None:
        for number in numbers:
            await outbox.append(NewEvent(f"{prefix}-{number}", BODY, 1.0, ("siem",)))

    began = time.perf_counter()
    await asyncio.gather(*(append() for _ in range(APPENDERS)))
    return EVENTS / (time.perf_counter() - began)


async def _settled(outbox: SqliteOutbox) -> float:
    began, count = time.perf_counter(), 0
    while claimed := await outbox.claim("siem", 128, 2.0):
        await outbox.settle([Accepted("siem", delivery.sequence, 2.0, 1) for delivery in claimed])
        count += len(claimed)
    return count / (time.perf_counter() - began)


def _bare(path: Path) -> float:
    """One table, sixteen rows a commit: what sixteen callers who wait for each other would get."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE events (sequence INTEGER PRIMARY KEY, id TEXT UNIQUE, at REAL, body BLOB)")
    began = time.perf_counter()
    for start in range(0, EVENTS, 16):
        connection.execute("BEGIN")
        rows = [(f"b-{number}", 1.0, BODY) for number in range(start, start + 16)]
        connection.executemany("INSERT INTO events (id, at, body) VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - began
    connection.close()
    return EVENTS / seconds


def _fill(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    counted = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)"
    delivered = "'delivered', 1, 1.0, 1.0, 1.0, ''"
    connection.execute(counted + " INSERT INTO events SELECT i, 'old-' || i, 1.0, zeroblob(200) FROM n")  # noqa: S608 - our own words
    connection.execute(counted + " INSERT INTO deliveries SELECT 'siem', i, " + delivered + " FROM n")  # noqa: S608 - our own words
    connection.execute("UPDATE numbering SET last = ?", (MANY,))
    connection.execute("COMMIT")
    connection.close()


if __name__ == "__main__":
    from tests.bench.table import as_text

    print(as_text(run()))
