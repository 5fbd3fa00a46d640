"""What the outbox costs beside bare sqlite3: appending by many at once, appending to a full file, claim and settle.

Group commit: `APPENDERS` tasks append, each when its last event is durable, against a bare loop that inserts the same
rows by `executemany` and commits once per 16 events, with the same flush per commit. Runs are interleaved; the median
of the ratios counts, for machines are noisy. The bare loop waits for every flush and knows nothing of ids, numbers and
who waits; ours is faster where it puts more events into one flush, and slower where flushing costs nothing.

    python -m tests.bench.outbox [--rows 1000000] [--core]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import uvloop

from router.outbox import Accepted, NewEvent, Wanted, queries, schema, statements
from router.outbox.sqlite import SqliteOutbox
from tests.bench.table import Row, as_text

EVENTS = 6000
APPENDERS = 128
BARE_BATCH = 16
ROUNDS, FULL_ROUNDS = 5, 8
FULL = 1_000_000
KEPT = 30 * 86400.0
"""Seconds over which the events of a full file were decided."""
BODY = b'{"id":"x","data":{"a":"' + b"x" * 1500 + b'"}}'
INSERT_EVENT = "INSERT INTO events (sequence, key, appended_at, body, replica) VALUES (?, ?, ?, ?, ?)"
INSERT_DELIVERY = (
    "INSERT INTO deliveries (destination, sequence, state, attempts, due_at, first_attempt_at, settled_at, reason)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def events(count: int = EVENTS, ago: float = 0.0) -> list[NewEvent]:
    """Events of a usual size, for one destination, decided so many seconds ago; ids are random as ours are."""
    return [NewEvent(str(uuid.uuid4()), BODY, time.time() - ago, ("sink",)) for _ in range(count)]


def tables(numbered: Sequence[tuple[int, NewEvent]]) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Rows as the outbox writes them."""
    return (
        [(number, queries.key(event.id, event.at), event.at, event.body, "replica-1") for number, event in numbered],
        [("sink", number, "pending", 0, event.at, None, None, "") for number, event in numbered],
    )


def bare_appends(path: Path, wanted: Sequence[NewEvent]) -> float:
    """Events per second of a loop that inserts and commits, and nothing else."""
    schema.prepare(path)
    with closing(schema.connect(path)) as connection:
        began = time.perf_counter()
        for start in range(0, len(wanted), BARE_BATCH):
            batch = list(enumerate(wanted[start : start + BARE_BATCH], start + 1))
            rows, deliveries = tables(batch)
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(INSERT_EVENT, rows)
            connection.executemany(INSERT_DELIVERY, deliveries)
            connection.execute("COMMIT")
        return len(wanted) / (time.perf_counter() - began)


async def appends(path: Path, wanted: Sequence[NewEvent], *, is_checked: bool = True) -> float:
    """Events per second of many appenders, each of which waits until its event is durable.

    `is_checked`: after the whole file was read for damage, as it is once after each start; else meanwhile.
    """
    outbox = await SqliteOutbox.open(path, "replica-1")
    check = outbox._replacing._check
    if is_checked and check is not None:
        await check
    left = iter(wanted)

    async def appender() -> None:
        for event in left:
            await outbox.append(event)

    began = time.perf_counter()
    await asyncio.gather(*(appender() for _ in range(APPENDERS)))
    rate = len(wanted) / (time.perf_counter() - began)
    await outbox.close()
    return rate


async def claims(path: Path, count: int) -> float:
    """Deliveries per second that are claimed and settled, 128 at once."""
    outbox = await SqliteOutbox.open(path, "replica-1")
    queue = outbox.queue("owner-1")
    now = time.time() + 1
    began = time.perf_counter()
    while claimed := await queue.claim("sink", Wanted(128)):
        await queue.settle([Accepted("sink", one.event_id, now, 1) for one in claimed])
    rate = count / (time.perf_counter() - began)
    await outbox.close()
    return rate


def bare_claims(path: Path, count: int) -> float:
    """The same by a plain select and an `executemany` of updates, one commit for 128."""
    with closing(schema.connect(path)) as connection:
        now = time.time() + 1
        began = time.perf_counter()
        while rows := connection.execute(
            "SELECT events.sequence, id, attempts, first_attempt_at, appended_at, body FROM deliveries"
            " JOIN events USING (sequence) WHERE destination = 'sink' AND state = 'pending' AND due_at <= ?"
            " ORDER BY due_at, sequence LIMIT 128",
            (now,),
        ).fetchall():
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "UPDATE deliveries SET state = 'delivered', attempts = 1, settled_at = ?, first_attempt_at = ?"
                " WHERE destination = 'sink' AND sequence = ?",
                [(now, now, row[0]) for row in rows],
            )
            connection.execute("COMMIT")
        return count / (time.perf_counter() - began)


def fill(path: Path, rows: int) -> None:
    """A file with so many events of the last month, each with a delivery that waits."""
    schema.prepare(path)
    with closing(schema.connect(path)) as connection:
        for start in range(0, rows, 10_000):
            batch = list(enumerate(events(min(10_000, rows - start), KEPT * (1 - start / rows)), start + 1))
            connection.execute("BEGIN IMMEDIATE")
            filled, deliveries = tables(batch)
            connection.executemany(INSERT_EVENT, filled)
            connection.executemany(INSERT_DELIVERY, deliveries)
            connection.execute("UPDATE numbering SET last = ?", (batch[-1][0],))
            connection.execute("COMMIT")


class _Core:
    """Appends by SQLAlchemy Core's bulk inserts what the outbox appends: known ids, last number, rows, new last number.

    Only for what the decision for plain sqlite3 was made by (docs/adr/0003): nothing else needs SQLAlchemy.
    """

    def __init__(self, path: Path) -> None:
        import sqlalchemy as sa

        self._sa = sa
        self._engine = sa.create_engine("sqlite://", creator=lambda: schema.connect(path), poolclass=sa.StaticPool)
        tables_of = sa.MetaData()
        self._events, self._deliveries, self._numbering = (
            sa.Table(name, tables_of, autoload_with=self._engine) for name in ("events", "deliveries", "numbering")
        )
        self._connection = self._engine.connect()

    def append(self, batch: Sequence[NewEvent]) -> None:
        """One transaction."""
        sa, connection = self._sa, self._connection
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        known = sa.select(self._events.c.id, self._events.c.sequence)
        connection.execute(known.where(self._events.c.id.in_([event.id for event in batch]))).all()
        last = connection.execute(sa.select(self._numbering.c.last)).scalar_one()
        for table, rows in zip((self._events, self._deliveries), tables(list(enumerate(batch, last + 1))), strict=True):
            connection.execute(sa.insert(table), [dict(zip(table.c.keys(), row, strict=False)) for row in rows])
        connection.execute(sa.update(self._numbering).values(last=last + len(batch)))
        connection.exec_driver_sql("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
        self._engine.dispose()


class _Plain:
    """Appends by our statements, in the same way."""

    def __init__(self, path: Path) -> None:
        self._connection = schema.connect(path)

    def append(self, batch: Sequence[NewEvent]) -> None:
        """One transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        statements.perform(self._connection, [statements.Append(event, "replica-1", event.at) for event in batch])
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def batch_appends(path: Path, appender: type[_Core | _Plain], wanted: Sequence[NewEvent], batch: int) -> float:
    """Events per second, after a first batch that warms caches of statements."""
    schema.prepare(path)
    by = appender(path)
    by.append(wanted[:batch])
    began = time.perf_counter()
    for start in range(batch, len(wanted), batch):
        by.append(wanted[start : start + batch])
    rate = (len(wanted) - batch) / (time.perf_counter() - began)
    by.close()
    return rate


def run(full: int = FULL) -> list[Row]:
    """The figures."""
    return [_group_commit(), *_at_full_file(full), _claiming()]


def _group_commit() -> Row:
    ours, bare = [], []
    for _ in range(ROUNDS):
        with _folder() as folder:
            wanted = events()
            bare.append(bare_appends(folder / "bare.db", wanted))
            ours.append(uvloop.run(appends(folder / "ours.db", wanted)))
    name = f"append by {APPENDERS} at once, beside executemany with a commit per {BARE_BATCH}"
    return _row(name, ours, bare, ">= 20,000/s")


def _at_full_file(full: int) -> list[Row]:
    """Both files get the same: what an append costs grows with the events of the same minutes (`queries.key`)."""
    rates: dict[str, list[float]] = {"ours": [], "empty": [], "meanwhile": []}
    with _folder() as folder:
        fill(folder / "full.db", full)
        for number in range(FULL_ROUNDS):
            for which in sorted(rates, reverse=bool(number % 2)):
                path = folder / ("empty.db" if which == "empty" else "full.db")
                rate = uvloop.run(appends(path, events(), is_checked=which != "meanwhile"))
                rates[which].append(rate)
                if which == "ours":
                    uvloop.run(appends(folder / "empty.db", events()))  # as many as the full file gets
    name = f"append at {full:,} rows, beside the same at 0 rows"
    return [
        _row(name, rates["ours"], rates["empty"], ">= 20,000/s, >= 90%"),
        _row(f"{name}, while the full file is checked after a start", rates["meanwhile"], rates["empty"], ""),
    ]


def _claiming() -> Row:
    ours, bare = [], []
    for _ in range(ROUNDS):
        with _folder() as folder:
            fill(folder / "ours.db", EVENTS)
            fill(folder / "bare.db", EVENTS)
            bare.append(bare_claims(folder / "bare.db", EVENTS))
            ours.append(uvloop.run(claims(folder / "ours.db", EVENTS)))
    return _row("claim and settle 128 at once, beside select and executemany", ours, bare, "")


def beside_core() -> list[Row]:
    """Our statements beside SQLAlchemy Core, one file each, in turn."""
    rows = []
    for batch in (1, 16, 128):
        ours, core = [], []
        for _ in range(ROUNDS):
            with _folder() as folder:
                core.append(batch_appends(folder / "core.db", _Core, events(), batch))
                ours.append(batch_appends(folder / "ours.db", _Plain, events(), batch))
        rows.append(_row(f"append {batch} per commit, beside SQLAlchemy Core", ours, core, ""))
    return rows


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gatecrier-bench-") as name:
        yield Path(name)


def _row(name: str, ours: Sequence[float], bare: Sequence[float], wanted: str) -> Row:
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, bare, strict=True))
    mine, theirs = (f"{statistics.median(rates):,.0f}/s" for rates in (ours, bare))
    return Row(name, mine, theirs, f"{ratio:.0%}", wanted)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=FULL, help="rows of the full file (default: %(default)s)")
    parser.add_argument("--core", action="store_true", help="compare with SQLAlchemy Core instead")
    arguments = parser.parse_args()
    print(as_text(beside_core() if arguments.core else run(arguments.rows)))


if __name__ == "__main__":
    main()
