"""An API server in memory: objects under their paths, lists in pages, watches with bookmarks, faults on request.

    async with KubernetesSimulator().running() as api:
        api.put("/api/v1/namespaces/shop/pods", {"metadata": {"name": "web"}})
        ... api.access(), api.requests ...

It knows no kinds: whatever is put under a collection's path is there. What it does as the real one is what a client
must cope with: versions, conflicts, 410 for what was forgotten, pages by `continue`, watches that end.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from router.kubernetes.access import Access
from tests.simulators.registry import listening

Json = dict[str, Any]
Fault = Callable[[web.Request], "web.StreamResponse | Awaitable[web.StreamResponse | None] | None"]
"""An answer in place of the true one; None lets the true one be given."""


def status(code: int, message: str = "", headers: Mapping[str, str] | None = None) -> web.Response:
    """The answer that says why not."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "message": message or f"no: {code}",
    }
    return web.json_response(body, status=code, headers=headers)


@dataclass
class KubernetesSimulator:
    """One API server."""

    token: str | None = None
    """The only token that is taken; None: whoever asks is answered."""
    faults: list[Fault] = field(default_factory=list)
    """Asked in order before anything is done."""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Method, path, query."""
    bodies: list[bytes] = field(default_factory=list)
    objects: dict[str, dict[str, Json]] = field(default_factory=dict)
    """By path of the collection, and there by namespace/name."""
    version: int = 100
    forgotten: int = 0
    """Versions before this one are 410 for a watch."""
    port: int = 0
    ended: int = 0
    """How often all watches were ended."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, and another one, with each request."""
    _history: list[tuple[int, str, str, Json]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    is_tls: bool = False

    @contextlib.asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[KubernetesSimulator]:
        """Listen on a free port of 127.0.0.1."""
        app = web.Application(client_max_size=2**25)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.is_tls = tls is not None
        async with listening(app, tls) as self.port:
            yield self

    @property
    def server(self) -> str:
        """Its URL."""
        return f"{'https' if self.is_tls else 'http'}://127.0.0.1:{self.port}"

    def access(self, *, token: Path | None = None, authorities: Path | str | None = None) -> Access:
        """How it is found."""
        return Access(self.server, token=token or self.token, authorities=authorities)

    def kubeconfig(self, authorities: bytes) -> Json:
        """How a program is told of it, `authorities` being PEM."""
        trusted = {"server": self.server, "certificate-authority-data": base64.b64encode(authorities).decode()}
        return {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": trusted}],
            "users": [{"name": "u", "user": {"token": self.token}}],
        }

    # What happens in the cluster

    def put(self, collection: str, one: Json) -> Json:
        """Make an object, or change it; `collection` names its namespace, if it has one."""
        all_of, namespace = _everywhere(collection)
        held = self.objects.setdefault(all_of, {})
        self.version += 1
        metadata = {**one["metadata"], "resourceVersion": str(self.version)}
        if namespace is not None:
            metadata["namespace"] = namespace
        key = f"{namespace}/{metadata['name']}"
        kind = "MODIFIED" if key in held else "ADDED"
        held[key] = {**one, "metadata": metadata}
        self._tell(kind, all_of, held[key])
        return held[key]

    def remove(self, collection: str, name: str) -> None:
        """Delete an object."""
        all_of, namespace = _everywhere(collection)
        gone = self.objects[all_of].pop(f"{namespace}/{name}")
        self.version += 1
        gone["metadata"] = {**gone["metadata"], "resourceVersion": str(self.version)}
        self._tell("DELETED", all_of, gone)

    def bookmark(self) -> None:
        """Tell every watch how far it is."""
        self.version += 1
        self._tell("BOOKMARK", "", {"metadata": {"resourceVersion": str(self.version)}})

    def end_watches(self) -> None:
        """End those that there are, once they have told what there is to tell; the next ones last."""
        self.ended += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def forget(self) -> None:
        """Forget the history until now, as compaction does."""
        self.version += 1
        self.forgotten = self.version

    def _tell(self, kind: str, all_of: str, one: Json) -> None:
        self._history.append((self.version, kind, all_of, one))
        self._changed.set()
        self._changed = asyncio.Event()

    # What it answers

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path, dict(request.query)))
        arrived, self.arrived = self.arrived, asyncio.Event()
        arrived.set()
        body = await request.read()
        self.bodies.append(body)
        for fault in list(self.faults):
            found = fault(request)
            found = await found if isinstance(found, Awaitable) else found
            if found is not None:
                return found
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return status(401, "Unauthorized")
        all_of, namespace = _everywhere(request.path)
        if request.query.get("watch"):
            return await self._watch(request, all_of, namespace)
        if request.method == "POST":
            return self._create(request.path, json.loads(body))
        held = self.objects.get(all_of)
        if request.method == "GET" and (held is not None or not _is_item(request.path)):
            return self._list(request, held or {}, namespace)
        return self._one(request, body)

    def _list(self, request: web.Request, held: dict[str, Json], namespace: str | None) -> web.Response:
        asked = request.query
        offset, version = 0, str(self.version)
        if token := asked.get("continue"):
            begun, version, at = token.split(".")
            offset = int(at)
            if int(version) < self.forgotten or begun != "c":
                return status(410, "The provided continue parameter is too old")
        found = [held[key] for key in sorted(held) if namespace is None or key.startswith(f"{namespace}/")]
        limit = int(asked.get("limit", "0")) or len(found)
        metadata = {"resourceVersion": version}
        if offset + limit < len(found):
            metadata["continue"] = f"c.{version}.{offset + limit}"
        return web.json_response(
            {"kind": "List", "metadata": metadata, "items": found[offset : offset + limit] or None}
        )

    def _create(self, path: str, one: Json) -> web.Response:
        all_of, namespace = _everywhere(path)
        if f"{namespace}/{one['metadata']['name']}" in self.objects.get(all_of, {}):
            return status(409, "already exists")
        return web.json_response(self.put(path, one), status=201)

    def _one(self, request: web.Request, body: bytes) -> web.Response:
        collection, _, name = request.path.rpartition("/")
        all_of, namespace = _everywhere(collection)
        one = self.objects.get(all_of, {}).get(f"{namespace}/{name}")
        if one is None:
            return status(404, f"{name} not found")
        if request.method == "GET":
            return web.json_response(one)
        given = json.loads(body)
        if isinstance(given, dict) and request.method in ("PUT", "PATCH"):
            wanted = given.get("metadata", {}).get("resourceVersion")
            if wanted not in (None, "", one["metadata"]["resourceVersion"]):
                return status(409, "the object has been modified")
            return web.json_response(self.put(collection, given if request.method == "PUT" else merged(one, given)))
        return status(415)

    async def _watch(self, request: web.Request, all_of: str, namespace: str | None) -> web.StreamResponse:
        seen = int(request.query["resourceVersion"])
        reply = web.StreamResponse(headers={"Content-Type": "application/json"})
        await reply.prepare(request)
        if seen < self.forgotten:
            gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            await reply.write(json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
            return reply
        ended = self.ended
        while True:
            changed = self._changed
            for version, kind, where, one in list(self._history):
                if version > seen and (kind == "BOOKMARK" or where == all_of):
                    seen = version
                    if kind == "BOOKMARK" or namespace in (None, one["metadata"].get("namespace")):
                        await reply.write(json.dumps({"type": kind, "object": one}).encode() + b"\n")
            if self.ended != ended:
                return reply
            await changed.wait()


def _everywhere(path: str) -> tuple[str, str | None]:
    """The path of a collection without its namespace, and the namespace."""
    parts = path.split("/")
    at = 3 if parts[1] == "api" else 4
    if len(parts) > at + 2 and parts[at] == "namespaces":
        return "/".join((*parts[:at], *parts[at + 2 :])), parts[at + 1]
    return path, None


def _is_item(path: str) -> bool:
    all_of, _ = _everywhere(path)
    parts = all_of.split("/")
    return len(parts) > (4 if parts[1] == "api" else 5)


def merged(one: Json, patch: Json) -> Json:
    """RFC 7386."""
    found = dict(one)
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, dict):
            before = found.get(key)
            found[key] = merged(before if isinstance(before, dict) else {}, value)
        else:
            found[key] = value
    return found
