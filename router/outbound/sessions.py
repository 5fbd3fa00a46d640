"""Connections that are kept, and what holds for all of them.

Rules:

1. Every name is resolved by a guarded resolver. Addresses, which reach no resolver, are judged by who sends.
2. No cookies, no `.netrc`, no proxy but the one that is given: nothing of the environment or of an earlier answer
   changes where anything goes or what goes along.
3. Nothing is unpacked: `Accept-Encoding: identity`, so that no answer grows here. Its head is bounded, too.
4. No redirect is followed unless who sends does it by hand.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence

import aiohttp

from router import __version__
from router.outbound.resolving import GuardedResolver

HEAD_LINE_LIMIT = 8190
"""Bytes of a status line, and of a header with its value."""
HEADERS_LIMIT = 128
"""Headers of an answer."""
HEADERS = {"User-Agent": f"gatecrier/{__version__}", "Accept-Encoding": "identity"}


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
