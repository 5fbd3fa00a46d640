"""Sends one question to the API server, as whoever we are at the moment, and gives the head of its answer.

Rules:
(1) A token is read anew in time, and at once after a 401: then the question is sent once more, for 401 means that
    nothing was done. A second 401 is an error.
(2) Where nobody can be trusted by the CA that is known, the file that it came from is read; where that holds another,
    the question is sent once more: nothing was sent before.
(3) Every address is judged as for registries: the API server's private one may be connected to, those of metadata may
    not. No proxy, no redirect, no cookie, nothing unpacked (`router.outbound.sessions`).
(4) Neither token nor key stands in an error or a log.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from yarl import URL

from router.errors import ClusterError, ConfigurationError, ForbiddenAddressError
from router.kubernetes.access import TOKEN_AGE, Access, read_bounded, read_token
from router.kubernetes.answers import failure
from router.outbound.addresses import AddressGuard
from router.outbound.authorities import client_context
from router.outbound.closing import Closing
from router.outbound.resolving import GuardedResolver
from router.outbound.retry_after import seconds_asked
from router.outbound.sessions import open_session
from router.tls import show

CONNECTIONS = 16
"""Open at once, watches among them."""
CONNECTING = 10.0
"""Seconds that a connection may take to be there."""
STATUS_LIMIT = 64 * 1024
"""Bytes of an answer that says why not."""
_KEEP_ALIVE = 30.0
_CHUNK = 64 * 1024
_UNAUTHORISED = 401
_FIRST_FAILURE = 300


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """What is sent."""

    method: str
    path: str
    what: str
    """How errors call it."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"


class ApiServerConnections(Closing):
    """Connections to one API server, an asynchronous context.

    Args:
        access: Where it is, and who we are.
        clock: Seconds since 1970, for dates in `Retry-After`.
    """

    def __init__(self, access: Access, clock: Callable[[], float] = time.time) -> None:
        self._access = access
        self._clock = clock
        self._guard = AddressGuard()
        self._resolver = GuardedResolver(self._guard)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECTING)
        self._session = open_session(self._resolver, timeout, connections=CONNECTIONS, keep_alive=_KEEP_ALIVE)
        self._tls: ssl.SSLContext | None = None
        self._authorities: str | None = None
        self._token: str | None = None
        self._token_read_at = 0.0

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        await self._resolver.close()

    @contextlib.asynccontextmanager
    async def asked(self, question: ApiRequest) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, its body not yet read, where it is a success; how long that may take is the caller's to bound.

        Raises:
            ClusterError: It is none, or does not come.
        """
        async with contextlib.AsyncExitStack() as opened:
            reply = await self._answered(question, opened)
            yield reply

    async def _answered(self, question: ApiRequest, opened: contextlib.AsyncExitStack) -> aiohttp.ClientResponse:
        tls = await self._context()
        try:
            reply = await self._sent(question, tls, opened)
        except ClusterError as error:
            if not isinstance(error.__cause__, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
                raise
            if not await self._has_other_authorities():
                raise
            tls = await self._context()
            reply = await self._sent(question, tls, opened)
        if reply.status == _UNAUTHORISED and isinstance(self._access.token, Path):
            await start_of(reply)  # then its connection can serve again, where that was all
            reply.close()
            self._token_read_at = -TOKEN_AGE
            reply = await self._sent(question, tls, opened)
        if reply.status >= _FIRST_FAILURE:
            body = await start_of(reply)
            after = seconds_asked(reply.headers.get("Retry-After"), self._clock())
            raise failure(reply.status, body, question.what, after)
        return reply

    async def _sent(
        self, question: ApiRequest, tls: ssl.SSLContext, opened: contextlib.AsyncExitStack
    ) -> aiohttp.ClientResponse:
        url = URL(self._access.server + question.path, encoded=True)
        headers = {"Accept": "application/json"}
        if (token := await self._fresh_token()) is not None:
            headers["Authorization"] = f"Bearer {token}"
        if question.body is not None:
            headers["Content-Type"] = question.content_type
        try:
            self._guard.check(url.raw_host or "")
            return await opened.enter_async_context(
                self._session.request(
                    question.method,
                    url.with_query(question.query) if question.query else url,
                    data=question.body,
                    headers=headers,
                    allow_redirects=False,
                    ssl=tls,
                    server_hostname=self._access.server_name,
                )
            )
        except (TimeoutError, aiohttp.ClientError, OSError, RuntimeError) as error:  # RuntimeError: of a closed session
            raise unreachable(question.what, error) from error
        except ForbiddenAddressError as error:
            raise ClusterError(f"{question.what}: {error}", cause="unconfigured") from error

    async def _fresh_token(self) -> str | None:
        token = self._access.token
        if not isinstance(token, Path):
            return token
        now = asyncio.get_running_loop().time()
        if self._token is None or now - self._token_read_at >= TOKEN_AGE or self._token_read_at < 0:
            try:
                self._token = await asyncio.to_thread(read_token, token)
            except ClusterError:
                if self._token is None:
                    raise
            self._token_read_at = now
        return self._token

    async def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = self._made_context(await asyncio.to_thread(self._read_authorities))
        return self._tls

    async def _has_other_authorities(self) -> bool:
        """Whether the file of CAs holds others by now; then they count."""
        found = await asyncio.to_thread(self._read_authorities)
        if found == self._authorities:
            return False
        self._tls = self._made_context(found)
        return True

    def _read_authorities(self) -> str | None:
        authorities = self._access.authorities
        return read_bounded(authorities).decode("ascii", "replace") if isinstance(authorities, Path) else authorities

    def _made_context(self, authorities: str | None) -> ssl.SSLContext:
        try:
            context = client_context(authorities)
            if self._access.pair is not None:
                show(context, self._access.pair)
        except (ValueError, ssl.SSLError, ConfigurationError) as error:
            raise ClusterError(f"the API server's CA, or our certificate: {error}", cause="unconfigured") from error
        self._authorities = authorities
        return context


async def start_of(reply: aiohttp.ClientResponse) -> bytes:
    """The beginning of an answer that is no success; nothing is told about how it goes wrong, and the rest is left."""
    body = bytearray()
    with contextlib.suppress(aiohttp.ClientError, OSError):
        while len(body) < STATUS_LIMIT and (chunk := await reply.content.read(_CHUNK)):
            body += chunk
        return bytes(body)
    return b""


async def whole_of(reply: aiohttp.ClientResponse, what: str, limit: int) -> bytearray:
    """The body of an answer; raises ClusterError, `too_large` beyond so many bytes."""
    body = bytearray()
    try:
        while chunk := await reply.content.read(_CHUNK):
            body += chunk
            if len(body) > limit:
                reply.close()
                raise ClusterError(f"{what}: the answer has more than {limit} bytes", cause="too_large")
    except (aiohttp.ClientError, OSError) as error:
        raise unreachable(what, error) from error
    return body


def unreachable(what: str, error: Exception) -> ClusterError:
    """Nobody answered, or not to the end."""
    return ClusterError(f"{what}: the API server can't be asked: {type(error).__name__}", cause="unreachable")
