"""Connections that are kept, and what holds for all of them.

Rules:

1. Every name is resolved by a guarded resolver. Addresses, which reach no resolver, are judged by who sends.
2. No cookies, no `.netrc`, no proxy but the one that is given: nothing of the environment or of an earlier answer
   changes where anything goes or what goes along.
3. Nothing is unpacked: `Accept-Encoding: identity`, so that no answer grows here. Its head is bounded, too, and so is
   how often an answer may be announced before it comes (1xx; RFC 9110, clause 15.2): the client reads these in one
   turn of the loop, and would keep as many as it is sent.
4. No redirect is followed unless who sends does it by hand.
5. A kept connection on which something has come that nobody asked for is used no more: the client would take it for
   the answer to the next request, and each answer that follows for that to the request after it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from functools import partial
from typing import Literal

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage

from router import __version__
from router.outbound.authorities import client_context
from router.outbound.resolving import GuardedResolver
from router.pem import KeyPair
from router.tls import show

HEAD_LINE_LIMIT = 8190
"""Bytes of a status line, and of a header with its value."""
HEADERS_LIMIT = 128
"""Headers of an answer."""
INTERIM_LIMIT = 8
"""Answers of 1xx before the answer itself."""
HEADERS = {"User-Agent": f"gatecrier/{__version__}", "Accept-Encoding": "identity"}


class TooManyInterimError(aiohttp.ClientPayloadError):
    """An answer was announced too often."""


class _Handler(ResponseHandler):
    """Ends a connection by which too many answers of 1xx come in a row, or one that nobody asked for.

    What was not taken of a request when its connection is closed is thrown away: it would be kept until a receiver that
    never reads takes it.
    """

    _interim = 0

    def is_connected(self) -> bool:
        """Whether it can be used again; the connector asks before it gives out a connection that was kept."""
        return super().is_connected() and not self.should_close

    def close(self) -> None:
        """End it; at once where something is still to be sent, which nobody wants to arrive any more."""
        if self.transport is not None and self.transport.get_write_buffer_size():
            self.abort()
        else:
            super().close()

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        """Take an answer's head."""
        is_interim = 100 <= data[0].code < 200  # noqa: PLR2004 - RFC 9110, clause 15.2: informational
        self._interim = self._interim + 1 if is_interim else 0
        if self._interim <= INTERIM_LIMIT:
            super().feed_data(data, size)
        elif self._interim == INTERIM_LIMIT + 1:
            self._buffer.clear()
            self.set_exception(TooManyInterimError())
            if self.transport is not None:
                self.transport.abort()


def _handler(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return _Handler(loop)


def open_session(
    resolver: GuardedResolver,
    timeout: aiohttp.ClientTimeout,
    *,
    connections: int = 0,
    keep_alive: float | None,
    tls: ssl.SSLContext | bool = True,
    traces: Sequence[aiohttp.TraceConfig] = (),
) -> aiohttp.ClientSession:
    """A session; connects to nothing yet, and leaves the resolver open when it is closed.

    Args:
        resolver: Says where a name leads.
        timeout: Of each request.
        connections: How many may be open at once; 0 where who sends counts for itself.
        keep_alive: Seconds that an idle connection is kept; None where each is closed after its exchange.
        tls: For https, where a request brings no context of its own.
        traces: Are told what becomes of requests.
    """
    connector = aiohttp.TCPConnector(
        resolver=resolver,
        limit=connections,
        use_dns_cache=False,  # lookups remember, and end with their last waiter
        force_close=keep_alive is None,
        keepalive_timeout=keep_alive,
        ssl=tls,
    )
    # There is no setting for it; `tests/outbound` floods a session, so that a client that makes them otherwise is seen.
    connector._factory = partial[ResponseHandler](_handler, asyncio.get_running_loop())  # noqa: SLF001 - see above
    return aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        trace_configs=list(traces),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=HEADERS,
        auto_decompress=False,
        trust_env=False,
        max_line_size=HEAD_LINE_LIMIT,
        max_field_size=HEAD_LINE_LIMIT,
        max_headers=HEADERS_LIMIT,
    )


def context_of(authorities: str | None, shown: KeyPair | None) -> ssl.SSLContext | Literal[True]:
    """Whom a connection trusts, and what it shows; True is aiohttp's own context, which all share."""
    if authorities is None and shown is None:
        return True
    context = client_context(authorities)
    if shown is not None:
        show(context, shown)
    return context
