"""A gate behind HTTP, and how it is asked."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp.test_utils import RawTestServer, TestClient

from router.admission.gate import Gate
from router.admission.settings import WebhookSettings
from router.admission.unreadable import UnreadableBodies
from router.admission.webhook import Webhook
from router.verdict import Mode
from tests.admission.world import UNSIGNED, MemoryVerifier, World

WEB = "r.example/shop/web:1"
ASKED = [
    ("/validate", "strict", Mode.ENFORCE),
    ("/validate", "lowered", Mode.ENFORCE),
    ("/validate", "elsewhere", Mode.DETECT),
    ("/validate", "kube-system", Mode.DETECT),
    ("/validate/enforce", "elsewhere", Mode.ENFORCE),
    ("/validate/enforce", "lowered", Mode.ENFORCE),
    ("/validate/enforce", "kube-system", Mode.DETECT),
    ("/validate/enforce", "", Mode.DETECT),
    ("/validate/detect", "elsewhere", Mode.DETECT),
    ("/validate/detect", "lowered", Mode.DETECT),
    ("/validate/detect", "strict", Mode.ENFORCE),
    ("/validate/detect", "kube-system", Mode.DETECT),
]
"""Paths, namespaces, and the mode that holds then."""


@dataclass
class Endpoint:
    """A gate behind HTTP."""

    world: World = field(default_factory=lambda: World(MemoryVerifier({"shop/web": UNSIGNED})))
    client: TestClient[aiohttp.web.BaseRequest, None] = field(init=False)
    gate: Gate = field(init=False)
    webhook: Webhook = field(init=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Endpoint]:
        """Listening."""
        settings = WebhookSettings.model_validate({"listen": "127.0.0.1:8443", "tls": "self-signed"})
        self.gate = self.world.gate()
        unreadable = UnreadableBodies(self.gate.unreadable)
        self.webhook = Webhook(self.gate, settings.max_body, self.world.facts, unreadable)
        server = RawTestServer(self.webhook.answer)
        await server.start_server(auto_decompress=False)  # as the router's own listener
        async with TestClient(server) as self.client:
            yield self
            await unreadable.close()

    async def post(self, body: bytes, path: str = "/validate", **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
        """Status, body and headers of the answer."""
        sent = {"Content-Type": "application/json"} | {key.replace("_", "-"): value for key, value in headers.items()}
        async with self.client.post(path, data=io.BytesIO(body), headers=sent) as reply:
            return reply.status, await reply.read(), reply.headers

    async def ask(self, review: Mapping[str, object] | bytes, path: str = "/validate") -> dict[str, object]:
        """The response of a review."""
        status, body, _ = await self.post(review if isinstance(review, bytes) else json.dumps(review).encode(), path)
        assert status == 200, body
        response: dict[str, object] = json.loads(body)["response"]
        return response
