"""Whether a backlog drains as fast as nothing waited behind it, and whether what is urgent overtakes it.

`WAITING` events of severity `info` wait for one HTTP receiver. They are delivered unbatched, beside the same delivery
of a few thousand; every second meanwhile a rejection is stored, and the slowest of them to arrive counts.

    python -m tests.bench.draining
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from router.delivery import Channel, Dispatcher
from router.destinations.catalogue import open_destination
from router.destinations.egress import EgressSettings
from router.destinations.kinds.webhook import WebhookKindSettings
from router.outbox import NewEvent
from router.outbox.sqlite import SqliteOutbox
from router.verdict import Severity
from tests.bench.delivery import CONCURRENCY, encoded_events, ours, receiver, rendering
from tests.bench.table import Row, as_text
from tests.delivery.stage import Counts

WAITING, FEW, ROUNDS = 100_000, 6000, 3
AGO = 3600.0
"""Seconds since the backlog was stored: what has come within less is a rejection."""


class _Arrivals(Counts):
    """Knows when so many have arrived, and how long those took that were stored meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived, self.fresh, self.all_arrived = 0, list[float](), asyncio.Event()

    def delivered(self, destination: str, lag: float) -> None:  # noqa: ARG002 - there is one
        self.arrived += 1
        if lag < AGO / 2:
            self.fresh.append(lag)
        if self.arrived - len(self.fresh) >= WAITING:
            self.all_arrived.set()


async def _drained(url: str, bodies: Sequence[bytes]) -> tuple[float, float]:
    """(events per second, seconds that the slowest rejection took)."""
    with tempfile.TemporaryDirectory() as folder:
        outbox = await SqliteOutbox.open(Path(folder) / "outbox.db", "replica-1")
        at = time.time() - AGO
        for start in range(0, WAITING, 5000):
            some = enumerate(bodies[start : start + 5000], start)
            await asyncio.gather(*(outbox.append(NewEvent(f"event-{n}", body, at, ["sink"])) for n, body in some))
        settings = WebhookKindSettings(name="sink", kind="webhook", url=url, plain_http=True, concurrency=CONCURRENCY)
        egress = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
        arrivals = _Arrivals()
        dispatcher = Dispatcher(outbox.queue("owner-1"), arrivals)
        began = time.perf_counter()
        await dispatcher.replace({"sink": Channel(open_destination(settings, egress), rendering())})
        stored = 0
        while not arrivals.all_arrived.is_set():
            await outbox.append(NewEvent(f"fresh-{stored}", bodies[0], time.time(), ["sink"], severity=Severity.HIGH))
            stored += 1
            await asyncio.wait([asyncio.ensure_future(arrivals.all_arrived.wait())], timeout=1.0)
        seconds = time.perf_counter() - began
        await dispatcher.stop(10.0)
        await outbox.close()
    if len(arrivals.fresh) < stored - 1:  # the last may have come at the very end
        raise RuntimeError(f"of {stored} rejections {len(arrivals.fresh)} arrived before the backlog did")
    return WAITING / seconds, max(arrivals.fresh)


async def _measured(url: str) -> Sequence[Row]:
    bodies = encoded_events(WAITING)
    few, rates, slowest = list[float](), list[float](), list[float]()
    for _ in range(ROUNDS):
        few.append(await ours(url, bodies[:FEW], 1))
        rate, took = await _drained(url, bodies)
        rates.append(rate)
        slowest.append(took)
    ratio = statistics.median(mine / theirs for mine, theirs in zip(rates, few, strict=True))
    mine, theirs = statistics.median(rates), statistics.median(few)
    return [
        Row(f"{WAITING:,} waiting events drained", f"{mine:,.0f}/s", f"{theirs:,.0f}/s", f"{ratio:.0%}", ">= 80%"),
        Row("a rejection that is stored meanwhile arrives", f"{max(slowest):.2f} s", "", "", "<= 2 s"),
    ]  # fmt: skip


def run() -> Sequence[Row]:
    """Both figures."""
    with receiver() as url:
        return uvloop.run(_measured(url))


if __name__ == "__main__":
    print(as_text(run()))
