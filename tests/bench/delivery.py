"""What delivery costs beside a bare aiohttp client loop: claim, render, settle and all the bookkeeping.

Unbatched: every stored event goes to one HTTP receiver by a request of its own; the bare loop posts the same bodies to
the same receiver with as many connections. Batched: one request carries up to `BATCH` events. The receiver is a process
of its own. Runs are interleaved; the median of the ratios is what counts, for machines are noisy. Python looks for
garbage as in a router that has started: what is there before a run is not looked through during it.

    python -m tests.bench.delivery [--events 6000] [--rounds 5] [--profile]
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import multiprocessing
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple, cast

import aiohttp
import uvloop

from router.assembly.opening import COLLECTING
from router.delivery import Channel, Dispatcher
from router.delivery.channel import Render
from router.destinations.catalogue import open_destination
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.destinations.kinds.webhook import WebhookKindSettings
from router.events import encode
from router.outbox import DeliverySelection, DeliveryState, NewEvent
from router.outbox.sqlite import SqliteOutbox
from router.rendering.library import Templates
from router.rendering.renderer import Renderer
from tests.delivery.stage import Counts
from tests.routing.event import event

CONCURRENCY = 16
BATCH = 100
HEADERS = {"Content-Type": "application/cloudevents+json"}


class Row(NamedTuple):
    """One line of the table of figures."""

    name: str
    ours: float
    """Events per second."""
    bare: float
    """Events per second of the bare counterpart."""
    ratio: float
    """Median of the runs."""
    target: float


class _Counting(Counts):
    """Knows when everything has arrived."""

    def __init__(self, expected: int) -> None:
        super().__init__()
        self.expected, self.all_delivered = expected, asyncio.Event()

    def delivered(self, destination: str, lag: float) -> None:
        super().delivered(destination, lag)
        if len(self.lags) >= self.expected:
            self.all_delivered.set()


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class _Sink(asyncio.Protocol):
    """Answers the same to whatever has a Content-Length: the least that a receiver can cost."""

    def __init__(self, says: bytes) -> None:
        self.says = says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.buffer = cast("asyncio.Transport", transport), b""  # uvloop's own is no subclass of it

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            self.transport.write(self.says)


def _serve(tell: Connection, says: bytes) -> None:
    async def serving() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _Sink(says), "127.0.0.1", 0, backlog=512)
        tell.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serving())


@contextmanager
def receiver(says: bytes = OK) -> Iterator[str]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, says), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/events"
    finally:
        process.terminate()
        process.join()


def encoded_events(count: int) -> list[bytes]:
    data = event()
    return [
        encode(
            {
                "specversion": "1.0",
                "type": "dev.gatecrier.admission.decision.v1",
                "id": f"event-{number}",
                "source": "/clusters/production-eu",
                "subject": "payments/Deployment/web",
                "time": "2026-11-23T10:15:30.123Z",
                "datacontenttype": "application/json",
                "data": data,
            }
        )
        for number in range(count)
    ]


async def bare(url: str, bodies: list[bytes]) -> float:
    """Events per second of a loop that posts and reads the reply, and nothing else."""
    left = iter(bodies)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY)) as session:

        async def client() -> None:
            for body in left:
                async with session.post(url, data=body, headers=HEADERS) as reply:
                    await reply.read()
                    assert reply.status == 200

        gc.freeze()
        began = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(CONCURRENCY)))
        return len(bodies) / (time.perf_counter() - began)


def rendering() -> Render:
    """How a channel renders an event for a webhook."""
    renderer = Renderer(Templates(None), kind="webhook", name="sink")

    def rendered(event_id: str, body: bytes, _template: str) -> Document:
        made = renderer.render(body)
        return Document(event_id, made.body, made.content_type, made.value, made.is_fallback)

    return rendered


async def drained(outbox: SqliteOutbox, url: str, count: int, batch: int) -> None:
    """Deliver so many events, until the last settlement is durable."""
    settings = WebhookKindSettings(
        name="sink", kind="webhook", url=url, plain_http=True, concurrency=CONCURRENCY, batch_size=batch
    )
    egress = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
    channel = Channel(open_destination(settings, egress), rendering())
    counts = _Counting(count)
    dispatcher = Dispatcher(outbox.queue("owner-1"), counts)
    await dispatcher.replace({"sink": channel})
    await counts.all_delivered.wait()
    await dispatcher.stop(10.0)


async def ours(url: str, bodies: list[bytes], batch: int, *, profile: bool = False) -> float:
    """Events per second from a full outbox until the last settlement is durable."""
    with tempfile.TemporaryDirectory() as folder:
        outbox = await SqliteOutbox.open(Path(folder) / "outbox.db", "replica-1")
        now = time.time()
        events = [NewEvent(f"event-{number}", body, now, ["sink"]) for number, body in enumerate(bodies)]
        await asyncio.gather(*(outbox.append(event) for event in events))
        gc.freeze()
        profiler = cProfile.Profile()
        if profile:
            profiler.enable()
        began = time.perf_counter()
        await drained(outbox, url, len(bodies), batch)
        seconds = time.perf_counter() - began
        if profile:
            profiler.disable()
            pstats.Stats(profiler).sort_stats("tottime").print_stats(35)
        assert not await outbox.deliveries(DeliverySelection(state=DeliveryState.PENDING), 1)
        await outbox.close()
        return len(bodies) / seconds


async def _measured(url: str, events: int, rounds: int) -> list[Row]:
    gc.set_threshold(*COLLECTING)
    bodies = encoded_events(events)
    await bare(url, bodies[:500])
    figures: dict[int, list[tuple[float, float]]] = {1: [], BATCH: []}
    for _ in range(rounds):
        alone = await bare(url, bodies)
        for batch, found in figures.items():
            found.append((await ours(url, bodies, batch), alone))
    targets = {1: 0.6, BATCH: 2.5}
    return [
        Row(
            "delivery, unbatched" if batch == 1 else f"delivery, {batch} events a request",
            statistics.median(mine for mine, _ in found),
            statistics.median(theirs for _, theirs in found),
            statistics.median(mine / theirs for mine, theirs in found),
            targets[batch],
        )
        for batch, found in figures.items()
    ]


def run(events: int = 6000, rounds: int = 5) -> list[Row]:
    """The figures, as ratios to the bare loop."""
    with receiver() as url:
        return uvloop.run(_measured(url, events, rounds))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    if arguments.profile:
        with receiver() as url:
            rate = uvloop.run(ours(url, encoded_events(arguments.events), 1, profile=True))
        print(f"{rate:.0f} events/s under the profiler")
        return 0
    rows = run(arguments.events, arguments.rounds)
    for row in rows:
        print(f"{row.name:32} {row.ours:8.0f}/s  bare {row.bare:8.0f}/s  ratio {row.ratio:5.2f}  wanted {row.target}")
    return int(any(row.ratio < row.target for row in rows))


if __name__ == "__main__":
    sys.exit(main())
