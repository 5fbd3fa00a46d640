"""Processes are killed while both lanes tell receivers that are well, failing and slow, and down for a while."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from router.outbox import DeliverySelection
from router.outbox.records import beside
from tests.admission.world import pod
from tests.assembly.program import served
from tests.assembly.small import Place
from tests.journeys import killed_product
from tests.journeys.test_processes import CONCURRENCY, Killer, allowed
from tests.journeys.test_receivers_in_trouble_and_kills import AGAIN
from tests.simulators.sinks import OK, Receipt, Sink, answer

KILLS = int(os.environ.get("GATECRIER_KILLS", "3"))
"""Processes that are killed, at least."""
OUTAGE = 5.0 if KILLS >= 20 else 0.5
"""Seconds that one receiver is down, from half of the kills on."""
PATIENCE = 300.0
GOOD, BAD = "r.example/free/app:1", "r.example/other/app:1"
LANES = ("events", "incidents")


@dataclass
class Receiver:
    """Hears of requests as machines do and of incidents as people do, unless it fails."""

    name: str
    failing: float = 0.0
    """In how many of its answers, from 0 to 1."""
    pause: float = 0.0
    """Seconds that it takes for an answer."""
    dice: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - who fails when
    is_down: bool = False
    heard: dict[str, Counter[str]] = field(default_factory=lambda: {lane: Counter() for lane in LANES})
    """By lane: how often each message was taken, by its id."""
    events: set[str] = field(default_factory=set)
    """The requests that it has heard of, by their uids."""
    incidents: dict[str, dict[str, str]] = field(default_factory=dict)
    """By owner: what it was told, by the id of each message."""

    def behave(self, receipt: Receipt) -> bytes:
        """Answer, and remember what was taken."""
        if self.is_down:
            return answer("503 Away")
        if self.dice.random() < self.failing:
            return self.dice.choice(AGAIN)
        lane, told = receipt.path.strip("/"), json.loads(receipt.body)
        self.heard[lane][told["id"]] += 1
        if lane == "events":
            self.events.add(told["data"]["request"]["uid"])
        else:
            incident = told["data"]["incident"]
            self.incidents.setdefault(incident["owner"]["name"], {})[told["id"]] = incident["state"]
        return OK

    def destinations(self, sink: Sink) -> list[dict[str, object]]:
        """How it is told, in each lane."""
        common = {"kind": "webhook", "plain_http": True, "concurrency": CONCURRENCY}
        return [common | {"name": f"{self.name}-{lane}", "url": sink.url(f"/{lane}")} for lane in LANES]

    @property
    def repeated(self) -> dict[str, int]:
        """By lane, how many messages it has taken that it had already."""
        return {lane: heard.total() - len(heard) for lane, heard in self.heard.items()}


async def rolling_out(place: Place, told: dict[str, set[str]], is_over: asyncio.Event) -> None:
    """Deploy what fails and then mend it, one owner after the other, each to its end."""
    number = 0
    while not is_over.is_set():
        number += 1
        name = f"web-{number}"
        for image in (BAD, GOOD):
            uid = f"{name}-{'mended' if image == GOOD else 'failing'}"
            review = pod(image, uid=uid, name=name)
            review["request"]["object"]["metadata"]["name"] = name  # type: ignore[index]  # JSON
            assert await allowed(place, review) is (image == GOOD)
            told.setdefault(name, set()).add(uid)


async def until_heard(path: Path, owners: Mapping[str, set[str]], told: Sequence[Receiver]) -> None:
    """Wait until all have heard of everything and nothing waits, which is hurried, so that nobody waits for minutes."""
    wanted = set().union(*owners.values())
    command = await beside(path)

    async def is_over() -> bool:
        is_heard = all(wanted <= one.events and all(map(is_told, map(one.incidents.get, owners))) for one in told)
        return is_heard and not any(one.pending for one in (await command.waiting()).values())

    async with asyncio.timeout(PATIENCE):
        while not await is_over():
            await command.replay(DeliverySelection())
            await asyncio.sleep(0.25)
    await command.close()


def is_told(messages: Mapping[str, str] | None) -> bool:
    """Whether somebody was told of the beginning and of the end of an incident."""
    return messages is not None and {"opened", "resolved"} <= set(messages.values())


async def away(receiver: Receiver) -> None:
    """It is down for a while."""
    receiver.is_down = True
    await asyncio.sleep(OUTAGE)
    receiver.is_down = False


async def test_whoever_is_killed_no_event_is_lost_and_each_incident_is_told_once(tmp_path: Path) -> None:
    """A SIEM that misses one event proves nothing; people who are told twice of one thing stop reading."""
    well, failing, absent = Receiver("well"), Receiver("failing", 0.3, 0.02), Receiver("absent")
    told, owners = (well, failing, absent), dict[str, set[str]]()
    is_over = asyncio.Event()
    async with AsyncExitStack() as stack:
        sinks = [await stack.enter_async_context(Sink(behave=one.behave, pause=one.pause).running()) for one in told]
        place = Place(tmp_path, enforcement={"default": "enforce"}, egress={"allow": ["127.0.0.0/8"]})
        names = {lane: [f"{one.name}-{lane}" for one in told] for lane in LANES}
        people = {"lane": "incidents", "match": ["decision.would_reject = true"], "destinations": names["incidents"]}
        machines = {"destinations": names["events"], "continue": True}
        destinations = [to for one, sink in zip(told, sinks, strict=True) for to in one.destinations(sink)]
        place.write(destinations=destinations, routes={"destinations": names["events"], "routes": [machines, people]})
        mortal = {killed_product.FOLDER: str(tmp_path)}
        program = await stack.enter_async_context(served(place, "tests.journeys.killed_product", **mortal))
        killer = Killer(program, random.Random(KILLS))  # noqa: S311 - who dies when
        client = asyncio.create_task(rolling_out(place, owners, is_over))
        outage: asyncio.Task[None] | None = None
        while killer.kills.total() < KILLS:
            if outage is None and 2 * killer.kills.total() >= KILLS:
                outage = asyncio.create_task(away(absent))
            await killer.strike()
        is_over.set()
        await asyncio.gather(client, *([] if outage is None else [outage]))
        await until_heard(tmp_path / "outbox.db", owners, told)

    repeated = {one.name: one.repeated for one in told}
    sys.stdout.write(f"{len(owners)} incidents, {dict(killer.kills)} killed, repeated {repeated}\n")
    for one in told:
        states = {name: sorted(one.incidents[name].values()) for name in owners}
        assert {name: told_of for name, told_of in states.items() if told_of != ["opened", "resolved"]} == {}, one.name
        assert max(one.repeated.values()) <= killer.kills["keeper"] * CONCURRENCY
