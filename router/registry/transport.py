"""One exchange with a registry over HTTP: guarded, bounded, with redirects followed by hand.

Rules:

1. No connection to a forbidden address (`addresses`), at the first hop and at every other.
2. At most five redirects. From https only to https; to http only from http, where the registry is plain HTTP.
   A redirect to another origin takes no `Authorization` along, and a challenge from there is not met.
3. A token call follows no redirect at all.
4. Bodies are read up to a limit and never unpacked: `Accept-Encoding: identity`, so that no answer grows here.
5. At most 32 exchanges with one host are under way for each registry that leads there, by its name, a redirect or a
   token realm: whoever lets them hang takes nothing from whoever else goes to that host. How many there are over all
   follows from who may ask: see `router.verification.turns`. A connection has three seconds to come about, TLS
   included. After an exchange it is kept for 30 seconds, for whoever goes there next, where the configuration names
   the registry, or its host is one of 64; others are closed at once, so that whoever names thousands of hosts leaves
   nothing open.
6. Foreign exceptions end here: see `failures` for what they mean.

Sent by `router.outbound.exchanging`, which makes nothing anew for each exchange; through a proxy by the session.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode
from weakref import WeakValueDictionary

import aiohttp
from yarl import URL

from router.errors import (
    MalformedAnswerError,
    TooLargeError,
    UnreachableError,
)
from router.outbound.addresses import AddressGuard
from router.outbound.exchanging import HttpExchanges, Replied
from router.outbound.proxies import Proxies, Proxy
from router.outbound.resolving import GuardedResolver
from router.outbound.sessions import open_session
from router.outbound.urls import read_url, sound_url
from router.registry.answers import BodyLimit, RegistryAnswer, raise_transient, read_bounded
from router.registry.endpoints import RegistryEndpoint
from router.registry.failures import CONNECT_SECONDS, failure_of
from router.registry.pulse import pulse
from router.registry.surroundings import Surroundings
from router.registry.wire import Marked, WireTimes, exchanges, tracing

CONNECTIONS_PER_HOST = 32
REDIRECTS = 5
ERROR_LIMIT = 64 * 1024
"""Bytes of the body of an answer other than 200; what has more is dropped with its connection."""
KEPT_HOSTS = 64
"""Hosts to which connections are kept open between exchanges."""
_KEEP_ALIVE = 30.0
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_OK = 200
_VISIBLE = re.compile(r"[!-~]+", re.ASCII)
_TIMEOUTS = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=CONNECT_SECONDS, sock_read=None)
"""Beside this the caller's deadline is the one clock: a second one would only blur which of them has struck."""


@dataclass(frozen=True, slots=True)
class Call:
    """What to ask, and how much may come back."""

    method: str
    url: URL
    limit: BodyLimit
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
        self._guard = AddressGuard()
        self._resolver = GuardedResolver(self._guard)
        self._ways: dict[bool, HttpExchanges] = {}
        """By whether connections are kept."""
        self._is_closed = False
        self._kept: OrderedDict[tuple[str | None, int | None], float] = OrderedDict()
        self._places: WeakValueDictionary[tuple[str, str, int | None], asyncio.Semaphore] = WeakValueDictionary()
        """Of each registry at each host, while anybody has one (rule 5)."""

    async def send(self, endpoint: RegistryEndpoint, call: Call) -> RegistryAnswer:
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

    async def _once(self, endpoint: RegistryEndpoint, call: Call) -> RegistryAnswer:
        proxy = self._proxies.of(call.url)
        for url in (call.url, proxy.url) if proxy is not None else (call.url,):
            self._guard.check(url.raw_host or "")
        async with self._place(endpoint, call.url):
            if self._is_closed:
                raise UnreachableError(f"{call.what}: this client is closed")
            before = pulse().held_up()
            try:
                return await self._exchange(endpoint, call, proxy)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                held_up = pulse().held_up() - before
                raise failure_of(error, call.what, is_direct=proxy is None, held_up=held_up) from error

    def _place(self, endpoint: RegistryEndpoint, url: URL) -> asyncio.Semaphore:
        """What to hold during an exchange (rule 5)."""
        key = endpoint.registry, (url.raw_host or "").lower(), url.port
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = asyncio.Semaphore(CONNECTIONS_PER_HOST)
        return found

    async def _exchange(self, endpoint: RegistryEndpoint, call: Call, proxy: Proxy | None) -> RegistryAnswer:
        asked = exchanges()
        is_registrys = proxy is None or call.url.scheme == "https"
        mark = Marked(asked, is_tunnelled=proxy is not None) if asked is not None and is_registrys else None
        try:
            reply = await self._sent(endpoint, call, proxy, mark)
            try:
                body = b"" if call.method == "HEAD" else await _body(reply, call, asked)
            finally:
                reply.close()  # where a deadline struck, the rest of a body would keep the connection
        finally:
            if asked is not None:
                asked.end()
        is_foreign = call.url.origin() != endpoint.origin
        return RegistryAnswer(reply.status, reply.headers, body, is_foreign, is_registrys)

    async def _sent(self, endpoint: RegistryEndpoint, call: Call, proxy: Proxy | None, mark: Marked | None) -> Replied:
        keeps = self._is_worth_keeping(endpoint, call.url)
        way = self._ways.get(keeps) or self._open(keeps=keeps)
        headers = {"Accept": call.accept}
        if call.authorization is not None:
            headers["Authorization"] = call.authorization
        body = b""
        if call.form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(call.form).encode("ascii")
        tls = endpoint.tls_for(call.url)
        if proxy is None:
            return await way.ask(call.method, call.url, body, headers, tls=tls, context=mark)
        return await way.session.request(
            call.method,
            call.url,
            headers={**headers, **proxy.headers_for(call.url)},
            data=body or None,
            allow_redirects=False,
            ssl=tls,
            proxy=proxy.url,
            proxy_headers=proxy.introduction(),
            trace_request_ctx=mark,
        )

    def _is_worth_keeping(self, endpoint: RegistryEndpoint, url: URL) -> bool:
        """Whether a connection may stay open for the next exchange (rule 5)."""
        if endpoint.is_named and url.raw_host == endpoint.host:
            return True
        now = self._surroundings.clock()
        host = url.raw_host, url.port
        while self._kept and next(iter(self._kept.values())) <= now - _KEEP_ALIVE:
            self._kept.popitem(last=False)
        if host not in self._kept and len(self._kept) >= KEPT_HOSTS:
            return False
        self._kept[host] = now
        self._kept.move_to_end(host)
        return True

    def _open(self, *, keeps: bool) -> HttpExchanges:
        session = open_session(self._resolver, _TIMEOUTS, keep_alive=_KEEP_ALIVE if keeps else None, traces=[tracing()])
        self._ways[keeps] = way = HttpExchanges(session)
        return way

    async def close(self) -> None:
        """Close every connection. Calls after this fail as unreachable."""
        self._is_closed = True
        for way in self._ways.values():
            await way.close()
        await self._resolver.close()


async def _body(reply: Replied, call: Call, asked: WireTimes | None) -> bytes:
    headers = reply.headers
    declared = headers.get("Content-Length")
    read = reply.content.readany if asked is None else asked.flowing(reply.content.readany)
    if reply.status == _OK:
        if headers.get("Content-Encoding", "identity").lower() != "identity":
            raise MalformedAnswerError(f"{call.what}: the registry packs its answer although it was asked not to")
        return await read_bounded(read, declared, call.limit, call.what)
    try:
        return await read_bounded(read, declared, ERROR_LIMIT, call.what)
    except TooLargeError:
        return b""


def _redirected(endpoint: RegistryEndpoint, call: Call, answer: RegistryAnswer) -> Call:
    """The call to where a redirect leads (rules 2 and 3)."""
    if not call.follows:
        raise MalformedAnswerError(f"{call.what}: the answer is a redirect, which is not followed with credentials")
    location = answer.headers.get("Location", "")
    if not _VISIBLE.fullmatch(location):
        raise MalformedAnswerError(f"{call.what}: the registry redirects to what is not a valid address")
    try:
        # As it stands, neither quoted nor unquoted anew: a storage's signature is over these very characters.
        target = sound_url(call.url.join(read_url(location, is_encoded=True)))
        is_other = target.origin() != call.url.origin()
    except ValueError as error:
        raise MalformedAnswerError(
            f"{call.what}: the registry redirects to what is not a valid address ({error})"
        ) from error
    if not (target.scheme == "https" or (target.scheme == call.url.scheme == "http" and endpoint.plain_http)):
        raise MalformedAnswerError(f"{call.what}: the registry redirects from {call.url.scheme} to {target.scheme}")
    return replace(call, url=target, authorization=None if is_other else call.authorization)
