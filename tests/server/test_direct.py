"""Requests that are answered without aiohttp: the same for whoever asks, and within every limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from router.server import direct
from router.server.connection import WRITE_STEP
from router.server.direct import LARGEST, GoneListener, ReplySender
from router.server.entrance import Clients
from tests.server.stage import Client, Play, Stage, entrance, hello, listening
from tests.simulators.authorities import Authority, client_context


def post(body: bytes = b"{}", path: str = "/validate", *more: str) -> bytes:
    lines = [f"POST {path}?timeout=10s HTTP/1.1", "Host: g", "Content-Type: application/json"]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", *more, "", ""]).encode() + body


@dataclass
class Knowing:
    """A prompt that knows what is at `/validate`; it answers at once, or when it is told to."""

    is_at_once: bool = True
    asked: list[bytes] = field(default_factory=list)
    waiting: list[ReplySender] = field(default_factory=list)
    gone: int = 0

    def __call__(self, path: str, timeout: str, body: memoryview, reply: ReplySender) -> GoneListener | None:
        """Know the answer, which is the body."""
        if path != "/validate":
            return None
        assert timeout == "10s"
        self.asked.append(bytes(body))
        if self.is_at_once:
            reply(b"known:" + bytes(body))
        else:
            self.waiting.append(reply)
        return self._go

    def _go(self) -> None:
        self.gone += 1


async def first(stage: Stage) -> Client:
    """Somebody whose connection has been asked something: aiohttp waits for the next request then."""
    client = await stage.connect()
    assert (await client.ask(post(b"[]", "/other")))[2] == b"2"
    return client


async def waiting(stage: Stage, knowing: Knowing) -> Client:
    """Somebody whose answer is not known yet."""
    client = await first(stage)
    client.writer.write(post(b"1"))
    await stage.until(lambda: len(knowing.waiting) == 1)
    return client


async def coming(stage: Stage) -> Client:
    """Somebody of whose request three bytes are missing."""
    client = await first(stage)
    before = stage.listener.connections.counts()["in_hand"]
    client.writer.write(post(b"abcdef")[:-3])
    await stage.until(lambda: stage.listener.connections.counts()["in_hand"] > before)
    return client


def test_what_is_known_is_answered_and_what_is_not_goes_on(play: Play) -> None:
    async def story() -> None:
        knowing = Knowing()
        async with listening(prompt=knowing) as stage:
            client = await first(stage)
            for number in range(3):
                status, head, body = await client.ask(post(b"[%d]" % number))
                assert (status, body) == (200, b"known:[%d]" % number)
                assert b"content-type: application/json" in head
                assert b"date: " in head
                assert (await client.ask(post(b"[]", "/other")))[2] == b"2"
            assert (await client.ask(post(b"[]", "/validate", "X-Strange: 1")))[2] == b"2"

            assert knowing.asked == [b"[0]", b"[1]", b"[2]"]

    play(story())


@pytest.mark.parametrize("size", [10, LARGEST - 200, LARGEST + 1, 200_000])
@pytest.mark.parametrize("step", [1_000, 16_384])
def test_a_request_in_pieces_is_answered_whoever_knows(
    play: Play, monkeypatch: pytest.MonkeyPatch, size: int, step: int
) -> None:
    """An API server sends a review in as many records as it takes."""
    monkeypatch.setattr(direct, "PIECES", 1000.0)

    async def story() -> None:
        knowing = Knowing()
        async with listening(prompt=knowing) as stage:
            client = await first(stage)
            for _ in range(3):
                request = post(b"x" * size)
                for start in range(0, len(request), step):
                    client.writer.write(request[start : start + step])
                    await asyncio.sleep(0)
                _, _, body = await client.answer()
                is_small = len(request) <= LARGEST

                assert body == (b"known:" + b"x" * size if is_small else b"%d" % size)

    play(story())


def test_a_rest_that_does_not_come_soon_is_for_aiohttp(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the limits of time; and where the request ends is known, so that the next one is answered here again."""
    monkeypatch.setattr(direct, "PIECES", 0.0)

    async def story() -> None:
        knowing = Knowing()
        async with listening(prompt=knowing) as stage:
            client = await first(stage)
            request = post(b"abcdef")
            client.writer.write(request[:-3])
            (connection,) = stage.listener.connections
            await stage.until(lambda: connection.request is not None)
            client.writer.write(request[-3:])
            assert (await client.answer())[2] == b"6"

            assert (await client.ask(post(b"1")))[2] == b"known:1"

    play(story())


def test_a_rest_that_comes_byte_by_byte_has_no_more_time(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends a byte in time, again and again, would be within no limit at all."""
    monkeypatch.setattr(direct, "PIECES", 0.2)

    async def story() -> None:
        async with listening(prompt=Knowing()) as stage:
            client = await first(stage)
            client.writer.write(post(b"x" * (LARGEST - 200))[: LARGEST // 2])
            (connection,) = stage.listener.connections

            def is_handed_on() -> bool:
                client.writer.write(b"x")
                return connection.request is not None

            await stage.until(is_handed_on)

    play(story())


def test_requests_that_come_together_are_answered_in_turn(play: Play) -> None:
    async def story() -> None:
        knowing = Knowing()
        async with listening(prompt=knowing) as stage:
            client = await first(stage)
            client.writer.write(post(b"1") + post(b"[2]", "/other") + post(b"[ 3 ]"))

            assert [(await client.answer())[2] for _ in range(3)] == [b"1", b"3", b"5"]

    play(story())


def test_what_comes_while_an_answer_is_awaited_is_read_afterwards(play: Play) -> None:
    async def story() -> None:
        knowing = Knowing(is_at_once=False)
        async with listening(prompt=knowing) as stage:
            client = await waiting(stage, knowing)
            client.writer.write(post(b"2"))
            (connection,) = stage.listener.connections
            await stage.until(lambda: bool(connection._later))  # type: ignore[attr-defined]  # a direct one
            assert len(knowing.asked) == 1
            knowing.waiting[0](b"one")
            assert (await client.answer())[2] == b"one"
            await stage.until(lambda: len(knowing.waiting) == 2)
            knowing.waiting[1](b"two")

            assert (await client.answer())[2] == b"two"

    play(story())


def test_who_sends_much_while_he_is_to_wait_is_cut_off(play: Play) -> None:
    async def story() -> None:
        knowing = Knowing(is_at_once=False)
        async with listening(prompt=knowing, largest_head=1000) as stage:
            client = await waiting(stage, knowing)
            client.writer.write(b"x" * 1001)
            await client.end()

            assert stage.facts.endings == ["head_too_large"]
            assert knowing.gone == 1

    play(story())


Going = Callable[[Client], None]


@pytest.mark.parametrize(
    "go",
    [lambda client: client.writer.close(), lambda client: client.writer.transport.abort()],
    ids=["closes", "resets"],
)
def test_whoever_goes_before_his_answer_is_told_of_once(play: Play, go: Going) -> None:
    async def story() -> None:
        knowing = Knowing(is_at_once=False)
        async with listening(prompt=knowing) as stage:
            client = await waiting(stage, knowing)
            go(client)
            await stage.until(lambda: knowing.gone == 1)
            knowing.waiting[0](b"nobody hears it")

            assert len(stage.listener.connections) == 0

    play(story())


def test_nobody_is_told_of_who_goes_after_his_answer(play: Play) -> None:
    async def story() -> None:
        knowing = Knowing()
        async with listening(prompt=knowing) as stage:
            client = await first(stage)
            await client.ask(post(b"1"))
            await client.close()
            await stage.until(lambda: len(stage.listener.connections) == 0)

            assert knowing.gone == 0

    play(story())


def test_what_is_in_hand_is_not_silent_and_has_its_limit(play: Play) -> None:
    """Only a silent connection may be closed without anybody losing an answer."""

    async def story() -> None:
        knowing = Knowing(is_at_once=False)
        async with listening(prompt=knowing, request=0.05, silent=1000.0) as stage:
            client = await waiting(stage, knowing)
            assert stage.listener.connections.counts() == {"handshake": 0, "silent": 0, "in_hand": 1}
            await client.end()

            assert stage.facts.endings == ["request_late"]

    play(story())


def test_when_we_leave_an_answer_that_is_awaited_is_the_last(play: Play) -> None:
    async def story() -> None:
        knowing = Knowing(is_at_once=False)
        async with listening(prompt=knowing) as stage:
            client = await waiting(stage, knowing)
            stage.listener.say_goodbye()
            knowing.waiting[0](b"one")
            _, head, body = await client.answer()

            assert body == b"one"
            assert b"connection: close" in head
            assert await client.end() == b""

    play(story())


def test_while_we_leave_requests_are_for_aiohttp(play: Play) -> None:
    async def story() -> None:
        knowing = Knowing()
        async with listening(prompt=knowing) as stage:
            client = await first(stage)
            stage.listener.say_goodbye()
            _, head, body = await client.ask(post(b"[]"))

            assert body == b"2"
            assert b"connection: close" in head

    play(story())


def test_closing_waits_for_an_answer_that_is_awaited(play: Play) -> None:
    async def story() -> None:
        knowing = Knowing(is_at_once=False)
        async with listening(prompt=knowing) as stage:
            client = await waiting(stage, knowing)
            closing = asyncio.ensure_future(stage.listener.close(5.0))
            await asyncio.sleep(0)
            knowing.waiting[0](b"one")
            assert (await client.answer())[2] == b"one"
            await closing

            assert len(stage.listener.connections) == 0

    play(story())


def test_who_is_refused_is_told_nothing_that_is_known(play: Play, tmp_path: Path) -> None:
    """A certificate of the right CA under another name: its requests are nobody's."""

    async def story() -> None:
        knowing, ours = Knowing(), Authority("clients")
        async with listening(prompt=knowing) as stage:
            stage.door = entrance(Clients(ours.pem.decode(), frozenset({"api-server"})))
            for name, status in (("other", 403), ("api-server", 200)):
                client = await stage.connect(client_context(tmp_path, ours.issue(name)))
                await stage.until(lambda: [one._waiter is not None for one in stage.listener.connections] == [True])
                assert (await client.ask(post(b"1")))[0] == status

            assert knowing.asked == [b"1"]

    play(story())


def test_where_others_are_let_in_now_an_answer_that_is_awaited_is_the_last(play: Play) -> None:
    """Trust that was taken away must not live on in a connection that is kept."""

    async def story() -> None:
        knowing = Knowing(is_at_once=False)
        async with listening(prompt=knowing) as stage:
            client = await waiting(stage, knowing)
            stage.listener.renew()
            knowing.waiting[0](b"one")
            _, head, body = await client.answer()

            assert body == b"one"
            assert b"connection: close" in head
            assert await client.end() == b""

    play(story())


def test_where_others_are_let_in_now_what_is_coming_is_for_aiohttp(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "PIECES", 1000.0)

    async def story() -> None:
        async with listening(prompt=Knowing()) as stage:
            client = await coming(stage)
            stage.listener.renew()
            client.writer.write(b"def")
            _, head, body = await client.answer()

            assert body == b"6"
            assert b"connection: close" in head

    play(story())


def test_of_whoever_goes_midway_nothing_is_left(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what came of his request would be given to a connection that is closed."""
    monkeypatch.setattr(direct, "PIECES", 1000.0)

    async def story() -> None:
        async with listening(prompt=Knowing()) as stage:
            client = await coming(stage)
            (connection,) = stage.listener.connections
            assert isinstance(connection, direct.DirectConnection)
            assert (timer := connection._timer) is not None
            await client.close()
            await stage.until(lambda: len(stage.listener.connections) == 0)

            assert timer.cancelled()

    play(story())


def test_a_rest_that_does_not_come_makes_room(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a body does that does not come; and whoever waits for us is not sent away."""
    monkeypatch.setattr(direct, "PIECES", 1000.0)

    async def story() -> None:
        knowing = Knowing(is_at_once=False)
        async with listening(prompt=knowing, most=2, hesitation=0.0) as stage:
            asks = await waiting(stage, knowing)
            slow = await coming(stage)
            comes = await stage.connect()
            assert (await comes.ask(post(b"[]", "/other")))[2] == b"2"
            assert await slow.end() == b""
            knowing.waiting[0](b"one")

            assert (await asks.answer())[2] == b"one"
            assert stage.facts.endings == ["crowded_out"]

    play(story())


def test_who_takes_no_answers_is_answered_no_more(play: Play) -> None:
    """Answers that nobody takes are held in memory: for others aiohttp waits until they are taken, and so do we."""

    async def story() -> None:
        knowing, others = Knowing(), list[str]()

        async def other(request: web.Request) -> web.Response:
            others.append(request.path)
            return await hello(request)

        async with listening(other, prompt=knowing, tls=False, answer=1000.0) as stage:
            client = await first(stage)
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # that of a socket has it
            request = post(b"x" * (LARGEST - 200))
            while "/validate" not in others and len(knowing.asked) < 1000:
                before = len(knowing.asked) + len(others)
                client.writer.write(request)
                await stage.until(lambda before=before: len(knowing.asked) + len(others) > before)  # type: ignore[misc]  # of a default
            (connection,) = stage.listener.connections

            assert connection.wire.get_write_buffer_size() < WRITE_STEP + 2 * LARGEST

    play(story())
