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
(6) Not here: proxies, redirects, cookies, credentials of the URL, other retries. Who needs one asks the session.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
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
"""Origins; a receiver has one or a few."""


class HttpExchange:
    """What has come back; needs to be closed."""

    def __init__(
        self, connection: Connection, status: int, headers: CIMultiDictProxy[str], content: aiohttp.StreamReader
    ) -> None:
        self._connection = connection
        self.status = status
        self.headers = headers
        self.content = content

    def close(self) -> None:
        """Let go of the connection: it is kept where that can be (3)."""
        if self.content.is_eof():
            self._connection.release()  # whoever keeps it sees whether it can be used again
        else:
            self._connection.close()


Replied: TypeAlias = aiohttp.ClientResponse | HttpExchange
"""What has come back: by a session, or without one."""


class _Asked(NamedTuple):
    """What is sent, and where."""

    verb: str
    at: aiohttp.ClientRequest
    """Says to the connector where to connect, and to errors whom was asked; it is not sent itself."""
    said: bytes
    context: object


class HttpExchanges:
    """Makes requests over the connections of a session.

    Args:
        session: Whose connections are used.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self._prepared: dict[tuple[URL, ssl.SSLContext | None], aiohttp.ClientRequest] = {}

    async def ask(
        self,
        verb: str,
        url: URL,
        body: bytes,
        headers: Mapping[str, str],
        *,
        tls: ssl.SSLContext | None = None,
        context: object = None,
    ) -> HttpExchange:
        """Send this, and wait for the head of the answer.

        Args:
            verb: The method.
            url: Where.
            body: Empty for none.
            headers: Beside those that the session says.
            tls: For https; None: that of the session.
            context: What the traces of the session get as `trace_request_ctx`.

        Raises:
            ValueError: A header can't be sent.
            aiohttp.ClientError, OSError: What the network or the receiver did.
            ForbiddenAddressError: The address is none that may be connected to.
        """
        where = url.origin(), tls
        at = self._prepared.get(where) or self._prepare(*where)
        said = _head(verb, url, at.headers["Host"], len(body), headers) + body
        asked = _Asked(verb, at, said, context)
        if verb in _CHANGE_NOTHING:  # (4)
            try:
                return await self._asked(asked)
            except aiohttp.ClientConnectorError:
                raise
            except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
                pass
        return await self._asked(asked)

    async def _asked(self, asked: _Asked) -> HttpExchange:
        session = self.session
        if (connector := session.connector) is None:
            raise aiohttp.ClientConnectionError("the session is closed")
        traces = [  # (5)
            Trace(session, config, config.trace_config_ctx(trace_request_ctx=asked.context))
            for config in session.trace_configs
        ]
        try:
            connection = await connector.connect(asked.at, traces, session.timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError("no connection in time") from error
        try:
            return await _exchanged(connection, asked)
        except BaseException:  # also a cancellation: half an exchange can't be gone on with
            connection.close()
            raise

    def _prepare(self, origin: URL, tls: ssl.SSLContext | None) -> aiohttp.ClientRequest:
        request = aiohttp.ClientRequest(
            "GET", origin, loop=asyncio.get_running_loop(), ssl=True if tls is None else tls
        )
        if len(self._prepared) >= _REMEMBERED:
            self._prepared.clear()
        self._prepared[origin, tls] = request
        return request


async def _exchanged(connection: Connection, asked: _Asked) -> HttpExchange:
    protocol = connection.protocol
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
                asked.at.request_info, (), status=error.code, message=error.message
            ) from error
        if not 100 <= message.code < 200 or message.code == 101:  # noqa: PLR2004 - RFC 9110, clause 15.2
            return HttpExchange(connection, message.code, message.headers, content)


def _head(verb: str, url: URL, host: str, length: int, headers: Mapping[str, str]) -> bytes:
    named = {name.lower() for name in headers}
    lines = [f"{verb} {url.raw_path_qs} HTTP/1.1"]
    if "host" not in named:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"{name}: {value}" for name, value in _USUAL.items() if name.lower() not in named]
    if length or verb not in _CHANGE_NOTHING:  # RFC 9110, clause 8.6
        if "content-type" not in named:
            lines.append("Content-Type: application/octet-stream")
        lines.append(f"Content-Length: {length}")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1 or "\0" in head:
        raise ValueError("a header with the end of a line in it")
    return head.encode() + b"\r\n\r\n"
