"""The router is killed between any two awaits of delivery, hundreds of times: no event is lost."""

from __future__ import annotations

import asyncio
import collections
import sys
from pathlib import Path

from tests.journeys.killed_router import CONCURRENCY, KILLS
from tests.simulators.sinks import Sink


async def test_no_event_is_lost_and_only_cut_attempts_are_repeated(tmp_path: Path) -> None:
    """As many kills on every Python, however many steps it makes of a delivery."""
    async with Sink().running() as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.journeys.killed_router", str(tmp_path), sink.url(), "7",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(300):
            out, _ = await process.communicate()
    *logged, counts = out.decode().splitlines()
    killed, stored = map(int, counts.split())
    received = collections.Counter(receipt.body.split(b'"')[3] for receipt in sink.got)

    assert process.returncode == 0, logged
    assert killed == KILLS
    assert set(received) == {b"%d" % number for number in range(stored)}
    assert received.total() - stored <= killed * CONCURRENCY
