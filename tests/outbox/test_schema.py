from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.errors import OutboxError
from router.outbox import (
    Accepted,
    DeliverySelection,
    NewEvent,
    Number,
    Wanted,
    damage,
    older,
    queries,
    schema,
    statements,
)
from router.outbox.migrations import MIGRATIONS
from router.outbox.protocol import URGENCY
from router.outbox.records import SqliteRecords, beside
from router.outbox.runs import Runs, RunsTogether
from router.outbox.sqlite import SqliteOutbox
from router.outbox.statements import Append
from tests.outbox.stage import BODY, NOW, REPLICA, Clock, new, stored

DATA = Path(__file__).parents[1] / "data" / "outbox"
Opened = Callable[[Path], Awaitable[SqliteRecords]]


async def opened_by_owner(path: Path) -> SqliteOutbox:
    return await SqliteOutbox.open(path, REPLICA)


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def of_version(path: Path, number: int) -> None:
    """A file as the release of that version left it, with one event."""
    with closing(sqlite3.connect(path)) as connection:
        for migration in MIGRATIONS[:number]:
            connection.executescript(migration)
        connection.execute(f"PRAGMA user_version = {number}")
        name = "id" if number < 4 else "key"
        connection.execute(
            f"INSERT INTO events (sequence, {name}, appended_at, body)"  # noqa: S608 - one of two words
            " VALUES (1, 'old', 5.0, '{\"data\":{}}')"
        )
        connection.execute(
            "INSERT INTO deliveries (destination, sequence, state, attempts, due_at, reason)"
            " VALUES ('slack', 1, 'pending', 0, 5.0, '')"
        )
        connection.execute("UPDATE numbering SET last = 1")
        connection.commit()


def copied(path: Path, folder: Path) -> Path:
    """The file and its log as they are now: what a power cut leaves."""
    folder.mkdir()
    for one in (path, path.with_name(f"{path.name}-wal")):
        shutil.copy(one, folder)
    return folder / path.name


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


async def found_in(path: Path) -> Sequence[tuple[int, str]]:
    outbox = await opened_by_owner(path)
    try:
        return await stored(outbox)
    finally:
        await outbox.close()


@pytest.mark.parametrize("number", range(1, len(MIGRATIONS) + 1))
async def test_a_file_of_any_older_version_is_brought_up_to_date_with_what_it_holds(path: Path, number: int) -> None:
    of_version(path, number)
    outbox = await opened_by_owner(path)
    assert await outbox.append(new("new")) == Number(REPLICA, 2)
    await outbox.close()

    assert version(path) == len(MIGRATIONS)
    assert await found_in(path) == [(1, "old"), (2, "new")]


async def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_version(path, 1)
    monkeypatch.setattr(schema, "MIGRATIONS", (MIGRATIONS[0], "CREATE TABLE half (a); CREATE TABLE events (a)"))
    with pytest.raises(OutboxError, match="table events already exists"):
        await opened_by_owner(path)
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]

    assert version(path) == 1
    assert "half" not in tables


@pytest.mark.parametrize("opened", [opened_by_owner, beside])
async def test_a_newer_version_is_refused_with_both_versions(path: Path, opened: Opened) -> None:
    newer = len(MIGRATIONS) + 1
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    with pytest.raises(OutboxError) as refused:
        await opened(path)

    assert f"is of version {newer}, this release knows {newer - 1}; start the newer release again" in str(refused.value)
    assert version(path) == newer


async def test_only_the_owner_migrates(path: Path) -> None:
    """A command of a newer release must not change the tables under a router that still runs."""
    of_version(path, 1)
    with pytest.raises(OutboxError, match="the router brings it up to date when it starts"):
        await beside(path)

    assert version(path) == 1


async def test_the_file_of_another_program_is_refused_untouched(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (a)")
    with pytest.raises(OutboxError, match="holds the tables of another program"):
        await opened_by_owner(path)

    assert version(path) == 0


async def filled(path: Path, count: int = 200) -> None:
    outbox = await opened_by_owner(path)
    for number in range(0, count, 100):
        for one in range(number, number + 100):
            outbox._file.write(Append(new(f"event-{one}", body=b"x" * 500), REPLICA, NOW))
    await outbox.close()


def content(path: Path) -> bytes:
    return path.read_bytes()


def overwritten(path: Path, place: int, count: int) -> bytes:
    """Damage that many bytes at that place; returns what the file is now."""
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\xff" * count)
    return content(path)


async def test_what_is_no_database_is_moved_aside_as_it_is(path: Path) -> None:
    """So that alerts go on."""
    await filled(path)
    before = overwritten(path, 0, 16_000)
    assert await found_in(path) == []

    assert [content(file) for file in damage.left_aside(path)] == [before]


async def test_damage_that_shows_only_in_reading_is_told(path: Path) -> None:
    """Commands do not check the whole file: they must be quick while the router runs."""
    await filled(path)
    overwritten(path, 4096, len(content(path)) - 4096)
    with pytest.raises(OutboxError, match="is damaged"):
        await beside(path)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(1, 60_000), garbage=st.binary(max_size=40))
def test_a_torn_write_costs_only_what_was_torn(tmp_path: Path, cut: int, garbage: bytes) -> None:
    """Whole transactions remain, from the first on; numbering goes on behind them."""

    async def story(folder: Path) -> tuple[Sequence[tuple[int, str]], int]:
        path = folder / "outbox.db"
        outbox = await opened_by_owner(path)
        for number in range(1, 11):
            await outbox.append(new(f"event-{number}"))
        torn = copied(path, folder / "torn")
        await outbox.close()
        log = log_of(torn)
        left = max(0, log.stat().st_size - cut)
        os.truncate(log, left)
        with log.open("ab") as file:
            file.write(garbage)
        after = await opened_by_owner(torn)
        found = await stored(after)
        following = await after.append(new("after"))
        await after.close()
        return found, following.sequence

    with tempfile.TemporaryDirectory(dir=tmp_path) as name:
        found, following = asyncio.run(story(Path(name)))

    assert found == [(number, f"event-{number}") for number in range(1, len(found) + 1)]
    assert following == len(found) + 1


async def test_a_power_cut_after_the_last_commit_costs_nothing(path: Path, outbox: SqliteOutbox) -> None:
    await asyncio.gather(*(outbox.append(new(f"{number:02}")) for number in range(50)))
    left_behind = copied(path, path.parent / "copy")

    assert await found_in(left_behind) == [(number + 1, f"{number:02}") for number in range(50)]


async def test_a_log_whose_file_has_gone_is_not_thrown_away(path: Path, outbox: SqliteOutbox) -> None:
    """Whoever moves a file aside and forgets its log would lose what was stored last: SQLite deletes such a log."""
    await outbox.append(new("a"))
    left_behind = copied(path, path.parent / "copy")
    left_behind.unlink()
    before = log_of(left_behind).read_bytes()
    assert await found_in(left_behind) == []

    assert [content(file) for file in damage.left_aside(left_behind)] == [before]


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match=r"No such file or directory; make its folder"):
        await opened_by_owner(tmp_path / "none" / "outbox.db")
    with pytest.raises(OutboxError, match=r"there is no folder .*none; make it, or change outbox\.url"):
        schema.connect(tmp_path / "none" / "outbox.db")


async def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="can't be used: unable to open database file; are it and its folder"):
        await opened_by_owner(tmp_path)


LOCK_FOR_A_MOMENT = """
import fcntl, sys, time
with open(sys.argv[1], "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX, 1, 0x40000000)  # the byte that whoever closes the last connection locks
    print("locked", flush=True)
    time.sleep(0.1)
"""


def test_opening_waits_for_whoever_is_closing_the_file(path: Path) -> None:
    """One connection that did not wait ended commands that read beside the router."""
    schema.prepare(path)
    with Popen([sys.executable, "-c", LOCK_FOR_A_MOMENT, path], stdout=PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        schema.connect(path).close()


async def test_a_file_that_another_program_keeps_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "PATIENCE", 0.0)
    of_version(path, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OutboxError, match="is held by another program"):
            schema.connect(path)


HELD = RunsTogether([Runs()])


def plans(path: Path, ask: Callable[[sqlite3.Connection], object]) -> list[str]:
    """How SQLite does what is asked."""
    with closing(schema.connect(path)) as connection:
        asked: list[str] = []
        connection.set_trace_callback(asked.append)
        ask(connection)
        connection.set_trace_callback(None)
        return [
            " / ".join(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}"))
            for statement in asked
        ]


@pytest.mark.parametrize(
    "ask",
    [
        lambda connection: queries.ready(connection, "slack", 1, NOW, 10, HELD),
        lambda connection: queries.probes(connection, "slack", NOW, 10),
        lambda connection: queries.next_due(connection, "slack", HELD),
        lambda connection: queries.sized(connection, [1]),
        lambda connection: queries.whole(connection, "slack", [1], NOW),
        lambda connection: queries.forgettable(connection, NOW),
        lambda connection: statements.perform(connection, [Append(new("b"), REPLICA, NOW)]),
        lambda connection: statements.perform(connection, [Append(new("a"), REPLICA, NOW)]),
        lambda connection: statements.perform(
            connection, [statements.Settle([Accepted("slack", "a", NOW, 1)], [None], NOW)]
        ),
        lambda connection: statements.perform(connection, [statements.Withdraw(["a", "b"])]),
    ],
    ids=["ready", "probes", "next", "sized", "whole", "forget", "append", "again", "settle", "withdraw"],
)
async def test_the_indexes_serve_what_is_asked_all_the_time(
    path: Path, outbox: SqliteOutbox, ask: Callable[[sqlite3.Connection], object]
) -> None:
    """A claim, a settlement or a look for forgettable events that read the whole file would stop everything else."""
    await outbox.append(new("a"))
    found = plans(path, ask)

    assert any("INDEX" in plan or "PRIMARY KEY" in plan for plan in found)
    assert not [plan for plan in found if "SCAN events" in plan or "SCAN deliveries" in plan or "B-TREE" in plan]


async def test_what_is_due_is_found_in_the_same_time_however_many_are_held(path: Path, outbox: SqliteOutbox) -> None:
    """A thousand that are under way would be passed over again and again, in the event loop."""
    await asyncio.gather(*(outbox.append(new(f"event-{number}")) for number in range(2000)))
    with closing(schema.connect(path)) as connection:

        def steps(held: int) -> tuple[int, object, object]:
            runs, taken = Runs(), [0]
            for number in range(1, held + 1):
                runs.add(number)
            connection.set_progress_handler(lambda: taken.__setitem__(0, taken[0] + 1), 1)
            due = queries.next_due(connection, "slack", RunsTogether([runs]))
            found = queries.ready(connection, "slack", URGENCY[new("").severity], NOW, 5, RunsTogether([runs]))
            connection.set_progress_handler(None, 1)
            return taken[0], due, found

        few, many, every = steps(10), steps(1990), steps(2000)

    assert (few[1], few[2]) == ([(11, 0)], [11, 12, 13, 14, 15])
    assert (many[1], many[2]) == ([(1991, 0)], [1991, 1992, 1993, 1994, 1995])
    assert (every[1], every[2]) == ([], [])
    assert max(many[0], every[0]) <= few[0] + 50


def previous(path: Path) -> None:
    """A file as the previous version left it, with deliveries in every state."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATA / "version-3.sql").read_text())


async def test_a_file_of_the_previous_version_goes_on_where_it_stopped(path: Path) -> None:
    previous(path)
    outbox = await SqliteOutbox.open(path, REPLICA, time_of_day=lambda: 1_790_000_300.0)
    queue = outbox.queue("me")
    siem = await queue.claim("siem", Wanted(10))
    slack = await queue.claim("slack", Wanted(10))
    again = await outbox.append(NewEvent(siem[0].event_id, BODY, 1_790_000_003.0, ["slack"]))
    rows = await outbox.deliveries(DeliverySelection("slack"), 10)
    forgotten = await outbox.forget(201.0), await outbox.forget(199.0)
    await outbox.close()

    assert [one.number.sequence for one in siem] == [3, 4, 5, 6]
    assert [(one.number.sequence, one.attempts, one.tried_for) for one in slack] == [
        (2, 3, pytest.approx(250.0, abs=5.0)), (3, 0, 0.0), (4, 0, 0.0),
    ]  # fmt: skip
    assert again.sequence == 3, "what was stored by its id alone is known again"
    assert [row.state.value for row in rows] == ["discarded", "set_aside", "pending", "pending", "pending", "delivered"]
    assert forgotten == (0, 1)


@pytest.mark.parametrize("portion", [1, 2, 3, 200])
async def test_what_an_older_release_has_stored_gets_the_severity_that_its_event_names(
    path: Path, monkeypatch: pytest.MonkeyPatch, portion: int
) -> None:
    """A rejection must not wait behind a million admissions because it was stored before a new release was started."""
    monkeypatch.setattr(older, "PORTION", portion)
    of_version(path, 3)
    bodies = [
        b'{"data":{"decision":{"severity":"info"}}}',
        b'{"data":{"decision":{"severity":"high"}}}',
        b'{"data":{"notice":{"severity":"critical"}}}',
        b'{"data":{"decision":{"severity":"none that we know"}}}',
        b'{"data":',
        b'{"data":{"decision":{"severity":"high"}}}',
    ]
    with closing(sqlite3.connect(path)) as connection:
        for number, body in enumerate(bodies, 2):
            state = "delivered" if number == 7 else "set_aside" if number == 2 else "pending"
            connection.execute("INSERT INTO events VALUES (?, ?, 5.0, ?, 'r', 0)", (number, f"old-{number}", body))
            connection.execute("INSERT INTO deliveries VALUES ('slack', ?, ?, 0, 5.0, NULL, 5.0, '')", (number, state))
        connection.execute("UPDATE numbering SET last = 7")
        connection.commit()
    outbox = await SqliteOutbox.open(path, REPLICA)
    await outbox.append(new("newer"))  # by its body `medium`; by whoever appended it `info`
    given = [await outbox.give_severities() for _ in range(2)]
    rows = await outbox.deliveries(DeliverySelection("slack"), 10)
    claimed = await outbox.queue("me").claim("slack", Wanted(7))
    await outbox.close()

    assert given == [3, 0]
    assert [row.severity.value for row in reversed(rows)] == [
        "medium", "info", "high", "critical", "medium", "medium", "medium", "info",
    ]  # fmt: skip
    assert [one.number.sequence for one in claimed][:2] == [4, 3]


async def test_bringing_a_large_file_up_to_date_rewrites_no_rows(path: Path) -> None:
    """Who waits for admissions would wait for it."""
    previous(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany(
            "INSERT INTO events VALUES (?, ?, 5.0, randomblob(1500), 'r', 0)", [(n, f"id-{n}") for n in range(7, 3000)]
        )
        connection.executemany(
            "INSERT INTO deliveries VALUES ('x', ?, 'delivered', 1, 5.0, 5.0, 5.0, '')", [(n,) for n in range(7, 3000)]
        )
        connection.commit()
        connection.execute("PRAGMA journal_mode = WAL")
    with closing(sqlite3.connect(path)) as keeps_the_log:
        keeps_the_log.execute("SELECT count(*) FROM events").fetchone()
        schema.prepare(path)
        written = log_of(path).stat().st_size

    assert written < 400_000


@pytest.mark.parametrize("ahead", [25 * 3600.0, 10.0**9])
async def test_what_a_wrong_clock_put_off_for_longer_than_anything_is_due_at_once(path: Path, ahead: float) -> None:
    previous(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE deliveries SET due_at = due_at + ? WHERE attempts > 0", (ahead,))
        connection.commit()
    outbox = await SqliteOutbox.open(path, REPLICA, time_of_day=lambda: 1_790_000_100.0)
    await outbox.append(new("a"))
    found = [one.number.sequence for one in await outbox.queue("me").claim("slack", Wanted(10))]
    await outbox.close()

    assert 2 in found


@pytest.mark.parametrize(
    ("passed", "expected"), [(0.0, 0.0), (600.0, 600.0), (3600.0, 3600.0), (25 * 3600.0, 3600.0), (-6 * 3600.0, 0.0)]
)
async def test_a_restart_moves_the_own_time_on_by_an_hour_at_most_and_never_back(
    path: Path, passed: float, expected: float
) -> None:
    """A clock that steps must not set everything aside, nor stop delivery for as long as it stepped back."""
    monotonic, day = Clock(5.0), Clock(NOW)
    first = await SqliteOutbox.open(path, REPLICA, clock=monotonic, time_of_day=day)
    before = first._now()
    monotonic.now += 100.0
    day.now += 1e6  # whatever the time of day does meanwhile
    await first.close()
    day.now += passed
    second = await SqliteOutbox.open(path, REPLICA, clock=Clock(7.0), time_of_day=day)
    after = second._now()
    await second.close()

    assert before == NOW
    assert after - before == pytest.approx(100.0 + expected)
