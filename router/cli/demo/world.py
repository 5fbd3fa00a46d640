"""The neighbours of the demo, on loopback: a registry, and receivers that play Sysdig, Slack and a SIEM."""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from aiohttp import web

from router.cli.demo.images import Images, digest_of

INDEX = "application/vnd.oci.image.index.v1+json"
FAILURES_FIRST = 2
"""How often the shaky receiver answers 503 before it accepts."""


PORTS = range(10_000, 32_768)
"""Where we listen: below what systems give to connections that go out (Linux: ip_local_port_range)."""
_NEXT = count(os.getpid() * 997)
"""Processes that look at the same time begin far from each other."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A loopback port that nobody has right now, and nobody is given before whoever asks has taken it.

    Raises:
        OSError: All are taken.
    """
    for _ in PORTS:
        port = PORTS[next(_NEXT) % len(PORTS)]
        with socket.socket(socket.AF_INET, kind) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no port of loopback is free")


def registry_application(images: Images) -> web.Application:
    """The reading half of the OCI distribution API, with the referrers API."""

    async def manifest(request: web.Request) -> web.Response:
        repository, name = request.match_info["repository"], request.match_info["name"]
        media_type, body = images.manifests.get((repository, name), ("", b""))
        if not body:
            return web.json_response({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, status=404)
        return web.Response(body=body, headers={"Docker-Content-Digest": digest_of(body), "Content-Type": media_type})

    async def blob(request: web.Request) -> web.Response:
        body = images.blobs.get(request.match_info["name"])
        if body is None:
            return web.json_response({"errors": [{"code": "BLOB_UNKNOWN"}]}, status=404)
        return web.Response(body=body, content_type="application/octet-stream")

    async def referrers(request: web.Request) -> web.Response:
        found = images.referrers(request.match_info["repository"], request.match_info["name"])
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": found}
        return web.Response(body=json.dumps(index).encode(), content_type=INDEX)

    application = web.Application()
    application.router.add_get("/v2/{repository:.+}/manifests/{name}", manifest)
    application.router.add_get("/v2/{repository:.+}/blobs/{name}", blob)
    application.router.add_get("/v2/{repository:.+}/referrers/{name}", referrers)
    return application


@dataclass(frozen=True, slots=True)
class Receipt:
    """One payload that a receiver accepted."""

    receiver: str
    attempt: int
    body: dict[str, object]


@dataclass(slots=True)
class DemoReceivers:
    """Whoever is told. Slack's double fails twice before it accepts its first message."""

    accepted: list[Receipt] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)
    """Attempts per receiver."""
    _tries: Counter[bytes] = field(default_factory=Counter)

    def application(self) -> web.Application:
        """`/sysdig`, `/slack` and `/siem`."""
        application = web.Application(client_max_size=2**24)
        application.router.add_post("/{receiver}", self._take)
        return application

    async def _take(self, request: web.Request) -> web.Response:
        receiver, body = request.match_info["receiver"], await request.read()
        self.attempts[receiver] += 1
        self._tries[receiver.encode() + body] += 1
        if receiver == "slack" and self.attempts[receiver] <= FAILURES_FIRST:
            return web.Response(status=503, text="not now")
        attempt = self._tries[receiver.encode() + body]
        self.accepted.append(Receipt(receiver, attempt, json.loads(body)))
        return web.Response(text="ok")
