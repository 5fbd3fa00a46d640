from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest

from router.errors import OutboxError
from router.outbox import NewEvent, Number, SetAside
from router.outbox.sqlite import SqliteOutbox
from router.outbox.statements import Change
from router.outbox.writer import BATCH_LIMIT, FLUSH_WITHIN, Lazy, Operation, Writer
from tests.outbox.stage import ME, REPLICA, Holder, Once, injure, new, sequences, stored, writing
from tests.patience import PATIENCE
from tests.simulators.log import Log

POISON = NewEvent("poison", b"{}", 0.0, ("slack-\ud800",))
"""Its destination can't be encoded: it fails when its batch is written."""


class Notes:
    """A writer of words into a table, and what it was told."""

    def __init__(self, path: Path, late: float) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        self.connection.execute("CREATE TABLE words (word TEXT)")
        self.batches: list[Sequence[str]] = []
        self.durable: list[str] = []
        self.writer: Writer[str] = Writer(self.connection, self.perform, self.durable.extend, late=late)

    def perform(self, connection: sqlite3.Connection, asked: Sequence[str]) -> Sequence[object]:
        """Write a batch."""
        self.batches.append(asked)
        for word in asked:
            connection.execute("INSERT INTO words VALUES (?)", (word,))
        return asked

    @property
    def words(self) -> list[str]:
        """What is in the table."""
        return [word for (word,) in self.connection.execute("SELECT word FROM words ORDER BY rowid")]


@pytest.fixture
async def notes(path: Path) -> AsyncIterator[Notes]:
    made = Notes(path, 10.0)
    yield made
    await made.writer.close()
    made.connection.close()


async def test_what_is_asked_in_one_turn_is_one_transaction(notes: Notes) -> None:
    await asyncio.gather(*(notes.writer.submit(word) for word in "abc"))

    assert notes.batches == [["a", "b", "c"]]
    assert notes.words == ["a", "b", "c"]


async def test_what_is_asked_during_a_flush_is_the_next_transaction(notes: Notes) -> None:
    flushing, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        flushing.set()
        go_on.wait(10)

    injure(notes.writer, ["COMMIT"], slow)
    first = notes.writer.submit("first")
    await asyncio.to_thread(flushing.wait, 10)
    later = [notes.writer.submit(word) for word in "abcdef"]
    assert not first.done()
    go_on.set()
    await asyncio.gather(first, *later)

    assert notes.batches == [["first"], ["a", "b", "c", "d", "e", "f"]]


async def test_a_batch_has_a_limit_and_the_order_is_kept(notes: Notes) -> None:
    words = [str(number) for number in range(BATCH_LIMIT + 10)]
    await asyncio.gather(*(notes.writer.submit(word) for word in words))

    assert [len(batch) for batch in notes.batches] == [BATCH_LIMIT, 10]
    assert notes.words == words


async def test_a_disk_that_does_not_answer_is_told_and_what_it_writes_later_is_not_lost(path: Path) -> None:
    """An admission can't wait for it; its event is in the log then, and may be in the outbox, too."""
    notes = Notes(path, 0.01)
    go_on = threading.Event()

    def slow() -> None:
        go_on.wait(10)

    injure(notes.writer, ["COMMIT"], slow)
    waiting = [notes.writer.submit("a")]
    with pytest.raises(OutboxError, match=r"has not answered for 0\.01 s"):
        await waiting[0]
    with pytest.raises(OutboxError, match="has not answered"):
        await notes.writer.submit("b")
    assert notes.durable == []
    go_on.set()
    await notes.writer.close()

    assert notes.words == notes.durable == ["a", "b"]
    notes.connection.close()


async def test_what_is_posted_is_written_in_the_same_turn_and_told_in_that_of_its_end(notes: Notes) -> None:
    """A loop that delivers takes milliseconds for a turn, and whoever is admitted waits for each."""
    told: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    notes.writer.submit("a")
    notes.writer.post([Operation("b", told.set_result), Operation("c", lambda _: None)])

    assert notes.batches == [["a", "b", "c"]]
    assert await told == "b"


async def test_who_fails_when_he_is_told_keeps_nobody_from_being_told(notes: Notes, log: Log) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("injected")

    told: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    notes.writer.post([Operation("a", fail), Operation("b", told.set_result)])

    assert await told == "b"
    assert await notes.writer.submit("c") == "c"
    assert log.named("written_not_told")


async def test_a_mistake_that_only_a_batch_meets_stands_in_the_log(notes: Notes, log: Log) -> None:
    """Each of them is written by itself then, so that nobody else would hear of it."""
    perform = notes.perform

    def mistaken(connection: sqlite3.Connection, asked: Sequence[str]) -> Sequence[object]:
        if len(asked) > 1:
            raise KeyError("injected")
        return perform(connection, asked)

    notes.writer._perform = mistaken
    assert await asyncio.gather(*(notes.writer.submit(word) for word in "ab")) == ["a", "b"]
    assert [line["count"] for line in log.named("batch_not_written")] == [2]


async def test_a_mistake_about_one_operation_stands_in_the_log_and_what_sqlite_refuses_does_not(
    notes: Notes, log: Log
) -> None:
    causes = [KeyError("injected"), sqlite3.OperationalError("injected")]

    def mistaken(_: sqlite3.Connection, asked: Sequence[str]) -> Sequence[object]:
        raise causes["ab".index(asked[0])]

    notes.writer._perform = mistaken
    for word in "ab":
        with pytest.raises(OutboxError, match="injected"):
            await notes.writer.submit(word)
    assert len(log.named("not_written")) == 1


async def test_what_is_posted_to_a_closed_writer_is_told_so(path: Path) -> None:
    notes, told = Notes(path, 10.0), list[object]()
    await notes.writer.close()
    notes.writer.post([Operation("a", told.append)])
    notes.connection.close()

    assert [str(one) for one in told] == ["the outbox is closed"]


async def test_who_is_told_that_it_takes_too_long_is_told_nothing_more(path: Path) -> None:
    notes, told, go_on = Notes(path, 0.01), list[object](), threading.Event()

    def slow() -> None:
        go_on.wait(PATIENCE)

    injure(notes.writer, ["COMMIT"], slow)
    notes.writer.post([Operation("a", told.append)])
    async with asyncio.timeout(PATIENCE):
        while not told:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0)
    go_on.set()
    await notes.writer.close()
    notes.connection.close()

    assert [str(one) for one in told] == ["the outbox has not answered for 0.01 s"]


async def test_who_is_told_of_durable_writes_hears_of_them_before_who_waits(notes: Notes) -> None:
    await notes.writer.submit("a")

    assert notes.durable == ["a"]


async def test_a_writer_that_closes_takes_nothing_more(path: Path) -> None:
    notes = Notes(path, 10.0)
    before = notes.writer.submit("before")
    closing_ = asyncio.create_task(notes.writer.close())
    await asyncio.sleep(0)
    with pytest.raises(OutboxError, match="the outbox is closed"):
        await notes.writer.submit("after")
    await closing_

    assert await before == "before"
    assert not notes.writer.is_alive
    notes.connection.close()


def test_a_loop_that_ends_without_closing_does_not_break_the_thread(path: Path) -> None:
    """`filterwarnings = error` makes an exception in a thread a failure."""
    go_on, held = threading.Event(), threading.Event()

    def slow() -> None:
        held.set()
        go_on.wait(10)

    async def abandoned() -> Notes:
        notes = Notes(path, 10.0)
        injure(notes.writer, ["COMMIT"], slow)
        future = notes.writer.submit("a")
        await asyncio.to_thread(held.wait, 10)
        future.cancel()
        return notes

    notes = asyncio.run(abandoned())
    go_on.set()
    notes.writer._batches.put(None)
    notes.writer._thread.join(10)
    gc.collect()

    assert notes.words == ["a"]
    notes.connection.close()


async def test_a_poisonous_operation_fails_alone(outbox: SqliteOutbox) -> None:
    done = await asyncio.gather(
        outbox.append(new("a")), outbox.append(POISON), outbox.append(new("b")), return_exceptions=True
    )

    assert [done[0], done[2]] == [Number(REPLICA, 1), Number(REPLICA, 2)]
    assert isinstance(done[1], OutboxError)
    assert await stored(outbox) == [(1, "a"), (2, "b")]


async def test_a_poisonous_settlement_fails_alone(outbox: SqliteOutbox) -> None:
    await outbox.append(new("a"))
    done = await asyncio.gather(
        outbox.queue(ME).settle([SetAside("slack", "a", 2.0, 1, "\ud800")]),
        outbox.append(new("b")),
        return_exceptions=True,
    )

    assert isinstance(done[0], OutboxError)
    assert done[1] == Number(REPLICA, 2)
    assert (await outbox.waiting())["slack"].pending == 2


async def test_after_a_poison_batches_are_written_in_the_loop_again(outbox: SqliteOutbox) -> None:
    """A lock that a failed operation kept, or a long wait for others, would now hold the event loop."""
    with suppress(OutboxError):
        await outbox.append(POISON)

    assert not writing(outbox).in_transaction
    assert writing(outbox).execute("PRAGMA busy_timeout").fetchone() == (0,)


async def test_a_commit_that_fails_is_made_up_for_one_by_one(outbox: SqliteOutbox) -> None:
    injure(outbox, ["COMMIT"], Once(sqlite3.OperationalError("disk I/O error")))
    numbers = await asyncio.gather(*(outbox.append(new(name)) for name in "abc"))

    assert sequences(numbers) == [1, 2, 3]
    assert await stored(outbox) == [(1, "a"), (2, "b"), (3, "c")]


async def test_commits_that_keep_failing_fail_their_own_events_and_leave_no_gap(outbox: SqliteOutbox) -> None:
    """The batch fails, then `a` and `b` alone; after such errors SQLite may have rolled back by itself."""
    fail = Once(sqlite3.OperationalError("disk I/O error"), 3)

    def broken() -> None:
        try:
            fail()
        except sqlite3.Error:
            writing(outbox).execute("ROLLBACK")
            raise

    injure(outbox, ["COMMIT"], broken)
    done = await asyncio.gather(*(outbox.append(new(name)) for name in "abc"), return_exceptions=True)

    assert [str(one) for one in done[:2]] == ["the outbox can't be written: disk I/O error"] * 2
    assert done[2] == Number(REPLICA, 1)
    assert await outbox.append(new("d")) == Number(REPLICA, 2)


async def test_a_transaction_that_can_not_be_rolled_back_is_cleared_away_by_the_next(outbox: SqliteOutbox) -> None:
    broken = Once(sqlite3.OperationalError("disk I/O error"), 3)
    injure(outbox, ["COMMIT", "ROLLBACK"], broken)
    with pytest.raises(OutboxError, match="disk I/O error"):
        await outbox.append(new("a"))

    assert await outbox.append(new("b")) == Number(REPLICA, 1)
    assert await stored(outbox) == [(1, "b")]


async def test_a_full_disk_is_told_with_its_remedy_and_leaves_no_gap(outbox: SqliteOutbox) -> None:
    await outbox.append(new("before"))
    pages = writing(outbox).execute("PRAGMA page_count").fetchone()[0]
    writing(outbox).execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OutboxError, match="database or disk is full: free some space"):
        await outbox.append(new("too much", body=b"x" * 100_000))
    writing(outbox).execute("PRAGMA max_page_count = 1000000")

    assert await outbox.append(new("after", body=b"x" * 100_000)) == Number(REPLICA, 2)
    assert await stored(outbox) == [(1, "before"), (2, "after")]


async def test_a_full_disk_does_not_undo_what_still_fits(outbox: SqliteOutbox) -> None:
    pages = writing(outbox).execute("PRAGMA page_count").fetchone()[0]
    writing(outbox).execute(f"PRAGMA max_page_count = {pages}")
    done = await asyncio.gather(
        outbox.append(new("a")),
        outbox.append(new("large", body=b"x" * 100_000)),
        outbox.append(new("b")),
        return_exceptions=True,
    )

    assert [done[0], done[2]] == [Number(REPLICA, 1), Number(REPLICA, 2)]
    assert isinstance(done[1], OutboxError)


async def test_a_file_that_another_program_holds_for_a_moment_delays_and_loses_nothing(
    outbox: SqliteOutbox, path: Path
) -> None:
    """The loop does not wait for it: the thread does, and here it lets go as soon as the thread begins to wait."""
    holder = Holder(path)
    patient = threading.Event()
    injure(outbox, ["PRAGMA busy_timeout = 10000"], patient.set)
    appending = [asyncio.create_task(outbox.append(new(name))) for name in "abc"]
    await asyncio.to_thread(patient.wait, 10)
    holder.let_go()

    assert sequences(await asyncio.gather(*appending)) == [1, 2, 3]


async def test_an_appender_that_is_cancelled_undoes_nothing(outbox: SqliteOutbox) -> None:
    told: list[Collection[str] | None] = []
    outbox.queue(ME).subscribe(told.append)
    gone = asyncio.create_task(outbox.append(new("gone", "siem")))
    await asyncio.sleep(0)
    gone.cancel()
    with suppress(asyncio.CancelledError):
        await gone

    assert await outbox.append(new("next")) == Number(REPLICA, 2)
    assert await stored(outbox) == [(1, "gone"), (2, "next")]
    assert {name for one in told for name in one or ()} == {"siem", "slack"}, "the delivery half hears of both"


async def test_a_subscriber_that_fails_fails_no_append(outbox: SqliteOutbox) -> None:
    heard: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: heard.append(str(context["exception"])))

    def broken(_: Collection[str] | None) -> None:
        raise ValueError("a mistake of ours")

    outbox.queue(ME).subscribe(broken)

    assert await outbox.append(new("a")) == Number(REPLICA, 1)
    assert heard == ["a mistake of ours"]


async def test_closing_finishes_what_is_under_way(path: Path) -> None:
    outbox = await SqliteOutbox.open(path, REPLICA)
    appending = [asyncio.create_task(outbox.append(new(f"{number:03}"))) for number in range(300)]
    await asyncio.sleep(0)
    await outbox.close()
    numbers = await asyncio.gather(*appending)
    again = await SqliteOutbox.open(path, REPLICA)
    found = await stored(again)
    await again.close()

    assert sequences(numbers) == list(range(1, 301))
    assert found == [(number + 1, f"{number:03}") for number in range(300)]


async def test_every_commit_is_flushed(outbox: SqliteOutbox) -> None:
    """Killing a process does not show it, a power cut does: 2 is FULL."""
    with closing(writing(outbox).execute("PRAGMA synchronous")) as found:
        assert found.fetchone() == (2,)


class Flushes:
    """A writer that notes whether each of its transactions waits for the disk."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        self.connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE words (word)")
        self.batches: list[tuple[str, bool]] = []
        lazy: Lazy[str] = Lazy(str.islower, "NOTHING")
        self.writer: Writer[str] = Writer(self.connection, self.perform, lambda _: None, lazy=lazy)

    def perform(self, connection: sqlite3.Connection, asked: Sequence[str]) -> Sequence[object]:
        """Write a batch."""
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
        self.batches.append(("".join(asked), synchronous == FULL))
        connection.executemany("INSERT INTO words VALUES (?)", [(word,) for word in asked if word != READ])
        return asked


READ = "?"
"""Changes nothing."""
FULL = 2
"""Of `PRAGMA synchronous`."""


async def test_what_may_be_made_again_waits_for_no_flush_of_its_own(path: Path) -> None:
    made = Flushes(path)
    for words in ("a", "bc", "dE", "F", "g"):
        await asyncio.gather(*(made.writer.submit(word) for word in words))
    await made.writer.close()
    made.connection.close()

    assert made.batches == [("a", False), ("bc", False), ("dE", True), ("F", True), ("g", False)]


async def test_what_waits_for_no_flush_is_flushed_soon(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later: list[tuple[float, Callable[[], object]]] = []
    loop, made = asyncio.get_running_loop(), Flushes(path)

    def call_later(seconds: float, call: Callable[[], object], *_: object) -> asyncio.TimerHandle:
        if seconds == FLUSH_WITHIN:
            later.append((seconds, call))
        return loop.call_at(loop.time() + 3600, call)

    made.writer._late_after = 10.0
    monkeypatch.setattr(loop, "call_later", call_later)
    await made.writer.submit("a")
    await made.writer.submit("b")
    assert [seconds for seconds, _ in later] == [FLUSH_WITHIN]
    later[0][1]()
    await made.writer.submit("c")
    await made.writer.close()
    made.connection.close()

    assert made.batches == [("a", False), ("b", False), ("NOTHINGc", True)]


async def test_a_flush_of_others_is_one_for_all(path: Path) -> None:
    made = Flushes(path)
    waiting = []
    for word in "aB":
        await made.writer.submit(word)
        waiting.append(made.writer._flush is not None)

    assert waiting == [True, False]
    await made.writer.close()
    made.connection.close()


async def test_what_only_reads_neither_needs_a_flush_nor_is_one(path: Path) -> None:
    """SQLite flushes nothing for it; what waits for a flush would wait for the next that changes something."""
    made = Flushes(path)
    waiting = []
    for word in (READ, "a", READ, "B", READ):
        await made.writer.submit(word)
        waiting.append(made.writer._flush is not None)

    assert waiting == [False, True, True, False, False]
    await made.writer.close()
    made.connection.close()


async def test_a_flush_that_fails_is_none(path: Path) -> None:
    made = Flushes(path)
    await made.writer.submit("a")
    injure(made.writer, ["COMMIT"], Once(sqlite3.OperationalError("disk I/O error"), 2))
    with pytest.raises(OutboxError):
        await made.writer.submit("B")
    is_waiting = made.writer._flush is not None
    await made.writer.close()
    made.connection.close()

    assert is_waiting


async def test_the_flush_of_settlements_writes_something_to_be_flushed(outbox: SqliteOutbox, path: Path) -> None:
    """A row that is updated to what it was is not written."""
    log = path.with_name(f"{path.name}-wal")
    before = log.stat().st_size
    outbox._file._opened.writer._flush_now()
    await outbox._file.write(Change(lambda _: 0))

    assert log.stat().st_size > before
