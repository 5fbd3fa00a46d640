"""Incidents on their way into Slack: a real outbox, the shipped templates, the Web API, and a router that dies.

Order and receipts are kept by the outbox; nothing here waits for time to pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from router.assembly.channels import channels
from router.delivery import Channel, Dispatcher
from router.destinations.outcome import Delivered
from router.events import CloudEvent, ImageData, encode
from router.incidents.driver import IncidentsDriver
from router.incidents.rules import IncidentRules
from router.outbox import DeliverySelection, DeliveryState, NewEvent, Wanted
from router.outbox.sqlite import SqliteOutbox
from router.routing import IncidentRoute, IncidentSettings, Routed, RouteSettings
from router.settings.parts import KeeperPart
from router.verdict import Severity
from tests.delivery.stage import Counts
from tests.incidents.stage import NOW, found
from tests.patience import PATIENCE
from tests.rendering.hostile import EVENT
from tests.settings.configurations import loaded
from tests.simulators.sinks import NOTHING
from tests.simulators.slack import TOKEN, Message, Slack

OPENED, CHANGED, RESOLVED = "would be rejected", "would now be rejected", "resolved"
"""What the headline of a message says."""
ROUTE = IncidentRoute("people", group_interval=0.0)
CONFIGURATION = """\
cluster: test
webhook: {{listen: "127.0.0.1:8443", tls: self-signed}}
operations: {{listen: "127.0.0.1:9090"}}
outbox: {{url: "sqlite:///outbox.db"}}
egress: {{allow: ["127.0.0.0/8"]}}
policy: [{{pattern: "**", verifier: deny}}]
destinations:
  - name: people
    kind: slack
    token: {{file: token}}
    channel: "#soc"
    api: "{api}"
    plain_http: true
    concurrency: 4
routes: {{destinations: [people], lane: incidents}}
"""


@dataclass
class World:
    """A router's second half, and Slack."""

    path: Path
    slack: Slack
    channel: Channel
    outbox: SqliteOutbox
    number: int = 0

    async def decide(self, *images: ImageData, severity: str = "medium") -> None:
        """An event about the same Deployment; where an image fails, people are to hear of it."""
        self.number += 1
        event: CloudEvent = orjson.loads(orjson.dumps(EVENT))
        event["id"], event["data"]["images"] = f"event-{self.number}", list(images)
        event["data"]["decision"] = {**event["data"]["decision"], "outcome": "admitted", "severity": severity}  # type: ignore[typeddict-item]  # as it was
        is_failing = any(one["verdict"] != "verified" for one in images)
        routes = Routed((), (ROUTE,) if is_failing else ())
        await self.outbox.append(
            NewEvent(
                event["id"],
                encode(event),
                NOW + self.number,
                (),
                severity=Severity(severity),
                incident_routes=routes.stored,
            )
        )

    async def consume(self) -> None:
        """Make incidents of what was decided."""
        driver = IncidentsDriver(self.outbox, time_of_day=lambda: NOW)
        driver.rules = IncidentRules.of(IncidentSettings(), (), RouteSettings(), "r", 86400.0)
        while await driver.step():
            pass

    async def deliver(self) -> None:
        """Deliver until nothing waits."""
        dispatcher = Dispatcher(self.outbox.queue("me"), Counts(), dice=lambda: 0.0)
        await dispatcher.replace({"people": self.channel})
        news = asyncio.Event()
        self.outbox.queue("watcher").subscribe(lambda _: news.set())
        async with asyncio.timeout(PATIENCE):
            while await self.outbox.deliveries(DeliverySelection("people", DeliveryState.PENDING), 1):
                await news.wait()
                news.clear()
        await dispatcher.stop(PATIENCE)

    async def die_after_an_attempt(self) -> None:
        """Slack has the first message that waits, and the router dies before that is kept."""
        (first,) = await self.outbox.queue("me").claim("people", Wanted(1))
        document = self.channel.render(first.event_id, first.body, first.template)
        outcome = await self.channel.destination.deliver([document])

        assert isinstance(outcome, Delivered)
        await self.outbox.close()
        self.outbox = await SqliteOutbox.open(self.path, "r")


@asynccontextmanager
async def playing(folder: Path) -> AsyncIterator[World]:
    (folder / "token").write_text(TOKEN)
    async with Slack().running() as slack:
        read = loaded(folder, CONFIGURATION.format(api=slack.api))
        made = channels(KeeperPart(read.settings, read.templates), {}, lambda _: None)
        path = folder / "outbox.db"
        world = World(path, slack, made["people"].channel, await SqliteOutbox.open(path, "r"))
        await world.consume()
        yield world
        await world.outbox.close()
        await world.channel.destination.close()


def said(message: Message) -> str:
    """How things are, as it shows."""
    return str(message.body["blocks"][0]["text"]["text"]).partition(": ")[2]


async def a_whole_incident(world: World) -> None:
    """Opened, two times changed, resolved: four messages."""
    await world.decide(found("unsigned", "web"))
    await world.decide(found("unsigned", "web"), found("invalid", "db"), severity="critical")
    await world.decide(found("untrusted", "web"), found("invalid", "db"))
    await world.decide(found("verified", "web"), found("verified", "db"))
    await world.consume()


async def test_an_incident_is_one_thread_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    """Four may be under way at once, and all of it waits: still nothing is told before what came before it."""
    async with playing(tmp_path) as world:
        await a_whole_incident(world)
        await world.deliver()
        (head,) = world.slack.heads
        thread = world.slack.thread(head)

    assert [said(one) for one in (head, *thread)] == [RESOLVED, CHANGED, CHANGED, RESOLVED]
    assert [one.is_broadcast for one in thread] == [True, True, False]
    assert head.edits == 3


async def test_a_router_that_dies_before_it_keeps_an_answer_repeats_one_message(tmp_path: Path) -> None:
    """What follows refers to the message whose receipt was kept."""
    async with playing(tmp_path) as world:
        await a_whole_incident(world)
        await world.die_after_an_attempt()
        await world.deliver()
        forgotten, head = world.slack.heads

    assert (said(forgotten), forgotten.edits, world.slack.thread(forgotten)) == (OPENED, 0, [])
    assert (said(head), head.edits, len(world.slack.thread(head))) == (RESOLVED, 3, 3)


async def test_an_answer_that_is_lost_on_its_way_repeats_one_message(tmp_path: Path) -> None:
    async with playing(tmp_path) as world:
        world.slack.replies.append(NOTHING)
        await a_whole_incident(world)
        await world.deliver()
        forgotten, head = world.slack.heads

    assert (said(forgotten), forgotten.edits) == (OPENED, 0)
    assert (said(head), len(world.slack.thread(head))) == (RESOLVED, 3)


async def test_a_first_message_that_was_deleted_is_followed_by_a_new_one(tmp_path: Path) -> None:
    async with playing(tmp_path) as world:
        await world.decide(found("unsigned", "web"))
        await world.consume()
        await world.deliver()
        world.slack.delete(world.slack.heads[0])
        await world.decide(found("unsigned", "web"), found("invalid", "db"))
        await world.decide(found("verified", "web"), found("verified", "db"))
        await world.consume()
        await world.deliver()
        (head,) = world.slack.heads

    assert (said(head), [said(one) for one in world.slack.thread(head)]) == (RESOLVED, [RESOLVED])


@pytest.mark.parametrize("error", ["ratelimited", "internal_error"])
async def test_trouble_of_slack_s_keeps_the_order(error: str, tmp_path: Path) -> None:
    async with playing(tmp_path) as world:
        world.slack.errors.extend([error, error, "", "", error])
        await a_whole_incident(world)
        await world.deliver()
        (head,) = world.slack.heads
        thread = world.slack.thread(head)

    assert [said(one) for one in (head, *thread)] == [RESOLVED, CHANGED, CHANGED, RESOLVED]
