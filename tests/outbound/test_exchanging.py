from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
from yarl import URL

from router.outbound.authorities import client_context
from router.outbound.sessions import HEAD_LINE_LIMIT, HEADERS_LIMIT
from tests.outbound.opening import PATIENT, opened
from tests.simulators.certificates import self_signed
from tests.simulators.sinks import GARBAGE, OK, RESET, Sink, answer

LONG = {"X_Long": "a" * (HEAD_LINE_LIMIT + 1)}
MANY = {f"X_{number}": "a" for number in range(HEADERS_LIMIT + 1)}


async def asked(  # noqa: PLR0913 - all that a request and its session are made of
    url: str,
    *,
    times: int = 1,
    verb: str = "POST",
    body: bytes = b"{}",
    headers: dict[str, str] | None = None,
    timeout: aiohttp.ClientTimeout = PATIENT,  # noqa: ASYNC109 - the session's
    traces: Sequence[aiohttp.TraceConfig] = (),
    tls: ssl.SSLContext | bool = True,
    context: object = None,
) -> list[tuple[int, bytes]]:
    """What comes back: status and body."""
    found = list[tuple[int, bytes]]()
    async with opened(timeout, traces=tuple(traces)) as exchanges:
        for _ in range(times):
            exchange = await exchanges.ask(verb, URL(url), body, headers or {}, tls=tls, context=context)
            found.append((exchange.status, await exchange.content.read()))
            exchange.close()
    return found


async def test_a_body_goes_out_and_the_answer_comes_back() -> None:
    async with Sink(answer("202 Accepted", b"taken")).running() as sink:
        found = await asked(sink.url("/a?b=c"), body=b"text", headers={"content-type": "text/plain"})

    (got,) = sink.got
    assert found == [(202, b"taken")]
    assert (got.body, got.headers["content-type"], got.headers["content-length"]) == (b"text", "text/plain", "4")
    assert got.headers["host"] == sink.url("").removeprefix("http://").rstrip("/")
    assert got.headers["accept-encoding"] == "identity"


async def test_the_answer_to_a_head_has_no_body() -> None:
    """Its length is that of what was not sent."""
    head = answer("200 OK", Docker_Content_Digest="a").replace(b"Content-Length: 0", b"Content-Length: 1000")
    async with Sink(head).running() as sink:
        found = await asked(sink.url(), times=2, verb="HEAD", body=b"")

    assert found == [(200, b"")] * 2
    assert (sink.connections, [one.method for one in sink.got]) == (1, ["HEAD"] * 2)
    assert "content-length" not in sink.got[0].headers


@pytest.mark.parametrize("verb", ["GET", "HEAD"])
async def test_what_changes_nothing_is_asked_once_more_where_its_connection_ends(verb: str) -> None:
    """A server may end a kept connection at any moment: nobody waits, and nobody hears of it."""
    answers = [OK.partition(b"ok")[0] if verb == "HEAD" else OK, RESET]
    async with Sink(behave=lambda _: answers.pop(0) if answers else answer("404 Not Found")).running() as sink:
        found = await asked(sink.url(), times=2, verb=verb, body=b"")

    assert [status for status, _ in found] == [200, 404]
    assert len(sink.got) == 3


async def test_it_is_asked_twice_at_most() -> None:
    async with Sink(RESET).running() as sink:
        with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
            await asked(sink.url(), verb="GET", body=b"")

    assert len(sink.got) == 2


async def test_what_may_have_changed_something_is_asked_once() -> None:
    async with Sink(RESET).running() as sink:
        with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
            await asked(sink.url(), verb="POST")

    assert len(sink.got) == 1


async def test_what_is_no_http_is_told_as_a_session_tells_it() -> None:
    async with Sink(GARBAGE).running() as sink:
        with pytest.raises(aiohttp.ClientResponseError):
            await asked(sink.url())


async def test_a_connection_that_does_not_come_about_in_time_is_told_as_a_session_tells_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
    async with Sink().running() as sink:
        with pytest.raises(aiohttp.ConnectionTimeoutError):
            await asked(sink.url(), timeout=aiohttp.ClientTimeout(sock_connect=0.01))


async def test_what_a_session_is_to_be_told_of_connections_it_is_told() -> None:
    heard: list[tuple[str, object]] = []

    async def made(_session: object, context: SimpleNamespace, _event: object) -> None:
        heard.append(("made", context.trace_request_ctx))

    async def used_again(_session: object, context: SimpleNamespace, _event: object) -> None:
        heard.append(("used again", context.trace_request_ctx))

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(made)
    trace.on_connection_reuseconn.append(used_again)
    async with Sink().running() as sink:
        await asked(sink.url(), times=2, traces=[trace], context="this")

    assert heard == [("made", "this"), ("used again", "this")]


async def test_a_context_of_its_own_decides_whom_a_request_trusts(tmp_path: Path) -> None:
    """And no connection that another context has made serves it."""
    pair = self_signed()
    ours = client_context(pair.certificate.decode())
    async with Sink(tls=pair.server_context(tmp_path)).running() as sink:
        found = await asked(sink.url(), tls=ours)
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await asked(sink.url())

    assert found == [(200, b"ok")]


async def test_connections_are_kept() -> None:
    async with Sink(answer("200 OK", b"ok")).running() as sink:
        await asked(sink.url(), times=3)

    assert sink.connections == 1


async def test_a_connection_that_the_receiver_wants_to_end_is_not_used_again() -> None:
    async with Sink(answer("200 OK", b"ok", Connection="close")).running() as sink:
        found = await asked(sink.url(), times=2)

    assert found == [(200, b"ok")] * 2
    assert sink.connections == 2


@pytest.mark.parametrize("headers", [{"X-A": "1\r\nX-B: 2"}, {"X-A\n": "1"}, {"X-A": "1\0"}])
async def test_no_header_begins_another(headers: dict[str, str]) -> None:
    async with Sink().running() as sink:
        with pytest.raises(ValueError, match="end of a line"):
            await asked(sink.url(), headers=headers)

    assert sink.got == []


@pytest.mark.parametrize("headers", [LONG, MANY])
async def test_the_head_of_an_answer_is_bounded(headers: dict[str, str]) -> None:
    async with Sink(answer("200 OK", b"", **headers)).running() as sink:
        with pytest.raises(aiohttp.ClientError):
            await asked(sink.url())
