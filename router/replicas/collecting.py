"""Answers other replicas: takes their events and what they have scanned, and runs commands about what it keeps.

Rules:
(1) Who has no certificate of ours has no connection (`identity`); there is nothing else to ask of a caller.
(2) Events are answered when they are durable, in one transaction with what was watched until then. Each is taken once
    (`router.outbox.collected`).
(3) A command is run as a person would run it here, by a process of its own, with this replica's configuration: there is
    one meaning of every command, wherever it is asked. At most `COMMANDS_AT_ONCE` run; one takes `COMMAND_SECONDS` at
    most, the time that it waits for its turn included, and prints at most `PRINTED`. Beyond that it is ended, and when
    whoever asked goes away.
(4) What a scan has found is kept as that of a scan that was asked for here, by this replica's configuration and in the
    outbox's own writer (`router.scanning.keeping`); the time is by the clock of here. A scan of another cluster is none
    of ours, nor one that began more than `SCAN_AGE` ago.
(5) A caller who comes again has lost nothing by that, and nothing is kept twice.
(6) What can't be read is answered 400, what the outbox can't take 503; whoever sends tries again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import msgspec
from aiohttp import web

from router.errors import OutboxError, ReplicaError
from router.outbox import grants
from router.outbox.collected import collect
from router.outbox.sqlite import SqliteOutbox
from router.readiness.beats import note_watched
from router.replicas.exchange import (
    COMMAND,
    CONTENT_TYPE,
    EVENTS,
    FINDINGS,
    GRANTS,
    LARGEST,
    SCAN,
    SCANNED,
    Command,
    FindingsPortion,
    Granted,
    GrantsQuestion,
    HandedOver,
    PortionCount,
    Printed,
    ScanEnded,
    ScanOffered,
    TimeOfDay,
    packed,
    unpacked,
)
from router.replicas.identity import ReplicaIdentity
from router.scanning.keeping import InFile
from router.scanning.recording import Terms, Which
from router.server.entrance import Entrance
from router.server.limits import ListenerLimits
from router.server.listening import Listener
from router.server.observer import ServerObserver
from router.text import shown

LIMITS = ListenerLimits(most=64, handshake=5.0, request=120.0)
"""For other replicas and whoever else reaches the port."""
COMMANDS_AT_ONCE = 2
COMMAND_SECONDS = 60.0
PRINTED = LARGEST // 4
"""Bytes of output, and of errors, that a command may print; more is not read."""
SCAN_AGE = 86400.0
"""Seconds since a scan began that hands in what it has found."""
CLOCK_STEP = 60.0
"""Seconds by which our clock may have been set back meanwhile."""
CLOSING = 1.0
"""Seconds that answers in hand get to end when we do."""

Answer: TypeAlias = Callable[[bytes], Awaitable[msgspec.Struct | None]]
"""The body of a question -> what is answered; raises ReplicaError, OutboxError or TimeoutError."""


class Collecting:
    """The collector's door; needs a running event loop.

    Args:
        outbox: Where events go.
        listening: What listens.
        identity: What we show, and whom we take.
        observer: Who counts connections.
        woken: Is told when events have come.
        config: The configuration file, by which commands run.
        terms: By what is kept what was scanned.
        time_of_day: Seconds since 1970.
    """

    def __init__(  # noqa: PLR0913 - what it is between, and when
        self,
        outbox: SqliteOutbox,
        listening: Sequence[socket.socket],
        identity: ReplicaIdentity,
        observer: ServerObserver,
        *,
        woken: Callable[[], None],
        config: Path,
        terms: Terms,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        self._outbox = outbox
        self._time_of_day = time_of_day
        self._woken = woken
        self._config = config
        self._terms = terms
        self._commands = asyncio.Semaphore(COMMANDS_AT_ONCE)
        self._entrance = Entrance(identity.serving())
        application = web.Application(client_max_size=LARGEST)
        answers: Mapping[str, Answer] = {
            EVENTS: self._events,
            GRANTS: self._grants,
            COMMAND: self._command,
            SCAN: self._scan,
            FINDINGS: self._findings,
            SCANNED: self._scanned,
        }
        application.add_routes([web.post(path, partial(_answered, answer)) for path, answer in answers.items()])
        self._listener = Listener(application, listening, observer, entrance=lambda: self._entrance, limits=LIMITS)

    async def start(self) -> None:
        """Answer who calls."""
        await self._listener.start()

    def take_by(self, terms: Terms) -> None:
        """Keep by this, from now on, what was scanned."""
        self._terms = terms

    def show(self, identity: ReplicaIdentity) -> None:
        """Show this from now on, and take those who show the like; who is connected comes in anew."""
        self._entrance = Entrance(identity.serving())
        self._listener.renew()

    async def close(self) -> None:
        """Take nothing more."""
        await self._listener.close(CLOSING)

    async def _events(self, body: bytes) -> None:
        handed_over = unpacked(body, HandedOver)
        if await self._outbox.change(partial(_taken, handed_over=handed_over, at=self._time_of_day())):
            self._woken()

    async def _grants(self, body: bytes) -> Granted:
        namespace = unpacked(body, GrantsQuestion).namespace
        return Granted(await self._outbox.read(partial(grants.in_force, namespace=namespace, now=self._time_of_day())))

    async def _scan(self, body: bytes) -> TimeOfDay:
        self._expect_ours(unpacked(body, ScanOffered).cluster)
        return TimeOfDay(self._time_of_day())

    async def _findings(self, body: bytes) -> PortionCount:
        portion = unpacked(body, FindingsPortion).portion
        return PortionCount(await self._keeping(portion.scan).take(portion))

    async def _scanned(self, body: bytes) -> PortionCount:
        ended = unpacked(body, ScanEnded).ended
        return PortionCount(await self._keeping(ended.scan).end(ended))

    def _keeping(self, scan: Which) -> InFile:
        self._expect_ours(scan.cluster)
        if not -CLOCK_STEP <= self._time_of_day() - scan.began_at <= SCAN_AGE:
            raise ReplicaError("the scan has not begun within the last day: scan again")
        return InFile(self._outbox, self._terms)

    def _expect_ours(self, cluster: str) -> None:
        if cluster != self._terms.cluster:
            ours = f"this is the collector of the cluster {shown(self._terms.cluster)}"
            raise ReplicaError(f"{ours}, and what was scanned is of {shown(cluster)} (`cluster`)")

    async def _command(self, body: bytes) -> Printed:
        command = unpacked(body, Command)
        try:
            async with asyncio.timeout(COMMAND_SECONDS), self._commands:
                return await self._printed(command)
        except TimeoutError as error:
            raise TimeoutError(f"the command took longer than {COMMAND_SECONDS:.0f} s") from error

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


async def _answered(answer: Answer, request: web.Request) -> web.Response:
    """What is answered to a request (6)."""
    try:
        found = await answer(await request.read())
    except ReplicaError as error:
        return web.Response(status=400, text=f"{error}\n")
    except (OutboxError, TimeoutError) as error:
        return web.Response(status=503, text=f"{error}\n")
    return web.Response() if found is None else web.Response(body=packed(found), content_type=CONTENT_TYPE)


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
