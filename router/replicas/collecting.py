"""Answers other replicas: takes their events, and runs commands about what only the collector keeps.

Rules:
(1) Who has no certificate of ours has no connection (`identity`); there is nothing else to ask of a caller.
(2) Events are answered when they are durable, in one transaction with what was watched until then. Each is taken once
    (`router.outbox.collected`).
(3) A command is run as a person would run it here, by a process of its own, with this replica's configuration: there is
    one meaning of every command, wherever it is asked. At most `COMMANDS_AT_ONCE` run; one takes `COMMAND_SECONDS` at
    most, the time that it waits for its turn included, and prints at most `PRINTED`. Beyond that it is ended, and when
    whoever asked goes away.
(4) What can't be read is answered 400, what the outbox can't take 503; whoever sends tries again.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from aiohttp import web

from router.errors import OutboxError, ReplicaError
from router.fields import ListenAddress
from router.outbox import grants
from router.outbox.collected import collect
from router.outbox.sqlite import SqliteOutbox
from router.readiness.beats import note_watched
from router.replicas.exchange import (
    COMMAND,
    CONTENT_TYPE,
    EVENTS,
    GRANTS,
    LARGEST,
    Command,
    Granted,
    HandedOver,
    Printed,
    Where,
    packed,
    unpacked,
)
from router.replicas.identity import Identity
from router.server.entrance import Entrance
from router.server.limits import Limits
from router.server.listening import Listener
from router.server.observer import Observer

LIMITS = Limits(most=64, handshake=5.0, request=120.0)
"""For other replicas and whoever else reaches the port."""
COMMANDS_AT_ONCE = 2
COMMAND_SECONDS = 60.0
PRINTED = LARGEST // 4
"""Bytes of output, and of errors, that a command may print; more is not read."""
CLOSING = 1.0
"""Seconds that answers in hand get to end when we do."""


class Collecting:
    """The collector's door; needs a running event loop.

    Args:
        outbox: Where events go.
        address: Where to listen.
        identity: What we show, and whom we take.
        observer: Who counts connections.
        woken: Is told when events have come.
        config: The configuration file, by which commands run.
        time_of_day: Seconds since 1970.
    """

    def __init__(  # noqa: PLR0913 - what it is between, and when
        self,
        outbox: SqliteOutbox,
        address: ListenAddress,
        identity: Identity,
        observer: Observer,
        *,
        woken: Callable[[], None],
        config: Path,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        self._outbox = outbox
        self._time_of_day = time_of_day
        self._woken = woken
        self._config = config
        self._commands = asyncio.Semaphore(COMMANDS_AT_ONCE)
        self._entrance = Entrance(identity.serving())
        application = web.Application(client_max_size=LARGEST)
        answers = {EVENTS: self._events, GRANTS: self._grants, COMMAND: self._command}
        application.add_routes([web.post(path, answer) for path, answer in answers.items()])
        self._listener = Listener(application, address, observer, entrance=lambda: self._entrance, limits=LIMITS)

    async def start(self) -> None:
        """Listen; raises ConfigurationError where the address is taken."""
        await self._listener.start()

    def show(self, identity: Identity) -> None:
        """Show this from now on, and take those who show the like; who is connected comes in anew."""
        self._entrance = Entrance(identity.serving())
        self._listener.renew()

    async def close(self) -> None:
        """Take nothing more."""
        await self._listener.close(CLOSING)

    async def _events(self, request: web.Request) -> web.Response:
        try:
            handed_over = unpacked(await request.read(), HandedOver)
        except ReplicaError as error:
            return web.Response(status=400, text=f"{error}\n")
        try:
            new = await self._outbox.change(partial(_taken, handed_over=handed_over, at=self._time_of_day()))
        except OutboxError as error:
            return web.Response(status=503, text=f"{error}\n")
        if new:
            self._woken()
        return web.Response()

    async def _grants(self, request: web.Request) -> web.Response:
        try:
            where = unpacked(await request.read(), Where)
            found = await self._outbox.read(
                partial(grants.in_force, namespace=where.namespace, now=self._time_of_day())
            )
        except ReplicaError as error:
            return web.Response(status=400, text=f"{error}\n")
        except OutboxError as error:
            return web.Response(status=503, text=f"{error}\n")
        return web.Response(body=packed(Granted(found)), content_type=CONTENT_TYPE)

    async def _command(self, request: web.Request) -> web.Response:
        try:
            command = unpacked(await request.read(), Command)
            async with asyncio.timeout(COMMAND_SECONDS), self._commands:
                printed = await self._printed(command)
        except ReplicaError as error:
            return web.Response(status=400, text=f"{error}\n")
        except TimeoutError:
            return web.Response(status=503, text=f"the command took longer than {COMMAND_SECONDS:.0f} s\n")
        return web.Response(body=packed(printed), content_type=CONTENT_TYPE)

    async def _printed(self, command: Command) -> Printed:
        arguments = [*command.arguments]
        place = arguments.index("--") if "--" in arguments else len(arguments)
        arguments[place:place] = ["--config", str(self._config)]  # of two, the last counts
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "router", "--for-replica", *arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except (OSError, ValueError) as error:  # too long, a NUL, no memory
            raise ReplicaError(f"the command can't be run: {error}; ask with fewer or shorter words") from error
        try:
            output, errors = await asyncio.gather(_bounded(process, process.stdout), _bounded(process, process.stderr))
            code = await process.wait()
        finally:
            if process.returncode is None:
                _end(process)
                await process.communicate()  # what is still in the pipes; asyncio waits for their end
        if max(len(output), len(errors)) > PRINTED:
            raise ReplicaError(f"the answer is larger than {PRINTED} bytes; ask for less, or on the collector itself")
        return Printed(code, output, errors)


def _taken(connection: sqlite3.Connection, handed_over: HandedOver, at: float) -> int:
    """Keep it; returns how many events are new."""
    if handed_over.watched is not None:
        note_watched(connection, handed_over.replica, handed_over.watched.moved(at))
    return collect(connection, handed_over.replica, handed_over.events)


async def _bounded(process: asyncio.subprocess.Process, printed: asyncio.StreamReader | None) -> bytes:
    """What it prints until its end; where that is too much it is ended, and the beginning is returned."""
    if printed is None:
        raise RuntimeError("asyncio made no pipe")
    found = bytearray()
    while part := await printed.read(2**16):
        if len(found) <= PRINTED:
            found += part
        else:
            _end(process)
    return bytes(found)


def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
