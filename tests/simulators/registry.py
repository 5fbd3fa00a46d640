"""A registry in memory: the distribution API with or without the referrers API, with faults on request.

    async with RegistrySimulator().running() as registry:
        registry.load_layout(LAYOUTS / "legacy-release", "shop/web")
        ... registry.host, registry.image("shop/web:v1"), registry.requests ...

Unlike a real registry it checks nothing that is put into it: evidence that no registry would take can be served, too.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import inspect
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from router.fields import ReadingContext
from router.images import Digest, ImageReference, parse_reference
from router.registry import RegistrySettings
from router.settings.snapshot import read_file

DATA = Path(__file__).parent.parent / "data"
LAYOUTS = DATA / "layouts"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_REF_NAME = "org.opencontainers.image.ref.name"

Fault = Callable[[web.Request], "web.StreamResponse | Awaitable[web.StreamResponse | None] | None"]
"""An answer in place of the true one; None lets the true one be given."""


@contextlib.asynccontextmanager
async def listening(app: web.Application, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve on a free port of 127.0.0.1; gives the port."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@dataclass
class TokenService:
    """Gives tokens to whoever asks, or only to those who introduce themselves; counts."""

    users: Mapping[str, str] | None = None
    """User names and passwords; None: anybody."""
    refresh_tokens: frozenset[str] = frozenset()
    expires_in: object = 300
    fault: Fault | None = None
    port: int = 0
    calls: list[Mapping[str, str]] = field(default_factory=list)
    """What each call asked for: query or form."""
    valid: set[str] = field(default_factory=set)
    """Tokens that the registry takes."""

    @property
    def realm(self) -> str:
        """Where the registry sends its callers."""
        return f"http://127.0.0.1:{self.port}/token"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[TokenService]:
        """Listen on a free port of 127.0.0.1."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        async with listening(app) as self.port:
            yield self

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.calls.append(form or dict(request.query))
        if self.fault is not None and (answer := await _faulty(self.fault, request)) is not None:
            return answer
        if not self._knows(request.headers.get("Authorization", ""), form.get("refresh_token")):
            return web.json_response({"details": "incorrect username or password"}, status=401)
        token = f"token-{len(self.calls)}"
        self.valid.add(token)
        return web.json_response({"token": token, "expires_in": self.expires_in})

    def _knows(self, authorization: str, refresh_token: str | None) -> bool:
        if refresh_token is not None:
            return refresh_token in self.refresh_tokens
        return self.users is None or authorization in {_basic(*user) for user in self.users.items()}


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def _faulty(fault: Fault, request: web.Request) -> web.StreamResponse | None:
    answer = fault(request)
    return await answer if inspect.isawaitable(answer) else answer


def registry_settings(folder: Path, **values: object) -> RegistrySettings:
    """Settings of a registry as a configuration in this folder has them: its files are read with it."""
    context = {"reading": ReadingContext(folder, {}, read_file)}
    return RegistrySettings.model_validate(values, context=context)


@dataclass
class RegistrySimulator:
    """The distribution API over memory."""

    referrers_api: bool = True
    tls: ssl.SSLContext | None = None
    users: Mapping[str, str] | None = None
    """Basic authentication by these user names and passwords."""
    token_service: TokenService | None = None
    """Bearer authentication by tokens from there."""
    page_size: int | None = None
    """Entries of one page of referrers; None: all on one."""
    fault: Fault | None = None
    port: int = 0
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    """Media type and body by repository and tag or digest."""
    blobs: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    """`METHOD /path` of every request, in order."""
    authorizations: list[str | None] = field(default_factory=list)

    @property
    def host(self) -> str:
        """The registry as images name it."""
        return f"127.0.0.1:{self.port}"

    @property
    def settings(self) -> RegistrySettings:
        """How the router is told of this registry: plain HTTP."""
        return RegistrySettings(host=self.host, plain_http=True)

    def image(self, text: str) -> ImageReference:
        """A reference into this registry, such as `shop/web:1`."""
        return parse_reference(f"{self.host}/{text}")

    def add_blob(self, body: bytes) -> Digest:
        """Serve these bytes, in every repository."""
        digest = Digest.of(body)
        self.blobs[str(digest)] = body
        return digest

    def add_manifest(
        self, repository: str, body: bytes | Mapping[str, object], media_type: str = MANIFEST, tag: str | None = None
    ) -> Digest:
        """Serve a manifest by its digest, and by `tag` where one is given."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        digest = Digest.of(content)
        self.manifests[repository, str(digest)] = (media_type, content)
        if tag is not None:
            self.manifests[repository, tag] = (media_type, content)
        return digest

    def add_image(self, repository: str, tag: str = "latest", text: str = "an image") -> Digest:
        """A small image whose digest depends on `text`."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "comment": text}).encode()
        described = {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": str(self.add_blob(config)),
            "size": len(config),
        }
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []}
        return self.add_manifest(repository, manifest, tag=tag)

    def load_layout(self, layout: Path, repository: str) -> None:
        """Serve every manifest that the layout's index.json lists, and all its blobs, as `repository`."""
        for entry in json.loads((layout / "index.json").read_bytes())["manifests"]:
            algorithm, value = entry["digest"].split(":", 1)
            served = entry["mediaType"], (layout / "blobs" / algorithm / value).read_bytes()
            self.manifests[repository, entry["digest"]] = served
            if tag := (entry.get("annotations") or {}).get(_REF_NAME):
                self.manifests[repository, tag] = served
        for path in (layout / "blobs").glob("*/*"):
            self.blobs[f"{path.parent.name}:{path.name}"] = path.read_bytes()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[RegistrySimulator]:
        """Listen on a free port of 127.0.0.1."""
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._answer)
        async with listening(app, self.tls) as self.port:
            yield self

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        self.authorizations.append(request.headers.get("Authorization"))
        if self.fault is not None and (answer := await _faulty(self.fault, request)) is not None:
            return answer
        for kind in ("manifests", "blobs", "referrers"):
            repository, found, name = request.path.removeprefix("/v2/").rpartition(f"/{kind}/")
            if not found:
                continue
            if (refusal := self._refusal(repository, request)) is not None:
                return refusal
            if kind == "referrers":
                return self._referrers(repository, name, request)
            return self._content(kind, repository, name, request)
        return web.json_response({}, status=200 if request.path in {"/v2", "/v2/"} else 404)

    def _refusal(self, repository: str, request: web.Request) -> web.Response | None:
        authorization = request.headers.get("Authorization", "")
        if self.token_service is not None:
            challenge = (
                f'Bearer realm="{self.token_service.realm}",service="simulator",scope="repository:{repository}:pull"'
            )
            known = {f"Bearer {token}" for token in self.token_service.valid}
        elif self.users is not None:
            challenge = 'Basic realm="simulator"'
            known = {_basic(*user) for user in self.users.items()}
        else:
            return None
        if authorization in known:
            return None
        body = {"errors": [{"code": "UNAUTHORIZED"}]}
        return web.json_response(body, status=401, headers={"WWW-Authenticate": challenge})

    def _content(self, kind: str, repository: str, name: str, request: web.Request) -> web.StreamResponse:
        if kind == "blobs":
            media_type, body = "application/octet-stream", self.blobs.get(name)
        else:
            media_type, body = self.manifests.get((repository, name), ("", None))
        if body is None:
            code = "MANIFEST_UNKNOWN" if kind == "manifests" else "BLOB_UNKNOWN"
            return web.json_response({"errors": [{"code": code, "message": "unknown"}]}, status=404)
        digest = name if ":" in name else str(Digest.of(body))
        headers = {"Docker-Content-Digest": digest, "Content-Type": media_type}
        if request.method == "HEAD":
            return web.Response(headers=headers | {"Content-Length": str(len(body))})
        return web.Response(body=body, headers=headers)

    def _referrers(self, repository: str, digest: str, request: web.Request) -> web.StreamResponse:
        if not self.referrers_api:
            return web.Response(status=404, text="404 page not found\n")
        listed = self._listed(repository, digest)
        first = int(request.query.get("last", "0"))
        last = len(listed) if self.page_size is None else first + self.page_size
        body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed[first:last]}
        headers = {"Link": f'<{request.path}?last={last}>; rel="next"'} if last < len(listed) else {}
        return web.Response(body=json.dumps(body).encode(), content_type=INDEX, headers=headers)

    def _listed(self, repository: str, digest: str) -> list[dict[str, object]]:
        listed: list[dict[str, object]] = []
        for (where, name), (media_type, body) in self.manifests.items():
            if where != repository or ":" not in name:
                continue
            try:
                manifest = json.loads(body)
                if manifest["subject"]["digest"] != digest:
                    continue
            except (ValueError, KeyError, TypeError):
                continue
            kind = manifest.get("artifactType") or (manifest.get("config") or {}).get("mediaType") or ""
            entry = {"mediaType": media_type, "digest": name, "size": len(body), "artifactType": kind}
            listed.append(entry | {"annotations": manifest.get("annotations") or {}})
        return listed


async def hang(_: web.Request) -> web.StreamResponse | None:
    """Never answer."""
    await asyncio.Event().wait()
    return None


async def endless(request: web.Request, media_type: str = MANIFEST) -> web.StreamResponse:
    """Answer 200 and write until the other side has had enough."""
    response = web.StreamResponse(headers={"Content-Type": media_type})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b"a" * 65536)
    return response


async def trickle(request: web.Request) -> web.StreamResponse:
    """Answer 200, write a little, and never end."""
    response = web.StreamResponse(headers={"Content-Type": MANIFEST, "Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"{")
    await asyncio.Event().wait()
    return response


async def half_a_body(request: web.Request) -> web.StreamResponse:
    """Promise 1000 bytes, write ten, and break off."""
    return await _raw(request, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nContent-Type: text/plain\r\n\r\n0123456789")


async def half_a_head(request: web.Request) -> web.StreamResponse:
    """Break off within the headers."""
    return await _raw(request, b"HTTP/1.1 200 OK\r\nContent-Le")


async def no_http(request: web.Request) -> web.StreamResponse:
    """Answer with what is no HTTP."""
    return await _raw(request, b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


async def nothing(request: web.Request) -> web.StreamResponse:
    """Close the connection without a word."""
    return await _raw(request, b"")


async def _raw(request: web.Request, content: bytes) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.write(content)
    request.transport.close()
    return web.Response()
