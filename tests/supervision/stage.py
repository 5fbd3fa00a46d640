"""A small product for tests, in a process of its own: a nursery must be made before there is any thread.

Its processes answer what they are asked: who they are, and what they were greeted with. What came of the story is
printed as JSON.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from router.errors import ConfigurationError, GatecrierError
from router.ipc import Answerer, Peer
from router.supervision import family as module
from router.supervision.child import EVENT, LINES, live, unpacked_event, unpacked_lines
from router.supervision.family import Family, Hooks, Seat
from router.supervision.nursery import Nursery, Role
from router.telemetry import logs

SAID: list[str] = []


class Story(Protocol):
    """What is played; returns what came of it."""

    __name__: str

    async def __call__(self, nursery: Nursery) -> object:
        """Play."""


def begin(peer: Peer) -> Answerer:
    """A process that knows its number."""
    known: list[str] = []

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
        return json.dumps([os.getpid(), *known]).encode()

    return answer


def echo(descriptors: Sequence[int]) -> int:
    """The role of every process here."""
    return live("echo", descriptors[0], begin, asyncio.new_event_loop)


def roles() -> Mapping[str, Role]:
    """What the nursery can bear."""
    return {"echo": echo}


class Stage:
    """The family of a story."""

    def __init__(self, nursery: Nursery, greeting: bytes = b"hello", places: int = 2) -> None:
        self.changes: asyncio.Queue[None] = asyncio.Queue()
        self.nursery = nursery

        async def greet(seat: Seat, peer: Peer) -> None:
            await peer.ask("greet", b"%s %d" % (greeting, seat.number) if greeting == b"hello" else greeting)

        async def answer(_: Seat, topic: str, body: bytes) -> bytes:
            if topic == LINES:
                SAID.extend(json.loads(line)["event"] for line in unpacked_lines(body))
            if topic == EVENT:
                SAID.append(unpacked_event(body)[0])
            return b""

        self.family = Family(
            nursery,
            [Seat("echo", number) for number in range(places)],
            Hooks(
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

    async def asked(self) -> list[Any]:
        """What everybody answers."""
        return [json.loads(await seat.peer.ask("who")) for seat in self.family.seats if seat.peer]


async def one_is_killed(nursery: Nursery) -> object:
    stage = Stage(nursery)
    await stage.family.start()
    before = await stage.asked()
    os.kill(before[0][0], signal.SIGKILL)
    await stage.until(lambda: stage.family.seats[0].restarts.total == 1 and stage.family.seats[0].is_ready)
    after = await stage.asked()
    await stage.family.stop()
    return {"before": before, "after": after}


async def the_nursery_is_killed(nursery: Nursery) -> object:
    stage = Stage(nursery)
    await stage.family.start()
    before = await stage.asked()
    os.kill(nursery.process, signal.SIGKILL)
    meanwhile = await stage.asked()
    os.kill(before[1][0], signal.SIGKILL)
    await stage.until(
        lambda: stage.family.seats[1].process not in {None, before[1][0]} and stage.family.seats[1].is_ready
    )
    after = await stage.asked()
    await stage.family.stop()
    return {"before": before, "meanwhile": meanwhile, "after": after}


async def one_hangs(nursery: Nursery) -> object:
    module.ASKING, module.HANGING = 0.05, 0.5
    stage = Stage(nursery, places=1)
    await stage.family.start()
    before = await stage.asked()
    os.kill(before[0][0], signal.SIGSTOP)
    await stage.until(lambda: stage.family.seats[0].restarts.total == 1 and stage.family.seats[0].is_ready)
    after = await stage.asked()
    await stage.family.stop()
    return {"before": before, "after": after}


async def refused(nursery: Nursery) -> object:
    return await _not_started(Stage(nursery, b"refuse", places=1))


async def dying(nursery: Nursery) -> object:
    return await _not_started(Stage(nursery, b"die", places=1))


async def _not_started(stage: Stage) -> object:
    try:
        await stage.family.start()
    except GatecrierError as error:
        return {"problem": str(error), "hopeless": stage.family.is_hopeless}
    finally:
        await stage.family.stop()
    return {}


async def given_up(nursery: Nursery) -> object:
    stage = Stage(nursery, places=1)

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


async def logged(nursery: Nursery) -> object:
    stage = Stage(nursery, places=1)
    await stage.family.start()
    peer = stage.family.seats[0].peer
    assert peer is not None
    await peer.ask("log")
    await stage.family.stop()
    return SAID


async def left_alone(nursery: Nursery) -> object:
    stage = Stage(nursery)
    await stage.family.start()
    print(json.dumps([nursery.process, *(entry[0] for entry in await stage.asked())]), flush=True)  # noqa: T201 - what the test reads
    await asyncio.Event().wait()
    return None


STORIES: Sequence[Story] = (
    one_is_killed,
    the_nursery_is_killed,
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
    made = Nursery(roles)

    async def played() -> object:
        return await story(made)

    print(json.dumps(asyncio.run(played())))  # noqa: T201 - what the test reads
