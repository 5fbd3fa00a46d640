"""A line to a process that may die at any time and comes back: what has no answer yet is asked again.

Rules:
(1) A question waits until it is answered, whichever process answers it, or until its asker gives up (a deadline is
    the asker's business: `asyncio.timeout_at`).
(2) The same question may therefore be heard twice. Only ask here what may be done twice.
(3) While nobody answers the door, it is tried again after 20 ms, 40 ms ... at most 200 ms.
"""

from __future__ import annotations

import asyncio
import contextlib

from router.ipc.peer import AnswerListener, Peer, PeerGoneError, PeerRefusedError

FIRST_WAIT, LONGEST_WAIT = 0.02, 0.2
"""Seconds between two attempts to connect."""


async def _no_answers(topic: str, _: bytes) -> bytes:
    raise PeerRefusedError(f"nobody answers {topic!r} here")


class Line:
    """A line to the process behind a Unix socket.

    Args:
        path: Of the socket.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._peer: Peer | None = None
        self._is_there = asyncio.Event()
        self._is_closed = False
        self._calling: asyncio.Task[None] | None = None

    async def ask(self, topic: str, body: bytes = b"") -> bytes:
        """The answer of whichever process is there.

        Raises:
            PeerGoneError: The line was closed.
            PeerRefusedError: The other end can't do it.
        """
        while True:
            peer = await self._connected()
            with contextlib.suppress(PeerGoneError):
                return await peer.ask(topic, body)

    def put(self, topic: str, body: bytes, answered: AnswerListener) -> bool:
        """Ask without waiting, once: `router.ipc.peer.Peer.put`. Who gets no answer may `ask` again."""
        return self._peer is not None and self._peer.put(topic, body, answered)

    async def close(self) -> None:
        """End the line; who still waits fails with PeerGoneError."""
        self._is_closed = True
        self._is_there.set()
        if self._peer is not None:
            self._peer.close()
        if self._calling is not None:
            self._calling.cancel()
            await asyncio.gather(self._calling, return_exceptions=True)

    async def _connected(self) -> Peer:
        while not self._is_closed:
            if self._peer is not None:
                return self._peer
            if self._calling is None or self._calling.done():
                self._calling = asyncio.create_task(self._call())
            await self._is_there.wait()
        raise PeerGoneError("the line is closed")

    async def _call(self) -> None:
        wait = FIRST_WAIT
        while not self._is_closed:
            with contextlib.suppress(OSError):
                _, peer = await asyncio.get_running_loop().create_unix_connection(
                    lambda: Peer(_no_answers, self._lost), self._path
                )
                if not peer.has_ended:
                    self._peer = peer
                    self._is_there.set()
                    return
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    def _lost(self) -> None:
        self._peer = None
        if not self._is_closed:
            self._is_there.clear()
