"""Limits of time and number, through real sockets on both loops."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket

import pytest
from aiohttp import web

from tests.patience import PATIENCE
from tests.server.stage import Play, hello, listening, trusting

POST = b"POST /validate HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n\r\n"


class Judging:
    """A handler that answers when it is told to, and knows what became of it."""

    def __init__(self) -> None:
        self.began, self.goes_on, self.cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        """The handler."""
        await hello(request)
        self.began.set()
        try:
            await self.goes_on.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return web.Response(text="judged")


def test_a_handshake_that_does_not_come_to_an_end_is_closed(play: Play) -> None:
    """An open socket costs its client nothing."""

    async def story() -> float:
        async with listening(handshake=0.05) as stage:
            client = await stage.come()
            await client.end()
            await stage.until(lambda: stage.listener.connections.counts()["handshake"] == 0)
            return stage.facts.handshakes_failed

    assert play(story()) == 1


def test_what_is_no_tls_is_closed_and_counted(play: Play) -> None:
    async def story() -> float:
        async with listening() as stage:
            client = await stage.come()
            client.writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await client.end()
            await stage.until(lambda: len(stage.listener.connections) == 0)
            return stage.facts.handshakes_failed

    assert play(story()) == 1


@pytest.mark.parametrize("sent", [b"P", b"POST /validate HTTP/1.1\r\nHost:", b"\r\n"], ids=range(3))
def test_a_head_that_does_not_come_to_an_end_is_closed(play: Play, sent: bytes) -> None:
    async def story() -> tuple[bytes, float]:
        async with listening(head=0.05) as stage:
            client = await stage.connect()
            client.writer.write(sent)
            return await client.end(), stage.facts.endings.count("head_late")

    assert play(story()) == (b"", 1)


def test_the_time_of_a_head_counts_from_its_first_byte(play: Play) -> None:
    """Else a byte now and then would keep it for ever."""

    async def story() -> float:
        async with listening(head=0.2) as stage:
            client = await stage.connect()

            async def trickle() -> None:
                for byte in b"POST /validate HTTP/1.1\r\nX: " + b"a" * 10_000:
                    client.writer.write(bytes([byte]))
                    await asyncio.sleep(0.01)

            trickling = asyncio.create_task(trickle())
            await client.end()
            trickling.cancel()
            return stage.facts.endings.count("head_late")

    assert play(story()) == 1


def test_a_second_request_has_a_head_limit_too(play: Play) -> None:
    async def story() -> float:
        async with listening(head=0.05) as stage:
            client = await stage.connect()
            await client.ask()
            client.writer.write(b"GET / HT")
            await client.end()
            return stage.facts.endings.count("head_late")

    assert play(story()) == 1


def test_silence_is_no_unfinished_head(play: Play) -> None:
    """Go's transport pools connections that have never sent a byte; a close under a request is an error for a user."""

    async def story() -> list[int]:
        async with listening(head=0.02) as stage:
            fresh, used = await stage.connect(), await stage.connect()
            await used.ask()
            await asyncio.sleep(0.2)
            return [(await client.ask())[0] for client in (fresh, used)]

    assert play(story()) == [200, 200]


def test_a_body_is_not_held_against_the_head(play: Play) -> None:
    async def story() -> int:
        async with listening(head=0.05) as stage:
            client = await stage.connect()
            client.writer.write(POST % 8)
            await asyncio.sleep(0.3)
            return (await client.ask(b"12345678"))[0]

    assert play(story()) == 200


def test_silence_ends_too(play: Play) -> None:
    async def story() -> float:
        async with listening(silent=0.05) as stage:
            fresh, used = await stage.connect(), await stage.connect()
            await used.ask()
            await asyncio.gather(fresh.end(), used.end())
            return stage.facts.endings.count("silent")

    assert play(story()) == 2


def test_one_too_many_closes_the_longest_silent(play: Play) -> None:
    async def story() -> list[int]:
        async with listening(most=4, welcome=0.0) as stage:
            clients = []
            for _ in range(4):
                clients.append(await stage.connect())
                await clients[-1].ask()
            await clients[0].ask()  # now the second is the longest silent
            clients.append(await stage.connect())
            await clients[-1].ask()
            await clients[1].end()
            return [(await client.ask())[0] for client in (clients[0], *clients[2:])]

    assert play(story()) == [200] * 4


def test_who_has_never_asked_goes_before_who_has(play: Play) -> None:
    """A kept connection of the API server is worth more than any number that cost nothing to open."""

    async def story() -> int:
        async with listening(most=3, welcome=0.0) as stage:
            kept = await stage.connect()
            await kept.ask()
            strangers = [await stage.come()]
            strangers.append(await stage.connect())
            strangers += [await stage.connect() for _ in range(4)]
            await asyncio.gather(*(stranger.end() for stranger in strangers[:4]))
            return (await kept.ask())[0]

    assert play(story()) == 200


def test_handshakes_count(play: Play) -> None:
    async def story() -> int:
        async with listening(most=3, welcome=0.0) as stage:
            silent = [await stage.come() for _ in range(5)]
            await asyncio.gather(*(client.end() for client in silent[:2]))
            late = await stage.connect()
            return (await late.ask())[0]

    assert play(story()) == 200


def test_where_all_are_in_hand_who_comes_waits(play: Play) -> None:
    """A request that has come whole is answered; nobody is sent away."""

    async def story() -> list[int]:
        judging = Judging()
        async with listening(judging.answer, most=2, hesitation=0.0) as stage:
            first, second = await stage.connect(), await stage.connect()
            for client in (first, second):
                client.writer.write(POST % 0)
            await stage.until(lambda: stage.listener.connections.counts()["in_hand"] == 2)
            await judging.began.wait()
            coming = asyncio.create_task(stage.connect())
            await asyncio.sleep(0.1)
            assert not coming.done()
            judging.goes_on.set()
            third = await coming
            return [(await first.answer())[0], (await second.answer())[0], (await third.ask())[0]]

    assert play(story()) == [200, 200, 200]


def test_requests_of_one_address_leave_room_for_others(play: Play) -> None:
    """Whoever reaches the port could else hold every place with whole requests about a registry that never answers."""

    async def story() -> tuple[int, list[bytes], int, list[int]]:
        judging = Judging()
        async with listening(judging.answer, most=8, share=3.0) as stage:
            many = [await stage.connect(source="127.0.0.2") for _ in range(6)]
            for client in many:
                client.writer.write(POST % 0)
            await stage.until(lambda: stage.listener.connections.counts()["in_hand"] == 6)
            refused = []
            for _ in range(5):  # each is counted, also those that come while nobody is looked for who makes room
                one_more = await stage.come("127.0.0.2")
                refused.append(await one_more.end())
                await one_more.close()
            other = await stage.connect()
            judging.goes_on.set()
            status, _, _ = await other.ask(POST % 0)
            turned_away = stage.facts.endings.count("crowded_out")
            return status, refused, turned_away, [(await client.answer())[0] for client in many]

    assert play(story()) == (200, [b""] * 5, 5, [200] * 6)


def test_who_has_less_than_an_equal_part_is_let_in(play: Play) -> None:
    """Else somebody who came first would leave crumbs to the API server, and it would be refused what it needs."""

    async def story() -> list[int]:
        judging = Judging()
        async with listening(judging.answer, most=9, share=1.0) as stage:
            clients = [await stage.connect(source="127.0.0.2") for _ in range(5)]
            clients += [await stage.connect() for _ in range(3)]
            for client in clients:
                client.writer.write(POST % 0)
            judging.goes_on.set()
            return [(await client.answer())[0] for client in clients]

    assert play(story()) == [200] * 8


def test_who_has_its_share_makes_room_for_itself(play: Play) -> None:
    """The silent connections of others are no place for somebody who has many."""

    async def story() -> list[int]:
        async with listening(most=8, share=3.0, welcome=0.0) as stage:
            kept = await stage.connect()
            await kept.ask()
            for _ in range(20):
                latest = await stage.connect(source="127.0.0.2")
            return [(await client.ask())[0] for client in (kept, latest)]

    assert play(story()) == [200, 200]


def test_a_body_that_does_not_come_makes_room(play: Play) -> None:
    """A thousand connections that promise a body and send none must not keep others waiting."""

    async def story() -> int:
        async with listening(most=2, hesitation=0.0) as stage:
            for _ in range(2):
                (await stage.connect()).writer.write(POST % 1000)
            await stage.until(lambda: stage.listener.connections.counts()["in_hand"] == 2)
            client = await stage.connect()
            return (await client.ask())[0]

    assert play(story()) == 200


def test_an_answer_that_is_not_taken_ends_the_connection(play: Play) -> None:
    async def long(_: web.Request) -> web.Response:
        return web.Response(body=bytes(64 * 2**20))

    async def story() -> float:
        async with listening(long, answer=0.05) as stage:
            deaf = await asyncio.to_thread(socket.create_connection, ("127.0.0.1", stage.port))
            with await asyncio.to_thread(trusting().wrap_socket, deaf) as client:
                client.sendall(2 * b"GET / HTTP/1.1\r\nHost: g\r\n\r\n")
                await stage.until(lambda: stage.facts.endings.count("answer_not_taken") > 0)
            return stage.facts.endings.count("answer_not_taken")

    assert play(story()) == 1


def test_nothing_is_in_hand_for_ever(play: Play) -> None:
    async def story() -> bool:
        judging = Judging()
        async with listening(judging.answer, request=0.05) as stage:
            client = await stage.connect()
            client.writer.write(POST % 0)
            await client.end()
            await asyncio.wait_for(judging.cancelled.wait(), PATIENCE)
            return stage.facts.endings.count("request_late") == 1

    assert play(story())


@pytest.mark.parametrize("way", ["close", "reset", "half"])
@pytest.mark.parametrize("tls", [True, False])
def test_a_client_that_goes_away_ends_its_work(play: Play, way: str, tls: bool) -> None:  # noqa: FBT001 - a case
    async def story() -> None:
        judging = Judging()
        async with listening(judging.answer, tls=tls) as stage:
            client = await stage.connect()
            client.writer.write(POST % 0)
            await judging.began.wait()
            if way == "close":
                client.writer.close()
            elif way == "reset":
                client.writer.transport.abort()
            else:
                with socket.socket(fileno=os.dup(client.writer.get_extra_info("socket").fileno())) as wire:
                    wire.shutdown(socket.SHUT_WR)
            await asyncio.wait_for(judging.cancelled.wait(), PATIENCE)

    play(story())


def test_requests_that_come_before_an_answer_are_answered_in_turn(play: Play) -> None:
    async def story() -> list[bytes]:
        async with listening() as stage:
            client = await stage.connect()
            client.writer.write(POST % 1 + b"a" + POST % 2 + b"ab" + POST % 3 + b"abc")
            return [(await client.answer())[2] for _ in range(3)]

    assert play(story()) == [b"1", b"2", b"3"]


def test_an_old_client_is_answered_and_closed(play: Play) -> None:
    async def story() -> tuple[int, bytes]:
        async with listening() as stage:
            client = await stage.connect()
            return (await client.ask(b"GET / HTTP/1.0\r\n\r\n"))[0], await client.end()

    assert play(story()) == (200, b"")


def test_a_client_that_expects_100_is_told_to_go_on(play: Play) -> None:
    async def story() -> list[int]:
        async with listening() as stage:
            client = await stage.connect()
            first = await client.ask(b"POST / HTTP/1.1\r\nHost: g\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            return [first[0], (await client.ask(b"ab"))[0]]

    assert play(story()) == [100, 200]


NONSENSE = [
    b"\x16\x03\x01nonsense\r\n\r\n",
    b"POST /secret\x00path HTTP/1.1\r\n\r\n",
    b"GET /" + b"secret" * 2000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-Secret: " + b"secret" * 2000 + b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: secret\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nsecret",
    b"POST / HTTP/9.9secret\r\n\r\n",
]


@pytest.mark.parametrize("sent", NONSENSE, ids=range(len(NONSENSE)))
def test_what_is_no_http_gets_400_and_nothing_of_it_back(
    play: Play, sent: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nor does it write a traceback into the log."""

    async def story() -> tuple[int, bytes, bytes]:
        async with listening() as stage:
            client = await stage.connect()
            status, _, body = await client.ask(sent)
            return status, body, await client.end()

    assert play(story()) == (400, b"Bad Request\n", b"")
    assert "Traceback" not in "".join(capfd.readouterr())


def test_nonsense_is_logged_once_a_minute(play: Play, capfd: pytest.CaptureFixture[str]) -> None:
    async def story() -> float:
        async with listening() as stage:
            for _ in range(20):
                client = await stage.connect()
                await client.ask(b"nonsense\r\n\r\n")
            return stage.facts.statuses.count(400)

    assert play(story()) == 20
    assert "".join(capfd.readouterr()).count("request_not_http") == 1


@pytest.mark.parametrize(
    "lines", [b"Baggage: " + b"a" * 30_000 + b"\r\n", b"".join(b"X-%d: 1\r\n" % n for n in range(1500))]
)
def test_a_head_within_its_size_is_read_whatever_its_lines_are(play: Play, lines: bytes) -> None:
    """A user says what an API server passes on as `baggage`: what is refused here was judged by nobody."""

    async def story() -> int:
        async with listening() as stage:
            client = await stage.connect()
            return (await client.ask(b"GET / HTTP/1.1\r\nHost: g\r\n" + lines + b"\r\n"))[0]

    assert play(story()) == 200


@pytest.mark.parametrize("chunk", [1000, 100_000])
def test_a_head_has_a_size(play: Play, chunk: int) -> None:
    """A hundred lines of 8 KB each, on hundreds of connections, are memory that nobody may take."""

    async def story() -> float:
        async with listening() as stage:
            client = await stage.connect()
            head = b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"a" * 4000) for n in range(60)) + b"\r\n"
            with contextlib.suppress(OSError):
                for start in range(0, len(head), chunk):
                    client.writer.write(head[start : start + chunk])
                    await client.writer.drain()
            await client.end()
            return stage.facts.endings.count("head_too_large")

    assert play(story()) == 1


@pytest.mark.parametrize(
    "waiting",
    [
        b"GET / HTTP/1.1\r\nHost: g\r\nX: " + b"a" * 2000 + b"\r\n\r\n",
        POST % 2000 + b"a" * 2000,
        b"POST / HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"a" * 2000 + b"\r\n0\r\n\r\n",
        POST % 90_000 + b"a" * 2000,
    ],
    ids=["heads", "bodies", "chunks", "a body that goes on"],
)
def test_requests_that_wait_for_their_turn_have_a_size(play: Play, waiting: bytes) -> None:
    """Each body by itself would be within every limit."""

    async def story() -> float:
        judging = Judging()
        async with listening(judging.answer) as stage:
            client = await stage.connect()
            client.writer.write(POST % 0)
            await judging.began.wait()
            with contextlib.suppress(OSError):
                for _ in range(40):
                    client.writer.write(waiting)
                    await client.writer.drain()
                    await asyncio.sleep(0.001)
            await client.end()
            return stage.facts.endings.count("head_too_large")

    assert play(story()) == 1


def test_a_large_body_in_large_pieces_is_no_large_head(play: Play) -> None:
    async def story() -> bytes:
        async with listening() as stage:
            client = await stage.connect()
            return (await client.ask(POST % 3_000_000 + b"a" * 3_000_000))[2]

    assert play(story()) == b"3000000"


def test_a_kept_connection_does_not_keep_the_last_body(play: Play) -> None:
    """Held by aiohttp: the last request of each connection until the next one: with 512 of them, gigabytes."""

    async def whole(request: web.Request) -> web.Response:
        await request.read()
        held.append(request)
        return web.Response()

    held: list[web.Request] = []

    async def story() -> bytes | None:
        async with listening(whole) as stage:
            client = await stage.connect()
            await client.ask(POST % 1_000_000 + b"a" * 1_000_000)
            return held[0]._read_bytes

    assert play(story()) is None


def test_accepting_goes_on_after_descriptors_ran_out(play: Play, capfd: pytest.CaptureFixture[str]) -> None:
    async def story() -> tuple[int, int]:
        async with listening(welcome=0.0) as stage:
            silent = await stage.connect()
            listener = stage.listener
            (listening_socket,) = listener._sockets
            failing = _Failing(listening_socket, 3)
            listener._accept(failing)  # type: ignore[arg-type]  # what accept() needs of a socket
            await silent.end()
            client = await stage.connect()
            return (await client.ask())[0], failing.asked

    assert play(story()) == (200, 1)
    assert "connection_not_accepted" in "".join(capfd.readouterr())


class _Failing:
    def __init__(self, _: socket.socket, times: int) -> None:
        self.times, self.asked = times, 0

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        self.asked += 1
        raise OSError(errno.EMFILE, "too many open files")


def test_a_handler_that_raises_answers_500_without_its_reason(play: Play, capfd: pytest.CaptureFixture[str]) -> None:
    async def failing(_: web.Request) -> web.Response:
        raise RuntimeError("secret")

    async def story() -> tuple[int, bytes]:
        async with listening(failing) as stage:
            status, _, body = await (await stage.connect()).ask()
            return status, body

    assert play(story()) == (500, b"Internal Server Error\n")
    assert "request_failed" in "".join(capfd.readouterr())
