"""One end of a connection between two of our processes: asks, answers, tells.

Rules:
(1) Both ends are alike: each may ask. Many questions are under way at once; answers come in any order.
(2) What is said within one turn of the loop goes out in one write, but for answers of who answers promptly (7).
(3) Bounded: a frame has at most `FRAME_LIMIT` bytes, and who asks waits while `UNANSWERED_LIMIT` bytes of its
    questions have no answer, or the other end does not read. First come, first served. What is told is not sent at all
    where that much lies unread, and what is put not where it would have to wait.
(4) A question that its asker gives up is still answered; that answer is dropped.
(5) What answers (`Answerer`) raises GatecrierError where it can't: the asker gets its words, as PeerRefusedError. Any
    other error is a defect: logged where it happened, and refused without its words.
(6) When the connection ends, every question without an answer fails with PeerGoneError, and work on questions of the
    other end is cancelled: nobody waits for it any more.
(7) Who answers promptly (`PromptAnswerer`) is called in the turn in which the question came, and his answer is written
    in the turn in which he gives it: a task would cost a turn to begin and two to end, and a loop that has much to do
    takes milliseconds for each. A mistake in it is refused as (5) says.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, cast

from router.errors import GatecrierError
from router.ipc.frames import Frame, FrameError, FrameKind, FrameReader, encode
from router.telemetry.going_on import or_else
from router.telemetry.logs import logger

log = logger()

FRAME_LIMIT = 64 * 2**20
"""Bytes of one frame: the largest is a configuration with all its files."""
UNANSWERED_LIMIT = 32 * 2**20
"""Bytes of questions that may be without an answer."""
DEFECT = "a defect; the log has it"
"""What is said of a mistake of ours."""

Answerer: TypeAlias = Callable[[str, bytes], Awaitable[bytes]]
"""(topic, body) -> body of the answer. Also called for notices, whose answer nobody gets."""
AnswerTaker: TypeAlias = Callable[[bytes | GatecrierError], None]
"""(body of the answer, or why there is none) -> nothing; to be called once, in the event loop."""
PromptAnswerer: TypeAlias = Callable[[bytes, AnswerTaker], None]
"""(body, reply): has `reply` called, now or later."""


class PeerError(GatecrierError):
    """A process of ours gave no answer."""


class PeerGoneError(PeerError):
    """The process has ended, or the connection to it."""


class PeerRefusedError(PeerError):
    """The process could not do what it was asked; the text says why."""


AnswerListener: TypeAlias = Callable[["bytes | PeerError"], None]
"""Told the answer, or why there is none; quick, and raises nothing."""


@dataclass(frozen=True, slots=True)
class _Question:
    answered: AnswerListener
    size: int


class Peer(asyncio.Protocol):
    """One end of a connection.

    Args:
        answerer: Answers what the other end asks.
        on_end: Told once when the connection has ended.
        prompt: Who answers questions of these topics instead.
    """

    def __init__(
        self,
        answerer: Answerer,
        on_end: Callable[[], None] | None = None,
        prompt: Mapping[str, PromptAnswerer] | None = None,
    ) -> None:
        self._answerer = answerer
        self._prompt = prompt or {}
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader(FRAME_LIMIT)
        self._outgoing: list[bytes] = []
        self._notice_bytes = 0
        self._is_paused = False
        self._questions: dict[int, _Question] = {}
        self._unanswered = 0
        self._last = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._work: set[asyncio.Future[bytes]] = set()
        self._has_ended = False

    @property
    def has_ended(self) -> bool:
        """Whether the connection is over."""
        return self._has_ended

    async def ask(self, topic: str, body: bytes = b"") -> bytes:
        """Ask, and wait for the answer.

        Raises:
            PeerGoneError: The connection ended before there was one.
            PeerRefusedError: The other end can't do it.
        """
        size = len(body) + len(topic)
        await self._room(size)
        if self._has_ended:
            raise PeerGoneError("the process that is to be asked has ended")
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._put(topic, body, size, partial(_settle, answer))
        return await answer

    def put(self, topic: str, body: bytes, answered: AnswerListener) -> bool:
        """Ask without waiting; whether that was possible: else there is no room, or nobody to be asked.

        `answered` is told once, later: the answer, or PeerGoneError or PeerRefusedError.
        """
        size = len(body) + len(topic)
        if self._has_ended or self._queue or not self._has_room(size):
            return False
        self._put(topic, body, size, answered)
        return True

    def send(self, topic: str, body: bytes = b"") -> bool:
        """Say something that wants no answer; whether it was sent: the connection has ended, or nobody reads it."""
        unread = self._notice_bytes + (0 if self._transport is None else self._transport.get_write_buffer_size())
        if self._has_ended or unread + len(body) > UNANSWERED_LIMIT:
            return False
        self._notice_bytes += len(body)
        self._send(Frame(FrameKind.NOTICE, 0, topic, body))
        return True

    def close(self) -> None:
        """End the connection when all that was said is written."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio's protocol."""
        self._transport = cast("asyncio.Transport", transport)  # a stream's transport can be written to
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Part of asyncio's protocol."""
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except FrameError as error:
            log.error("frame_broken", problem=str(error))  # noqa: TRY400 - the stack says nothing more
            if self._transport is not None:
                self._transport.abort()

    def pause_writing(self) -> None:
        """Part of asyncio's protocol."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Part of asyncio's protocol."""
        self._is_paused = False
        self._admit()

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio's protocol."""
        self._has_ended = True
        gone = PeerGoneError("the process that was asked has ended" + (f": {exc}" if exc else ""))
        questions, self._questions = self._questions, {}
        for question in questions.values():
            question.answered(gone)
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_exception(gone)
        for work in self._work:
            work.cancel()
        if self._on_end is not None:
            self._on_end()

    def _put(self, topic: str, body: bytes, size: int, answered: AnswerListener) -> None:
        self._last += 1
        self._questions[self._last] = _Question(answered, size)
        self._unanswered += size
        self._send(Frame(FrameKind.QUESTION, self._last, topic, body))

    async def _room(self, size: int) -> None:
        if self._has_ended or (not self._queue and self._has_room(size)):
            return
        turn = self._loop.create_future()
        self._queue.append(turn)
        try:
            await turn
        finally:
            if turn in self._queue:  # given up
                self._queue.remove(turn)
            else:
                self._loop.call_soon(self._admit)

    def _has_room(self, size: int) -> bool:
        return not self._is_paused and (self._unanswered == 0 or self._unanswered + size <= UNANSWERED_LIMIT)

    def _admit(self) -> None:
        """Let the next one ask; who has asked lets in the one behind."""
        while self._queue and self._has_room(0):
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _take(self, frame: Frame) -> None:
        match frame.kind:
            case FrameKind.QUESTION if prompt := self._prompt.get(frame.topic):
                reply = partial(self._reply, frame.number)
                refuse = partial(reply, PeerRefusedError(DEFECT))
                # Others wait for theirs.
                or_else(partial(prompt, frame.body, reply), refuse, "question_not_answered", topic=frame.topic)
            case FrameKind.QUESTION | FrameKind.NOTICE:
                work = asyncio.ensure_future(self._answerer(frame.topic, frame.body))
                self._work.add(work)
                work.add_done_callback(lambda done: self._answered(frame, done))
            case FrameKind.ANSWER | FrameKind.REFUSAL:
                question = self._questions.pop(frame.number, None)
                if question is None:
                    raise FrameError("an answer that nobody asked for")
                self._unanswered -= question.size
                is_answer = frame.kind is FrameKind.ANSWER
                question.answered(frame.body if is_answer else PeerRefusedError(frame.body.decode("utf-8", "replace")))
                self._admit()

    def _answered(self, frame: Frame, work: asyncio.Future[bytes]) -> None:
        self._work.discard(work)
        if work.cancelled():
            kind, body = FrameKind.REFUSAL, b"it was given up"
        elif (error := work.exception()) is None:
            kind, body = FrameKind.ANSWER, work.result()
        elif isinstance(error, GatecrierError):
            kind, body = FrameKind.REFUSAL, _words(error)
        else:
            log.error("question_not_answered", topic=frame.topic, exc_info=error)
            kind, body = FrameKind.REFUSAL, DEFECT.encode()
        if frame.kind is FrameKind.NOTICE:
            if kind is FrameKind.REFUSAL and not self._has_ended:
                log.warning("notice_not_taken", topic=frame.topic, problem=body.decode("utf-8", "replace"))
        elif not self._has_ended:
            self._send(Frame(kind, frame.number, "", body))

    def _reply(self, number: int, said: bytes | GatecrierError) -> None:
        if not self._has_ended:
            if isinstance(said, bytes):
                self._send(Frame(FrameKind.ANSWER, number, "", said))
            else:
                self._send(Frame(FrameKind.REFUSAL, number, "", _words(said)))
            self._flush()

    def _send(self, frame: Frame) -> None:
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(encode(frame))

    def _flush(self) -> None:
        if self._transport is not None and self._outgoing and not self._has_ended:
            outgoing, self._outgoing, self._notice_bytes = self._outgoing, [], 0
            self._transport.writelines(outgoing)


def _words(error: GatecrierError) -> bytes:
    return str(error).encode("utf-8", "replace")


def _settle(answer: asyncio.Future[bytes], said: bytes | PeerError) -> None:
    if answer.done():
        pass  # given up
    elif isinstance(said, PeerError):
        answer.set_exception(said)
    else:
        answer.set_result(said)
