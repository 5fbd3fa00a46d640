"""Processes are killed while three receivers are well, unreliable and slow, and all of them down for a while."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from router.outbox import DeliverySelection
from router.outbox.records import beside
from tests.assembly.program import served
from tests.assembly.small import Place
from tests.journeys import killed_product
from tests.journeys.test_processes import CONCURRENCY, Killer, asking
from tests.simulators.sinks import OK, Receipt, Sink, answer

KILLS = int(os.environ.get("GATECRIER_KILLS", "2"))
"""Processes that are killed, at least."""
OUTAGE = 5.0 if KILLS >= 20 else 0.5
"""Seconds that all receivers are down, from half of the kills on."""
CLIENTS = 1
AGAIN = (*[answer("500 Oh", b"no")] * 20, answer("429 Slow down", b"no", Retry_After="1"))
"""What the unreliable one says now and then; each 429 stops all that goes there for a second."""


@dataclass
class Receiver:
    """Hears of requests, unless it fails."""

    name: str
    dice: random.Random
    failing: float
    """In how many of its answers, from 0 to 1."""
    is_down: bool = False
    heard: Counter[str] = field(default_factory=Counter)
    """How often each event was taken, by the uid of its request."""

    def behave(self, receipt: Receipt) -> bytes:
        """Answer, and remember what was taken."""
        if self.is_down:
            return answer("503 Away")
        if self.dice.random() < self.failing:
            return self.dice.choice(AGAIN)
        self.heard[json.loads(receipt.body)["data"]["request"]["uid"]] += 1
        return OK

    @property
    def repeated(self) -> int:
        """How many it has taken that it had already."""
        return self.heard.total() - len(self.heard)


PAUSES = {"steady": 0.0, "shaky": 0.0, "slow": 0.02}
"""Seconds that each receiver takes for an answer."""
FAILING = {"steady": 0.0, "shaky": 0.3, "slow": 0.0}


async def until_heard(path: Path, wanted: set[str], told: Sequence[Receiver]) -> None:
    """Wait until all have heard of all; whoever mended the receivers says so, so that nobody waits for minutes."""
    command = await beside(path)
    async with asyncio.timeout(300):
        while any(wanted - set(one.heard) for one in told):
            await command.replay(DeliverySelection())
            await asyncio.sleep(0.25)
    await command.close()


async def test_whoever_is_killed_every_receiver_hears_of_everything_and_repeats_are_cut_attempts(
    tmp_path: Path,
) -> None:
    """An alert that is lost in an outage, or told twice for no reason, is what nobody forgives."""
    answered: dict[str, bool] = {}
    is_over = asyncio.Event()
    dice = random.Random(1)  # noqa: S311 - who fails when
    told = [Receiver(name, dice, failing) for name, failing in FAILING.items()]
    async with AsyncExitStack() as stack:
        destinations = []
        for one in told:
            sink = await stack.enter_async_context(Sink(behave=one.behave, pause=PAUSES[one.name]).running())
            destinations.append(
                {"name": one.name, "kind": "webhook", "url": sink.url(), "plain_http": True}
                | {"concurrency": CONCURRENCY}
            )
        place = Place(tmp_path, enforcement={"default": "enforce"}, egress={"allow": ["127.0.0.0/8"]})
        place.write(destinations=destinations, routes={"destinations": [one.name for one in told]})
        mortal = {killed_product.FOLDER: str(tmp_path)}
        program = await stack.enter_async_context(served(place, "tests.journeys.killed_product", **mortal))
        killer = Killer(program, random.Random(KILLS))  # noqa: S311 - who dies when
        clients = [asyncio.create_task(asking(place, answered, is_over, f"client-{one}")) for one in range(CLIENTS)]
        outage: asyncio.Task[None] | None = None
        while killer.kills.total() < KILLS:
            if outage is None and 2 * killer.kills.total() >= KILLS:
                outage = asyncio.create_task(away(told))
            await killer.strike()
        is_over.set()
        await asyncio.gather(*clients, *([] if outage is None else [outage]))
        await until_heard(tmp_path / "outbox.db", set(answered), told)

    repeated = {one.name: one.repeated for one in told}
    sys.stdout.write(f"{len(answered)} answered, {dict(killer.kills)} killed, repeated {repeated}\n")
    assert max(repeated.values()) <= killer.kills["keeper"] * CONCURRENCY


async def away(told: Sequence[Receiver]) -> None:
    """All are down for a while."""
    for one in told:
        one.is_down = True
    await asyncio.sleep(OUTAGE)
    for one in told:
        one.is_down = False
