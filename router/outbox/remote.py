"""The intake of an outbox that another process has.

Whoever appends asks over a line, as often as that process dies meanwhile: appending twice and withdrawing twice are as
good as once (`router.outbox.protocol`, rules 2 and 9), so that whoever does not know whether it was done asks again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from collections.abc import Set as AbstractSet

import msgspec

from router.errors import OutboxError
from router.ipc import Line, PeerError
from router.outbox.protocol import Intake, NewEvent, Number

APPEND, WITHDRAW = "append", "withdraw"
"""Topics of the questions."""

_pack = msgspec.msgpack.Encoder().encode
_event = msgspec.msgpack.Decoder(NewEvent).decode
_number = msgspec.msgpack.Decoder(Number).decode
_ids = msgspec.msgpack.Decoder(frozenset[str]).decode


class RemoteIntake:
    """Implements `Intake` by asking the process behind a line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def append(self, event: NewEvent) -> Number:
        """Store an event and its deliveries; returns its number once it is durable."""
        return _number(await self._asked(APPEND, _pack(event)))

    async def withdraw(self, ids: Collection[str]) -> AbstractSet[str]:
        """Take back events that were given up; returns the ids of which nothing is stored now."""
        return _ids(await self._asked(WITHDRAW, _pack(list(ids))))

    async def _asked(self, topic: str, body: bytes) -> bytes:
        try:
            return await self._line.ask(topic, body)
        except PeerError as error:
            raise OutboxError(str(error)) from error


def answers(intake: Intake) -> Mapping[str, Callable[[bytes], Awaitable[bytes]]]:
    """What the process that has the outbox answers, by topic; raises OutboxError."""

    async def append(body: bytes) -> bytes:
        return _pack(await intake.append(_event(body)))

    async def withdraw(body: bytes) -> bytes:
        return _pack(await intake.withdraw(_ids(body)))

    return {APPEND: append, WITHDRAW: withdraw}
