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
from tests.server.stage import Client, trusting

PATIENCE = 30.0


@dataclass
class Served:
    """`gatecrier serve`, running."""

    process: asyncio.subprocess.Process
    place: Place
    lines: list[dict[str, Any]] = field(default_factory=list)
    """What it has logged, as far as it was read."""

    async def told(self, event: str, **values: object) -> dict[str, Any]:
        """The next line of the log about this, with these values."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            async for line in self.process.stderr:
                self.lines.append(found := json.loads(line))
                if found["event"] == event and values.items() <= found.items():
                    return dict(found)
        raise AssertionError(f"it ended without {event}")

    async def until(self, holds: Callable[[], bool]) -> None:
        """Read the log until this holds of what was read."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self.lines.append(json.loads(await self.process.stderr.readline()))

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
    try:
        await running.told("router_started")
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # else its pipes are closed by the collector
