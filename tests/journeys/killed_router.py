"""Delivers from an outbox while it is killed again and again: `python -m tests.journeys.killed_router FOLDER URL SEED`.

Every run is a process of its own, forked from this one, that opens the outbox in FOLDER and delivers to URL. It kills
itself with SIGKILL before a step of its event loop, the number of which is drawn at random: so between any two awaits.
How much a run delivers before it dies differs between Pythons and machines. So runs follow each other until `KILLS` of
them have died; where one finds nothing left to deliver and lives, more events are stored for the next. The last run
lives and delivers everything. Prints how many were killed and how many events there were.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import sys
from asyncio import events
from collections.abc import Coroutine
from pathlib import Path

from router.delivery import Channel, Dispatcher
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.destinations.kinds.webhook import WebhookDialect, WebhookKindSettings
from router.destinations.over_http import HttpDestination
from router.outbox import NewEvent
from router.outbox.sqlite import SqliteOutbox
from router.telemetry.causes import Cause

LATEST_STEP = 160
"""No run makes more steps than this, until `KILLS` runs have been killed."""
KILLS = 200
CONCURRENCY = 4
EVENTS = 400
"""Stored at once."""


class Unobserved:
    """Counts nothing."""

    def trouble_began(self, cause: Cause, subject: str, text: str) -> None:
        """Something is wrong."""

    def trouble_ended(self, cause: Cause, subject: str) -> None:
        """It is not any more."""

    def attempted(self, destination: str, outcome: str) -> None:
        """An attempt ended."""

    def delivered(self, destination: str, lag: float) -> None:
        """An event arrived."""

    def set_aside(self, destination: str, reason: str, count: int) -> None:
        """Deliveries were given up."""

    def fell_back(self, destination: str) -> None:
        """A template failed."""

    def refused(self, destination: str, *, is_refused: bool) -> None:
        """Credentials were refused."""


def kill_before_step(number: int) -> None:
    """From now on, die before so many steps of the event loop."""
    left, run = [number], events.Handle._run

    def counted(handle: events.Handle) -> None:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        run(handle)

    events.Handle._run = counted  # type: ignore[method-assign,assignment]  # the one place that every step passes


async def deliver(folder: Path, url: str) -> None:
    """Deliver until nothing waits."""
    outbox = await SqliteOutbox.open(folder / "outbox.db", "replica-1")
    settings = WebhookKindSettings(name="sink", kind="webhook", url=url, plain_http=True, concurrency=CONCURRENCY)
    guard = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]}).guard()
    destination = HttpDestination(settings, WebhookDialect(settings), guard)
    dispatcher = Dispatcher(outbox.queue("owner-1"), Unobserved())
    await dispatcher.replace({"sink": Channel(destination, Document)})
    while (waiting := (await outbox.waiting()).get("sink")) is not None and waiting.pending:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
    await dispatcher.stop(1.0)
    await outbox.close()


async def fill(folder: Path, first: int) -> None:
    """Store `EVENTS` more, numbered from this on."""
    outbox = await SqliteOutbox.open(folder / "outbox.db", "replica-1")
    body = b'{"id":"%d","data":{"a":1}}'
    numbers = range(first, first + EVENTS)
    await asyncio.gather(
        *(outbox.append(NewEvent(f"event-{number}", body % number, 1.0, ("sink",))) for number in numbers)
    )
    await outbox.close()


def lives(story: Coroutine[object, object, None], dies_before: int | None = None) -> bool:
    """Run this in a process of its own; whether it came to its end.

    Raises:
        SystemExit: It failed by itself.
    """
    child = os.fork()
    if child == 0:
        if dies_before is not None:
            kill_before_step(dies_before)
        asyncio.run(story)
        os._exit(0)
    story.close()
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("a run failed by itself")
    return os.WIFEXITED(status)


def main(folder: Path, url: str, seed: int) -> None:
    """Run after run, until enough were killed and one has delivered everything."""
    dice = random.Random(seed)  # noqa: S311 - a schedule of deaths is no secret
    killed = stored = 0
    gc.freeze()  # so that no child copies what all of them share
    while killed < KILLS:
        if not stored or lives(deliver(folder, url), dice.randint(1, LATEST_STEP)):
            lives(fill(folder, stored))
            stored += EVENTS
        else:
            killed += 1
    lives(deliver(folder, url))
    sys.stdout.write(f"{killed} {stored}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
