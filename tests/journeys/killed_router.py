"""Delivers from an outbox while it is killed again and again: `python -m tests.journeys.killed_router FOLDER URL SEED`.

Every run is a process of its own, forked from this one, that opens the outbox in FOLDER and delivers to URL. It kills
itself with SIGKILL before a step of its event loop, the number of which is drawn at random: so between any two awaits.
Runs follow each other until one of them has delivered everything. Prints how many were killed.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from asyncio import events
from pathlib import Path

from router.delivery import Channel, Dispatcher
from router.destinations.document import Document
from router.destinations.egress import EgressGuard, EgressSettings
from router.destinations.outcome import Outcome
from router.destinations.over_http import HttpDestination
from router.destinations.webhook import WebhookDialect, WebhookSettings
from router.outbox.sqlite import SqliteOutbox

LATEST_STEP = 250
"""No run makes more steps than this, until `KILLS` runs have been killed."""
KILLS = 220
CONCURRENCY = 4


class Unobserved:
    """Counts nothing."""

    def attempted(self, destination: str, outcome: Outcome) -> None:
        """An attempt ended."""

    def delivered(self, destination: str, lag: float) -> None:
        """An event arrived."""

    def set_aside(self, destination: str, reason: str) -> None:
        """A delivery was given up."""

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
    outbox = await SqliteOutbox.open(folder / "outbox.db")
    settings = WebhookSettings(name="sink", kind="webhook", url=url, plain_http=True, concurrency=CONCURRENCY)
    guard = EgressGuard(EgressSettings.model_validate({"allow": ["127.0.0.0/8"]}))
    destination = HttpDestination(settings, WebhookDialect(settings), guard)
    dispatcher = Dispatcher(outbox, Unobserved())
    await dispatcher.replace({"sink": Channel(destination, Document)})
    while (waiting := (await outbox.waiting()).get("sink")) is not None and waiting.pending:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
    await dispatcher.stop(1.0)
    await outbox.close()


def main(folder: Path, url: str, seed: int) -> None:
    """Run after run, until everything is delivered."""
    dice, killed = random.Random(seed), 0  # noqa: S311 - a schedule of deaths is no secret
    while True:
        child = os.fork()
        if child == 0:
            if killed < KILLS:
                kill_before_step(dice.randint(1, LATEST_STEP))
            asyncio.run(deliver(folder, url))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            if os.WEXITSTATUS(status):
                sys.exit("a run failed by itself")
            break
        killed += 1
    sys.stdout.write(f"{killed}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
