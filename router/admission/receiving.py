"""Takes bodies in: bounded in size, in time and in how much is held of all of them together.

Rules:
(1) A body beyond `max_body` is refused (413), by its length if that is told, else when it gets there.
(2) Room is taken as bytes arrive, never for what is only promised. Bodies up to `SMALL` have room of their own; a part
    of it is for those up to `TINY`, so that what is common is never refused for what is large.
(3) What grows beyond `SMALL` takes one of two slots and gives its room back, and so does what has some room and finds
    no more: it would wait for others that wait for its. Slots go round the peers: whoever sends many large bodies waits
    behind himself.
(4) A body must come at a megabyte a second once it has begun, with some grace: else 408. Waiting for room or for a slot
    does not count.
(5) Who finds neither until the deadline gets 503 with `Retry-After`: an API server asks again with the same uid.
(6) What was taken is given back when the body has been read, whatever happened.
(7) The beginning of every body is kept, also of one that is refused: it says whose it is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator

from aiohttp import StreamReader, web

SMALL = 2**20
"""Bytes of a body that needs no slot."""
TINY = 64 * 2**10
"""Bytes of a body that also gets the room that is kept for such."""
ROOM = 64 * 2**20
"""Bytes of bodies without a slot that are held at once."""
KEPT_FOR_TINY = 16 * 2**20
"""Bytes of it that only bodies up to `TINY` get."""
BEGINNING = 4 * 2**10
"""Bytes that say whose a body is: an API server writes what it asks before the object."""
SLOTS = 2
"""Large bodies that are read at once."""
RATE = 2**20
"""Bytes a second that a body must come at."""
GRACE = 2.0
"""Seconds that it may be behind that."""


class BodyRefusedError(Exception):
    """A body that is not taken; the text is for the answer."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


class Room:
    """Bytes that may be held at once; who finds none waits, the smaller ones first.

    Where who waits has in memory what he waits for, `most_waiting` bounds that: who would be beyond it finds no room.
    """

    def __init__(self, size: int = ROOM, kept_for_tiny: int = KEPT_FOR_TINY, most_waiting: int | None = None) -> None:
        self._free = size
        self._most_waiting = most_waiting
        self._kept = kept_for_tiny
        self._tiny: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._others: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def free(self) -> int:
        """Bytes that nobody has."""
        return self._free

    def take_now(self, size: int, *, is_tiny: bool) -> bool:
        """Take so many bytes if they are free and nobody like this waits; says whether."""
        line, kept = (self._tiny, 0) if is_tiny else (self._others, self._kept)
        if line or self._free - kept < size:
            return False
        self._free -= size
        return True

    async def take(self, size: int, deadline: float, *, is_tiny: bool) -> None:
        """Wait until so many bytes are free, in the order of asking; raises BodyRefusedError at the deadline."""
        if self.take_now(size, is_tiny=is_tiny):
            return
        async with _in_time(deadline):
            await self._take(size, is_tiny=is_tiny)

    async def _take(self, size: int, *, is_tiny: bool) -> None:
        line = self._tiny if is_tiny else self._others
        if self._most_waiting is not None and size + sum(one for one, _ in line) > self._most_waiting:
            raise BodyRefusedError(503, "too many large requests wait; ask again")
        turn = asyncio.get_running_loop().create_future()
        line.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(size)
            else:
                with contextlib.suppress(ValueError):  # whoever gave room back in between has passed it over already
                    line.remove((size, turn))
                self._admit()
            raise

    def give_back(self, size: int) -> None:
        """Free so many bytes and let in who waits."""
        self._free += size
        self._admit()

    def _admit(self) -> None:
        for line, kept in ((self._tiny, 0), (self._others, self._kept)):
            while line and self._free - kept >= line[0][0]:
                size, turn = line.popleft()
                if not turn.done():
                    self._free -= size
                    turn.set_result(None)


class Slots:
    """Turns for large bodies: first come first served within a peer, and round the peers."""

    def __init__(self, count: int = SLOTS) -> None:
        self._free = count
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def take(self, peer: str) -> None:
        """Wait for a slot."""
        if self._free and not self._lines:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(peer, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()
            else:
                self._leave(peer, turn)
            raise

    def give_back(self) -> None:
        """Let the next one in."""
        self._free += 1
        while self._free and self._lines:
            peer, line = self._lines.popitem(last=False)
            turn = line.popleft()
            if line:
                self._lines[peer] = line
            if not turn.done():
                self._free -= 1
                turn.set_result(None)

    def _leave(self, peer: str, turn: asyncio.Future[None]) -> None:
        line = self._lines.get(peer)
        if line is not None and turn in line:
            line.remove(turn)
            if not line:
                del self._lines[peer]


class Receiving:
    """Takes bodies in, within one room and the slots."""

    def __init__(self, room: Room | None = None, slots: Slots | None = None) -> None:
        self._room = room or Room()
        self._slots = slots or Slots()

    def body(self, *, length: int | None, most: int, peer: str) -> Body:
        """What receives one body of this length, as far as it is told."""
        return Body(self._room, self._slots, peer, most, length)


class Body:
    """One body, and the room that it has until it is let go of."""

    __slots__ = ("_bytes", "_has_slot", "_is_tiny", "_length", "_most", "_peer", "_room", "_slots", "beginning")

    def __init__(self, room: Room, slots: Slots, peer: str, most: int, length: int | None) -> None:
        self.beginning = b""
        """As much of it as has come, at most `BEGINNING` bytes."""
        self._room = room
        self._slots = slots
        self._peer = peer
        self._most = most
        self._length = length
        self._is_tiny = (length or SMALL) <= TINY
        self._bytes = 0
        self._has_slot = False

    def let_go(self) -> None:
        """Give back what it holds."""
        if self._has_slot:
            self._has_slot = False
            self._slots.give_back()
        if self._bytes:
            self._room.give_back(self._bytes)
            self._bytes = 0

    async def received(self, content: StreamReader, deadline: float) -> memoryview:
        """The whole body; `deadline` is in the event loop's time. Whatever happens, it must be let go of.

        Raises:
            BodyRefusedError: 400, 408, 413 or 503.
        """
        loop = asyncio.get_running_loop()
        whole, behind_at = bytearray(), loop.time() + GRACE
        while not content.at_eof():
            chunk = await _next_chunk(content, min(behind_at, deadline), whole)
            whole += chunk
            if len(self.beginning) < BEGINNING:
                self.beginning = bytes(whole[:BEGINNING])
            if (size := max(len(whole), self._length or 0)) > self._most:
                raise BodyRefusedError(413, f"a body of {size} bytes or more; the limit is {self._most}")
            waited = loop.time()
            await self._hold(len(whole), len(chunk), deadline)
            behind_at += len(chunk) / RATE + loop.time() - waited
        return memoryview(whole)

    async def _hold(self, total: int, more: int, deadline: float) -> None:
        if self._has_slot:
            return
        if total <= SMALL and await self._found_room(more, deadline, is_tiny=self._is_tiny and total <= TINY):
            self._bytes += more
            return
        async with _in_time(deadline):
            await self._slots.take(self._peer)
        self._has_slot = True
        self._room.give_back(self._bytes)
        self._bytes = 0

    async def _found_room(self, more: int, deadline: float, *, is_tiny: bool) -> bool:
        if self._bytes:  # (3)
            return self._room.take_now(more, is_tiny=is_tiny)
        await self._room.take(more, deadline, is_tiny=is_tiny)
        return True


@contextlib.asynccontextmanager
async def _in_time(deadline: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError as error:
        raise BodyRefusedError(503, "too many large requests at once; ask again") from error


async def _next_chunk(content: StreamReader, until: float, so_far: bytearray) -> bytes:
    try:
        if content.is_eof():  # all of it is there already
            return await content.readany()
        async with asyncio.timeout_at(until):
            return await content.readany()
    except (ConnectionError, RuntimeError, web.RequestPayloadError) as error:  # aiohttp says it in these three ways
        raise BodyRefusedError(400, "the body broke off") from error
    except TimeoutError as error:
        raise BodyRefusedError(
            408, f"only {len(so_far)} bytes of the body came in time; send at least {RATE} bytes a second"
        ) from error
