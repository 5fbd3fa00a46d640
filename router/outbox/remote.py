"""The intake of an outbox that another process has.

Rules:
(1) Whoever appends asks over a line, as often as that process dies meanwhile: appending twice and withdrawing twice are
    as good as once (`router.outbox.protocol`, rules 2 and 9), so that whoever does not know whether it was done asks
    again.
(2) What is posted within one turn of the loop is one question, up to `TOGETHER` bytes, and has one answer: what became
    of each. It is asked once; where there is no answer, whoever waits asks again as (1) says.
(3) Events that are sent together have nothing to do with one another: a mistake of ours about one of them, or in
    whoever is told of it, changes nothing for the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import NamedTuple

import msgspec

from router.errors import OutboxError
from router.ipc import AnswerTaker, Line, PeerError, PeerGoneError, PeerRefusedError, PromptAnswerer
from router.outbox.posting import MOMENT, Later, StoredListener
from router.outbox.protocol import BatchIntake, Intake, NewEvent, Number
from router.telemetry.going_on import nothing, or_else

APPEND, APPEND_ALL, WITHDRAW = "append", "append_all", "withdraw"
"""Topics of the questions."""
TOGETHER = 2**20
"""Bytes of events that are asked about together, but for the last of them."""

_pack = msgspec.msgpack.Encoder().encode
_event = msgspec.msgpack.Decoder(NewEvent).decode
_events = msgspec.msgpack.Decoder(list[NewEvent]).decode
_number = msgspec.msgpack.Decoder(Number).decode
_ids = msgspec.msgpack.Decoder(frozenset[str]).decode
_problems = msgspec.msgpack.Decoder(list[str]).decode


class _Posted(NamedTuple):
    event: NewEvent
    packed: msgspec.Raw
    told: StoredListener

    def tell(self, later: Later | None) -> None:
        or_else(partial(self.told, later), nothing, "posted_not_told", event_id=self.event.id)  # (3)


class RemoteIntake:
    """Implements `Intake`, and `Post`, by asking the process behind a line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._posted: list[_Posted] = []
        self._size = 0

    async def append(self, event: NewEvent) -> Number:
        """Store an event and its deliveries; returns its number once it is durable."""
        return _number(await self._asked(APPEND, _pack(event)))

    async def withdraw(self, ids: Collection[str]) -> AbstractSet[str]:
        """Take back events that were given up; returns the ids of which nothing is stored now."""
        return _ids(await self._asked(WITHDRAW, _pack(list(ids))))

    def post(self, event: NewEvent, told: StoredListener) -> None:
        """Store an event together with others; `told` is told as `router.outbox.posting` says."""
        packed = msgspec.Raw(_pack(event))  # here, where what can't be packed fails whoever posts it: (3)
        if not self._posted:
            asyncio.get_running_loop().call_soon(self._send)
        self._posted.append(_Posted(event, packed, told))
        self._size += len(event.body)
        if self._size > TOGETHER:
            asyncio.get_running_loop().call_soon(self._send, self._taken())

    def _taken(self) -> Sequence[_Posted]:
        posted, self._posted, self._size = self._posted, [], 0
        return posted

    def _send(self, posted: Sequence[_Posted] = ()) -> None:
        if posted := posted or self._taken():
            _Sent(self._line, posted, self.append)

    async def _asked(self, topic: str, body: bytes) -> bytes:
        try:
            return await self._line.ask(topic, body)
        except PeerError as error:
            raise OutboxError(str(error)) from error


class _Sent:
    """Events that were sent together, until it is known what became of them."""

    def __init__(self, line: Line, posted: Sequence[_Posted], append: Callable[[NewEvent], Awaitable[object]]) -> None:
        self._posted = posted
        self._append = append
        self._late: Sequence[asyncio.Future[PeerError | None]] = ()
        self._timer = asyncio.get_running_loop().call_later(MOMENT, self._is_late)
        if not line.put(APPEND_ALL, _pack([one.packed for one in posted]), self._answered):
            self._answered(PeerGoneError("it was not asked"))

    def _is_late(self) -> None:
        loop = asyncio.get_running_loop()
        self._late = [loop.create_future() for _ in self._posted]
        for one, future in zip(self._posted, self._late, strict=True):
            one.tell(partial(self._waited, one.event, future))

    async def _waited(self, event: NewEvent, future: asyncio.Future[PeerError | None]) -> None:
        if (problem := await future) is not None:
            await self._failed(event, problem)

    async def _failed(self, event: NewEvent, problem: PeerError) -> None:
        if not isinstance(problem, PeerGoneError):
            raise OutboxError(str(problem)) from problem
        await self._append(event)

    def _answered(self, said: bytes | PeerError) -> None:
        self._timer.cancel()
        problems: Sequence[PeerError | None]
        if isinstance(said, PeerError):
            problems = [said] * len(self._posted)
        else:
            problems = [PeerRefusedError(problem) if problem else None for problem in _problems(said)]
        if self._late:
            for future, problem in zip(self._late, problems, strict=True):
                if not future.done():  # else whoever waited has gone
                    future.set_result(problem)
            return
        for one, problem in zip(self._posted, problems, strict=True):
            one.tell(None if problem is None else partial(self._failed, one.event, problem))


def answers(intake: Intake) -> Mapping[str, Callable[[bytes], Awaitable[bytes]]]:
    """What the process that has the outbox answers, by topic; raises OutboxError."""

    async def withdraw(body: bytes) -> bytes:
        return _pack(await intake.withdraw(_ids(body)))

    return {WITHDRAW: withdraw}


def prompt_answers(intake: BatchIntake) -> Mapping[str, PromptAnswerer]:
    """What it answers without a task of its own, by topic: all who are admitted wait for it."""

    def append(body: bytes, reply: AnswerTaker) -> None:
        def told(results: Sequence[Number | OutboxError]) -> None:
            (result,) = results
            reply(result if isinstance(result, OutboxError) else _pack(result))

        intake.append_all([_event(body)], told)

    def append_all(body: bytes, reply: AnswerTaker) -> None:
        def told(results: Sequence[Number | OutboxError]) -> None:
            reply(_pack([_words(one) if isinstance(one, OutboxError) else "" for one in results]))

        intake.append_all(_events(body), told)

    return {APPEND: append, APPEND_ALL: append_all}


def _words(problem: OutboxError) -> str:
    """Why something is not durable: never empty, and such that it can be sent, whatever a file is called."""
    return str(problem).encode(errors="replace").decode() or type(problem).__name__
