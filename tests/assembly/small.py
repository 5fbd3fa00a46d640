"""A small configuration, a running router, and somebody who asks it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from router.assembly import Router
from router.cli.demo.world import free_port
from router.pem import KeyPair
from tests.admission.world import pod
from tests.patience import PATIENCE


def tls_files(folder: Path, pair: KeyPair) -> dict[str, str]:
    """`webhook.tls` by files in this folder, which hold the pair."""
    (folder / "tls.crt").write_bytes(pair.certificate)
    (folder / "tls.key").write_bytes(pair.key)
    return {"certificate": "tls.crt", "key": "tls.key"}


class Place:
    """A folder with a configuration, and the addresses in it."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.webhook, self.operations = free_port(), free_port()
        self.settings: dict[str, object] = {
            "cluster": "test",
            "webhook": {"listen": f"127.0.0.1:{self.webhook}", "tls": "self-signed", "linger": "100ms"},
            "operations": {"listen": f"127.0.0.1:{self.operations}"},
            "outbox": {"url": "sqlite:///outbox.db"},
            "policy": [{"pattern": "r.example/free/*", "verifier": "allow"}, {"pattern": "**", "verifier": "deny"}],
            "destinations": [{"name": "archive", "kind": "file", "path": "events.jsonl"}],
            "routes": {"destinations": ["archive"]},
        } | settings
        self.write()

    @property
    def config(self) -> Path:
        """The file."""
        return self.folder / "gatecrier.yaml"

    def write(self, **changes: object) -> None:
        """Write the configuration, with changes."""
        self.settings |= changes
        self.config.write_text(json.dumps(self.settings))

    @property
    def events(self) -> list[dict[str, object]]:
        """What the archive got."""
        path = self.folder / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Router]:
        """The router, started; drained at the end."""
        router = Router(self.config, {"HOSTNAME": "gatecrier-0"})
        try:
            await router.start()
            yield router
        finally:
            await router.stop()

    async def ask(self, *images: str, namespace: str = "strict", path: str = "validate") -> dict[str, object]:
        """The response to a Pod with these images."""
        status, body = await self.post(json.dumps(pod(*images, namespace=namespace)).encode(), path=path)
        if status != 200:
            raise AssertionError(f"HTTP {status}: {body!r}")
        response: dict[str, object] = json.loads(body)["response"]
        return response

    async def post(
        self, body: bytes, *, path: str = "validate", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of the answer to any body."""
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        sent = {"Content-Type": "application/json"} | dict(headers or {})
        url = f"https://127.0.0.1:{self.webhook}/{path}?timeout=10s"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers=sent, ssl=trusting) as reply,
        ):
            return reply.status, await reply.read()

    async def probe(self, path: str) -> tuple[int, str]:
        """Status and text of a probe or of the metrics."""
        url = f"http://127.0.0.1:{self.operations}/{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as reply:
            return reply.status, await reply.text()

    async def until_archived(self, count: int) -> list[dict[str, object]]:
        """The archive's events, once there are so many."""
        async with asyncio.timeout(PATIENCE):
            while len(self.events) < count:  # noqa: ASYNC110 - a file tells nobody that it has grown
                await asyncio.sleep(0.005)
        return self.events
