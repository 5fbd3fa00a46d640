"""What every process but the supervisor does: it talks with the supervisor, and ends when that does.

Rules:
(1) It lives in an event loop of its own, for as long as its socket to the supervisor is open; then it ends at once,
    with whatever is in hand: the supervisor closes it last, or has died.
(2) What it logs goes to the supervisor, which alone writes: lines of several processes in one pipe would be torn.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from router.ipc import Answerer, Peer
from router.supervision.family import ALIVE
from router.telemetry import logs
from router.telemetry.adopting import adopting

GATHER = 0.02
"""Seconds that lines are gathered for one message: whoever caused them is answered first."""
LINES, EVENT = "log_lines", "log_event"
"""Topics of notices to the supervisor: lines as they are to be written, and an event whose last resort is the log."""

Begin: TypeAlias = Callable[[Peer], Answerer]
"""Makes what the process is from its end of the socket; what it returns answers the supervisor."""


class RemoteLog:
    """The log of a process whose lines another one writes. Usable from every thread.

    Args:
        peer: The connection to that process.
    """

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._dropped = {"ordinary": 0, "event": 0}
        self._lines: list[bytes] = []

    @property
    def dropped(self) -> dict[str, int]:
        """How many ordinary lines, and how many whole events, could not be handed over."""
        return dict(self._dropped)

    def put(self, line: bytes) -> None:
        """Hand over a line: all that come within `GATHER` together."""
        if threading.get_ident() == self._thread:
            self._put(line)
        else:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and so does the process
                self._loop.call_soon_threadsafe(self._put, line)

    def put_event(self, event_id: str, body: bytes, stamp: str) -> bool:
        """Hand over an event; whether there was room, as far as that is known in this thread."""
        packed = msgspec.msgpack.encode((event_id, body, stamp))
        if threading.get_ident() == self._thread:
            return self._send_event(packed)
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._send_event, packed)
        return True

    def flush(self, patience: float) -> bool:  # noqa: ARG002 - nothing waits here
        """Hand over what has come so far; whether everything is handed over, as it is then."""
        if threading.get_ident() == self._thread:
            self._send_lines()
        return True

    def _put(self, line: bytes) -> None:
        if not self._lines:
            self._loop.call_later(GATHER, self._send_lines)
        self._lines.append(line)

    def _send_lines(self) -> None:
        lines, self._lines = self._lines, []
        if lines and not self._peer.send(LINES, msgspec.msgpack.encode(lines)):
            self._dropped["ordinary"] += len(lines)

    def _send_event(self, packed: bytes) -> bool:
        self._send_lines()
        if not (was_sent := self._peer.send(EVENT, packed)):
            self._dropped["event"] += 1
        return was_sent


def unpacked_lines(packed: bytes) -> Sequence[bytes]:
    """The lines from the body of a LINES notice."""
    return msgspec.msgpack.decode(packed, type=list[bytes])


def unpacked_event(packed: bytes) -> tuple[str, bytes, str]:
    """Id, body and time from the body of an EVENT notice."""
    return msgspec.msgpack.decode(packed, type=tuple[str, bytes, str])


def live(
    name: str,
    descriptor: int,
    begin: Begin,
    new_event_loop: Callable[[], asyncio.AbstractEventLoop],
) -> int:
    """Be a process of the product until the supervisor goes; returns the exit code."""
    with contextlib.suppress(OSError):  # for `ps` and `top`; there is no such file on some systems
        Path("/proc/self/comm").write_text(f"gatecrier-{name}"[:15], encoding="ascii")
    with adopting(), asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_live(descriptor, begin))
    return 0


async def _live(descriptor: int, begin: Begin) -> None:
    answerers: list[Answerer] = []

    async def answer(topic: str, body: bytes) -> bytes:
        try:
            return b"" if topic == ALIVE else await answerers[0](topic, body)
        finally:
            logs.flush()  # whoever has the answer may end us

    def connected() -> Peer:
        peer = Peer(answer, lambda: os._exit(0))
        logs.configure(readable=False, queue=RemoteLog(peer))
        answerers.append(begin(peer))  # before the first question can come
        return peer

    loop = asyncio.get_running_loop()
    await loop.create_unix_connection(connected, sock=socket.socket(fileno=descriptor))
    await asyncio.Event().wait()
