"""What is read at a glance is what a parser reads."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import RawRequestMessage
from aiohttp.http_parser import HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st

from router.server.plain import FIELDS, VALUE, RequestHead, read_head

START = "POST /validate?timeout=10s HTTP/1.1"
NEEDED = ["Host: gatecrier.gatecrier.svc:443", "Content-Type: application/json", "Content-Length: 3"]
API_SERVER = [
    "User-Agent: kube-apiserver-admission",
    "Accept: application/json, */*",
    "Accept-Encoding: gzip",
    "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
]
STARTS = [
    START,
    "POST /validate HTTP/1.1",
    "GET /validate HTTP/1.1",
    "POST /validate?timeout=10s HTTP/1.0",
    "POST /a?b=c HTTP/1.1",
]
LINES = [
    *NEEDED,
    *API_SERVER,
    "Content-Length: 4",
    "content-length: 3",
    "Content-Length:3",
    "Content-Length: +3",
    "Content-Length: 3, 3",
    "Transfer-Encoding: chunked",
    "Expect: 100-continue",
    "Connection: close",
    "Upgrade: h2c",
    "Content-Encoding: gzip",
    "Content-Type: text/plain",
    "User-Agent: Content-Length: 9",
    "Accept: \tx",
    " folded",
    "",
]


def head(*lines: str, start: str = START) -> bytes:
    return "\r\n".join([start, *lines, "", ""]).encode()


def parsed(data: bytes) -> RawRequestMessage | None:
    """What aiohttp reads; None where it is no single request that ends here."""

    async def story() -> RawRequestMessage | None:
        loop = asyncio.get_running_loop()
        parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16)
        messages, upgraded, tail = parser.feed_data(data)
        if len(messages) != 1 or upgraded or tail:
            return None
        message, payload = messages[0]
        assert isinstance(message, RawRequestMessage)
        return message if payload.is_eof() else None

    return asyncio.run(story())


@given(st.sampled_from(STARTS), st.lists(st.sampled_from(LINES), max_size=4), st.permutations(NEEDED))
def test_what_is_plain_a_parser_reads_the_same(start: str, more: list[str], needed: list[str]) -> None:
    """Two readers that understand a request differently are how requests are smuggled."""
    data = head(*needed, *more, start=start)
    found = read_head(data)
    if found is None:
        return
    message = parsed(data[: found.size] + b"x" * found.length)

    assert message is not None
    assert (message.method, message.url.path) == ("POST", found.path)
    assert message.url.query_string == (f"timeout={found.timeout}" if found.timeout else "")
    assert message.headers.getall("Content-Length") == [str(found.length)]
    assert message.headers.getall("Content-Type") == ["application/json"]
    assert not any((message.chunked, message.upgrade, message.should_close, message.compression))


def test_what_api_servers_send_is_plain() -> None:
    data = head(NEEDED[0], *API_SERVER, *NEEDED[1:])

    assert read_head(data + b"abc") == RequestHead("/validate", "10s", len(data), 3)


@pytest.mark.parametrize(
    "lines",
    [
        NEEDED[:2],
        NEEDED[1:],
        [NEEDED[0], NEEDED[2]],
        [*NEEDED, NEEDED[2]],
        [*NEEDED, "Transfer-Encoding: chunked"],
        [*NEEDED, "Expect: 100-continue"],
        [*NEEDED, "Connection: close"],
        [*NEEDED, "Content-Encoding: gzip"],
        [*NEEDED, f"Accept: {'x' * (VALUE + 1)}"],
        [*NEEDED, *(f"Accept: {number}" for number in range(FIELDS))],
        [*NEEDED, "Accept: \u00e9"],
    ],
)
def test_what_could_be_read_otherwise_is_not_plain(lines: list[str]) -> None:
    assert read_head(head(*lines)) is None
