"""`gatecrier serve` as its users run it, and raw exchanges with it over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from router.cli.demo.world import free_port
from tests.patience import PATIENCE


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@dataclass
class Served:
    """A product in a folder of its own."""

    folder: Path
    settings: dict[str, object]
    webhook: int = field(default_factory=free_port)
    operations: int = field(default_factory=free_port)
    tls: ssl.SSLContext = field(default_factory=_trusting)
    source: str = "127.0.0.1"
    """Where connections come from: the hostile are not where the API server is, and each address has a share."""
    highest_mib: float = 0.0
    """Of memory: what its processes hold, what they share counted once."""
    exit_code: int | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Served]:
        """Ready; ended by SIGTERM."""
        config = self.folder / "gatecrier.yaml"
        config.write_text(
            json.dumps(
                {
                    "webhook": {"listen": f"127.0.0.1:{self.webhook}", "tls": "self-signed", "linger": "100ms"},
                    "operations": {"listen": f"127.0.0.1:{self.operations}"},
                    "outbox": {"url": "sqlite:///outbox.db"},
                    "destinations": [{"name": "archive", "kind": "file", "path": "events.jsonl"}],
                    "routes": {"destinations": ["archive"]},
                }
                | self.settings
            )
        )
        with (self.folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(  # noqa: ASYNC220 - started once, before anything else runs
                [sys.executable, "-m", "router", "serve", "--config", str(config)], stdout=log, stderr=log
            )
        watching = asyncio.create_task(self._watch(process.pid))
        try:
            await self._until_ready(process)
            yield self
        finally:
            watching.cancel()
            process.send_signal(signal.SIGTERM)
            self.exit_code = await asyncio.to_thread(process.wait, 40)

    async def exchange(
        self, body: bytes, head: str = "", patience: str = "10s", path: str = "/validate"
    ) -> tuple[int, bytes]:
        """One POST over a connection of its own: status and body; raises OSError or EOFError where there is none."""
        reader, writer = await self.connection()
        try:
            writer.write(self.request(len(body), head, patience, path) + body)
            await writer.drain()
            answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = answer.lower().split("\r\n")
            length = next((int(line.split(":")[1]) for line in lines if line.startswith("content-length")), 0)
            return int(answer.split()[1]), await reader.readexactly(length)
        finally:
            writer.transport.abort()

    async def connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection after its handshake."""
        return await asyncio.open_connection("127.0.0.1", self.webhook, ssl=self.tls, local_addr=(self.source, 0))

    @staticmethod
    def request(length: int, head: str = "", patience: str = "10s", path: str = "/validate") -> bytes:
        """A request's head."""
        return (
            f"POST {path}?timeout={patience} HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\n"
            f"{head}Content-Length: {length}\r\n\r\n"
        ).encode()

    @property
    def events(self) -> list[dict[str, dict[str, dict[str, object]]]]:
        """What arrived."""
        path = self.folder / "events.jsonl"
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []

    async def _until_ready(self, process: subprocess.Popen[bytes]) -> None:
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
            while process.poll() is None:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"http://127.0.0.1:{self.operations}/readyz") as reply:
                        if reply.status == 200:
                            return
                await asyncio.sleep(0.05)
        raise RuntimeError((self.folder / "log.txt").read_text())

    async def _watch(self, pid: int) -> None:
        while True:
            self.highest_mib = max(self.highest_mib, _resident_mib(pid))
            await asyncio.sleep(0.1)


def _resident_mib(pid: int) -> float:
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return 0.0


SECONDS = float(os.environ.get("GATECRIER_SIEGE_SECONDS", "8"))
"""How long a siege lasts."""
