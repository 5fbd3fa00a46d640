"""A handler or an application on its sockets: connections are accepted here, within limits, and closed in order.

Rules:
(1) Every accepted socket is known from its first moment: as a handshake, then as a connection (`connections`).
(2) Where nobody can be closed to make room, nobody is accepted: who comes waits in the kernel.
(3) Where descriptors or memory run out, accepting rests for a moment, and what goes first is closed. No error of
    accept ends accepting, none makes it spin.
(4) Handshakes that fail are counted and logged at most once a minute; with `webhook.clients` they are how an operator
    learns that the API server shows no certificate.
(5) To close: no new connections, silent ones are closed, requests in hand end.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial

from aiohttp import web

from router.fields import ListenAddress
from router.server.connection import Connection
from router.server.connections import Answering, Connections
from router.server.direct import DirectConnection, Prompt
from router.server.entrance import Entrance
from router.server.limits import WEBHOOK, ListenerLimits
from router.server.observer import ServerObserver
from router.server.sockets import listening_sockets
from router.telemetry.logs import logger
from router.telemetry.seldom import Seldom

log = logger()

AT_ONCE = 16
"""Sockets that are accepted before everybody else gets a turn."""
REST = 0.05
"""Seconds without accepting after it failed, or where nobody could make room."""
SWEEP = 1.0
"""Seconds between two looks for what is overdue."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listener:
    """Serves until it is closed.

    Args:
        served: An application, or a handler of every request: cheaper where there are few paths.
        prompt: Answers what is known at once, before `served` is asked.
    """

    def __init__(  # noqa: PLR0913 - a listener has these independent parts
        self,
        served: web.Application | Answering,
        address: ListenAddress | Sequence[socket.socket],
        observer: ServerObserver,
        *,
        entrance: Callable[[], Entrance] | None = None,
        prompt: Prompt | None = None,
        limits: ListenerLimits = WEBHOOK,
        sweep: float = SWEEP,
    ) -> None:
        """`entrance` gives the door that is in force, for each connection anew; None: no TLS."""
        self._loop = asyncio.get_running_loop()
        self._runner: web.BaseRunner = (
            web.AppRunner(
                served, access_log=None, handle_signals=False, handler_cancellation=True, shutdown_timeout=0.1
            )
            if isinstance(served, web.Application)
            else web.ServerRunner(web.Server(served, handler_cancellation=True), shutdown_timeout=0.1)
        )
        self._address = address
        self._entrance = entrance
        self._prompt = prompt
        self._observer = observer
        self._sweep_every = sweep
        self._sockets: list[socket.socket] = []
        self._untouched: set[socket.socket] = set()
        self._server: web.Server
        self._is_resting = True
        self._timer: asyncio.TimerHandle | None = None
        self._seldom = Seldom(clock=self._loop.time)
        self.connections = Connections(limits, observer, entrance)

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigurationError: The address is taken or is none of this machine's.
        """
        self._sockets = (
            await listening_sockets(self._address) if isinstance(self._address, ListenAddress) else [*self._address]
        )
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise RuntimeError("aiohttp made no server")
        server.request_handler = self.connections.answering(server.request_handler)
        self._server = server
        self._resume()
        self._timer = self._loop.call_later(self._sweep_every, self._sweep)

    def say_goodbye(self) -> None:
        """Go on answering, but let each answer be its connection's last."""
        self.connections.say_goodbye()

    def renew(self) -> None:
        """Let everybody who is connected come in anew."""
        self.connections.renew()

    async def close(self, within: float = 1.0) -> None:
        """Take no new connections, let requests in hand end within so many seconds, then close."""
        self._rest()
        for listening in self._sockets:
            listening.close()
        self._sockets.clear()
        await self.connections.close(within)
        if self._timer is not None:
            self._timer.cancel()
        await self._runner.cleanup()

    def _accept(self, listening: socket.socket) -> None:
        for number in range(AT_ONCE):
            if self.connections.is_full and (number > 0 or not self.connections.close_one()):
                if number == 0:
                    self._rest_a_moment()
                return
            try:
                accepted, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._exhausted(error)
                return
            if not self.connections.makes_room(address := str(peer[0])):
                accepted.close()
                continue
            accepted.setblocking(False)
            self._untouched.add(accepted)
            connection = self._connection(address)
            task = self._loop.create_task(self._shake_hands(accepted, connection, address))
            self.connections.shaking(connection, task)
            task.add_done_callback(partial(self._forget, accepted))

    def _connection(self, peer: str) -> Connection:
        if self._prompt is None:
            return Connection(self.connections, self._server, peer)
        return DirectConnection(self.connections, self._server, peer, self._prompt)

    def _forget(self, accepted: socket.socket, _: asyncio.Task[None]) -> None:
        # A socket that asyncio has seen is closed by its transport, and by nobody else: its number may be another's.
        if accepted in self._untouched:
            self._untouched.remove(accepted)
            accepted.close()

    async def _shake_hands(self, accepted: socket.socket, connection: Connection, peer: str) -> None:
        self._untouched.remove(accepted)
        if self._entrance is None:
            await self._loop.connect_accepted_socket(lambda: connection, accepted)
            return
        limits = self.connections.limits
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=self._entrance().context,
                ssl_handshake_timeout=limits.handshake,
                ssl_shutdown_timeout=limits.goodbye,
            )
        except (OSError, ValueError) as error:
            self._not_shaken(error, peer)

    def _not_shaken(self, error: OSError | ValueError, peer: str) -> None:
        self._observer.handshake_failed()
        if (held_back := self._seldom.turn("handshake_failed")) is not None:
            cause = error.reason if isinstance(error, ssl.SSLError) and error.reason else str(error)
            log.warning("handshake_failed", peer=peer, cause=cause or type(error).__name__, held_back=held_back)

    def _exhausted(self, error: OSError) -> None:
        self._rest_a_moment()
        if error.errno in _EXHAUSTED:
            self.connections.close_one()
        if (held_back := self._seldom.turn("connection_not_accepted")) is not None:
            log.error("connection_not_accepted", cause=error.strerror or str(error), held_back=held_back)

    def _rest_a_moment(self) -> None:
        self._rest()
        self._loop.call_later(REST, self._resume)

    def _rest(self) -> None:
        self._is_resting = True
        for listening in self._sockets:
            self._loop.remove_reader(listening)

    def _resume(self) -> None:
        if self._is_resting:
            self._is_resting = False
            for listening in self._sockets:
                self._loop.add_reader(listening, self._accept, listening)

    def _sweep(self) -> None:
        self._timer = self._loop.call_later(self._sweep_every, self._sweep)
        self.connections.sweep()
