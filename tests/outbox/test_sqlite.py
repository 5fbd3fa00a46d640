from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Collection, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from router.errors import OutboxError
from router.events import EVENT_LIMIT
from router.outbox import (
    LEASE,
    Accepted,
    DeliverySelection,
    DeliveryState,
    NewEvent,
    Number,
    SetAside,
    Wanted,
    changes,
    claiming,
    records,
    sqlite,
)
from router.outbox.changes import FORGET_ROWS
from router.outbox.claiming import CLAIM_LIMIT
from router.outbox.records import beside
from router.outbox.sqlite import SqliteOutbox
from router.outbox.statements import Change, OutboxStatement
from tests.outbox.stage import ME, NOW, REPLICA, new, sequences, stored

APPENDING = """
import asyncio, os, sys
from pathlib import Path
from router.outbox import NewEvent
from router.outbox.sqlite import SqliteOutbox

async def appending():
    outbox = await SqliteOutbox.open(Path(sys.argv[1]), "replica-1")
    async def appender(name):
        number = 0
        while True:
            number += 1
            event_id = f"{sys.argv[2]}-{name}-{number}"
            _, sequence = await outbox.append(NewEvent(event_id, b'{"data":{"a":1}}', 1.0, ("slack",)))
            os.write(1, f"{sequence} {event_id}\\n".encode())
    await asyncio.gather(*(appender(name) for name in range(8)))

asyncio.run(appending())
"""
"""Says what was acknowledged, one line each, until it is killed."""


def killed_while_appending(path: Path, run: str, lines: int) -> list[tuple[int, str]]:
    """What a process acknowledged before it was killed in the middle of it."""
    with subprocess.Popen(
        [sys.executable, "-c", APPENDING, str(path), run], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        said += process.stdout.readlines()
    return [(int(number), event_id) for number, event_id in (line.decode().split() for line in said)]


async def appended_all(outbox: SqliteOutbox, *events: NewEvent) -> Sequence[Number | OutboxError]:
    """What is told of these when they are appended together."""
    told: asyncio.Future[Sequence[Number | OutboxError]] = asyncio.get_running_loop().create_future()
    outbox.append_all(events, told.set_result)  # a second word would raise
    return await told


async def test_of_several_that_come_together_each_is_stored_by_itself(outbox: SqliteOutbox) -> None:
    first, refused, third, again = await appended_all(outbox, new("a"), new("b", body=b"\xff"), new("c"), new("a"))
    assert str(refused).startswith("an event that is not valid ")
    assert isinstance(refused, OutboxError)
    assert [first, third, again] == [Number("replica-1", 1), Number("replica-1", 2), Number("replica-1", 1)]
    assert [event_id for _, event_id in await stored(outbox)] == ["a", "c"]
    assert await appended_all(outbox) == []


async def test_a_mistake_about_one_of_several_is_told_of_that_one_alone(
    outbox: SqliteOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is durable must not be told as if it was not: it would be refused, and told twice."""

    def mistaken(event: NewEvent) -> None:
        if event.id == "b":
            raise RuntimeError("injected")

    monkeypatch.setattr(sqlite, "expect_storable", mistaken)
    _, mistaken_about, _ = await appended_all(outbox, new("a"), new("b"), new("c"))

    assert str(mistaken_about) == "a defect; the log has it"
    assert [event_id for _, event_id in await stored(outbox)] == ["a", "c"]


async def test_of_several_none_is_stored_in_an_outbox_that_is_closed(outbox: SqliteOutbox) -> None:
    await outbox.close()
    assert [str(one) for one in await appended_all(outbox, new("a"), new("b"))] == ["the outbox is closed"] * 2


async def test_what_was_acknowledged_survives_kills_in_the_middle_of_appends(path: Path) -> None:
    """Nothing acknowledged is missing, and what was stored beyond it is numbered on, run after run."""
    acknowledged: list[tuple[int, str]] = []
    for run in ("first", "second", "third"):
        acknowledged += await asyncio.to_thread(killed_while_appending, path, run, 150)
    outbox = await SqliteOutbox.open(path, REPLICA)
    found = await stored(outbox)
    await outbox.close()

    assert len(acknowledged) >= 450
    assert set(acknowledged) <= set(found)
    assert [number for number, _ in found] == list(range(1, len(found) + 1))


async def test_numbers_go_on_when_the_name_of_the_replica_changes(path: Path) -> None:
    numbers = []
    for name in ("first", "second"):
        outbox = await SqliteOutbox.open(path, name)
        numbers.append(await outbox.append(new(name)))
        await outbox.close()

    assert numbers == [("first", 1), ("second", 2)]


async def test_a_second_owner_is_refused_until_the_first_has_closed(path: Path) -> None:
    first = await SqliteOutbox.open(path, REPLICA)
    with pytest.raises(OutboxError, match="is in use by another router; give each its own file"):
        await SqliteOutbox.open(path, REPLICA)
    await first.close()
    second = await SqliteOutbox.open(path, REPLICA)
    await second.close()


def written(path: Path, content: bytes) -> None:
    path.write_bytes(content)


async def test_an_owner_that_could_not_open_leaves_no_lock(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")
    with pytest.raises(OutboxError, match="is of version 999"):
        await SqliteOutbox.open(path, REPLICA)
    written(path, b"")
    outbox = await SqliteOutbox.open(path, REPLICA)
    await outbox.close()


async def test_beside_needs_a_file(path: Path) -> None:
    with pytest.raises(OutboxError, match=r"there is no outbox .*; it is made when the router first starts"):
        await beside(path)

    assert os.listdir(path.parent) == []  # noqa: PTH208 - nothing at all was made


async def test_the_owner_sees_what_was_replayed_beside_it(outbox: SqliteOutbox, path: Path) -> None:
    await outbox.append(new("a"))
    (claimed,) = await outbox.queue(ME).claim("slack", Wanted(1))
    await outbox.queue(ME).settle([SetAside("slack", claimed.event_id, NOW, 1, "http_400")])
    assert await outbox.queue(ME).claim("slack", Wanted(1)) == ()
    command = await beside(path)
    assert await command.replay(DeliverySelection(destination="slack")) == 1
    await command.close()
    (again,) = await outbox.queue(ME).claim("slack", Wanted(1))

    assert (again.event_id, again.attempts, again.tried_for) == ("a", 0, 0.0)


async def test_the_owner_and_a_command_change_the_file_at_the_same_time(outbox: SqliteOutbox, path: Path) -> None:
    """Neither fails because the other is writing just then."""
    await outbox.append(new("a", "siem"))
    command = await beside(path)
    appending = [outbox.append(new(f"event-{number}")) for number in range(200)]
    replaying = [command.replay(DeliverySelection(destination="siem")) for _ in range(20)]
    numbers, counts = await asyncio.gather(asyncio.gather(*appending), asyncio.gather(*replaying))
    await command.close()

    assert sequences(numbers) == list(range(2, 202))
    assert counts == [1] * 20


async def test_a_command_leaves_the_file_as_long_as_it_had_it_after_each_portion(
    outbox: SqliteOutbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who stores an event tries a held file again only now and then, and after a second the event is given up."""
    rested: list[float] = []
    ticks = iter(range(100))

    async def rest(seconds: float) -> None:
        rested.append(seconds)

    await asyncio.gather(*(outbox.append(new(f"event-{number}")) for number in range(5)))
    monkeypatch.setattr(changes, "DECIDED_ROWS", 2)
    monkeypatch.setattr(records, "sleep", rest)
    monkeypatch.setattr(records, "perf_counter", lambda: 3.0 * next(ticks))
    command = await beside(path)
    count = await command.replay(DeliverySelection(destination="slack"))
    await command.close()

    assert (count, rested) == (5, [3.0, 3.0, 3.0])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"x" * (EVENT_LIMIT + 1), f"an event of {EVENT_LIMIT + 1} bytes; at most {EVENT_LIMIT} are kept"),
        (
            b'{"a":"\xff"}',
            "an event that is not valid UTF-8: 'utf-8' codec can't decode byte 0xff in position 6: invalid start byte",
        ),
        (b'{"a":"\0"}', "an event with a NUL byte, which JSON does not allow"),
    ],
    ids=["large", "binary", "nul"],
)
async def test_a_body_that_would_stand_in_the_way_of_claims_is_refused(
    outbox: SqliteOutbox, body: bytes, text: str
) -> None:
    done = await asyncio.gather(outbox.append(new("bad", body=body)), outbox.append(new("a")), return_exceptions=True)

    assert str(done[0]) == text
    assert done[1] == Number(REPLICA, 1)


async def test_a_claim_holds_no_more_bytes_than_its_limit_and_always_something(
    outbox: SqliteOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "CLAIM_BYTES", 10_000)
    large = b'{"a":"' + b"x" * 10_000 + b'"}}'
    half = b'{"a":"' + b"x" * 4900 + b'"}}'
    for number, body in enumerate([large, half, half, half]):
        await outbox.append(new(f"event-{number}", body=body))
    claims = [[one.number.sequence for one in await outbox.queue(ME).claim("slack", Wanted(10))] for _ in range(4)]

    assert claims == [[1], [2, 3], [4], []]


async def test_a_claim_has_a_limit_of_its_own(outbox: SqliteOutbox) -> None:
    await asyncio.gather(*(outbox.append(new(f"event-{number}")) for number in range(CLAIM_LIMIT + 5)))

    assert len(await outbox.queue(ME).claim("slack", Wanted(1000))) == CLAIM_LIMIT
    assert len(await outbox.queue(ME).claim("slack", Wanted(1000))) == 5


async def test_forgetting_takes_many_small_transactions_and_counts_them_all(outbox: SqliteOutbox) -> None:
    count = 2 * FORGET_ROWS + 7
    await asyncio.gather(*(outbox.append(new(f"event-{number}")) for number in range(count + 1)))
    await outbox.queue(ME).settle([Accepted("slack", f"event-{number}", NOW, 1) for number in range(count)])

    assert await outbox.forget(-1.0) == count
    assert await stored(outbox) == [(count + 1, f"event-{count}")]


async def test_an_event_that_is_replayed_while_others_are_forgotten_stays(
    outbox: SqliteOutbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look for forgettable events and their removal, an operator has time for a replay."""
    await outbox.append(new("a"))
    await outbox.append(new("b"))
    await outbox.queue(ME).settle([SetAside("slack", event_id, NOW, 1, "http_400") for event_id in "ab"])
    remove = outbox.retention._removed_of

    async def replayed_meanwhile(sequences: Sequence[int]) -> int:
        monkeypatch.setattr(outbox.retention, "_removed_of", remove)
        with closing(sqlite3.connect(path)) as operator:
            operator.execute("UPDATE deliveries SET state = 'pending' WHERE sequence = 1")
            operator.commit()
        return await remove(sequences)

    monkeypatch.setattr(outbox.retention, "_removed_of", replayed_meanwhile)

    assert await outbox.forget(-1.0) == 1
    assert await stored(outbox) == [(1, "a")]


async def test_a_million_deliveries_are_replayed_in_portions(
    outbox: SqliteOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever appends meanwhile waits for one of them, not for all."""
    await asyncio.gather(*(outbox.append(new(f"{number}", "slack", "siem")) for number in range(25)))
    monkeypatch.setattr(changes, "DECIDED_ROWS", 7)
    done: list[int] = []
    write = outbox._file.write

    def noted(asked: OutboxStatement, *, is_patient: bool = False) -> asyncio.Future[object]:
        done.append(1)
        return write(asked, is_patient=is_patient)

    monkeypatch.setattr(outbox._file, "write", noted)
    replayed = await outbox.replay(DeliverySelection())
    discarded = await outbox.discard(DeliverySelection("siem"), NOW)

    assert (replayed, discarded) == (50, 25)
    assert len(done) == 8 + 4


async def test_a_closed_outbox_says_so(path: Path) -> None:
    outbox = await SqliteOutbox.open(path, REPLICA)
    await outbox.close()
    await outbox.close()
    for asked in (
        outbox.append(new("a")),
        outbox.queue(ME).claim("slack", Wanted(1)),
        outbox.queue(ME).settle([Accepted("slack", "a", NOW, 1)]),
        outbox.queue(ME).next_due("slack"),
        outbox.deliveries(DeliverySelection(), 1),
        outbox.replay(DeliverySelection()),
        outbox.forget(0.0),
    ):
        with pytest.raises(OutboxError, match="the outbox is closed"):
            await asked


async def test_closing_moves_everything_into_the_one_file(path: Path) -> None:
    """A file that was closed well can be copied alone."""
    outbox = await SqliteOutbox.open(path, REPLICA)
    await outbox.append(new("a"))
    await outbox.close()

    assert sorted(os.listdir(path.parent)) == ["outbox.db", "outbox.db.lock"]  # noqa: PTH208 - names are what counts


async def test_a_late_commit_is_delivered_all_the_same(outbox: SqliteOutbox) -> None:
    """Who was told that it takes too long has gone on; the delivery half hears of the event when it is durable."""
    told: list[Collection[str] | None] = []
    outbox.queue(ME).subscribe(told.append)
    late = asyncio.create_task(outbox.append(new("late", "siem")))
    await asyncio.sleep(0)
    outbox._file._opened.writer._late()
    with pytest.raises(OutboxError, match="the outbox has not answered for 1 s"):
        await late
    await outbox.append(new("next"))

    assert {name for one in told for name in one or ()} == {"siem", "slack"}
    assert [(one.number.sequence, one.event_id) for one in await outbox.queue(ME).claim("siem", Wanted(1))] == [
        (1, "late")
    ]


async def test_a_late_settlement_can_be_asked_again(outbox: SqliteOutbox) -> None:
    await outbox.append(new("a"))
    await outbox.queue(ME).claim("slack", Wanted(1))
    late = asyncio.create_task(outbox.queue(ME).settle([Accepted("slack", "a", NOW + 5, 1)]))
    await asyncio.sleep(0)
    outbox._file._opened.writer._late()
    with pytest.raises(OutboxError, match="has not answered"):
        await late
    await outbox.queue(ME).settle([Accepted("slack", "a", NOW + 6, 1)])
    (row,) = await outbox.deliveries(DeliverySelection(), 10)

    assert (row.state, row.settled_at) == (DeliveryState.DELIVERED, NOW + 5)


async def looked(outbox: SqliteOutbox) -> None:
    """Have it look for what others have changed."""
    outbox._look()
    await outbox._file.write(Change(lambda _: 0))


async def test_who_waits_hears_of_what_a_command_made_due(outbox: SqliteOutbox, path: Path) -> None:
    """A file tells nobody that another process has changed it. What we wrote ourselves is told otherwise."""
    await outbox.append(new("a"))
    await outbox.queue(ME).settle([SetAside("slack", "a", NOW, 1, "http_400")])
    await looked(outbox)
    told, decided = list[Collection[str] | None](), list[str]()
    outbox.queue(ME).subscribe(told.append, lambda: decided.append("a person"))
    await outbox.append(new("b"))
    await looked(outbox)
    assert (told, decided) == ([{"slack"}], [])
    command = await beside(path)
    await command.replay(DeliverySelection(destination="slack"))
    await command.close()
    await looked(outbox)

    assert (told, decided) == ([{"slack"}, None], ["a person"])


async def test_what_another_process_writes_is_a_decision_only_where_a_person_has_decided(
    outbox: SqliteOutbox, path: Path
) -> None:
    """A scan writes beside the owner for minutes: a pause that a receiver has asked for must not end by that."""
    await outbox.append(new("a"))
    await looked(outbox)
    told, decided = list[Collection[str] | None](), list[str]()
    outbox.queue(ME).subscribe(told.append, lambda: decided.append("a person"))
    command, heard = await beside(path), list[tuple[int, int]]()
    for is_decided, changed in ((False, 1), (True, 0), (True, 1)):
        await command.change(partial(written_beside, result=changed), is_decided=is_decided)
        await looked(outbox)
        heard.append((len(told), len(decided)))
    await command.close()

    assert heard == [(1, 0), (2, 0), (3, 1)]


def written_beside(connection: sqlite3.Connection, result: int) -> int:
    """Something is written; says that so much of it was what was asked for."""
    connection.execute("UPDATE incident_progress SET messages = messages + 1")
    return result


async def test_a_late_decision_is_heard_of_all_the_same(outbox: SqliteOutbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was set aside is due again when that is durable, whatever became of the command by then."""
    await outbox.append(new("a"))
    await outbox.queue(ME).settle([SetAside("slack", "a", NOW, 1, "http_400")])
    told, decided, write = list[Collection[str] | None](), list[str](), outbox._file.write
    outbox.queue(ME).subscribe(told.append, lambda: decided.append("a person"))

    def write_late(asked: OutboxStatement) -> asyncio.Future[object]:
        done = write(asked)
        outbox._file._opened.writer._late()
        return done

    monkeypatch.setattr(outbox._file, "write", write_late)
    with pytest.raises(OutboxError, match="has not answered"):
        await outbox.replay(DeliverySelection())
    monkeypatch.undo()
    await outbox.append(new("next"))

    assert (told, decided) == ([None, {"slack"}], ["a person"])


async def test_who_waits_hears_of_claims_that_have_expired(path: Path) -> None:
    now = [0.0]
    outbox = await SqliteOutbox.open(path, REPLICA, clock=lambda: now[0])
    await outbox.append(new("a"))
    await outbox.queue("dead").claim("slack", Wanted(1))
    told: list[Collection[str] | None] = []
    await looked(outbox)
    outbox.queue(ME).subscribe(told.append)
    now[0] += LEASE
    outbox._look()
    outbox._look()
    (taken,) = await outbox.queue(ME).claim("slack", Wanted(1))
    await outbox.close()

    assert told == [{"slack"}]
    assert taken.event_id == "a"


async def test_nothing_is_claimed_that_is_being_withdrawn(outbox: SqliteOutbox) -> None:
    """A lane that is woken by the late commit must not deliver what the next commit removes."""
    await outbox.append(new("a"))
    withdrawing = asyncio.create_task(outbox.withdraw(["a"]))
    await asyncio.sleep(0)
    while not withdrawing.done():
        assert not await outbox.queue(ME).claim("slack", Wanted(1))
        await asyncio.sleep(0)

    assert withdrawing.result() == {"a"}


async def test_a_withdrawal_goes_to_its_end_without_whoever_asked(outbox: SqliteOutbox) -> None:
    """Claims are kept off until it is done, or an event would be delivered and gone."""
    await outbox.append(new("a"))
    gone = asyncio.create_task(outbox.withdraw(["a"]))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    number = await outbox.append(new("b"))

    assert number == Number(REPLICA, 1)
    assert await stored(outbox) == [(1, "b")]


async def test_what_could_not_be_withdrawn_is_claimed_again(outbox: SqliteOutbox) -> None:
    await outbox.append(new("a"))
    await outbox.append(new("b"))
    told: list[Collection[str] | None] = []
    outbox.queue(ME).subscribe(told.append)
    assert await outbox.withdraw(["a"]) == set()
    (one, other) = await outbox.queue(ME).claim("slack", Wanted(2))

    assert told == [None]
    assert [one.event_id, other.event_id] == ["a", "b"]


async def test_a_withdrawal_is_not_told_that_the_disk_is_late(outbox: SqliteOutbox) -> None:
    """Whoever gave up because of the disk must learn what became of it, not give up again."""
    late = asyncio.create_task(outbox.append(new("late")))
    await asyncio.sleep(0)
    withdrawing = asyncio.create_task(outbox.withdraw(["late"]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    outbox._file._opened.writer._late()
    with pytest.raises(OutboxError, match="has not answered"):
        await late

    assert await withdrawing == {"late"}


async def test_appends_that_were_given_up_while_the_disk_hung_are_withdrawn_together(outbox: SqliteOutbox) -> None:
    """They are of several transactions by then, and others append meanwhile."""
    given_up = [asyncio.create_task(outbox.append(new(f"given up {number}"))) for number in range(200)]
    await asyncio.sleep(0)
    outbox._file._opened.writer._late()
    await asyncio.gather(*given_up, return_exceptions=True)
    withdrawing = [outbox.withdraw([f"given up {number}"]) for number in range(200)]
    gone, number = await asyncio.gather(asyncio.gather(*withdrawing), outbox.append(new("another")))
    left = await stored(outbox)

    assert frozenset[str]().union(*gone) | {name for _, name in left} == {
        "another",
        *(f"given up {number}" for number in range(200)),
    }
    assert [one for one, _ in left] == list(range(1, len(left) + 1)), "and no number is missing"
    assert (number.sequence, "another") in left
