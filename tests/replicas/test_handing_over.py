"""What one replica has stored, the collector gets: each event once, in order, however long it was away."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from router.cli import main
from router.decision import Grant, GrantedImage
from router.errors import OutboxError, ReplicaError
from router.incidents import ledger
from router.incidents.driver import IncidentsDriver
from router.incidents.rules import IncidentRules
from router.outbox import NewEvent
from router.outbox.sqlite import SqliteOutbox
from router.readiness import beats
from router.readiness.watching import Gap, Watch
from router.replicas import collecting, handing_over
from router.replicas.calling import Calling
from router.replicas.exchange import (
    COMMAND,
    EVENTS,
    GRANTS,
    Command,
    Granted,
    GrantsQuestion,
    HandedOver,
    Printed,
    packed,
    unpacked,
)
from router.replicas.identity import keep
from router.replicas.naming import identity_file
from router.routing import IncidentSettings, RouteSettings
from router.server.certificates import self_signed
from router.telemetry.causes import Cause
from tests.incidents.test_driver import bad
from tests.patience import PATIENCE
from tests.replicas.stage import OF_DAY, Replicas, known_by, replicas


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Replicas]:
    async with replicas(tmp_path) as made:
        yield made


@asynccontextmanager
async def calling(both: Replicas) -> AsyncIterator[Callable[[str, bytes], Awaitable[bytes]]]:
    """Somebody who has the certificate asks the collector."""
    opened = Calling(both.address, known_by(), 60.0)
    try:
        yield opened.ask
    finally:
        await opened.close()


async def test_events_are_handed_over_whole_and_once(both: Replicas) -> None:
    for number in range(3):
        await both.other.append(bad(f"e{number}", "siem"))
    async with both.collecting():
        assert await both.handing_over.step() == 3
        assert await both.handing_over.step() == 0

    stored = await both.collector.read(lambda connection: ledger.unconsumed(connection, 10))
    assert [one.id for one in stored] == ["e0", "e1", "e2"]
    assert [json.loads(one.body)["data"]["sequence"] for one in stored] == [1, 2, 3]
    assert all(one.routes == bad("").incident_routes for one in stored)
    assert both.woken == 1


async def test_what_the_collector_has_not_confirmed_comes_again(
    both: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    await both.other.append(bad("e0"))

    def died(*_: object) -> None:
        raise OutboxError("died before it could be noted")

    async with both.collecting():
        with monkeypatch.context() as patched:
            patched.setattr(handing_over, "_consumed", died)
            with pytest.raises(OutboxError):
                await both.handing_over.step()
        assert await both.collected() == ["e0"]
        assert await both.handing_over.step() == 1
        assert await both.collected() == ["e0"]
    assert both.woken == 1


async def test_a_batch_is_bounded_in_bytes(both: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing_over, "BATCH_BYTES", 2 * len(bad("e0").body))
    for number in range(5):
        await both.other.append(bad(f"e{number}"))
    async with both.collecting():
        counts = [await both.handing_over.step() for _ in range(4)]

    assert counts == [2, 2, 1, 0]


async def test_while_the_collector_is_away_events_wait(both: Replicas) -> None:
    task = asyncio.create_task(both.handing_over.run())
    await both.other.append(bad("e0"))
    await both.troubles.until(Cause.COLLECTOR_UNREACHABLE)
    await both.other.append(bad("e1"))
    async with both.collecting():
        await both.troubles.until(None)
        await both.other.append(bad("e2"))
        async with asyncio.timeout(PATIENCE):
            while await both.collected() != ["e0", "e1", "e2"]:  # noqa: ASYNC110 - another outbox tells us nothing
                await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_who_has_another_certificate_gets_nothing(both: Replicas) -> None:
    await both.other.append(bad("e0"))
    stranger = known_by(self_signed(["gatecrier.gatecrier.svc"], dt.datetime.now(dt.UTC)))
    async with both.collecting(stranger) as door:
        with pytest.raises(ReplicaError, match=r"webhook\.tls"):
            await both.handing_over.step()
        door.show(known_by())
        assert await both.handing_over.step() == 1


async def test_without_an_identity_nothing_is_sent(tmp_path: Path) -> None:
    async with replicas(tmp_path) as both:
        both.handing_over.show(None)  # type: ignore[arg-type]  # as it is before the first configuration
        await both.other.append(bad("e0"))
        with pytest.raises(ReplicaError):
            await both.handing_over.step()


def granting(event_id: str, grant: Grant | None, corrects: str = "") -> NewEvent:
    """An event that has broken the glass, or corrects one that has."""
    event = bad(event_id)
    said = b'"data":{"corrects":"%b",' % corrects.encode() if corrects else b'"data":{'
    return replace(event, body=event.body.replace(b'"data":{', said, 1), grant=grant, corrects=corrects)


async def test_what_breaks_the_glass_at_one_is_let_in_by_all(both: Replicas) -> None:
    def grant(event_id: str) -> Grant:
        return Grant(event_id, "shop", (GrantedImage("r.example/a:1", None),), "alice", "on fire", time.time() + 60)

    async with both.collecting(), calling(both) as ask:

        async def in_force() -> Sequence[str]:
            found = unpacked(await ask(GRANTS, packed(GrantsQuestion("shop"))), Granted)
            return [one.id for one in found.grants]

        await both.other.append(granting("e0", grant("e0")))
        await both.collector.append(granting("own", grant("own")))
        await both.handing_over.step()
        assert sorted(await in_force()) == ["e0", "own"]
        await both.other.append(granting("e1", None, corrects="e0"))
        await both.handing_over.step()
        assert await in_force() == ["own"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", "400"),
        (b"\xc1", "400"),
        (packed(HandedOver("r", (), format=2)), "400, the other replica is of another release"),
        (b"x" * 1001, "413"),
    ],
    ids=["empty", "no message", "another release", "too large"],
)
async def test_what_can_not_be_read_is_refused(
    both: Replicas, body: bytes, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "LARGEST", 1000)
    async with both.collecting(), calling(both) as ask:
        with pytest.raises(ReplicaError, match=status):
            await ask(EVENTS, body)
    assert await both.collected() == []


async def test_what_the_outbox_can_not_take_is_kept(both: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    await both.other.append(bad("e0"))

    async def full(_: object) -> int:
        raise OutboxError("the disk is full")

    async with both.collecting():
        with monkeypatch.context() as patched:
            patched.setattr(both.collector, "change", full)
            with pytest.raises(ReplicaError, match="503, the disk is full"):
                await both.handing_over.step()
        assert await both.handing_over.step() == 1


HOUR = 3600.0


async def watching(outbox: SqliteOutbox, *, since: float, until: float = 0.0, gaps: tuple[Gap, ...] = ()) -> None:
    """It was watched there, in seconds from now."""
    watch = Watch(since, until, gaps).moved(OF_DAY)
    await outbox.change(partial(beats.note_watched, replica=beats.OWN, watch=watch))


async def watched(both: Replicas) -> Watch | None:
    """What the collector knows, in seconds from now by its clock."""
    found = await both.collector.read(beats.watch)
    return None if found is None else _whole(found.moved(-OF_DAY - both.skew))


def _whole(watch: Watch) -> Watch:
    """In whole seconds: times since 1970 and back are not exact."""
    gaps = tuple(Gap(round(begin), round(end)) for begin, end in watch.gaps)
    return Watch(round(watch.began_at), round(watch.beat_at), gaps)


@pytest.mark.parametrize("skew", [0.0, -7 * HOUR, 7 * HOUR])
async def test_it_was_watched_while_any_replica_did_whatever_their_clocks_say(both: Replicas, skew: float) -> None:
    """The gates of the collector were away for five hours, in which the other's were there."""
    both.skew = skew
    own = Watch(-9 * HOUR, 0.0, (Gap(-8 * HOUR, -3 * HOUR),)).moved(OF_DAY + skew)
    await both.collector.change(partial(beats.note_watched, replica=beats.OWN, watch=own))
    before = await watched(both)
    await watching(both.other, since=-8.5 * HOUR, gaps=(Gap(-2 * HOUR, -1 * HOUR),))
    async with both.collecting():
        await both.handing_over.step()

    assert before == Watch(-9 * HOUR, 0.0, (Gap(-8 * HOUR, -3 * HOUR),))
    assert await watched(both) == Watch(-9 * HOUR, 0.0)


async def test_what_was_watched_is_told_when_all_is_handed_over_that_was_decided_meanwhile(
    both: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a namespace would be called ready for a time of which the collector does not know all."""
    monkeypatch.setattr(handing_over, "BATCH_BYTES", 2 * len(bad("e0").body))
    await watching(both.other, since=-HOUR)
    for number in range(3):
        await both.other.append(bad(f"e{number}"))
    told = []
    async with both.collecting():
        for _ in range(2):
            await both.handing_over.step()
            told.append(await watched(both))

    assert told == [None, Watch(-HOUR, 0.0)]


async def test_each_beat_is_told_once_and_wakes_whoever_hands_over(both: Replicas) -> None:
    async with both.collecting():
        task = asyncio.create_task(both.handing_over.run())
        for seconds in (-120.0, -60.0, 0.0):
            await watching(both.other, since=-HOUR, until=seconds)
            both.handing_over.wake()
            async with asyncio.timeout(PATIENCE):
                while await watched(both) != Watch(-HOUR, seconds):  # noqa: ASYNC110 - another outbox tells us nothing
                    await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await both.handing_over.step()  # the answer to the last may have been on its way
    assert await both.handing_over.step() == 0  # there is nobody, and nothing to tell


KEPT_AT_HOME = (("incidents", "list", "--watch"), ("readiness", "--what-if", "/etc/hostname"))


async def test_only_commands_about_what_the_collector_keeps_are_run(both: Replicas) -> None:
    both.config.write_text(json.dumps({"outbox": {"url": "sqlite:///collector.db"}}))

    async with both.collecting(), calling(both) as ask:

        async def printed(*arguments: str) -> Printed:
            return unpacked(await ask(COMMAND, packed(Command(arguments))), Printed)

        listed = await printed("incidents", "list", "--config", "/nowhere", "--json")
        refused = await printed("deliveries", "list")
        kept = [await printed(*command) for command in KEPT_AT_HOME]
        added = await printed(
            "silence", "add", "--author", "a", "--reason", "b", "--for", "1h", "--", "request.name = x"
        )

    assert (listed.exit_code, json.loads(listed.output)) == (0, [])
    assert refused.exit_code == 2
    assert refused.output == b""
    assert b"about what the collector keeps" in refused.errors
    assert [(one.exit_code, one.output) for one in kept] == [(2, b"")] * len(KEPT_AT_HOME)
    assert all(b"is not passed on; ask at the collector itself" in one.errors for one in kept)
    assert added.exit_code == 0
    assert await both.collector.read(_silences) == [added.output.decode().strip()]


Explain = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
async def explained(both: Replicas, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Explain:
    """What `explain` ends with and prints about an event where the other replica is asked."""
    settings = {"cluster": "c", "policy": [{"pattern": "**", "verifier": "deny"}]}
    both.config.write_text(json.dumps(settings | {"outbox": {"url": "sqlite:///collector.db"}}))
    there = both.config.with_name("other.yaml")
    collector = {"incidents": {"collector": str(both.address)}}
    there.write_text(json.dumps(settings | collector | {"outbox": {"url": "sqlite:///other.db"}}))
    monkeypatch.setenv("HOSTNAME", "gatecrier-1")
    await asyncio.to_thread(keep, known_by(), identity_file(both.config.with_name("other.db")))

    async def explain(event: str, *options: str) -> tuple[int, str]:
        code = await asyncio.to_thread(main, ["explain", event, *options, "--config", str(there)])
        return code, capsys.readouterr().out

    return explain


async def test_what_is_not_stored_where_it_is_asked_is_explained_by_the_collector(
    both: Replicas, explained: Explain
) -> None:
    """An event of its own is explained there; of one that was handed over the collector says who delivers it."""
    await both.other.append(bad("theirs", "siem"))
    async with both.collecting():
        await both.handing_over.step()
        await both.collector.append(bad("ours", "siem"))
        own, asked, nowhere = [await explained(event) for event in ("theirs", "ours", "nothing")]
        (listed,) = json.loads((await explained("theirs", "--json"))[1])
        _, collected = unpacked_text(await asked_of(both, "explain", "theirs"))
    away = await explained("theirs", "--json")

    assert (own[0], asked[0], nowhere[0]) == (0, 0, 1)
    assert "siem: pending" in own[1]
    assert "no incident" in own[1]
    assert "siem: pending" in asked[1]
    assert (listed["decided_by"], listed["incidents"]) == (None, [])
    assert "it was decided by gatecrier-1, which delivers it: ask there" in collected
    assert (away[0], json.loads(away[1])[0]["incidents"]) == (0, None)


async def test_an_incident_that_a_former_collector_has_made_is_explained_there(
    both: Replicas, explained: Explain
) -> None:
    """It stays there until it ends, and the collector of now knows nothing of it."""
    driver = IncidentsDriver(both.other)
    driver.rules = IncidentRules.of(IncidentSettings(), (), RouteSettings(), "gatecrier-1", 86400.0)
    await both.other.append(bad("theirs"))
    while await driver.step():
        pass
    async with both.collecting():
        (listed,) = json.loads((await explained("theirs", "--json"))[1])

    assert [one["state"] for one in listed["incidents"]] == ["open"]


async def asked_of(both: Replicas, *arguments: str) -> bytes:
    """What the collector answers to a command."""
    async with calling(both) as ask:
        return await ask(COMMAND, packed(Command(arguments)))


def unpacked_text(answer: bytes) -> tuple[int, str]:
    """Its exit code, and what it prints."""
    printed = unpacked(answer, Printed)
    return printed.exit_code, printed.output.decode()


@pytest.mark.parametrize(
    "arguments",
    [("incidents", "list", "a\0b"), ("incidents", "x" * 2**18)],
    ids=["a NUL", "more than the kernel takes"],
)
async def test_what_can_not_be_a_command_line_is_refused(both: Replicas, arguments: Sequence[str]) -> None:
    async with both.collecting(), calling(both) as ask:
        with pytest.raises(ReplicaError, match="400, the command can't be run"):
            await ask(COMMAND, packed(Command(arguments)))


@dataclass
class Printing:
    """A program in the place of ours, which notes its number and then does this."""

    folder: Path
    then: str

    @property
    def path(self) -> Path:
        """Where it is, executable."""
        path = self.folder / "program"
        path.write_text(f"#!/bin/sh\necho $$ > {self.folder}/number\n{self.then}\n")
        path.chmod(0o700)
        return path

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return Path(f"/proc/{(self.folder / 'number').read_text().strip()}").exists()


async def test_a_command_that_prints_without_end_is_ended(
    both: Replicas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it prints is counted as it comes: nothing of what follows is ever in memory."""
    endless = Printing(tmp_path, "exec cat /dev/zero")
    monkeypatch.setattr(sys, "executable", str(endless.path))

    async with both.collecting(), calling(both) as ask, asyncio.timeout(PATIENCE):
        with pytest.raises(ReplicaError, match="400, the answer is larger than"):
            await ask(COMMAND, packed(Command(())))
    assert not endless.is_running()


async def test_a_command_has_so_long_with_the_time_that_it_waits_for_its_turn(
    both: Replicas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody gets a turn here: whoever asks is told before he would give up by himself."""
    monkeypatch.setattr(sys, "executable", str(Printing(tmp_path, "").path))
    monkeypatch.setattr(collecting, "COMMAND_SECONDS", 0.1)
    monkeypatch.setattr(collecting, "COMMANDS_AT_ONCE", 0)

    async with both.collecting(), calling(both) as ask, asyncio.timeout(PATIENCE):
        with pytest.raises(ReplicaError, match="503, the command took longer"):
            await ask(COMMAND, packed(Command(())))
    assert not (tmp_path / "number").exists()


def _silences(connection: sqlite3.Connection) -> list[str]:
    return [found for (found,) in connection.execute("SELECT id FROM silences")]
