"""The program as it is started, with all its processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.assembly.small import Place
from tests.patience import PATIENCE
from tests.server.stage import Client, trusting


@dataclass
class Served:
    """`gatecrier serve`, running. Its log is read all the time: a pipe that nobody reads holds up its end, too."""

    process: asyncio.subprocess.Process
    place: Place
    lines: list[dict[str, Any]] = field(default_factory=list)
    """What it has logged."""
    seen: int = 0
    """How many of the lines have been looked at."""
    has_more: asyncio.Event = field(default_factory=asyncio.Event)
    has_ended: bool = False

    async def read(self) -> None:
        """Read the log to its end."""
        assert self.process.stderr is not None
        try:
            async for line in self.process.stderr:
                self.lines.append(json.loads(line))
                self.has_more.set()
        finally:
            self.has_ended = True
            self.has_more.set()

    async def told(self, event: str, **values: object) -> dict[str, Any]:
        """The next line of the log about this, with these values."""
        found: list[dict[str, Any]] = []

        def has_come() -> bool:
            while self.seen < len(self.lines) and not found:
                line = self.lines[self.seen]
                self.seen += 1
                if line["event"] == event and values.items() <= line.items():
                    found.append(line)
            return bool(found)

        await self.until(has_come)
        return found[0]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until this holds of what was logged."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                if self.has_ended:
                    raise AssertionError("its log has ended")
                self.has_more.clear()
                await self.has_more.wait()

    def member(self, role: str) -> int:
        """The process that is ready in this role now, as far as the log was read."""
        ready = [line for line in self.lines if line["event"] == "process_ready" and line["role"] == role]
        process: int = ready[-1]["process"]
        return process

    async def connect(self) -> Client:
        """Somebody comes to the webhook."""
        return Client(*await asyncio.open_connection("127.0.0.1", self.place.webhook, ssl=trusting()))


@contextlib.asynccontextmanager
async def served(place: Place, module: str = "router", **environment: str) -> AsyncIterator[Served]:
    """The program, started; killed where it has not ended."""
    command = [sys.executable, "-m", module, "serve", "--config", str(place.config), "--log", "json"]
    process = await asyncio.create_subprocess_exec(
        *command, stderr=asyncio.subprocess.PIPE, env=os.environ | environment
    )
    running = Served(process, place)
    reading = asyncio.create_task(running.read())
    try:
        await running.told("router_started")
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await reading
        await process.wait()
