"""All connections of one listener: how many there may be, which goes first, which has been there too long.

Rules:
(1) There are at most `limits.most`, handshakes included. One more closes another, in this order: the oldest that has
    never asked anything (handshakes among them, the newest ones excepted); the longest silent of those that have; the
    oldest request of more than a moment that waits for its own client. So a kept connection of the API server goes
    after all that cost nothing to open, and a request that has come whole never goes: where there is nothing else,
    nobody new is let in until one ends. One address may only have `limits.share` times what is still free, or an equal
    part if that is more: beyond it, one more closes another of its own, in the same order, or is closed itself.
(2) One look over all of them, every `every` seconds, finds what is overdue. There is no timer per connection.
(3) When we are leaving, each answer is its connection's last. So it is for those that came in by another entrance than
    the one in force, as soon as whose certificates are let in has changed.
(4) What strangers can cause at will is counted, and logged at most once a minute.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import cast

from aiohttp import web

from router.server.connection import Connection, Ending
from router.server.entrance import Entrance
from router.server.limits import ListenerLimits
from router.server.observer import ServerObserver
from router.telemetry.logs import logger
from router.telemetry.seldom import Seldom

log = logger()

PAUSE = 0.05
"""Seconds for which an address that has its share, and nothing that may go, gets no other connection."""

Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connections:
    """The connections of one listener and the handshakes of those to come."""

    def __init__(
        self, limits: ListenerLimits, observer: ServerObserver, entrance: Callable[[], Entrance] | None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.limits = limits
        self._observer = observer
        self._entrance = entrance
        self._all: dict[Connection, None] = {}
        self._handshakes: dict[Connection, asyncio.Task[None]] = {}
        self._working = 0
        self._refused_until: dict[str, float] = {}
        self.is_leaving = False
        """Whether each answer is its connection's last."""
        self._is_closed = False
        self._quiet = asyncio.Event()
        self._seldom = Seldom(clock=self._loop.time)

    def __len__(self) -> int:
        return len(self._all) + len(self._handshakes)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._all)

    def counts(self) -> dict[str, int]:
        """How many there are of each state."""
        silent = sum(connection.is_silent for connection in self._all)
        return {"handshake": len(self._handshakes), "silent": silent, "in_hand": len(self._all) - silent}

    # What a connection tells

    def refusal_of(self, client: ssl.SSLObject) -> str:
        """Why this client is not answered; empty where it is."""
        return "" if self._entrance is None else self._entrance().refusal(client)

    def join(self, connection: Connection) -> None:
        """A connection can be asked from now on."""
        self._handshakes.pop(connection, None)
        self._all[connection] = None
        if self._is_closed:
            connection.wire.abort()

    def leave(self, connection: Connection) -> None:
        """A connection is closed."""
        self._all.pop(connection, None)
        self._look()

    def ended(self, connection: Connection, ending: Ending) -> None:
        """A connection is being closed by us."""
        self._all.pop(connection, None)
        self._observer.connection_ended(ending)

    def misunderstood(self, peer: str | None, error: BaseException | None) -> None:
        """Somebody sent what is no HTTP."""
        self._observer.turned_away(HTTPStatus.BAD_REQUEST)
        if (held_back := self._seldom.turn("request_not_http")) is not None:
            log.warning("request_not_http", peer=peer, cause=type(error).__name__, held_back=held_back)

    def failed(self, error: BaseException | None) -> None:
        """A handler raised what nobody caught: a defect of ours."""
        if (held_back := self._seldom.turn("request_failed")) is not None:
            log.error("request_failed", exc_info=error, held_back=held_back)

    # Requests

    def answering(self, application: Answering) -> Answering:
        """The application's handler, with what is ours around it."""

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            connection = cast("Connection", request.protocol)  # the listener makes no others
            connection.begin(request)
            self._working += 1
            try:
                response = await (self._not_admitted(connection) if connection.refusal else application(request))
            except web.HTTPException as error:
                if self.is_leaving or connection.is_last:
                    error.force_close()
                raise
            finally:
                self._working -= 1
                connection.finish(request)
                self._look()
            if self.is_leaving or connection.is_last:
                response.force_close()
            return response

        return answer

    async def _not_admitted(self, connection: Connection) -> web.StreamResponse:
        self._observer.client_refused()
        if (held_back := self._seldom.turn("client_refused")) is not None:
            peer = (connection.peername or ("?",))[0]
            log.warning("client_refused", peer=peer, cause=connection.refusal, held_back=held_back)
        response = web.Response(status=HTTPStatus.FORBIDDEN, text=f"{connection.refusal}\n")
        response.force_close()
        return response

    # Room

    def shaking(self, connection: Connection, handshake: asyncio.Task[None]) -> None:
        """A handshake begins; the task ends when there is a connection or none."""
        self._handshakes[connection] = handshake
        handshake.add_done_callback(partial(self._shaken, connection))

    def _shaken(self, connection: Connection, _: asyncio.Task[None]) -> None:
        self._handshakes.pop(connection, None)
        self._look()

    @property
    def is_full(self) -> bool:
        """Whether another one may only come where one goes."""
        return len(self) >= self.limits.most

    def makes_room(self, peer: str) -> bool:
        """Whether one more of this address may come; one of its own is closed where it has its share."""
        now = self._loop.time()
        if self._refused_until.get(peer, now) > now:
            self._observer.connection_ended("crowded_out")
            return False  # looking at all of them again for each who comes would be what takes the time of others
        allowed = self.limits.share * (self.limits.most - len(self))
        if len(self) < allowed:
            return True
        addresses = Counter(one.peer for one in (*self._all, *self._handshakes))
        if addresses[peer] < max(allowed, self.limits.most / (len(addresses) + 1)):
            return True
        if self.close_one(peer):
            return True
        self._refused_until[peer] = now + PAUSE
        self._observer.connection_ended("crowded_out")
        if (held_back := self._seldom.turn("share_exceeded")) is not None:
            log.warning("connection_not_accepted", peer=peer, cause="too many of this address", held_back=held_back)
        return False

    def close_one(self, peer: str | None = None) -> bool:
        """Close what goes first, of this address or of all; says whether there was anything that may go."""
        before = self._loop.time() - self.limits.welcome
        silent = [one for one in self._all if one.is_silent and peer in (None, one.peer)]
        handshakes = (one for one in self._handshakes if peer in (None, one.peer))
        newcomers = (one for one in (*silent, *handshakes) if not one.has_asked and one.began < before)
        asked = (one for one in silent if one.has_asked)
        first = min(newcomers, key=_began, default=None) or min(asked, key=_silent_since, default=None)
        first = first or self._slowest(peer)
        if first in self._handshakes:
            self._handshakes.pop(first).cancel()
            self._observer.connection_ended("crowded_out")
        elif first is not None:
            first.end("crowded_out")
        return first is not None

    def _slowest(self, peer: str | None) -> Connection | None:
        before = self._loop.time() - self.limits.hesitation
        waiting = (one for one in self._all if one.began < before and one.waits_for_client())
        waiting = (one for one in waiting if peer in (None, one.peer))
        return min(waiting, key=_began, default=None)

    def _look(self) -> None:
        if not self._all and not self._working and not self._handshakes:
            self._quiet.set()

    # Time

    def sweep(self) -> None:
        """End what is overdue."""
        now = self._loop.time()
        self._refused_until.clear()
        for connection in list(self._all):
            if (ending := connection.overdue(now)) is not None:
                connection.end(ending)

    # Leaving

    def renew(self) -> None:
        """Whose certificates are let in has changed: who came in before, or is just coming, has to come in again."""
        for handshake in list(self._handshakes.values()):
            handshake.cancel()
        for connection in list(self._all):
            connection.is_last = True
            if connection.is_silent and not connection.is_midway:
                connection.force_close()

    def say_goodbye(self) -> None:
        """Let each answer be its connection's last."""
        self.is_leaving = True

    async def close(self, within: float) -> None:
        """Let nobody new in, close the silent, wait for those in hand for so many seconds, then end them."""
        self.is_leaving = self._is_closed = True
        for handshake in list(self._handshakes.values()):
            handshake.cancel()
        for connection in list(self._all):
            if connection.is_silent and not connection.is_midway:
                connection.force_close()
        await self._until_quiet(min(within, self.limits.hesitation))
        for connection in list(self._all):
            if connection.is_silent:  # its head has not come to an end
                connection.wire.abort()
        await self._until_quiet(max(0.0, within - self.limits.hesitation))
        for connection in list(self._all):
            connection.wire.abort()
        await self._until_quiet(self.limits.hesitation)

    async def _until_quiet(self, seconds: float) -> None:
        self._quiet.clear()
        self._look()
        try:
            async with asyncio.timeout(seconds):
                await self._quiet.wait()
        except TimeoutError:
            return


def _began(connection: Connection) -> float:
    return connection.began


def _silent_since(connection: Connection) -> float:
    return connection.silent_since
