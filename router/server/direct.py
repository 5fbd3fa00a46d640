"""A connection whose plain requests are answered without aiohttp, where somebody takes them as they are.

Most requests of an API server come whole, in one piece or two. These cost no stream and no object of a request: they
are read here (`router.server.plain`), asked about (`Prompt`), and answered in one write, at once or later.

Rules:
(1) A request is asked about only where nothing that came before it is left in aiohttp's hands, and it is plain, whole,
    and not larger than `LARGEST`. Its rest has `PIECES` seconds, however it comes.
(2) Everything else, and whatever `Prompt` does not take, goes to aiohttp as it came, from its first byte on. So whoever
    gets an answer here gets the same as there, and every limit is kept: `router.server.connection`.
(3) Of a request that is in aiohttp's hands we know where it ends if it is plain; else this connection is aiohttp's for
    good, since nobody but its parser knows where the next one begins.
(4) What comes while an answer is awaited is held within the size limit of a head, and read afterwards.
(5) Whoever goes before his answer is told of (`GoneListener`), once.

Members of aiohttp's class without a public name that are used, besides those of `router.server.connection`:
`_force_close`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeAlias

from aiohttp import web

from router.server.connection import READ_STEP, Connection
from router.server.plain import RequestHead, read_head

if TYPE_CHECKING:
    from router.server.connections import Connections

LARGEST = 2 * READ_STEP
"""Bytes of a request: what aiohttp, too, holds of one before anybody has asked for it."""
PIECES = 0.02
"""Seconds in which the rest of a request comes, if it was sent at once."""

GoneListener: TypeAlias = Callable[[], None]
"""To be called if the client goes before it has its answer."""
ReplySender: TypeAlias = Callable[[bytes], None]
"""Takes the answer, which is JSON; also when the client has gone meanwhile."""


class Prompt(Protocol):
    """Whoever may answer what can be read at once."""

    def __call__(self, path: str, timeout: str, body: memoryview, reply: ReplySender) -> GoneListener | None:
        """Have `reply` told the answer, now or later; None where somebody else must find it, and nothing was done."""


class DirectConnection(Connection):
    """A connection of a listener that has a `Prompt`."""

    __slots__ = ("_coming", "_gone", "_is_asked", "_later", "_prompt", "_rest", "_timer")

    def __init__(self, keeper: Connections, server: web.Server, peer: str, prompt: Prompt) -> None:
        super().__init__(keeper, server, peer)
        self._prompt = prompt
        self._is_asked = False
        self._gone: GoneListener | None = None
        self._later = b""
        self._coming = b""
        self._timer: asyncio.TimerHandle | None = None
        self._rest: int | None = 0
        """Bytes that aiohttp is still to get of a request; None: nobody knows."""

    def data_received(self, data: bytes) -> None:
        """Bytes came; aiohttp calls it with none, too."""
        if not data:
            super().data_received(data)
        elif self._is_asked:
            self._later += data
            if len(self._later) > self.keeper.limits.largest_head:
                self.end("head_too_large")
        elif self._rest != 0:
            self._hand_on(data, self._rest)
        else:
            data, self._coming = self._coming + data, b""
            self._take(data)

    def _take(self, data: bytes) -> None:
        """A request begins with these bytes."""
        head = read_head(data)
        whole = None if head is None else head.size + head.length
        if head is None or whole is None or whole > LARGEST or whole < len(data) or not self._is_free:
            self._end_timer()
            self._hand_on(data, whole)
        elif whole == len(data):
            self._end_timer()
            self._ask(head, data)
        else:
            self._coming = data
            if self._timer is None:  # else every piece would bring its sender more time
                self.began = self._loop.time()
                self._timer = self._loop.call_later(PIECES, self._no_more_pieces, whole)

    @property
    def _is_free(self) -> bool:
        """Whether aiohttp has nothing in hand, and nothing keeps requests from being answered here."""
        is_waiting = self._waiter is not None and not self._waiter.done() and not self._force_close
        is_read = self._unread_since is None  # else aiohttp waits: answers are held until they are taken
        return is_waiting and is_read and not (self.is_last or self.refusal or self.keeper.is_leaving)

    def _ask(self, head: RequestHead, data: bytes) -> None:
        self._is_asked = self.has_asked = True
        self.began = self._loop.time()
        gone = self._prompt(head.path, head.timeout, memoryview(data)[head.size :], self._answer)
        if gone is None:
            self._is_asked = False
            self._hand_on(data, len(data))
        elif self._is_asked:
            self._gone = gone

    def _answer(self, body: bytes) -> None:
        if not self._is_asked:
            return  # the client has gone
        self._is_asked, self._gone = False, None
        self.silent_since = self._loop.time()
        is_last = self.is_last or self.keeper.is_leaving
        self.wire.write(_head(len(body), is_last=is_last) + body)
        if is_last:
            self.force_close()
        elif self._later:
            data, self._later = self._later, b""
            self._take(data)

    def _hand_on(self, data: bytes, whole: int | None) -> None:
        """Give these bytes to aiohttp; `whole` is how many of them and of those to come make a request."""
        rest = None if whole is None else whole - len(data)
        self._rest = None if rest is None or rest < 0 else rest
        super().data_received(data)

    def _no_more_pieces(self, whole: int) -> None:
        self._timer = None
        data, self._coming = self._coming, b""
        self._hand_on(data, whole)

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is closed."""
        self._end_timer()
        self._is_asked, gone, self._gone = False, self._gone, None
        super().connection_lost(exc)
        if gone is not None:
            gone()

    @property
    def is_silent(self) -> bool:
        """Whether nothing is in hand."""
        return not (self._is_asked or self._coming) and super().is_silent

    def waits_for_client(self) -> bool:
        """Whether what is in hand waits for its own client."""
        if self._is_asked:
            return self._unread_since is not None
        return super().waits_for_client()


def _head(length: int, *, is_last: bool) -> bytes:
    close = b"Connection: close\r\n" if is_last else b""
    form = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nDate: %b\r\n%b\r\n"
    return form % (length, _date(int(time.time())), close)


@lru_cache(maxsize=1)
def _date(now: int) -> bytes:
    return formatdate(now, usegmt=True).encode()
