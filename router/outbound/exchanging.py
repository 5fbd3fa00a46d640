"""One request and its answer over a kept connection, for whoever sends many of a kind.

A general client makes a request, a writer, a response and a timer anew each time, which costs several times what the
exchange itself does. What is dangerous about HTTP stays where it is:

(1) Connections are those of the session (`sessions`): its connector resolves, judges, makes, keeps and ends them, and
    its parser reads answers, within its limits.
(2) The head and the body are one write. A value that would end a line of the head is a mistake of ours: ValueError.
    What whoever sends says in a header goes before what the session says.
(3) A connection is used again where the answer has come whole and neither side wants its end; any other is closed, and
    so is one whose exchange is cancelled.
(4) Not here: proxies, redirects, cookies, credentials of the URL, retries, HEAD. Who needs one asks the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDictProxy
from yarl import URL

from router.outbound.sessions import HEAD_LINE_LIMIT, HEADERS, HEADERS_LIMIT

READ_AHEAD = 64 * 1024
"""Bytes of an answer that are taken in before somebody reads them."""
_NO_LIMIT = aiohttp.ClientTimeout(total=None)
_USUAL = {"Accept": "*/*", **HEADERS}


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


class HttpExchanges:
    """Makes requests at URLs of one receiver.

    Args:
        session: Whose connections are used.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._prepared: dict[URL, tuple[aiohttp.ClientRequest, str]] = {}

    async def ask(self, verb: str, url: URL, body: bytes, headers: Mapping[str, str]) -> HttpExchange:
        """Send this, and wait for the head of the answer.

        Raises:
            ValueError: A header can't be sent.
            aiohttp.ClientError, OSError: What the network or the receiver did.
            ForbiddenAddressError: The address is none that may be connected to.
        """
        request, host = self._prepared.get(url) or self._prepare(url)
        said = _head(verb, url, host, len(body), headers)
        if (connector := self._session.connector) is None:
            raise aiohttp.ClientConnectionError("the session is closed")
        connection = await connector.connect(request, [], _NO_LIMIT)
        try:
            return await _exchanged(connection, said + body)
        except BaseException:  # also a cancellation: half an exchange can't be gone on with
            connection.close()
            raise

    def _prepare(self, url: URL) -> tuple[aiohttp.ClientRequest, str]:
        """What says to the connector where to connect."""
        request = aiohttp.ClientRequest("GET", url, loop=asyncio.get_running_loop())
        if len(self._prepared) >= _REMEMBERED:
            self._prepared.clear()
        found = self._prepared[url] = request, request.headers["Host"]
        return found


_REMEMBERED = 64
"""URLs; a receiver has one or a few, unless a dialect makes them of documents."""


async def _exchanged(connection: Connection, said: bytes) -> HttpExchange:
    protocol = connection.protocol
    if protocol is None or protocol.transport is None:
        raise aiohttp.ServerDisconnectedError
    protocol.set_response_params(
        read_until_eof=True,
        auto_decompress=False,
        read_bufsize=READ_AHEAD,
        max_line_size=HEAD_LINE_LIMIT,
        max_field_size=HEAD_LINE_LIMIT,
        max_headers=HEADERS_LIMIT,
    )
    protocol.transport.write(said)
    while True:
        try:
            message, content = await protocol.read()
        except HttpProcessingError as error:
            raise aiohttp.ClientPayloadError(error.message) from error
        if not 100 <= message.code < 200 or message.code == 101:  # noqa: PLR2004 - RFC 9110, clause 15.2
            return HttpExchange(connection, message.code, message.headers, content)


def _head(verb: str, url: URL, host: str, length: int, headers: Mapping[str, str]) -> bytes:
    named = {name.lower() for name in headers}
    lines = [f"{verb} {url.raw_path_qs} HTTP/1.1"]
    if "host" not in named:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"{name}: {value}" for name, value in _USUAL.items() if name.lower() not in named]
    if length or verb != "GET":  # RFC 9110, clause 8.6
        if "content-type" not in named:
            lines.append("Content-Type: application/octet-stream")
        lines.append(f"Content-Length: {length}")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1 or "\0" in head:
        raise ValueError("a header with the end of a line in it")
    return head.encode() + b"\r\n\r\n"
