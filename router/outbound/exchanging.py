"""One request and its answer over a kept connection, for whoever sends many of a kind.

A general client makes a request, a writer, a response and a timer anew each time, which costs several times what the
exchange itself does. What is dangerous about HTTP stays where it is:

(1) Connections are those of the session (`sessions`): its connector resolves, judges, makes, keeps and ends them, and
    its parser reads answers, within its limits.
(2) The head and the body are one write. A value that would end a line of the head is a mistake of ours: ValueError.
    What whoever sends says in a header goes before what the session says.
(3) A connection is used again where the answer has come whole and neither side wants its end; any other is closed, and
    so is one whose exchange is cancelled.
(4) A question that changes nothing (GET, HEAD) is asked once more where the connection ends before its answer begins:
    the other side may end a kept one at any moment (RFC 9110, clause 9.2.2).
(5) What the session is to be told of connections (`aiohttp.TraceConfig`), it is told of these, too.
(6) What is asked in a row goes by the connections that are there: between two exchanges they are held for `HELD` at
    most, and given back to the session before it is asked for one, or as soon as somebody waits for that.
(7) Not here: proxies, redirects, cookies, credentials of the URL, other retries. Who needs one asks the session.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.tracing import Trace
from multidict import CIMultiDictProxy
from yarl import URL

from router.outbound.sessions import HEAD_LINE_LIMIT, HEADERS, HEADERS_LIMIT

READ_AHEAD = 64 * 1024
"""Bytes of an answer that are taken in before somebody reads them."""
_USUAL = {"Accept": "*/*", **HEADERS}
_CHANGE_NOTHING = frozenset({"GET", "HEAD"})
_REMEMBERED = 64
"""Origins, and names of headers; a receiver has one or a few."""
HELD = 1.0
"""Seconds."""


class HttpExchange:
    """What has come back; needs to be closed."""

    def __init__(self, used: _Used, status: int, headers: CIMultiDictProxy[str], content: aiohttp.StreamReader) -> None:
        self._used: _Used | None = used
        self.status = status
        self.headers = headers
        self.content = content

    def close(self) -> None:
        """Let go of the connection, once: it is kept where that can be (3), and then it is somebody else's."""
        used, self._used = self._used, None
        if used is None:
            return
        if self.content.is_eof():
            used.way.give_back(used.connection)
        else:
            used.connection.close()


Replied: TypeAlias = aiohttp.ClientResponse | HttpExchange
"""What has come back: by a session, or without one."""


class HttpExchanges:
    """Makes requests over the connections of a session; needs to be closed.

    Args:
        session: Whose connections are used.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self._ways: dict[tuple[URL, ssl.SSLContext | bool], _Way] = {}
        self._is_held = (
            not session.trace_configs and session.connector is not None and not session.connector.force_close
        )
        self._holding = set[_Way]()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = 0

    async def close(self) -> None:
        """Close the session with every connection."""
        self.let_go()
        await self.session.close()

    async def ask(
        self,
        verb: str,
        url: URL,
        body: bytes,
        headers: Mapping[str, str],
        *,
        tls: ssl.SSLContext | bool = True,
        context: object = None,
    ) -> HttpExchange:
        """Send this, and wait for the head of the answer.

        Args:
            verb: The method.
            url: Where.
            body: Empty for none.
            headers: Beside those that the session says.
            tls: For https; True: that of the session.
            context: What the traces of the session get as `trace_request_ctx`.

        Raises:
            ValueError: A header can't be sent.
            aiohttp.ClientError, OSError: What the network or the receiver did.
            ForbiddenAddressError: The address is none that may be connected to.
        """
        where = url.origin(), tls
        way = self._ways.get(where) or self._prepare(*where)
        asked = _Asked(verb, _head(verb, url, way.host, len(body), headers) + body, context)
        if verb in _CHANGE_NOTHING:  # (4)
            try:
                return await self._asked(way, asked)
            except aiohttp.ClientConnectorError:
                raise
            except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
                pass
        return await self._asked(way, asked)

    async def _asked(self, way: _Way, asked: _Asked) -> HttpExchange:
        connection = way.taken() or await self._connected(way, asked.context)
        try:
            return await _exchanged(_Used(way, connection), asked)
        except BaseException:  # also a cancellation: half an exchange can't be gone on with
            connection.close()
            raise

    async def _connected(self, way: _Way, context: object) -> Connection:
        session = self.session
        if (connector := session.connector) is None:
            raise aiohttp.ClientConnectionError("the session is closed")
        self.let_go()  # what is held counts for the session's limit
        traces = [  # (5)
            Trace(session, config, config.trace_config_ctx(trace_request_ctx=context))
            for config in session.trace_configs
        ]
        self._waiting += 1
        try:
            return await connector.connect(way.at, traces, session.timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError("no connection in time") from error
        finally:
            self._waiting -= 1

    def _prepare(self, origin: URL, tls: ssl.SSLContext | bool) -> _Way:  # noqa: FBT001 - as aiohttp has it
        request = aiohttp.ClientRequest("GET", origin, loop=asyncio.get_running_loop(), ssl=tls)
        if len(self._ways) >= _REMEMBERED:
            self._ways.clear()
        way = self._ways[origin, tls] = _Way(request, self._may_hold)
        return way

    def _may_hold(self, way: _Way) -> bool:
        """Whether a connection may be held back from the session there (6): not where anybody waits for one."""
        if not self._is_held or self._waiting or self.session.closed:
            return False
        self._holding.add(way)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HELD, self.let_go)
        return True

    def let_go(self) -> None:
        """Give all that is held back to the session."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._holding:
            self._holding.pop().end()


class _Way:
    """Where exchanges go.

    Args:
        at: Says to the connector where to connect, and to errors whom was asked; it is not sent itself.
        may_hold: Whether a connection may wait here for the next exchange; whoever says so has it let go.
    """

    def __init__(self, at: aiohttp.ClientRequest, may_hold: Callable[[_Way], bool]) -> None:
        self.at = at
        self.host = at.headers["Host"]
        self._may_hold = may_hold
        self._held: list[Connection] = []

    def taken(self) -> Connection | None:
        """One that waits here, and can be used; None where there is none."""
        while self._held:
            connection = self._held.pop()
            if (protocol := connection.protocol) is not None and protocol.is_connected():
                return connection
            connection.close()
        return None

    def give_back(self, connection: Connection) -> None:
        """An exchange is over, and its answer has come whole."""
        protocol = connection.protocol
        if protocol is not None and not protocol.should_close and self._may_hold(self):
            self._held.append(connection)
        else:
            connection.release()  # whoever keeps it sees whether it can be used again

    def end(self) -> None:
        """Give those that wait back to the session, which keeps them."""
        held, self._held = self._held, []
        for connection in held:
            connection.release()


class _Asked(NamedTuple):
    """What is sent."""

    verb: str
    said: bytes
    context: object


class _Used(NamedTuple):
    """By what it is sent."""

    way: _Way
    connection: Connection


async def _exchanged(used: _Used, asked: _Asked) -> HttpExchange:
    protocol = used.connection.protocol
    if protocol is None or protocol.transport is None:
        raise aiohttp.ServerDisconnectedError
    protocol.set_response_params(
        skip_payload=asked.verb == "HEAD",
        read_until_eof=True,
        auto_decompress=False,
        read_bufsize=READ_AHEAD,
        max_line_size=HEAD_LINE_LIMIT,
        max_field_size=HEAD_LINE_LIMIT,
        max_headers=HEADERS_LIMIT,
    )
    protocol.transport.write(asked.said)
    while True:
        try:
            message, content = await protocol.read()
        except HttpProcessingError as error:
            raise aiohttp.ClientResponseError(
                used.way.at.request_info, (), status=error.code, message=error.message
            ) from error
        if not 100 <= message.code < 200 or message.code == 101:  # noqa: PLR2004 - RFC 9110, clause 15.2
            return HttpExchange(used, message.code, message.headers, content)


def _head(verb: str, url: URL, host: str, length: int, headers: Mapping[str, str]) -> bytes:
    has_body = bool(length) or verb not in _CHANGE_NOTHING  # RFC 9110, clause 8.6
    before, behind = _around(host, tuple(headers), has_body=has_body)
    said = "".join([f"\r\n{name}: {value}" for name, value in headers.items()])
    head = f"{verb} {url.raw_path_qs} HTTP/1.1{before}{said}{behind}{length if has_body else ''}"
    lines = before.count("\n") + len(headers) + behind.count("\n")
    if head.count("\n") != lines or head.count("\r") != lines or "\0" in head:
        raise ValueError("a header with the end of a line in it")
    return head.encode() + b"\r\n\r\n"


@lru_cache(_REMEMBERED)
def _around(host: str, names: tuple[str, ...], *, has_body: bool) -> tuple[str, str]:
    """What is said before and behind headers of these names, whose values differ; the last is the length."""
    named = {name.lower() for name in names}
    behind = [f"{name}: {value}" for name, value in _USUAL.items() if name.lower() not in named]
    if has_body and "content-type" not in named:
        behind.append("Content-Type: application/octet-stream")
    if has_body:
        behind.append("Content-Length: ")
    return "" if "host" in named else f"\r\nHost: {host}", "".join(f"\r\n{line}" for line in behind)
