"""One connection: aiohttp's HTTP protocol, and what it lacks to be left alone with strangers.

Rules:
(1) A connection is *silent* between its handshake and its first request, and between requests; else it is *in hand*.
    Only a silent one may be closed without anybody losing an answer.
(2) A head has a time limit from its first byte, and a size limit over all its lines. A body is the webhook's concern.
    Requests that come before the one in hand is answered (no API server sends any) are answered in turn; they are held
    within the same size limit, bodies included, and the time of an unfinished one among them counts as silence.
(3) Who does not take its answer, or keeps us busy beyond every deadline, is cut off.
(4) Whoever closes, resets, or closes only the sending half (no client of a webhook does that and goes on waiting) has
    gone: with a request in hand the connection ends at once, and the handler is cancelled.
(5) What is no HTTP is answered 400 in our words: nothing that was sent comes back, and no traceback is logged.
(6) A kept connection holds little: TLS is read in small steps, and the body that aiohttp remembers with the last
    request is dropped.

Members of aiohttp's class without a public name that are used: `_loop`, `_messages`, `_waiter`, `_read_bytes`.
"""

from __future__ import annotations

import asyncio
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal, cast

from aiohttp import web
from aiohttp.http import RawRequestMessage

if TYPE_CHECKING:
    from router.server.connections import Connections

READ_STEP = 16 * 1024
"""Bytes of a body that are buffered before reading stops until somebody wants them."""
LEAST_LINE = 4
"""Bytes of a line of a head: a letter, a colon and the end."""
WRITE_STEP = 64 * 1024
"""Bytes of answers that wait to be taken before we wait, too."""
DISCARD = 2.0
"""Seconds for which the rest of a body that nobody wants is read, so that its sender gets to see the answer."""
NEVER = 1e9
"""Seconds: aiohttp's own timer of silent connections must not fire; one sweep over all of them is cheaper."""

Ending = Literal["head_late", "head_too_large", "silent", "crowded_out", "answer_not_taken", "request_late"]
"""Why we ended a connection: a label of metrics."""


class Connection(web.RequestHandler):
    """A connection from the end of its handshake to its close."""

    __slots__ = (
        "_ahead",
        "_head_since",
        "_head_size",
        "_unread_since",
        "began",
        "has_asked",
        "is_last",
        "keeper",
        "peer",
        "refusal",
        "request",
        "silent_since",
        "wire",
    )

    def __init__(self, keeper: Connections, server: web.Server, peer: str = "", refusal: str = "") -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None is how aiohttp's own runner is told to write none
            auto_decompress=False,
            keepalive_timeout=NEVER,
            lingering_time=DISCARD,
            read_bufsize=READ_STEP,
            max_line_size=keeper.limits.largest_head,  # the head as a whole is what is bounded
            max_field_size=keeper.limits.largest_head,
            max_headers=keeper.limits.largest_head // LEAST_LINE,
        )
        self.keeper = keeper
        self.peer = peer
        """The address of the other side."""
        self.refusal = refusal
        """Why its requests are not answered; empty where they are."""
        self.is_last = False
        """Whether the next answer is the last."""
        self.has_asked = False
        self.request: web.BaseRequest | None = None
        """What the handler is working on."""
        self.began = self.silent_since = self._loop.time()
        self.wire: asyncio.Transport
        self._head_since: float | None = None
        self._head_size = 0
        self._ahead = 0
        self._unread_since: float | None = None

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done."""
        self.wire = cast("asyncio.Transport", transport)
        self.silent_since = self._loop.time()
        client: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if client is not None:
            self.refusal = self.keeper.refusal_of(client)
            transport.set_read_buffer_limits(READ_STEP)  # type: ignore[attr-defined]  # every TLS transport has it
        self.wire.set_write_buffer_limits(WRITE_STEP)
        super().connection_made(transport)
        self.keeper.join(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came; aiohttp calls it with none, too."""
        is_whole = self.request is not None and self.request.content.is_eof()
        super().data_received(data)
        if self._messages:
            self.has_asked = True
            self._head_since, self._head_size = None, 0
            if self._held_ahead() > self.keeper.limits.largest_head:
                self.end("head_too_large")
        elif not data:
            pass
        elif self._waiter is not None or not self.has_asked:
            self._head_since = self._loop.time() if self._head_since is None else self._head_since
            self._head_size += len(data)
            if self._head_size > self.keeper.limits.largest_head:
                self.end("head_too_large")
        elif is_whole:
            self._ahead += len(data)
            if self._ahead > self.keeper.limits.largest_head:
                self.end("head_too_large")

    def eof_received(self) -> None:
        """The other side sends no more."""
        super().eof_received()
        if not self.is_silent:
            self.wire.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is closed."""
        self.keeper.leave(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The other side does not take what it is sent."""
        super().pause_writing()
        self._unread_since = self._loop.time()

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        self._unread_since = None

    # What aiohttp tells

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes what was sent
    ) -> web.StreamResponse:
        """The answer to what is no HTTP, and to a handler that raised."""
        if status == HTTPStatus.BAD_REQUEST:
            self.keeper.misunderstood(request.remote, exc)
        else:
            self.keeper.failed(exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of an answer is on its way already")
        response = web.Response(status=status, text=f"{HTTPStatus(status).phrase}\n")
        response.force_close()
        return response

    def log_exception(self, *_: object, exc_info: BaseException | None = None, **__: object) -> None:
        """Something failed outside a handler."""
        self.keeper.failed(exc_info)

    # What its keeper asks and does

    @property
    def is_silent(self) -> bool:
        """Whether nothing is in hand; an unfinished head is nothing yet."""
        return not self._messages and (self._waiter is not None or not self.has_asked)

    @property
    def is_midway(self) -> bool:
        """Whether a head has begun to come."""
        return self._head_since is not None

    def waits_for_client(self) -> bool:
        """Whether what is in hand waits for its own client: for a body, or until an answer is taken."""
        if self._messages:
            return False
        return self.request is None or not self.request.content.is_eof() or self._unread_since is not None

    def begin(self, request: web.BaseRequest) -> None:
        """A handler begins."""
        self.request, self.began, self._ahead = request, self._loop.time(), 0

    def finish(self, request: web.BaseRequest) -> None:
        """The handler has ended; its answer is about to be written."""
        request._read_bytes = None  # noqa: SLF001 - rule (6): aiohttp holds the request until the next one
        self.request, self.silent_since = None, self._loop.time()

    def overdue(self, now: float) -> Ending | None:
        """Which limit is exceeded."""
        limits = self.keeper.limits
        if self._unread_since is not None and now - self._unread_since > limits.answer:
            return "answer_not_taken"
        if not self.is_silent:
            return "request_late" if now - self.began > limits.request else None
        if self._head_since is not None:
            return "head_late" if now - self._head_since > limits.head else None
        return "silent" if now - self.silent_since > limits.silent else None

    def end(self, ending: Ending) -> None:
        """Close it: in good order where it is silent, at once where it has exceeded a limit."""
        self.keeper.ended(self, ending)
        if ending == "silent":
            self.force_close()
        else:
            self.wire.abort()

    def _held_ahead(self) -> int:
        """Bytes of the heads that wait for their turn, and of the bodies but that of the one whose turn it is."""
        size = 0
        for place, (head, body) in enumerate(self._messages):
            if isinstance(head, RawRequestMessage):
                size += len(head.path) + sum(len(name) + len(value) for name, value in head.raw_headers)
            if place > 0 or self.request is not None:
                size += body.total_bytes
        return size
