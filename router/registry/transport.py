"""One exchange with a registry over HTTP: guarded, bounded, with redirects followed by hand.

Rules:

1. No connection to a forbidden address (`addresses`), at the first hop and at every other.
2. At most five redirects. From https only to https; to http only from http, where the registry is plain HTTP.
   A redirect to another origin takes no `Authorization` along, and a challenge from there is not met.
3. A token call follows no redirect at all.
4. Bodies are read up to a limit and never unpacked: `Accept-Encoding: identity`, so that no answer grows here.
5. Connections are kept and shared, at most 32 per host and with no limit over all hosts: a registry that hangs holds
   its own callers only, each until its deadline. No cookies, no `.netrc`.
6. Foreign exceptions end here. Failures that may pass become `TransientError`.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace

import aiohttp
from yarl import URL

from router.errors import MalformedAnswerError, TooLargeError, UnreachableError, UnverifiableError
from router.registry.addresses import GuardedResolver, refuse_literal
from router.registry.answers import Answer, TransientError, raise_transient, read_bounded
from router.registry.endpoints import Endpoint
from router.registry.proxies import Proxies
from router.registry.surroundings import Surroundings
from router.registry.urls import sound_url

CONNECTIONS_PER_HOST = 32
REDIRECTS = 5
ERROR_LIMIT = 64 * 1024
"""Bytes of the body of an answer other than 200; what has more is dropped with its connection."""
_KEEP_ALIVE = 30.0
_DNS_SECONDS = 30
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_OK = 200
_VISIBLE = re.compile(r"[!-~]+", re.ASCII)
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
_NO_TIMEOUTS = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
"""The caller's deadline is the one clock: a second one would only blur which of them has struck."""
_HEADERS = {"User-Agent": "gatecrier", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Call:
    """What to ask, and how much may come back."""

    method: str
    url: URL
    limit: int
    """Bytes of the body of a 200."""
    what: str
    """How errors name it: registry, repository and what of it; no URL."""
    accept: str = "*/*"
    authorization: str | None = None
    form: Mapping[str, str] | None = None
    """Fields of a POST."""
    follows: bool = True
    """Whether redirects are followed (rule 3)."""


class Transport:
    """Sends calls over connections that it keeps."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Connect to nothing yet; raises ConfigurationError where a proxy variable is no URL."""
        self._surroundings = surroundings
        self._proxies = Proxies(surroundings.environment)
        self._resolver: GuardedResolver | None = None
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False

    async def send(self, endpoint: Endpoint, call: Call) -> Answer:
        """One attempt, with its redirects.

        Raises:
            TransientError: Worth trying again.
            UnverifiableError: Not worth it.
        """
        answer = await self._once(endpoint, call)
        for _ in range(REDIRECTS):
            if answer.status not in _REDIRECT_STATUSES:
                break
            call = _redirected(endpoint, call, answer)
            answer = await self._once(endpoint, call)
        if answer.status in _REDIRECT_STATUSES:
            raise MalformedAnswerError(f"{call.what}: the registry redirects more than {REDIRECTS} times")
        raise_transient(answer, call.what, self._surroundings.wall())
        return answer

    async def _once(self, endpoint: Endpoint, call: Call) -> Answer:
        if self._is_closed:
            raise UnreachableError(f"{call.what}: this client is closed")
        refuse_literal(call.url.raw_host or "")
        try:
            return await self._exchange(endpoint, call)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failure(error, call.what) from error

    async def _exchange(self, endpoint: Endpoint, call: Call) -> Answer:
        session = self._session or self._open()
        headers = {"Accept": call.accept}
        if call.authorization is not None:
            headers["Authorization"] = call.authorization
        proxy = self._proxies.of(call.url)
        if proxy is not None and proxy.authorization is not None and call.url.scheme == "http":
            headers["Proxy-Authorization"] = proxy.authorization  # with https it goes to the proxy alone, by CONNECT
        reply = await session.request(
            call.method,
            call.url,
            headers=headers,
            data=call.form,
            allow_redirects=False,
            ssl=endpoint.tls_for(call.url),
            proxy=proxy.url if proxy is not None else None,
            proxy_headers={"Proxy-Authorization": proxy.authorization} if proxy and proxy.authorization else None,
        )
        try:
            body = b"" if call.method == "HEAD" else await _body(reply, call)
        except BaseException:
            reply.close()
            raise
        reply.release()
        return Answer(reply.status, reply.headers, body, call.url.origin() != endpoint.origin)

    def _open(self) -> aiohttp.ClientSession:
        self._resolver = GuardedResolver()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._resolver,
                limit=0,
                limit_per_host=CONNECTIONS_PER_HOST,
                keepalive_timeout=_KEEP_ALIVE,
                ttl_dns_cache=_DNS_SECONDS,
            ),
            timeout=_NO_TIMEOUTS,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            auto_decompress=False,
        )
        return self._session

    async def close(self) -> None:
        """Close every connection. Calls after this fail as unreachable."""
        self._is_closed = True
        if self._session is not None:
            await self._session.close()
        if self._resolver is not None:
            await self._resolver.close()


async def _body(reply: aiohttp.ClientResponse, call: Call) -> bytes:
    headers = reply.headers
    if reply.status == _OK:
        if headers.get("Content-Encoding", "identity").lower() != "identity":
            raise MalformedAnswerError(f"{call.what}: the registry packs its answer although it was asked not to")
        return await read_bounded(reply.content, headers.get("Content-Length"), call.limit, call.what)
    try:
        return await read_bounded(reply.content, headers.get("Content-Length"), ERROR_LIMIT, call.what)
    except TooLargeError:
        reply.close()
        return b""


def _redirected(endpoint: Endpoint, call: Call, answer: Answer) -> Call:
    """The call to where a redirect leads (rules 2 and 3)."""
    if not call.follows:
        raise MalformedAnswerError(f"{call.what}: the answer is a redirect, which is not followed with credentials")
    location = answer.headers.get("Location", "")
    if not _VISIBLE.fullmatch(location):
        raise MalformedAnswerError(f"{call.what}: the registry redirects to what is no address")
    try:
        # As it stands, neither quoted nor unquoted anew: a storage's signature is over these very characters.
        target = sound_url(call.url.join(URL(location, encoded=True)))
        is_other = target.origin() != call.url.origin()
    except ValueError as error:
        raise MalformedAnswerError(f"{call.what}: the registry redirects to what is no address ({error})") from error
    if not (target.scheme == "https" or (target.scheme == call.url.scheme == "http" and endpoint.plain_http)):
        raise MalformedAnswerError(f"{call.what}: the registry redirects from {call.url.scheme} to {target.scheme}")
    return replace(call, url=target, authorization=None if is_other else call.authorization)


def _failure(error: aiohttp.ClientError | OSError | ValueError, what: str) -> TransientError | UnverifiableError:
    """What a failed exchange means to us (rule 6)."""
    match error:
        case aiohttp.ClientConnectorError() | aiohttp.ClientSSLError():
            return _no_connection(error, what)
        case aiohttp.ClientHttpProxyError():
            return UnreachableError(f"{what}: the proxy answers {error.status}")
        case aiohttp.ClientResponseError():
            return MalformedAnswerError(f"{what}: the answer is no HTTP")
        case aiohttp.InvalidURL() | ValueError():
            return UnreachableError(f"{what}: no address that can be connected to")
        case _:
            return TransientError(UnreachableError(f"{what}: the connection broke off ({type(error).__name__})"))


def _no_connection(error: aiohttp.ClientConnectorError, what: str) -> TransientError | UnverifiableError:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return UnreachableError(f"{what}: the certificate of {error.host} is not trusted ({error.certificate_error})")
    cause = error.os_error.strerror or type(error.os_error).__name__
    match error:
        case aiohttp.ClientSSLError():
            return UnreachableError(f"{what}: no TLS with {error.host}:{error.port} ({cause})")
        case aiohttp.ClientConnectorDNSError() if error.os_error.errno in _NO_SUCH_NAME:
            return UnreachableError(f"{what}: no address is known for {error.host}")
        case aiohttp.ClientProxyConnectionError():
            return TransientError(UnreachableError(f"{what}: the proxy can't be reached ({cause})"))
        case _:
            return TransientError(UnreachableError(f"{what}: can't connect to {error.host}:{error.port} ({cause})"))
