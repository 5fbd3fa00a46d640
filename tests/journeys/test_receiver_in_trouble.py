"""A receiver answers whatever it likes, over real HTTP and from a real outbox: no event is lost, nobody else notices.

The dice always show 0, so that repetitions come after the least delay; the clock is moved by hand, never waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import pytest

from router.delivery import Channel, Dispatcher
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.destinations.kinds.webhook import WebhookDialect, WebhookKindSettings
from router.destinations.over_http import HttpDestination
from router.outbox import DeliveryRow, DeliverySelection, DeliveryState, NewEvent
from router.outbox.records import beside
from router.outbox.sqlite import SqliteOutbox
from tests.delivery.stage import Counts
from tests.patience import PATIENCE
from tests.simulators.sinks import (
    BAD_CHUNKS,
    GARBAGE,
    HALF_A_BODY,
    NOTHING,
    OK,
    RESET,
    Receipt,
    Sink,
    answer,
)

HOUR = 3600.0


@dataclass
class Clock:
    """Seconds since 1970, and the test may move it."""

    moved: float = 0.0

    def __call__(self) -> float:
        """The time."""
        return time.time() + self.moved


@dataclass
class Delivering:
    """A router's second half between an outbox and two receivers, of which the first is in trouble."""

    outbox: SqliteOutbox
    counts: Counts
    clock: Clock

    async def append(self, number: int) -> None:
        """Store an event for both."""
        body = b'{"id":"event-%d","data":{"a":1}}' % number
        await self.outbox.append(NewEvent(f"event-{number}", body, self.clock(), ("troubled", "healthy")))

    async def rows(self, destination: str = "troubled") -> dict[str, DeliveryRow]:
        """Its deliveries, by event."""
        found = await self.outbox.deliveries(DeliverySelection(destination=destination), 100)
        return {row.event_id: row for row in found}


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - what is watched tells nobody
            await asyncio.sleep(0.005)


@asynccontextmanager
async def delivering(folder: Path, troubled: Sink, healthy: Sink) -> AsyncIterator[Delivering]:
    """Deliver to both; afterwards everything that is known is durable."""
    clock, counts = Clock(), Counts()
    outbox = await SqliteOutbox.open(folder / "outbox.db", "replica-1")
    dispatcher = Dispatcher(outbox.queue("owner-1"), counts, clock=clock, dice=lambda: 0.0)
    guard = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]}).guard()
    channels = {}
    for name, sink in (("troubled", troubled), ("healthy", healthy)):
        settings = WebhookKindSettings(name=name, kind="webhook", url=sink.url(), plain_http=True)
        destination = HttpDestination(settings, WebhookDialect(settings), guard, clock=clock)
        channels[name] = Channel(destination, Document)
    await dispatcher.replace(channels)
    try:
        yield Delivering(outbox, counts, clock)
    finally:
        await dispatcher.stop(PATIENCE)
        await outbox.close()


def first_times(times: int, trouble: bytes) -> Callable[[Receipt], bytes]:
    """Answer so for the first times that an event comes, and accept it then."""
    seen: Counter[bytes] = Counter()

    def behave(receipt: Receipt) -> bytes:
        seen[receipt.body] += 1
        return trouble if seen[receipt.body] <= times else OK

    return behave


async def test_an_acceptance_whose_body_breaks_off_is_one(tmp_path: Path) -> None:
    """Its status says all that there is to know; sent again, the event would be there twice."""
    async with Sink().running() as troubled, Sink().running() as healthy:
        troubled.behave = lambda _: HALF_A_BODY
        async with delivering(tmp_path, troubled, healthy) as on:
            for number in range(5):
                await on.append(number)
            await until(lambda: len(on.counts.lags) == 10)

    assert Counter(on.counts.attempts) == {"delivered": 10}


@pytest.mark.parametrize(
    "trouble",
    [
        answer("500 Oops"),
        answer("429 Slow Down"),
        answer("429 Slow Down", Retry_After="0"),
        answer("429 Slow Down", Retry_After="Thu, 01 Jan 1970 00:00:00 GMT"),
        answer("429 Slow Down", Retry_After="soon"),
        GARBAGE,
        NOTHING,
        BAD_CHUNKS,
        RESET,
    ],
    ids=["500", "429", "429 now", "429 past date", "429 no time", "garbage", "nothing", "bad chunks", "reset"],
)
async def test_what_was_not_accepted_comes_again_until_it_is(trouble: bytes, tmp_path: Path) -> None:
    async with Sink().running() as troubled, Sink().running() as healthy:
        troubled.behave = first_times(2, trouble)
        async with delivering(tmp_path, troubled, healthy) as on:
            for number in range(5):
                await on.append(number)
            await until(lambda: len(on.counts.lags) == 10)
        reopened = await SqliteOutbox.open(tmp_path / "outbox.db", "replica-1")
        rows = await reopened.deliveries(DeliverySelection(), 100)
        await reopened.close()

    assert Counter(on.counts.attempts) == {"try_again": 10, "delivered": 10}
    assert set(Counter(receipt.body for receipt in troubled.got).values()) == {3}
    assert set(Counter(receipt.body for receipt in healthy.got).values()) == {1}
    assert {(row.destination, row.state, row.attempts) for row in rows} == {
        ("troubled", DeliveryState.DELIVERED, 3),
        ("healthy", DeliveryState.DELIVERED, 1),
    }


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_receiver_that_asks_for_an_hour_gets_it(form: str, tmp_path: Path) -> None:
    """RFC 9110, clause 10.2.3, knows both forms. It holds for all that goes there, whatever the clock does."""
    asked = "3600" if form == "seconds" else formatdate(time.time() + HOUR, usegmt=True)
    async with Sink().running() as troubled, Sink().running() as healthy:
        troubled.behave = lambda _: answer("429 Slow Down", Retry_After=asked) if len(troubled.got) == 1 else OK
        async with delivering(tmp_path, troubled, healthy) as on:
            await on.append(0)
            await until(lambda: len(on.counts.lags) == 1 and len(on.counts.attempts) == 2)
            began = on.clock()
            on.clock.moved = 25 * HOUR
            await on.append(1)
            await until(lambda: len(on.counts.lags) == 2)
            waiting = (await on.rows())["event-0"]
            held = len(troubled.got)
            operator = await beside(tmp_path / "outbox.db")
            await operator.replay(DeliverySelection(destination="troubled"))
            await operator.close()
            await until(lambda: len(on.counts.lags) == 4)

    assert waiting.state is DeliveryState.PENDING
    assert waiting.due_at is not None
    assert abs(waiting.due_at - began - HOUR) < 30
    assert held == 1
    assert Counter(b"event-0" in receipt.body for receipt in troubled.got) == {True: 2, False: 1}


async def test_what_is_refused_for_good_is_set_aside_and_arrives_when_it_is_replayed(tmp_path: Path) -> None:
    async with (
        Sink(says=answer("400 Bad Request")).running() as troubled,
        Sink().running() as healthy,
        delivering(tmp_path, troubled, healthy) as on,
    ):
        await on.append(0)
        async with asyncio.timeout(PATIENCE):
            while (await on.rows())["event-0"].state is not DeliveryState.SET_ASIDE:  # noqa: ASYNC110 - it tells nobody  # noqa: ASYNC110 - another process tells nobody
                await asyncio.sleep(0.005)
        reason = (await on.rows())["event-0"].reason
        troubled.says = OK
        operator = await beside(tmp_path / "outbox.db")
        await operator.replay(DeliverySelection(destination="troubled"))
        await operator.close()
        await until(lambda: len(on.counts.lags) == 2)

    assert reason == "http_400"
    assert [receipt.body for receipt in troubled.got] == [troubled.got[0].body] * 2
    assert len(healthy.got) == 1


async def test_refused_credentials_pause_the_destination_and_lose_nothing(tmp_path: Path) -> None:
    async with Sink(says=answer("401 Who Are You")).running() as troubled, Sink().running() as healthy:
        async with delivering(tmp_path, troubled, healthy) as on:
            for number in range(3):
                await on.append(number)
            await until(lambda: True in on.counts.refusals)
            for number in range(3, 20):
                await on.append(number)
            await until(lambda: len(on.counts.lags) == 20)
        reopened = await SqliteOutbox.open(tmp_path / "outbox.db", "replica-1")
        waiting = await reopened.waiting()
        await reopened.close()

    assert 3 <= len(troubled.got) < 20, "three events, some again, and probes"
    assert waiting["troubled"].pending == 20
    assert len(healthy.got) == 20
