"""A small product for tests, in a process of its own: a nursery must be made before there is any thread.

Its processes answer what they are asked: who they are, and what they were greeted with. What came of the story is
printed as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import random
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from router.errors import ConfigurationError, GatecrierError
from router.ipc import Answerer, Peer, PeerError
from router.supervision import family as module
from router.supervision import restarts
from router.supervision.child import EVENT, LINES, live, unpacked_event, unpacked_lines
from router.supervision.family import FamilyHooks, ProcessFamily, Seat
from router.supervision.nurseries import Nurseries
from router.supervision.nursery import Nursery, Role
from router.telemetry import logs

SAID: list[str] = []


class Story(Protocol):
    """What is played; returns what came of it."""

    __name__: str

    async def __call__(self, nurseries: Nurseries) -> object:
        """Play."""


def begin(peer: Peer) -> Answerer:
    """A process that knows its number."""
    known: list[str] = []
    depth = len(traceback.extract_stack())

    async def answer(topic: str, body: bytes) -> bytes:
        if topic == "greet":
            if body == b"refuse":
                raise ConfigurationError("no such disk")
            if body == b"die":
                os._exit(3)
            known.append(body.decode())
        if topic == "log":
            logs.logger().warning("said_by_a_child")
            await asyncio.to_thread(logs.logger().warning, "said_in_a_thread")
            logs.write_event("event-1", {"id": "event-1"})
            await peer.ask("heard")
        return json.dumps([os.getpid(), depth, *known]).encode()

    return answer


def echo(descriptors: Sequence[int]) -> int:
    """The role of every process here."""
    return live("echo", descriptors[0], begin, asyncio.new_event_loop)


def roles() -> Mapping[str, Role]:
    """What the nursery can bear."""
    return {"echo": echo}


class Stage:
    """The family of a story."""

    def __init__(self, nurseries: Nurseries, greeting: bytes = b"hello", places: int = 2) -> None:
        self.changes: asyncio.Queue[None] = asyncio.Queue()
        self.nurseries = nurseries

        async def greet(seat: Seat, peer: Peer) -> None:
            await peer.ask("greet", b"%s %d" % (greeting, seat.number) if greeting == b"hello" else greeting)

        async def answer(_: Seat, topic: str, body: bytes) -> bytes:
            if topic == LINES:
                SAID.extend(json.loads(line)["event"] for line in unpacked_lines(body))
            if topic == EVENT:
                SAID.append(unpacked_event(body)[0])
            return b""

        self.family = ProcessFamily(
            nurseries,
            [Seat("echo", number) for number in range(places)],
            FamilyHooks(
                greet=greet,
                answer=answer,
                inherit=lambda _: [],
                changed=lambda: self.changes.put_nowait(None),
                restarting=lambda _: None,
            ),
        )

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for a change after which something holds."""
        while not is_so():
            await self.changes.get()

    async def spare(self) -> int:
        """The spare that works next, as soon as it was born."""
        while self.nurseries.spare is None or self.nurseries.spare.process is None:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0)
        return self.nurseries.spare.process

    async def kill(self, nursery: Nursery) -> None:
        """Kill it, and wait until that was noticed."""
        kill(nursery.process)
        while nursery in {self.nurseries.at_work, self.nurseries.spare}:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0)

    async def another(self, number: int) -> list[Any]:
        """What everybody answers when another has taken this seat, whose owner was killed."""
        seat = self.family.seats[number]
        before = seat.process
        kill(before)
        await self.until(lambda: seat.process not in {None, before} and seat.is_ready)
        return await self.asked()

    async def all_answer(self) -> list[Any]:
        """What everybody answers, once somebody is there in every seat: who was killed may not have been missed yet."""
        while True:
            await self.until(lambda: all(seat.is_ready for seat in self.family.seats))
            with contextlib.suppress(PeerError):
                if len(found := await self.asked()) == len(self.family.seats):
                    return found
            await asyncio.sleep(0)  # whoever notices it needs a turn

    async def asked(self) -> list[Any]:
        """What everybody answers."""
        return [json.loads(await seat.peer.ask("who")) for seat in self.family.seats if seat.peer]


async def one_is_killed(nurseries: Nurseries) -> object:
    stage = Stage(nurseries)
    await stage.family.start()
    before = await stage.asked()
    os.kill(before[0][0], signal.SIGKILL)
    await stage.until(lambda: stage.family.seats[0].restarts.total == 1 and stage.family.seats[0].is_ready)
    after = await stage.asked()
    await stage.family.stop()
    return {"before": before, "after": after}


async def the_nursery_is_killed(nurseries: Nurseries) -> object:
    stage = Stage(nurseries)
    await stage.family.start()
    before = await stage.asked()
    spare = await stage.spare()
    await stage.kill(nurseries.at_work)
    meanwhile = await stage.asked()
    next_spare = await stage.spare()
    at_work = nurseries.at_work.process
    after = await stage.another(1)
    parent = parent_of(after[1][0])
    await stage.family.stop()
    return {
        "before": before,
        "meanwhile": meanwhile,
        "after": after,
        "nurseries": [spare, at_work, parent],
        "spares": [spare, next_spare],
    }


async def spares_follow_each_other(nurseries: Nurseries) -> object:
    stage = Stage(nurseries, places=1)
    await stage.family.start()
    depths = []
    for _ in range(3):
        depths.append((await stage.another(0))[0][1])
        await stage.spare()
        await stage.kill(nurseries.at_work)
    await stage.family.stop()
    return depths


async def the_spare_is_killed(nurseries: Nurseries) -> object:
    stage = Stage(nurseries)
    await stage.family.start()
    before, at_work, spare = await stage.asked(), nurseries.at_work.process, await stage.spare()
    assert nurseries.spare is not None
    await stage.kill(nurseries.spare)
    next_spare = await stage.spare()
    after = await stage.asked()
    found = {
        "before": before,
        "after": after,
        "at work": [at_work, nurseries.at_work.process],
        "spares": [spare, next_spare],
    }
    await stage.family.stop()
    return found


async def both_are_killed(nurseries: Nurseries) -> object:
    stage = Stage(nurseries)
    await stage.family.start()
    before = await stage.asked()
    spare = await stage.spare()
    for nursery in (nurseries.at_work.process, spare):
        kill(nursery)
    after = await stage.another(1)
    next_spare = await stage.spare()
    await stage.family.stop()
    return {"before": before, "after": after, "spares": [spare, next_spare]}


async def anybody_is_killed(nurseries: Nurseries) -> object:
    """At any turn of the loop, so also while somebody is being born."""
    restarts.LONGEST_WAIT = restarts.FIRST_WAIT  # how long who ends again and again waits is not the subject
    dice = random.Random(1)  # noqa: S311 - who dies when
    stage = Stage(nurseries)
    await stage.family.start()
    for _ in range(40):
        for _ in range(dice.randrange(12)):
            await asyncio.sleep(0)
        nursery = dice.choice([nurseries.at_work, nurseries.spare])
        seat = dice.choice(stage.family.seats)
        both = (None if nursery is None else nursery.process, seat.process)
        for process in filter(None, dice.choice([both, both[:1], both[1:]])):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
    await stage.all_answer()
    await stage.another(0)
    after = await stage.all_answer()
    spare = await stage.spare()
    left = [at_work := nurseries.at_work.process, spare, *(entry[0] for entry in after)]
    descends = {process: parent_of(process) in {os.getpid(), at_work} for process in left if process}
    await stage.family.stop()
    return {"knew": [entry[2] for entry in after], "descends": [*descends.values()]}


def kill(process: int | None) -> None:
    assert process is not None
    os.kill(process, signal.SIGKILL)


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])


async def one_hangs(nurseries: Nurseries) -> object:
    module.ASKING, module.HANGING = 0.05, 0.5
    stage = Stage(nurseries, places=1)
    await stage.family.start()
    before = await stage.asked()
    os.kill(before[0][0], signal.SIGSTOP)
    await stage.until(lambda: stage.family.seats[0].restarts.total == 1 and stage.family.seats[0].is_ready)
    after = await stage.asked()
    await stage.family.stop()
    return {"before": before, "after": after}


async def refused(nurseries: Nurseries) -> object:
    return await _not_started(Stage(nurseries, b"refuse", places=1))


async def dying(nurseries: Nurseries) -> object:
    return await _not_started(Stage(nurseries, b"die", places=1))


async def _not_started(stage: Stage) -> object:
    try:
        await stage.family.start()
    except GatecrierError as error:
        return {"problem": str(error), "hopeless": stage.family.is_hopeless}
    finally:
        await stage.family.stop()
    return {}


async def given_up(nurseries: Nurseries) -> object:
    stage = Stage(nurseries, places=1)

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    stage.family._hooks = dataclasses.replace(stage.family._hooks, greet=broken)
    try:
        await stage.family.start()
    except ZeroDivisionError:
        return stage.family.failure
    finally:
        await stage.family.stop()
    return ""


async def logged(nurseries: Nurseries) -> object:
    stage = Stage(nurseries, places=1)
    await stage.family.start()
    peer = stage.family.seats[0].peer
    assert peer is not None
    await peer.ask("log")
    await stage.family.stop()
    return SAID


async def left_alone(nurseries: Nurseries) -> object:
    stage = Stage(nurseries)
    await stage.family.start()
    nursery = [nurseries.at_work.process, await stage.spare()]
    print(json.dumps([*nursery, *(entry[0] for entry in await stage.asked())]), flush=True)  # noqa: T201 - what the test reads
    await asyncio.Event().wait()
    return None


STORIES: Sequence[Story] = (
    one_is_killed,
    the_nursery_is_killed,
    spares_follow_each_other,
    the_spare_is_killed,
    both_are_killed,
    anybody_is_killed,
    one_hangs,
    refused,
    dying,
    given_up,
    logged,
    left_alone,
)


def play() -> None:
    """Play the story that the command line names."""
    story = {story.__name__: story for story in STORIES}[sys.argv[1]]
    logs.configure(readable=False)
    made = Nurseries(roles)

    async def played() -> object:
        return await story(made)

    print(json.dumps(asyncio.run(played())))  # noqa: T201 - what the test reads
