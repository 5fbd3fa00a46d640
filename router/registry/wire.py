"""How long questions about one image were on the wire: what a registry did, apart from what kept us from asking.

Rules:
(1) A question is one call of the registry client, whatever redirects and attempts it takes. It is on the wire from
    the beginning of a connection attempt to an address, or from the moment it has a kept connection, until that
    exchange ends. Looking up a name, waiting for a free connection and waiting before another attempt do not count.
(2) A question that waits for a token is on the wire while the call for the token is.
(3) Through a proxy only an open tunnel counts: before that, and with plain HTTP, the silence may be the proxy's.
(4) What counts is the one question that was there for longest, not the sum of all: whoever pushes evidence chooses
    how many questions there are.
(5) Nor does it count for how long a body flows: bytes that come are an answer, and whoever pushes chooses how many
    there are. Of a body only the time counts since its last 16 KiB came: what hangs or trickles is silent.

An `ImageWire` is passed on by the context of the task, because between whoever wants to know and whoever sends lie
stages that have no part in it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import SimpleNamespace

import aiohttp

FLOW = 16 * 1024
"""Bytes of a body that are an answer."""


@dataclass(eq=False, slots=True)
class WireTimes:
    """The times that one question was on the wire; seconds in the time of the loop."""

    _spans: list[tuple[float, float]] = field(default_factory=list)
    _since: float | None = None
    _shared: list[tuple[WireTimes, float, float | None]] = field(default_factory=list)
    """Calls of others that it waited for, from when until when."""

    def begin(self) -> None:
        """It is on the wire."""
        if self._since is None:
            self._since = _now()

    def end(self) -> None:
        """It is not."""
        if self._since is not None:
            self._spans.append((self._since, _now()))
            self._since = None

    def flowing(self, read: Callable[[], Awaitable[bytes]]) -> Callable[[], Awaitable[bytes]]:
        """The same way to read a body whose head has come; where it flows, it is no time on the wire (5)."""
        if self._since is None:
            return read
        self.end()
        self.begin()
        came = 0

        async def noted() -> bytes:
            nonlocal came
            chunk = await read()
            came += len(chunk)
            if came >= FLOW:
                self._since, came = _now(), 0
            return chunk

        return noted

    @contextlib.contextmanager
    def sharing(self, other: WireTimes) -> Iterator[None]:
        """Wait for a call that is somebody else's, too (2)."""
        began = _now()
        self._shared.append((other, began, None))
        place = len(self._shared) - 1
        try:
            yield
        finally:
            self._shared[place] = other, began, _now()

    def seconds(self, since: float, until: float) -> float:
        """For how long it was on the wire between these times."""
        spans = self._spans if self._since is None else [*self._spans, (self._since, until)]
        own = sum(max(0.0, min(end, until) - max(begin, since)) for begin, end in spans)
        return own + sum(
            other.seconds(max(begin, since), until if end is None else min(end, until))
            for other, begin, end in self._shared
        )


class ImageWire:
    """The questions about one image."""

    def __init__(self) -> None:
        self._questions: list[WireTimes] = []
        self._joined: list[ImageWire] = []

    def question(self) -> WireTimes:
        """A new question."""
        self._questions.append(WireTimes())
        return self._questions[-1]

    def join(self, other: ImageWire) -> None:
        """What is asked there is asked for us, too."""
        self._joined.append(other)

    def longest(self, since: float, until: float) -> float:
        """The seconds that one question was on the wire between these times."""
        own = (question.seconds(since, until) for question in self._questions)
        return max([*own, *(other.longest(since, until) for other in self._joined)], default=0.0)


_WIRE: ContextVar[ImageWire | None] = ContextVar("wire", default=None)
_EXCHANGES: ContextVar[WireTimes | None] = ContextVar("exchanges", default=None)


def listen(wire: ImageWire | None) -> None:
    """From now on, questions in this task's context are noted on this wire."""
    _WIRE.set(wire)


def wire() -> ImageWire | None:
    """The wire of this context."""
    return _WIRE.get()


def exchanges() -> WireTimes | None:
    """The question of this context."""
    return _EXCHANGES.get()


def begin_question() -> WireTimes:
    """From now on, exchanges in this task's context belong to a question that is on no wire of anybody yet."""
    asked = WireTimes()
    _EXCHANGES.set(asked)
    return asked


@contextlib.contextmanager
def question() -> Iterator[WireTimes]:
    """Within this, exchanges belong to one question."""
    listening = _WIRE.get()
    asked = WireTimes() if listening is None else listening.question()
    token = _EXCHANGES.set(asked)
    try:
        yield asked
    finally:
        asked.end()
        _EXCHANGES.reset(token)


@dataclass(frozen=True, slots=True)
class Marked:
    """What aiohttp is to mark for one exchange."""

    exchanges: WireTimes
    is_tunnelled: bool = False


def tracing() -> aiohttp.TraceConfig:
    """Marks the exchanges of requests that have a `Marked` as `trace_request_ctx`."""
    config = aiohttp.TraceConfig()
    config.on_connection_create_start.append(_on_attempt)  # an address needs no look-up
    config.on_dns_resolvehost_start.append(_on_lookup)
    config.on_dns_resolvehost_end.append(_on_attempt)
    config.on_connection_create_end.append(_on_connection)
    config.on_connection_reuseconn.append(_on_connection)
    return config


async def _on_attempt(_session: aiohttp.ClientSession, context: SimpleNamespace, _event: object) -> None:
    match context.trace_request_ctx:
        case Marked(exchanges, is_tunnelled=False):
            exchanges.begin()


async def _on_lookup(_session: aiohttp.ClientSession, context: SimpleNamespace, _event: object) -> None:
    match context.trace_request_ctx:
        case Marked(exchanges, is_tunnelled=False):
            exchanges.end()


async def _on_connection(_session: aiohttp.ClientSession, context: SimpleNamespace, _event: object) -> None:
    match context.trace_request_ctx:
        case Marked(exchanges):
            exchanges.begin()


def _now() -> float:
    return asyncio.get_running_loop().time()
