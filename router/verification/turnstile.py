"""Lets questions through in turn: starts each when its turn comes, and ends what nobody waits for.

Rules:
(1) A question that waits is a value: no task, no socket. Its task begins with its turn.
(2) Whoever asks gets an answer to each of its questions, at its deadline at the latest. When it goes, whatever of it
    waits is forgotten and whatever is under way is cancelled.
(3) While anybody waits, room is made four times a second by the rules of `turns`: a question that has to make room is
    cancelled and waits again; what was found out so far is lost.
(4) What a question raises is its own answer, and no other's.
(5) While this loop is held up, answers that have come lie unread. How long that was (`router.registry.pulse`) is told
    with each answer, so that whoever keeps us busy can't make a registry look silent.

Not done here: who is next (`turns`), and what an answer means.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from router.registry.pulse import pulse
from router.registry.wire import ImageWire, listen
from router.verification.line import Asker, Turn
from router.verification.turns import Turns

Q = TypeVar("Q")
A = TypeVar("A")

_TICK_SECONDS = 0.25
_SLICE_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Answered(Generic[A]):
    """The question came to its end."""

    answer: A
    began: float
    """When it got its turn, in the time of the loop."""
    wire: ImageWire
    held_up: float
    """Seconds since then in which the loop was held up."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The question raised."""

    error: BaseException
    began: float


@dataclass(frozen=True, slots=True)
class CutOff:
    """The question was under way at the deadline."""

    began: float
    wire: ImageWire
    held_up: float


@dataclass(frozen=True, slots=True)
class Unasked:
    """The question waited for its turn at the deadline, or was one too many."""

    had_a_turn: bool
    """It had to make room for others."""


TurnstileAnswer: TypeAlias = Answered[A] | Failed | CutOff | Unasked


@dataclass(frozen=True, slots=True)
class _Running:
    task: asyncio.Task[Any]
    wire: ImageWire
    held_up: float
    """What was measured when it began."""


@dataclass(eq=False, slots=True)
class _Batch:
    """The questions of one call, and what became of them."""

    questions: Sequence[Any]
    work: Callable[[Any], Coroutine[Any, Any, Any]]
    done: asyncio.Future[None]
    deadline: float
    answers: dict[int, TurnstileAnswer[Any]] = field(default_factory=dict)
    tasks: dict[Turn[tuple[_Batch, int]], _Running] = field(default_factory=dict)
    put_back: set[int] = field(default_factory=set)

    def settle(self, number: int, answer: TurnstileAnswer[Any]) -> None:
        self.answers[number] = answer
        if len(self.answers) == len(self.questions) and not self.done.done():
            self.done.set_result(None)


_Turn = Turn[tuple[_Batch, int]]


class Turnstile:
    """One for all who ask."""

    def __init__(self, turns: Turns[Any] | None = None) -> None:
        self.turns: Turns[tuple[_Batch, int]] = Turns() if turns is None else turns
        self._tick: asyncio.TimerHandle | None = None

    async def ask(
        self,
        asker: Asker,
        questions: Sequence[tuple[str, Q]],
        work: Callable[[Q], Coroutine[Any, Any, A]],
        deadline: float,
    ) -> list[TurnstileAnswer[A]]:
        """One answer per question, in order, at the deadline at the latest.

        Args:
            asker: Who asks; every call for the same request has the same.
            questions: Registry and question.
            work: Answers a question, in a task of its own; what it notes on the wire (`router.registry.wire`) stands
                in the answer.
            deadline: In the time of the running loop.
        """
        loop = asyncio.get_running_loop()
        batch = _Batch([question for _, question in questions], work, loop.create_future(), deadline)
        for number, (registry, _) in enumerate(questions):
            self.turns.ask(Turn(asker, registry, (batch, number)))
        for turn in self.turns.shed():
            turn.question[0].settle(turn.question[1], Unasked(had_a_turn=False))
        self._pump()
        try:
            if questions:
                await asyncio.wait({batch.done}, timeout=max(0.0, deadline - loop.time()))
        finally:
            self._leave(asker, batch)
        return [batch.answers[number] for number in range(len(questions))]

    def _leave(self, asker: Asker, batch: _Batch) -> None:
        self.turns.withdraw(asker, lambda question: question[0] is batch)
        for turn, running in batch.tasks.items():
            number = turn.question[1]
            if number not in batch.answers:
                batch.answers[number] = CutOff(turn.since, running.wire, pulse().held_up() - running.held_up)
            running.task.cancel()
        for number in range(len(batch.questions)):
            if number not in batch.answers:
                batch.answers[number] = Unasked(had_a_turn=number in batch.put_back)
        self._pump()

    def _pump(self) -> None:
        loop = asyncio.get_running_loop()
        while (turn := self.turns.next(loop.time())) is not None:
            self._start(turn)
        if self._tick is None and self.turns.under_way:
            self._wake_up_in(_TICK_SECONDS)

    def _wake_up_in(self, seconds: float) -> None:
        self._tick = asyncio.get_running_loop().call_later(seconds, self._make_room)

    def _make_room(self) -> None:
        self._tick = None
        loop = asyncio.get_running_loop()
        until = time.perf_counter() + _SLICE_SECONDS
        while (pair := self.turns.exchange(loop.time())) is not None:
            over, begins = pair
            batch, number = over.question
            batch.put_back.add(number)
            batch.tasks.pop(over).task.cancel()
            self._start(begins)
            if time.perf_counter() > until:  # many wait: the rest of them in a moment
                self._wake_up_in(_SLICE_SECONDS)
                return
        self._pump()

    def _start(self, turn: _Turn) -> None:
        batch, number = turn.question
        wire = ImageWire()
        task = asyncio.get_running_loop().create_task(_worked(batch.work, batch.questions[number], wire))
        batch.tasks[turn] = _Running(task, wire, pulse().held_up())
        task.add_done_callback(lambda task: self._ended(turn, task))

    def _ended(self, turn: _Turn, task: asyncio.Task[Any]) -> None:
        batch, number = turn.question
        running = batch.tasks.get(turn)
        if running is None or running.task is not task:
            return  # it had to make room, and its turn was over with that
        del batch.tasks[turn]
        now = asyncio.get_running_loop().time()
        self.turns.end(turn, now, by_itself=not task.cancelled() and now < batch.deadline)
        if number not in batch.answers:
            batch.settle(number, _answer(running, turn.since, pulse().held_up() - running.held_up))
        self._pump()


async def _worked(work: Callable[[Q], Coroutine[Any, Any, A]], question: Q, wire: ImageWire) -> A:
    listen(wire)  # the task's context is its own
    with pulse().watched():
        return await work(question)


def _answer(running: _Running, began: float, held_up: float) -> Answered[Any] | Failed:
    task = running.task
    if task.cancelled():
        return Failed(asyncio.CancelledError(), began)
    error = task.exception()
    return Answered(task.result(), began, running.wire, held_up) if error is None else Failed(error, began)
