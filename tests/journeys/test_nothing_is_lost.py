"""The router is killed between any two awaits of delivery, hundreds of times: no event is lost."""

from __future__ import annotations

import asyncio
import collections
import sys
from pathlib import Path

from router.outbox import NewEvent
from router.outbox.sqlite import SqliteOutbox
from tests.journeys.killed_router import CONCURRENCY, KILLS
from tests.simulators.sinks import Sink

EVENTS = 800


async def test_no_event_is_lost_and_only_cut_attempts_are_repeated(tmp_path: Path) -> None:
    outbox = await SqliteOutbox.open(tmp_path / "outbox.db")
    body = b'{"id":"%d","data":{"a":1}}'
    await asyncio.gather(
        *(outbox.append(NewEvent(f"event-{number}", body % number, 1.0, ("sink",))) for number in range(EVENTS))
    )
    await outbox.close()
    async with Sink().running() as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.journeys.killed_router", str(tmp_path), sink.url(), "7",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(120):
            out, _ = await process.communicate()
    killed = int(out)
    received = collections.Counter(receipt.body.split(b'"')[3] for receipt in sink.got)

    assert process.returncode == 0
    assert killed >= min(KILLS, 200)
    assert len(received) == EVENTS
    assert sum(received.values()) - EVENTS <= killed * CONCURRENCY
