"""Events that are posted: told once, in time, whether they are kept here or in another process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest

from router.errors import OutboxError
from router.ipc import AnswerTaker, Line, Peer
from router.outbox import AppendListener, NewEvent, Number, posting, remote
from router.outbox.posting import Later, PostEvent
from router.outbox.remote import RemoteIntake, answers, prompt_answers
from tests.patience import PATIENCE


@dataclass
class Kept:
    """An intake that keeps, fails, or waits until it is let go on."""

    events: list[str] = field(default_factory=list)
    failing: str = ""
    """Id of the event that it can't store."""
    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)
    _keeping: list[asyncio.Task[None]] = field(default_factory=list)

    async def append(self, event: NewEvent) -> Number:
        """Keep it."""
        await self.may_go_on.wait()
        if event.id == self.failing:
            raise OutboxError("the disk is full")
        self.events.append(event.id)
        return Number("r", len(self.events))

    async def _result(self, event: NewEvent) -> Number | OutboxError:
        try:
            return await self.append(event)
        except OutboxError as error:
            return error

    def append_all(self, events: Sequence[NewEvent], told: AppendListener) -> None:
        """Keep each."""

        async def kept() -> None:
            told([await self._result(event) for event in events])

        self._keeping.append(asyncio.ensure_future(kept()))

    async def withdraw(self, ids: Collection[str]) -> AbstractSet[str]:
        """Keep nothing of these."""
        return frozenset(ids)


class Place:
    """An intake in another process, as far as anybody can tell."""

    def __init__(self, kept: Kept, path: str) -> None:
        self.kept, self.path = kept, path
        self.line = Line(path)
        self.intake = RemoteIntake(self.line)
        self.questions: list[str] = []
        self._peers: list[Peer] = []

    async def open(self) -> None:
        """Answer."""
        topics, prompt = answers(self.kept), prompt_answers(self.kept)

        def asked(topic: str, body: bytes, reply: AnswerTaker) -> None:
            self.questions.append(topic)
            prompt[topic](body, reply)

        async def answer(topic: str, body: bytes) -> bytes:
            self.questions.append(topic)
            return await topics[topic](body)

        def peer() -> Peer:
            self._peers.append(Peer(answer, prompt={topic: partial(asked, topic) for topic in prompt}))
            return self._peers[-1]

        self._server = await asyncio.get_running_loop().create_unix_server(peer, self.path)

    async def die(self) -> None:
        """Answer nobody any more."""
        self._server.close()
        for peer in self._peers:
            peer.close()
        self._peers.clear()
        with contextlib.suppress(FileNotFoundError):  # Python 3.13 removes it itself
            os.unlink(self.path)  # noqa: PTH108 - a call of the system, which waits for nothing

    async def connect(self) -> None:
        """Have the line connected: whoever posts does not wait for that."""
        await self.intake.withdraw(["nothing"])
        self.questions.clear()


@asynccontextmanager
async def a_place() -> AsyncIterator[Place]:
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Kept(), f"{folder}/s")
        await place.open()
        await place.connect()
        try:
            yield place
        finally:
            await place.line.close()
            await place.die()


def event(name: str, size: int = 2) -> NewEvent:
    return NewEvent(name, b"x" * size, 0.0, ())


async def told(post: PostEvent, *events: NewEvent) -> list[Later | None]:
    """What is told of each of them, in their order."""
    loop = asyncio.get_running_loop()
    waiting: list[asyncio.Future[Later | None]] = []
    for one in events:
        waiting.append(loop.create_future())
        post(one, waiting[-1].set_result)  # a second word would raise
        assert not waiting[-1].done()
    async with asyncio.timeout(PATIENCE):
        return list(await asyncio.gather(*waiting))


def known(later: Later | None) -> Awaitable[object]:
    """What becomes of an event that was not durable when it was told."""
    assert later is not None
    return later()


def within(seconds: float, patch: pytest.MonkeyPatch) -> None:
    """Have told what is not durable after so many seconds."""
    for module in (posting, remote):
        patch.setattr(module, "MOMENT", seconds)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No claim rests on how fast this machine is: only a test that wants it is told that it takes long."""
    within(1000.0, monkeypatch)


Posting = Callable[[Place], PostEvent]
both = pytest.mark.parametrize(
    "of", [lambda place: posting.posting(place.kept), lambda place: place.intake.post], ids=["here", "there"]
)


@both
async def test_whoever_posts_is_told_when_it_is_durable(of: Posting) -> None:
    async with a_place() as place:
        place.kept.may_go_on.set()

        assert await told(of(place), event("a"), event("b")) == [None, None]
        assert place.kept.events == ["a", "b"]


@both
async def test_what_is_not_durable_soon_can_be_awaited_and_is_appended_once(
    of: Posting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second append could not be withdrawn."""
    within(0.0, monkeypatch)
    async with a_place() as place:
        (later,) = await told(of(place), event("a"))
        waiting = asyncio.ensure_future(known(later))
        await asyncio.sleep(0)
        assert not waiting.done()
        place.kept.may_go_on.set()
        await waiting

        assert place.kept.events == ["a"]


@both
async def test_only_what_can_not_be_stored_fails(of: Posting) -> None:
    """Events that were sent together have nothing to do with one another."""
    async with a_place() as place:
        place.kept.failing = "b"
        place.kept.may_go_on.set()
        first, second, third = await told(of(place), event("a"), event("b"), event("c"))

        assert (first, third) == (None, None)
        with pytest.raises(OutboxError, match="the disk is full"):
            await known(second)


async def test_what_can_not_be_sent_fails_whoever_posts_it_and_nobody_else() -> None:
    async with a_place() as place:
        place.kept.may_go_on.set()
        telling = asyncio.ensure_future(told(place.intake.post, event("a"), event("b")))
        await asyncio.sleep(0)
        with pytest.raises(UnicodeEncodeError):
            place.intake.post(event("\ud800"), lambda _: None)

        assert await telling == [None, None]


@pytest.mark.parametrize("is_late", [False, True])
async def test_who_fails_when_he_is_told_keeps_nobody_from_being_told(
    monkeypatch: pytest.MonkeyPatch,
    is_late: bool,  # noqa: FBT001 - a case
) -> None:
    """The others are requests that wait for their answers."""

    def broken(_: Later | None) -> None:
        raise RuntimeError("injected")

    within(0.0 if is_late else 1000.0, monkeypatch)
    async with a_place() as place:
        if not is_late:
            place.kept.may_go_on.set()
        place.intake.post(event("a"), broken)
        found = await told(place.intake.post, event("b"))

        assert [one is None for one in found] == [not is_late]


@both
async def test_what_fails_late_fails_whoever_waits(of: Posting, monkeypatch: pytest.MonkeyPatch) -> None:
    within(0.0, monkeypatch)
    async with a_place() as place:
        place.kept.failing = "a"
        (later,) = await told(of(place), event("a"))
        place.kept.may_go_on.set()

        with pytest.raises(OutboxError, match="the disk is full"):
            await known(later)


@pytest.mark.parametrize("words", ["", "the file \udcff can't be written"])
async def test_whatever_a_refusal_says_it_is_told_and_no_receipt(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """What says why an event is not durable must not say whether it is."""

    async def refuse(_: NewEvent) -> Number:
        raise OutboxError(words)

    async with a_place() as place:
        monkeypatch.setattr(place.kept, "append", refuse)
        (later,) = await told(place.intake.post, event("a"))

        with pytest.raises(OutboxError):
            await known(later)


async def test_what_is_posted_in_one_turn_is_one_question() -> None:
    """Each question costs both processes a task, a frame and a write."""
    async with a_place() as place:
        place.kept.may_go_on.set()
        await told(place.intake.post, *(event(str(number)) for number in range(16)))

        assert place.questions == ["append_all"]
        assert place.kept.events == [str(number) for number in range(16)]


async def test_a_question_is_not_much_larger_than_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame has a limit."""
    monkeypatch.setattr(remote, "TOGETHER", 10)
    async with a_place() as place:
        place.kept.may_go_on.set()
        assert await told(place.intake.post, *(event(str(number), 6) for number in range(5))) == [None] * 5

        assert place.questions == ["append_all"] * 3


@pytest.mark.parametrize("is_late", [False, True])
async def test_what_went_with_a_process_that_died_is_appended_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
    is_late: bool,  # noqa: FBT001 - a case
) -> None:
    async with a_place() as place:
        if is_late:
            within(0.0, monkeypatch)
            (later,) = await told(place.intake.post, event("a"))
            waiting = asyncio.ensure_future(known(later))
            await asyncio.sleep(0)
            await place.die()
        else:
            telling = asyncio.ensure_future(told(place.intake.post, event("a")))
            while not place.questions:  # noqa: ASYNC110 - nobody tells when a question has come
                await asyncio.sleep(0)
            await place.die()
            (later,) = await telling
            waiting = asyncio.ensure_future(known(later))
        place.kept.may_go_on.set()
        await place.open()
        async with asyncio.timeout(PATIENCE):
            await waiting

        assert "a" in place.kept.events
        assert place.questions[-1] == "append"


async def test_where_nobody_is_there_whoever_posts_waits_for_somebody() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Kept(), f"{folder}/s")
        place.kept.may_go_on.set()
        (later,) = await told(place.intake.post, event("a"))
        waiting = asyncio.ensure_future(known(later))
        await place.open()
        async with asyncio.timeout(PATIENCE):
            await waiting
        await place.line.close()
        await place.die()

        assert place.kept.events == ["a"]
