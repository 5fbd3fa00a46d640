"""The file is damaged, cut, removed or replaced under a running router."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import ParamSpec

import pytest

from router.errors import OutboxError
from router.incidents import ledger
from router.outbox import (
    Accepted,
    DeliverySelection,
    NewEvent,
    Number,
    Postponed,
    Wanted,
    damage,
    replacing,
    salvage,
    schema,
    taking,
)
from router.outbox.attempt import Attempt
from router.outbox.collected import Collected, collect
from router.outbox.noted import NotedSettlements
from router.outbox.observer import Unobserved
from router.outbox.records import beside
from router.outbox.sqlite import SqliteOutbox
from router.outbox.statements import Append, OutboxStatement
from router.outbox.writer import Writer
from router.telemetry.causes import Cause
from tests.outbox.stage import BODY, ME, NOW, REPLICA, Once, injure, new, sequences, stored
from tests.patience import PATIENCE
from tests.simulators.log import Log

Arguments = ParamSpec("Arguments")


class Heard(Unobserved):
    """What is wrong, as it was said."""

    def __init__(self) -> None:
        self.there: dict[Cause, str] = {}
        self.ever: list[Cause] = []

    def trouble_began(self, cause: Cause, subject: str, text: str) -> None:
        """As in `Troubles`."""
        assert subject == ""
        self.there[cause] = text
        self.ever.append(cause)

    def trouble_ended(self, cause: Cause, subject: str) -> None:
        """As in `Troubles`."""
        assert subject == ""
        self.there.pop(cause, None)


@pytest.fixture
def heard() -> Heard:
    return Heard()


async def opened(path: Path, heard: Heard) -> SqliteOutbox:
    return await SqliteOutbox.open(path, REPLICA, observer=heard)


async def looked_after(outbox: SqliteOutbox) -> None:
    """What a second later would have been noticed has been, and is mended."""
    outbox._replacing.look()
    await mended(outbox)


async def mended(outbox: SqliteOutbox) -> None:
    """What goes on has ended."""
    while tasks := outbox._replacing._tasks():
        await asyncio.gather(*tasks)


def log_of(path: Path) -> Path:
    return damage.beside(path, "-wal")


def damaged_in_the_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096)


def destroyed(path: Path) -> None:
    for file in (path, log_of(path)):
        file.write_bytes(b"\xff" * file.stat().st_size)


def remove(path: Path) -> None:
    path.unlink()


def remove_the_log(path: Path) -> None:
    log_of(path).unlink()


def remove_all(path: Path) -> None:
    for ending in damage.ENDINGS:
        damage.beside(path, ending).unlink()


def put_another(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").rename(path)


def put_a_link(path: Path) -> None:
    """The very file, but whoever opened the path now would look for its log elsewhere."""
    path.rename(path.with_name("real.db"))
    path.symlink_to("real.db")


def beside_it(path: Path) -> list[str]:
    """The names of the files that begin as its own does."""
    return [file.name for file in path.parent.glob(f"{path.name}*")]


def linked(path: Path) -> Path:
    """A link to a folder beside it; returns what it leads to."""
    target = path.with_name("disk") / "other.db"
    target.parent.mkdir()
    path.symlink_to(target)
    return target


ACCIDENTS = [remove, remove_the_log, remove_all, put_another, put_a_link]


@pytest.mark.parametrize("accident", ACCIDENTS, ids=lambda one: one.__name__)
async def test_nothing_is_lost_with_a_file_that_is_taken_away(
    path: Path, heard: Heard, accident: Callable[[Path], None]
) -> None:
    """What we have open is still readable, whatever its name is by now."""
    outbox = await opened(path, heard)
    for number in range(1, 1201):
        outbox._file.write(Append(new(f"event-{number}"), REPLICA, NOW))
    await outbox.append(new("last"))
    await outbox.queue(ME).settle([Accepted("slack", "event-1", NOW, 1)])
    accident(path)
    await looked_after(outbox)
    after = await outbox.append(new("after"))
    open_ones = await outbox.deliveries(DeliverySelection(), 10_000, is_open=True)
    await outbox.close()
    again = await opened(path, heard)
    kept = await stored(again)
    await again.close()

    assert Cause.OUTBOX_REPLACED in heard.ever
    assert after == Number(REPLICA, 1202)
    assert len(open_ones) == 1201
    assert kept == [(number, f"event-{number}") for number in range(2, 1201)] + [(1201, "last"), (1202, "after")]


@pytest.mark.parametrize("is_made", [True, False], ids=["leads to an outbox", "leads nowhere yet"])
async def test_an_outbox_may_be_a_link(path: Path, heard: Heard, *, is_made: bool) -> None:
    """Log and index are beside what it leads to; a router there and one here are two at the same file."""
    target = linked(path)
    if is_made:
        outbox = await opened(target, heard)
        await outbox.append(new("before"))
        await outbox.close()
    outbox = await opened(path, heard)
    with pytest.raises(OutboxError, match="in use by another router"):
        await opened(target, heard)
    await outbox.append(new("a"))
    await looked_after(outbox)
    command = await beside(path)
    seen = await stored(command)
    await command.close()
    await outbox.close()

    assert [name for _, name in seen] == (["before", "a"] if is_made else ["a"])
    assert heard.ever == []
    assert [file for file in (path, target) if damage.left_aside(file)] == []
    assert beside_it(path) == [path.name]


async def test_what_was_asked_just_before_is_taken_over(path: Path, heard: Heard) -> None:
    """What the writer of the file of before still stores is in the next one, under numbers that are given once."""
    outbox = await opened(path, heard)
    await outbox.append(new("first"))
    remove_all(path)
    asked = [outbox._file.write(Append(new(f"event-{number}"), REPLICA, NOW)) for number in range(2, 400)]
    await looked_after(outbox)
    await asyncio.gather(*asked)
    after = await outbox.append(new("after"))
    kept = await stored(outbox)
    await outbox.close()

    assert after.sequence == 400
    assert kept == [(1, "first"), *((number, f"event-{number}") for number in range(2, 400)), (400, "after")]


@pytest.mark.parametrize("accident", [remove_all, put_another], ids=lambda one: one.__name__)
async def test_what_no_incident_was_made_of_yet_is_taken_over(
    path: Path, heard: Heard, accident: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes incidents, or hands events over to who does, goes on where it was; of too many with the oldest."""
    monkeypatch.setattr(salvage, "UNCONSUMED", 3)
    outbox = await opened(path, heard)
    await outbox.change(ledger.begin)
    await outbox.append(new("consumed"))
    await outbox.change(_consumed)
    for number in range(4):
        await outbox.append(NewEvent(f"own-{number}", BODY, NOW, ()))
    events = [Collected(f"other-{number}", NOW, BODY, "") for number in range(4)]
    await outbox.change(partial(collect, replica="other", events=events))
    accident(path)
    await looked_after(outbox)
    await outbox.append(NewEvent("after", BODY, NOW, ()))
    found = await outbox.read(partial(ledger.unconsumed, limit=100))
    await outbox.close()

    assert [one.id for one in found] == ["own-0", "own-1", "own-2", "after", "other-0", "other-1", "other-2"]


@pytest.mark.parametrize("is_asked_meanwhile", [False, True])
async def test_where_it_is_unknown_what_was_consumed_all_that_follows_is_and_nothing_twice(
    path: Path, heard: Heard, *, is_asked_meanwhile: bool
) -> None:
    """Whoever makes incidents, or hands over, has looked before: this is no first look, which begins after all that."""
    outbox = await opened(path, heard)
    await outbox.change(ledger.begin)
    await outbox.append(new("consumed"))
    await outbox.change(_consumed)
    before = await outbox.waiting()
    destroyed(path)
    meanwhile = [outbox._file.write(Append(new("asked"), REPLICA, NOW))] if is_asked_meanwhile else []
    outbox._replacing._begin(Cause.OUTBOX_DAMAGED, "a look at it")
    await mended(outbox)
    await asyncio.gather(*meanwhile)
    await outbox.append(new("first"))
    of_own = await outbox.read(partial(ledger.unconsumed_of_own, limit=100))
    begun = await outbox.change(ledger.begin)
    found = await outbox.read(partial(ledger.unconsumed, limit=100))
    await outbox.append(new("second"))
    then = await outbox.read(partial(ledger.unconsumed, limit=100))
    await outbox.close()

    assert before["slack"].pending == 1
    assert begun == 0
    assert [one.id for one in found] == [one.id for one in of_own] == ["first"]
    assert [one.id for one in then] == ["first", "second"]


def _consumed(connection: sqlite3.Connection) -> int:
    ledger.note_consumed(connection, ledger.unconsumed(connection, 100))
    return 0


async def test_commands_and_the_router_see_the_same_file_afterwards(path: Path, heard: Heard) -> None:
    """Closing the file of before must not take the log of the new one away."""
    outbox = await opened(path, heard)
    await outbox.append(new("a"))
    remove_all(path)
    await looked_after(outbox)
    await outbox.append(new("b"))
    command = await beside(path)
    seen = await stored(command)
    await command.close()
    await outbox.append(new("c"))
    await outbox.close()

    assert seen == [(1, "a"), (2, "b")]
    assert damage.left_aside(path) == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM events").fetchall() == [(3,)]


async def test_a_file_that_was_cut_is_moved_aside_and_told(path: Path, heard: Heard) -> None:
    outbox = await opened(path, heard)
    await looked_after(outbox)
    for number in range(500):
        outbox._file.write(Append(new(f"event-{number}", body=b"x" * 900), REPLICA, NOW))
    await outbox.append(new("last"))
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    outbox._replacing.look()
    os.truncate(path, 8192)
    await looked_after(outbox)
    after = await outbox.append(new("after"))
    waiting = await outbox.waiting()
    await outbox.close()

    assert after.sequence > 501
    assert waiting["slack"].pending >= 1
    assert "moved aside" in heard.there[Cause.OUTBOX_DAMAGED]
    assert damage.left_aside(path)


async def test_what_a_damaged_page_holds_costs_nothing_else(path: Path, heard: Heard) -> None:
    """Found by the check that runs beside everything else after the start."""
    outbox = await opened(path, heard)
    for number in range(1, 401):
        outbox._file.write(Append(new(f"event-{number}", body=b"x" * 900), REPLICA, NOW))
    await outbox.append(new("last"))
    await outbox.close()
    damaged_in_the_middle(path)
    outbox = await opened(path, heard)
    await looked_after(outbox)
    after = await outbox.append(new("after"))
    kept = await stored(outbox)
    await outbox.close()

    assert after == Number(REPLICA, 402)
    assert 390 < len(kept) < 402
    assert Cause.OUTBOX_DAMAGED in heard.there


def remove_the_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def move_the_folder(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


@pytest.mark.parametrize("accident", [remove_the_folder, move_the_folder], ids=lambda one: one.__name__)
async def test_a_folder_that_has_gone_is_made_anew(
    tmp_path: Path, heard: Heard, accident: Callable[[Path], None]
) -> None:
    """The start does not make one, which may be a mistake in its name; here its name is known to be right."""
    folder = tmp_path / "state" / "data"
    path = folder / "outbox.db"
    await asyncio.to_thread(folder.mkdir, parents=True)
    outbox = await opened(path, heard)
    await outbox.append(new("before"))
    accident(folder)
    await asyncio.wait_for(looked_after(outbox), PATIENCE)
    after = await outbox.append(new("after"))
    await outbox.close()
    again = await opened(path, heard)
    kept = await stored(again)
    await again.close()

    assert heard.ever == [Cause.OUTBOX_REPLACED]
    assert after == Number(REPLICA, 2)
    assert kept == [(1, "before"), (2, "after")]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_folder_that_can_not_be_made_is_told_and_tried_again(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replacing, "AGAIN", 0.01)
    folder = tmp_path / "data"
    await asyncio.to_thread(folder.mkdir)
    outbox = await opened(folder / "outbox.db", heard)
    await outbox.append(new("before"))
    move_the_folder(folder)
    folder.touch()
    outbox._replacing.look()
    task = outbox._replacing._task
    assert task is not None
    _, pending = await asyncio.wait([task], timeout=0.1)
    told = heard.there[Cause.OUTBOX_REPLACED]
    folder.unlink()
    await mended(outbox)
    kept = await stored(outbox)
    await outbox.close()

    assert pending
    assert "can't be made: File exists; make it, writable for this user" in told
    assert kept == [(1, "before")]


def corrupt() -> sqlite3.DatabaseError:
    """What SQLite says of a damaged file."""
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


async def test_what_is_asked_while_the_file_is_exchanged_is_written_to_the_new_one(
    path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An append that meets the damage is not refused for it."""
    outbox = await opened(path, heard)
    await outbox.append(new("a"))
    perform = outbox._file._opened.writer._perform

    def damaged(*_: object) -> list[object]:
        raise corrupt()

    monkeypatch.setattr(outbox._file._opened.writer, "_perform", damaged)
    first, second = await asyncio.gather(outbox.append(new("b")), outbox.append(new("c")))
    await looked_after(outbox)
    kept = await stored(outbox)
    await outbox.close()

    assert perform is not damaged
    assert sequences([first, second]) == [2, 3]
    assert kept == [(1, "a"), (2, "b"), (3, "c")]
    assert Cause.OUTBOX_DAMAGED in heard.there


async def given_up(outbox: SqliteOutbox) -> None:
    """Nothing is written to its file any more."""
    while not outbox._file.is_replacing:  # noqa: ASYNC110 - turns of the loop, no time
        await asyncio.sleep(0)


async def being_replaced(outbox: SqliteOutbox) -> None:
    """The accident is noticed, and the file is given up."""
    outbox._replacing.look()
    await given_up(outbox)


async def test_what_is_settled_while_the_file_is_exchanged_is_settled(path: Path, heard: Heard) -> None:
    """A delivery in hand, which the old file still calls pending, must not come again."""
    outbox = await opened(path, heard)
    queue = outbox.queue(ME)
    for name in "abc":
        await outbox.append(new(name))
    await queue.claim("slack", Wanted(1))
    remove(path)
    await being_replaced(outbox)
    await queue.settle([Accepted("slack", name, NOW, 1) for name in "ab"])  # one is claimed, one is not
    await mended(outbox)
    rows = await outbox.deliveries(DeliverySelection(), 10, is_open=True)
    await outbox.close()

    assert [row.event_id for row in rows] == ["c"]


async def test_settlements_that_meet_the_damage_are_settled(path: Path, heard: Heard) -> None:
    outbox = await opened(path, heard)
    queue = outbox.queue(ME)
    for name in "ab":
        await outbox.append(new(name))
    await queue.claim("slack", Wanted(1))
    injure(outbox, ["\n    WITH new"], Once(corrupt(), 2))
    await queue.settle([Accepted("slack", "a", NOW, 1)])
    await mended(outbox)
    rows = await outbox.deliveries(DeliverySelection(), 10, is_open=True)
    await outbox.close()

    assert [row.event_id for row in rows] == ["b"]


async def test_an_attempt_that_was_noted_is_told_once(
    path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several portions come after it."""
    monkeypatch.setattr(salvage, "PORTION", 1)
    outbox = await opened(path, heard)
    queue = outbox.queue(ME)
    for name in "abc":
        await outbox.append(new(name))
    await queue.claim("slack", Wanted(3))
    remove(path)
    await being_replaced(outbox)
    await queue.settle([Postponed("slack", "b", 10.0, 1, "timeout", attempt=Attempt(NOW, 1.0, "timeout"))])
    await mended(outbox)
    query = "SELECT attempts, json_array_length(tried) FROM deliveries"
    found = await outbox.read(lambda one: one.execute(query).fetchall())
    await outbox.close()

    assert sorted(found) == [(0, 0), (0, 0), (1, 1)]


async def test_a_withdrawal_waits_until_it_is_known_what_may_go(path: Path, heard: Heard) -> None:
    """Of `a` somebody can have heard; `b` goes, and its number with it."""
    outbox = await opened(path, heard)
    for name in "ab":
        await outbox.append(new(name))
    remove(path)
    await being_replaced(outbox)
    gone = await outbox.withdraw(["b"])
    await mended(outbox)
    kept = await stored(outbox)
    await outbox.close()

    assert gone == {"b"}
    assert kept == [(1, "a")]


async def removed_and_being_read(outbox: SqliteOutbox, path: Path, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Take its file away, and wait until what can still be read of it is; it goes on when the event is set."""
    read, go_on, reading = salvage.read, threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection, first: int, last: int) -> salvage.SalvagedRows:
        reading.set()
        go_on.wait(PATIENCE)
        return read(connection, first, last)

    monkeypatch.setattr(salvage, "read", slow)
    remove_all(path)
    outbox._replacing.look()
    await asyncio.to_thread(reading.wait, PATIENCE)
    return go_on


async def test_a_file_that_is_damaged_while_it_takes_over_is_replaced_too(
    path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was taken over from the first is taken over again, and nothing is refused meanwhile."""
    outbox = await opened(path, heard)
    for number in range(1, 4):
        await outbox.append(new(f"event-{number}"))
    go_on = await removed_and_being_read(outbox, path, monkeypatch)
    await outbox.append(new("between"))
    injure(outbox, ["BEGIN"], Once(corrupt(), 2))
    after = await outbox.append(new("after"))
    go_on.set()
    await mended(outbox)
    kept = await stored(outbox)
    await outbox.close()

    assert after == Number(REPLICA, 5)
    assert kept == [(1, "event-1"), (2, "event-2"), (3, "event-3"), (4, "between"), (5, "after")]
    assert len(damage.left_aside(path)) > 0


async def test_a_damaged_file_that_a_mistake_left_in_its_place_is_replaced_at_the_next_look(
    path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = await opened(path, heard)
    await outbox.append(new("a"))
    injure(outbox, ["BEGIN"], Once(corrupt(), 2))

    def broken(*_: object) -> None:
        raise RuntimeError("injected")

    appending = asyncio.create_task(outbox.append(new("b")))
    with monkeypatch.context() as once:
        once.setattr(damage, "move_aside", broken)
        await given_up(outbox)
        await mended(outbox)
    await looked_after(outbox)
    await appending
    kept = await stored(outbox)
    await outbox.close()

    assert kept == [(1, "a"), (2, "b")]


async def test_what_was_appended_again_has_no_second_delivery(
    path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever does not know whether it was stored appends it again; what lanes have in memory is older, too."""
    outbox = await opened(path, heard)
    for name in "ab":
        await outbox.append(new(name))
    await outbox.queue(ME).claim("slack", Wanted(1))
    go_on = await removed_and_being_read(outbox, path, monkeypatch)
    for name in "ab":
        await outbox.append(new(name))
    go_on.set()
    await mended(outbox)
    numbers = await outbox.read(lambda one: one.execute("SELECT sequence FROM deliveries ORDER BY 1").fetchall())
    await outbox.close()

    assert numbers == [(3,), (4,)]


async def test_a_commit_that_takes_too_long_while_events_are_taken_over_loses_none(
    path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever admits is told that it takes too long; what is taken over stands nowhere else."""
    monkeypatch.setattr(salvage, "PORTION", 2)
    outbox = await opened(path, heard)
    for number in range(1, 8):
        await outbox.append(new(f"event-{number}"))
    put, late, was_late = salvage.put, Writer._late, threading.Event()

    def wait() -> None:
        was_late.wait(PATIENCE)

    def slow(connection: sqlite3.Connection, found: salvage.SalvagedRows, noted: NotedSettlements) -> int:
        monkeypatch.setattr(salvage, "put", put)
        injure(outbox, ["COMMIT"], wait)
        return put(connection, found, noted)

    def told_late(writer: Writer[OutboxStatement]) -> None:
        late(writer)
        was_late.set()

    monkeypatch.setattr(salvage, "put", slow)
    monkeypatch.setattr(Writer, "_late", told_late)
    monkeypatch.setattr(outbox._file, "_late", 0.01)
    remove_all(path)
    await looked_after(outbox)
    kept = await stored(outbox)
    await outbox.close()

    assert was_late.is_set()
    assert kept == [(number, f"event-{number}") for number in range(1, 8)]


def meeting_a_full_disk(write: Callable[Arguments, int], times: int) -> Callable[Arguments, int]:
    """Does what this does, but not the first times."""
    full = Once(sqlite3.OperationalError("database or disk is full"), times)

    def written(*arguments: Arguments.args, **named: Arguments.kwargs) -> int:
        full()
        return write(*arguments, **named)

    return written


async def test_what_can_not_be_written_while_events_are_taken_over_is_tried_again(
    path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    """The first portion meets a full disk twice; what the lanes hold does once more."""
    monkeypatch.setattr(salvage, "PORTION", 2)
    monkeypatch.setattr(taking, "AGAIN", 0.0)
    outbox = await opened(path, heard)
    for number in range(1, 8):
        await outbox.append(new(f"event-{number}"))
    await outbox.queue(ME).claim("slack", Wanted(1))
    monkeypatch.setattr(salvage, "put", meeting_a_full_disk(salvage.put, 4))
    monkeypatch.setattr(salvage, "keep", meeting_a_full_disk(salvage.keep, 2))
    remove_all(path)
    await looked_after(outbox)
    kept = await stored(outbox)
    await outbox.close()

    assert kept == [(number, f"event-{number}") for number in range(1, 8)]
    assert ["disk is full" in line["error"] for line in log.named("outbox_not_taken_over")] == [True] * 3


async def test_a_folder_that_can_not_be_written_is_tried_again(
    path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replacing, "AGAIN", 0.01)
    outbox = await opened(path, heard)
    await outbox.append(new("a"))
    remove_all(path)
    prepare, failures = schema.prepare, iter([1, 2])

    def failing(path: Path) -> None:
        if next(failures, None):
            raise OutboxError("the disk is full")
        prepare(path)

    monkeypatch.setattr(schema, "prepare", failing)
    await looked_after(outbox)
    kept = await stored(outbox)
    await outbox.close()

    assert kept == [(1, "a")]


async def test_a_mistake_of_ours_is_told_and_the_next_look_begins_again(
    path: Path, heard: Heard, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = await opened(path, heard)
    await outbox.append(new("a"))
    remove_all(path)

    def broken(*_: object) -> None:
        raise RuntimeError("injected")

    with monkeypatch.context() as once:
        once.setattr(schema, "prepare", broken)
        await looked_after(outbox)
    await looked_after(outbox)
    kept = await stored(outbox)
    await outbox.close()

    assert "injected" in log.named("outbox_not_replaced")[0]["exception"]
    assert kept == [(1, "a")]


async def test_a_file_that_is_destroyed_again_and_again_fills_no_disk(
    path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replacing, "AGAIN", 0.01)
    for number in range(replacing.LIMIT):
        damage.beside(path, f"{damage.ASIDE}{number}").touch()
    outbox = await opened(path, heard)
    outbox._replacing._begin(Cause.OUTBOX_DAMAGED, "found")
    task = outbox._replacing._task
    assert task is not None
    _, pending = await asyncio.wait([task], timeout=0.1)
    before = heard.there[Cause.OUTBOX_DAMAGED]
    damage.left_aside(path)[0].unlink()
    await mended(outbox)
    await outbox.close()

    assert pending
    assert "see what destroys them" in before
    assert len(damage.left_aside(path)) >= replacing.LIMIT


async def test_the_trouble_ends_when_somebody_has_taken_the_damaged_file_away(path: Path, heard: Heard) -> None:
    left = damage.beside(path, f"{damage.ASIDE}1")
    left.touch()
    outbox = await opened(path, heard)
    outbox._looks = 59
    outbox._look()
    before = dict(heard.there)
    left.unlink()
    outbox._looks = 119
    outbox._look()
    await outbox.close()

    assert list(before) == [Cause.OUTBOX_DAMAGED]
    assert heard.there == {}


async def test_a_log_of_garbage_is_told_and_kept(path: Path, heard: Heard) -> None:
    """SQLite takes it for an empty one, in silence."""
    outbox = await opened(path, heard)
    await outbox.append(new("a"))
    await outbox.close()
    log_of(path).write_bytes(b"garbage " * 1000)
    outbox = await opened(path, heard)
    kept = await stored(outbox)
    await outbox.close()

    assert kept == [(1, "a")]
    assert [file.read_bytes() for file in damage.left_aside(path)] == [b"garbage " * 1000]
    assert Cause.OUTBOX_DAMAGED in heard.there


async def test_a_log_that_is_damaged_in_its_middle_is_told_and_kept(path: Path, heard: Heard) -> None:
    """What was committed behind the damage is left out by SQLite."""
    outbox = await opened(path, heard)
    for number in range(1, 11):
        await outbox.append(new(f"event-{number}"))
    folder = path.parent / "copy"
    folder.mkdir()
    for one in (path, log_of(path)):
        shutil.copy(one, folder)
    await outbox.close()
    copy = folder / path.name
    with log_of(copy).open("r+b") as file:
        file.seek(log_of(copy).stat().st_size // 2)
        file.write(b"\xff" * 100)
    damaged = log_of(copy).read_bytes()
    outbox = await opened(copy, heard)
    kept = await stored(outbox)
    await outbox.close()

    assert 0 < len(kept) < 10
    assert [file.read_bytes() for file in damage.left_aside(copy)] == [damaged]
    assert Cause.OUTBOX_DAMAGED in heard.there


async def test_a_check_that_begins_when_the_file_has_gone_makes_none(path: Path, heard: Heard) -> None:
    """An empty one in its place would be taken for the outbox."""
    outbox = await opened(path, heard)
    await looked_after(outbox)
    remove_all(path)
    found = outbox._replacing._wrong()
    is_there = await asyncio.to_thread(path.exists)
    await outbox.close()

    assert (found, is_there) == ("", False)


@pytest.mark.skipif(sys.platform != "linux", reason="priorities are of threads there")
async def test_the_check_of_the_whole_file_steps_back_and_nothing_else_does(
    path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads all of a million rows after each start; to append meanwhile must not wait for it."""

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    seen: list[int] = []

    def nothing_wrong(_: replacing.Replacing) -> str:
        seen.append(niceness())
        return ""

    monkeypatch.setattr(replacing.Replacing, "_wrong", nothing_wrong)
    before = niceness()
    outbox = await opened(path, heard)
    await looked_after(outbox)
    others = [niceness(), await asyncio.to_thread(niceness)]
    await outbox.close()

    assert seen == [max(before, replacing.STEP_BACK)]
    assert others == [before, before]
