"""What every process but the supervisor does: it talks with the supervisor, and ends when that does.

Rules:
(1) It lives in an event loop of its own, for as long as its socket to the supervisor is open; then it ends at once,
    with whatever is in hand: the supervisor closes it last, or has died.
(2) What it logs goes to the supervisor, which alone writes: lines of several processes in one pipe would be torn.
(3) A defect that ends it is a line of the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from router.ipc import Answerer, Peer
from router.supervision.family import ALIVE
from router.telemetry import logs
from router.telemetry.adopting import adopting

LINE, EVENT = "log_line", "log_event"
"""Topics of notices to the supervisor: a line as it is to be written, and an event whose last resort is the log."""
_LENGTHS = struct.Struct(">HH")

Begin: TypeAlias = Callable[[Peer], Awaitable[Answerer]]
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

    @property
    def dropped(self) -> dict[str, int]:
        """How many ordinary lines, and how many whole events, could not be handed over."""
        return dict(self._dropped)

    def put(self, line: bytes) -> None:
        """Hand over a line."""
        self._hand_over("ordinary", LINE, line)

    def put_event(self, event_id: str, body: bytes, stamp: str) -> bool:
        """Hand over an event; whether there was room, as far as that is known in this thread."""
        return self._hand_over("event", EVENT, packed_event(event_id, body, stamp))

    def flush(self, patience: float) -> bool:
        """Nothing waits here."""
        return patience >= 0

    def _hand_over(self, kind: str, topic: str, body: bytes) -> bool:
        if threading.get_ident() == self._thread:
            return self._tell(kind, topic, body)
        with contextlib.suppress(RuntimeError):  # the loop has ended, and so does the process
            self._loop.call_soon_threadsafe(self._tell, kind, topic, body)
        return True

    def _tell(self, kind: str, topic: str, body: bytes) -> bool:
        if not (was_sent := self._peer.tell(topic, body)):
            self._dropped[kind] += 1
        return was_sent


def packed_event(event_id: str, body: bytes, stamp: str) -> bytes:
    """The body of an EVENT notice."""
    name, at = event_id.encode("utf-8", "replace"), stamp.encode()
    return _LENGTHS.pack(len(name), len(at)) + name + at + body


def unpacked_event(packed: bytes) -> tuple[str, bytes, str]:
    """Id, body and time from the body of an EVENT notice."""
    of_name, of_stamp = _LENGTHS.unpack_from(packed)
    start = _LENGTHS.size
    return (
        packed[start : start + of_name].decode(),
        packed[start + of_name + of_stamp :],
        packed[start + of_name : start + of_name + of_stamp].decode(),
    )


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
    answering: asyncio.Future[Answerer] = asyncio.get_running_loop().create_future()

    async def answer(topic: str, body: bytes) -> bytes:
        if topic == ALIVE:
            return b""
        return await (await asyncio.shield(answering))(topic, body)

    _, peer = await asyncio.get_running_loop().create_unix_connection(
        lambda: Peer(answer, lambda: os._exit(0)), sock=socket.socket(fileno=descriptor)
    )
    logs.configure(readable=False, queue=RemoteLog(peer))
    try:
        answering.set_result(await begin(peer))
        await asyncio.Event().wait()
    except Exception:  # noqa: BLE001 - the supervisor starts another; nobody else could tell why
        logs.logger().exception("process_failed")
        peer.close()
        await asyncio.sleep(1)  # until that is written, which ends this process
