"""Whether whoever deploys feels a backlog: the gate at a steady rate, idle and while a full outbox is delivered.

The outbox holds `WAITING` events for each of three receivers when the router starts; two of them answer, one is down.
Requests are sent `RATE` times a second, whether or not earlier ones were answered. Idle and busy rounds are
interleaved; the median of the ratios of their p99 counts, for machines are noisy. A backlog that is delivered before
the end of its round is an error.

    python -m tests.bench.backlog
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import ssl
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp
import uvloop

from router.cli.demo.world import free_port
from router.outbox import NewEvent
from router.outbox.sqlite import SqliteOutbox
from tests.bench.delivery import encoded_events, receiver
from tests.bench.gate import review
from tests.bench.product import Served, served
from tests.bench.table import Row, as_text

WAITING = 100_000
RATE, WARMING, SECONDS, ROUNDS = 200, 1.0, 5.0, 5
RECEIVERS = ("one", "two", "down")
HEADERS = {"Content-Type": "application/json"}


def run() -> Sequence[Row]:
    """One row: p99 while a backlog is delivered, beside p99 where nothing waits."""
    with tempfile.TemporaryDirectory(prefix="gatecrier-bench-") as name, receiver() as one, receiver() as two:
        full = Path(name) / "full.db"
        uvloop.run(_filled(full))
        urls = (one, two, f"http://127.0.0.1:{free_port()}/")
        idle: list[float] = []
        busy: list[float] = []
        for number in range(ROUNDS):
            for outbox, tails in ((None, idle), (full, busy)):
                folder = Path(name) / f"{number}-{outbox is None}"
                folder.mkdir()
                tails.append(_tail(folder, urls, outbox))
                shutil.rmtree(folder)
    ratio = statistics.median(b / i for b, i in zip(busy, idle, strict=True))
    ours, bare = statistics.median(busy), statistics.median(idle)
    what = f"gate p99 at {RATE} requests/s while {WAITING:,} events are delivered to two receivers, a third is down"
    return [Row(what, f"{ours:.1f} ms", f"{bare:.1f} ms (idle)", f"{ratio:.1f}x", "<= 2x")]


async def _filled(path: Path) -> None:
    outbox = await SqliteOutbox.open(path, "replica-1")
    now = time.time()
    bodies = enumerate(encoded_events(WAITING))
    left = iter([NewEvent(f"event-{number}", body, now, RECEIVERS) for number, body in bodies])

    async def appender() -> None:
        for event in left:
            await outbox.append(event)

    await asyncio.gather(*(appender() for _ in range(512)))
    await outbox.close()


def _tail(folder: Path, urls: Sequence[str], outbox: Path | None) -> float:
    """The 99th percentile of a round, in milliseconds."""
    if outbox is not None:
        _copied(outbox, folder / "outbox.db")
    with served(folder, _settings(urls)) as place:
        return uvloop.run(_asked(place, is_busy=outbox is not None))


def _copied(path: Path, place: Path) -> None:
    """A copy that is on the disk, as the file of a router is: else its first flush is one of the whole copy."""
    shutil.copy(path, place)
    descriptor = os.open(place, os.O_RDWR)
    os.fsync(descriptor)
    os.close(descriptor)


def _settings(urls: Sequence[str]) -> Mapping[str, object]:
    return {
        "policy": [{"pattern": "**", "verifier": "allow"}],
        "destinations": [
            {"name": name, "kind": "webhook", "url": url, "plain_http": True}
            for name, url in zip(RECEIVERS, urls, strict=True)
        ],
        "routes": {"destinations": list(RECEIVERS)},
    }


async def _asked(place: Served, *, is_busy: bool) -> float:
    trusting = ssl._create_unverified_context()  # noqa: S323 - our own certificate, on loopback
    took: list[float] = []

    async def one(body: bytes) -> None:
        began = time.perf_counter()
        async with session.post(place.url, data=body, headers=HEADERS, ssl=trusting) as reply:
            if not (await reply.json(content_type=None))["response"]["allowed"]:
                raise RuntimeError("it was refused")
        took.append(time.perf_counter() - began)

    async def steadily(seconds: float) -> None:
        asked = [json.dumps(review(["r.example/shop/web:1"], "shop")).encode() for _ in range(int(RATE * seconds))]
        begin = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number, body in enumerate(asked):
                await asyncio.sleep(max(0.0, begin + number / RATE - time.perf_counter()))
                tasks.create_task(one(body))

    async with aiohttp.ClientSession() as session:
        await steadily(WARMING)  # connections are made, and code is warm
        took.clear()
        await steadily(SECONDS)
        if is_busy:
            await _expect_backlog(session, place.operations)
    return sorted(took)[int(len(took) * 0.99)] * 1000


async def _expect_backlog(session: aiohttp.ClientSession, operations: int) -> None:
    async with session.get(f"http://127.0.0.1:{operations}/metrics") as reply:
        exposed = await reply.text()
    waiting = re.findall(r'^gatecrier_undelivered_deliveries\{destination="(.+)"\} (\S+)', exposed, re.MULTILINE)
    if {name for name, count in waiting if float(count)} != set(RECEIVERS):
        raise RuntimeError(f"the backlog was delivered too soon: {waiting}")


if __name__ == "__main__":
    print(as_text(run()))
