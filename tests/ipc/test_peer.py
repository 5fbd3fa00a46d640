"""Two ends of a connection: questions and answers, whatever the order, within limits, until the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from router.errors import OutboxError
from router.ipc import Answerer, AnswerTaker, Peer, PeerError, PeerGoneError, PeerRefusedError, PromptAnswerer
from router.ipc import peer as module
from router.ipc.frames import Frame, FrameKind, encode
from tests.simulators.log import Log


async def echo(topic: str, body: bytes) -> bytes:
    return topic.encode() + b":" + body


@asynccontextmanager
async def a_pair(
    answerer: Answerer, on_end: Callable[[], None] | None = None, prompt: PromptAnswerer | None = None
) -> AsyncIterator[tuple[Peer, Peer]]:
    """Who asks, and who answers."""
    loop = asyncio.get_running_loop()
    here, there = socket.socketpair()
    ends = asyncio.Event(), asyncio.Event()
    prompts = {} if prompt is None else {"prompt": prompt}

    def ended() -> None:
        ends[0].set()
        if on_end is not None:
            on_end()

    _, asking = await loop.create_unix_connection(lambda: Peer(echo, ended), sock=here)
    _, answering = await loop.create_unix_connection(lambda: Peer(answerer, ends[1].set, prompts), sock=there)
    try:
        yield asking, answering
    finally:
        asking.close()
        answering.close()
        await asyncio.gather(*(end.wait() for end in ends))


async def test_both_ends_ask_and_answer() -> None:
    """Neither end is the server of the other."""
    async with a_pair(echo) as (one, other):
        assert [await one.ask("a", b"1"), await other.ask("b", b"2"), await one.ask("c")] == [b"a:1", b"b:2", b"c:"]


async def test_answers_come_in_any_order() -> None:
    """A question that takes long holds up none that were asked after it."""
    gates = {"first": asyncio.Event(), "second": asyncio.Event()}

    async def slow(topic: str, _: bytes) -> bytes:
        await gates[topic].wait()
        return topic.encode()

    async with a_pair(slow) as (asking, _):
        first, second = (asyncio.create_task(asking.ask(topic)) for topic in gates)
        gates["second"].set()

        assert await second == b"second"
        assert not first.done()
        gates["first"].set()
        assert await first == b"first"


async def test_what_is_said_in_one_turn_is_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each write costs a call of the kernel, and wakes the other process."""
    async with a_pair(echo) as (asking, _):
        writes: list[int] = []
        transport = asking._transport
        assert transport is not None
        written = transport.writelines

        def count(chunks: list[bytes]) -> None:
            writes.append(len(chunks))
            written(chunks)

        monkeypatch.setattr(asking, "_transport", _Counting(transport, count))
        await asyncio.gather(*(asking.ask("t", b"%d" % number) for number in range(50)))

        assert writes == [50]


class _Counting:
    def __init__(self, transport: asyncio.Transport, writelines: Callable[[list[bytes]], None]) -> None:
        self.writelines = writelines
        self.close = transport.close


async def test_a_refusal_says_why() -> None:
    """What the other process could not do is told in its own words."""

    async def refuse(_: str, __: bytes) -> bytes:
        raise OutboxError("the disk is full")

    async with a_pair(refuse) as (asking, _):
        with pytest.raises(PeerRefusedError, match="the disk is full"):
            await asking.ask("append")


async def test_a_defect_is_logged_and_refused(log: Log) -> None:
    """Words of an unexpected error belong to the log, not to another process."""

    async def fail(_: str, __: bytes) -> bytes:
        raise KeyError("s3cret")

    async with a_pair(fail) as (asking, _):
        with pytest.raises(PeerRefusedError, match="a defect"):
            await asking.ask("append")
        assert [line["topic"] for line in log.named("question_not_answered")] == ["append"]


async def test_who_answers_promptly_takes_no_turn_of_the_loop() -> None:
    """A loop that has much to do takes milliseconds for each."""

    def reverse(body: bytes, reply: AnswerTaker) -> None:
        reply(body[::-1])

    async with a_pair(echo, prompt=reverse) as (_, answering):
        transport = answering._transport
        assert transport is not None
        written: list[bytes] = []
        replace = pytest.MonkeyPatch()
        replace.setattr(answering, "_transport", _Counting(transport, written.extend))
        answering.data_received(encode(Frame(FrameKind.QUESTION, 7, "prompt", b"abc")))
        answering.data_received(encode(Frame(FrameKind.QUESTION, 8, "other", b"abc")))
        replace.undo()

    assert written == [encode(Frame(FrameKind.ANSWER, 7, "", b"cba"))]


async def test_who_answers_promptly_may_do_so_later_and_to_nobody() -> None:
    later: list[AnswerTaker] = []

    async with a_pair(echo, prompt=lambda _, reply: later.append(reply)) as (asking, answering):
        first, second = (asyncio.create_task(asking.ask("prompt")) for _ in range(2))
        assert await asking.ask("topic", b"body") == b"topic:body"
        later[0](b"answer")
        assert await first == b"answer"
        answering.close()
        with pytest.raises(PeerGoneError):
            await second
        later[1](b"answer")


async def test_who_answers_promptly_may_refuse_and_his_words_are_heard() -> None:
    def refuse(_: bytes, answered: AnswerTaker) -> None:
        answered(OutboxError("the disk is full"))

    async with a_pair(echo, prompt=refuse) as (asking, _):
        with pytest.raises(PeerRefusedError, match="the disk is full"):
            await asking.ask("prompt")


async def test_a_defect_of_who_answers_promptly_is_logged_and_refused(log: Log) -> None:
    def fail(_: bytes, __: AnswerTaker) -> None:
        raise KeyError("s3cret")

    async with a_pair(echo, prompt=fail) as (asking, _):
        with pytest.raises(PeerRefusedError, match="a defect"):
            await asking.ask("prompt")
        assert await asking.ask("topic", b"body") == b"topic:body"
        assert [line["topic"] for line in log.named("question_not_answered")] == ["prompt"]


async def test_when_the_other_end_goes_questions_fail_and_work_ends() -> None:
    """Nobody may wait for a process that is not there."""
    begun, given_up = asyncio.Event(), asyncio.Event()

    async def never(_: str, __: bytes) -> bytes:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()
        return b""

    ended = asyncio.Event()
    async with a_pair(never, ended.set) as (asking, answering):
        question = asyncio.create_task(asking.ask("t"))
        await begun.wait()
        answering.close()

        with pytest.raises(PeerGoneError):
            await question
        await asyncio.gather(ended.wait(), given_up.wait())
        with pytest.raises(PeerGoneError):
            await asking.ask("t")


async def test_who_asks_too_much_waits_and_comes_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no answer yet is held in memory by both processes."""
    monkeypatch.setattr(module, "UNANSWERED_LIMIT", 3)
    heard: asyncio.Queue[str] = asyncio.Queue()
    gate: dict[str, asyncio.Future[bytes]] = {}

    def hold(topic: str, _: bytes) -> Awaitable[bytes]:
        gate[topic] = asyncio.get_running_loop().create_future()
        heard.put_nowait(topic)
        return gate[topic]

    async with a_pair(hold) as (asking, answering):
        questions = {name: asyncio.create_task(asking.ask(name, b"x")) for name in "abcd"}
        for _ in range(20):
            await asyncio.sleep(0)
        await answering.ask("settled")  # the answer comes behind whatever was sent before

        assert heard.qsize() == 1
        questions["b"].cancel()
        for name in "acd":
            assert await heard.get() == name
            gate[name].set_result(b"")
            await questions[name]


async def test_who_puts_waits_for_no_room_and_passes_nobody_who_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put has no place in the line: who put it asks as everybody does, if there is no room."""
    monkeypatch.setattr(module, "UNANSWERED_LIMIT", 3)
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    said: list[bytes | PeerError] = []

    async with a_pair(lambda _, __: answer) as (asking, _):
        assert asking.put("a", b"x", said.append)
        assert not asking.put("b", b"x", said.append)
        waiting = asyncio.create_task(asking.ask("c", b"x"))
        await asyncio.sleep(0)
        assert not asking.put("", b"x", said.append)
        answer.set_result(b"done")
        assert await waiting == b"done"
        assert said == [b"done"]
        assert asking.put("d", b"x", said.append)
        await asking.ask("settled")
        assert said == [b"done", b"done"]

    assert not asking.put("e", b"x", said.append)


async def test_an_answer_that_nobody_waits_for_is_dropped() -> None:
    """Who gave up asking may ask the next thing."""
    async with a_pair(echo) as (asking, _):
        given_up = asyncio.create_task(asking.ask("old"))
        await asyncio.sleep(0)
        given_up.cancel()

        assert await asking.ask("new") == b"new:"


async def test_bytes_that_are_no_frame_end_the_connection(log: Log) -> None:
    """A stream that is out of step can't be read on."""
    here, there = socket.socketpair()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    await loop.create_unix_connection(lambda: Peer(echo, ended.set), sock=here)
    there.sendall(encode(Frame(FrameKind.ANSWER, 7, "", b"")))
    await ended.wait()

    assert log.named("frame_broken")
    there.close()


async def test_a_notice_that_can_not_be_taken_is_logged(log: Log) -> None:
    """Nobody waits for it, so that nobody else could tell."""
    taken = asyncio.Event()

    async def refuse(topic: str, _: bytes) -> bytes:
        if topic == "notice":
            taken.set()
            raise OutboxError("no room")
        return b""

    async with a_pair(refuse) as (asking, _):
        asking.send("notice")
        await taken.wait()
        await asking.ask("settled")

        assert [line["problem"] for line in log.named("notice_not_taken")] == ["no room"]


async def test_what_is_told_to_somebody_who_does_not_read_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that hangs must not fill the memory of another."""
    monkeypatch.setattr(module, "UNANSWERED_LIMIT", 100)
    async with a_pair(echo) as (asking, _):
        assert asking.send("line", bytes(60))
        assert not asking.send("line", bytes(60))
        await asking.ask("settled")
        assert asking.send("line", bytes(60))
