"""Brings what is in force to every process: all are asked whether they can work by it, then each is told to.

Rules:
(1) All are asked first (`prepare`). Where one refuses, that is said, and nothing has changed anywhere.
(2) Then all are told (`commit`), the keeper first, and nothing stops that any more. Who can't do it then is ended: its
    successor begins by what is in force, so that no two work by different ones for longer than that takes.
(3) Who has ended meanwhile is passed over, and who has come meanwhile is brought up to date.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from router.assembly import messages
from router.assembly.in_force import GATE, KEEPER, InForce
from router.ipc import Peer, PeerGoneError, PeerRefusedError
from router.supervision.family import Seat
from router.telemetry.logs import logger

log = logger()

Asked: TypeAlias = Sequence[tuple[Seat, Peer]]
"""Who has prepared, and where they sit."""


class Bringing:
    """What each process works by.

    Args:
        in_force: Gives what is in force.
    """

    def __init__(self, in_force: Callable[[], InForce]) -> None:
        self._in_force = in_force
        self._taken: weakref.WeakKeyDictionary[Peer, int] = weakref.WeakKeyDictionary()
        """By which configuration each process works."""

    async def prepare(self, configured: InForce, seats: Sequence[Seat]) -> Asked:
        """Ask everybody who is there; raises PeerRefusedError where one can't work by it."""
        prepared: list[tuple[Seat, Peer]] = []
        for seat in seats:
            if (peer := seat.peer) is not None:
                with contextlib.suppress(PeerGoneError):  # whoever comes next is made by what is in force
                    await peer.ask(messages.PREPARE, messages.pack(configured.parts[seat.role]))
                    prepared.append((seat, peer))
        return prepared

    async def commit(self, prepared: Asked, seats: Sequence[Seat]) -> None:
        """Tell those who have prepared what is in force by now, then whoever has come since."""
        generation = self._in_force().generation
        for wanted in (KEEPER, GATE):
            told = (self._told(seat, peer, generation) for seat, peer in prepared if seat.role == wanted)
            await asyncio.gather(*told)
        asked = {peer for _, peer in prepared}
        for seat in seats:
            if (peer := seat.peer) is not None and peer not in asked:
                with _ending(seat, peer):
                    await self.bring_up_to_date(seat.role, peer)

    async def bring_up_to_date(self, role: str, peer: Peer) -> None:
        """Have one work by what is in force; raises PeerError where it can't."""
        while self._taken.get(peer) != self._in_force().generation:
            part = self._in_force().parts[role]
            await peer.ask(messages.PREPARE, messages.pack(part))
            await peer.ask(messages.COMMIT)
            self._taken[peer] = part.generation

    async def _told(self, seat: Seat, peer: Peer, generation: int) -> None:
        with _ending(seat, peer):
            await peer.ask(messages.COMMIT)
            self._taken[peer] = generation


@contextlib.contextmanager
def _ending(seat: Seat, peer: Peer) -> Iterator[None]:
    """End a process that refuses what is asked here (2)."""
    try:
        yield
    except PeerGoneError:
        pass  # its successor is made by what is in force
    except PeerRefusedError as error:
        advice = "the process is ended; the next one begins by what is in force"
        log.error("commit_refused", role=seat.role, number=seat.number, problem=str(error), advice=advice)  # noqa: TRY400 - the stack says no more
        peer.close()
