"""Events a second to what is not told by one request over HTTP, each beside the bare way to the same receiver.

Jira: the search and the ticket by aiohttp. Syslog: the same bodies, counted, over one connection. Mail: the same bodies
by `smtplib` over one connection. File: the same lines, flushed as often. Receivers run beside either, in the same loop.

    python -m tests.bench.own_ways
"""

from __future__ import annotations

import asyncio
import os
import smtplib
import statistics
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import uvloop
from aiosmtpd.smtp import SMTP

from router.destinations.catalogue import KINDS, open_destination
from tests.bench.delivery import encoded_events
from tests.bench.kinds import EGRESS, delivered, in_batches, rate, rendered
from tests.bench.table import Row
from tests.contracts.kinds import least, read, variables_of
from tests.destinations.test_smtp_server import Box
from tests.simulators.sinks import Receipt, Sink, answer

EVENTS, ROUNDS, FLUSHED = 1000, 3, 128
SEARCHED, CREATED = answer("200 OK", b'{"issues":[]}'), answer("201 Created", b'{"id":"1","key":"SEC-1"}')


class Way(NamedTuple):
    """To a receiver that runs."""

    written: Mapping[str, object]
    """Settings that lead to it."""
    send: Callable[[Sequence[bytes]], Awaitable[None]]
    """The bare way."""


@asynccontextmanager
async def jira(_: Path) -> AsyncIterator[Way]:
    """Two requests each."""

    def behave(receipt: Receipt) -> bytes:
        return SEARCHED if "search" in receipt.path else CREATED

    async with Sink(behave=behave).running() as sink, aiohttp.ClientSession() as session:

        async def send(bodies: Sequence[bytes]) -> None:
            left = iter(bodies)

            async def client() -> None:
                for body in left:
                    for path in ("/search/jql", "/issue"):
                        async with session.post(sink.url(path), data=body) as reply:
                            await reply.read()

            await asyncio.gather(*(client() for _ in range(4)))

        yield Way({"url": sink.url(""), "plain_http": True}, send)


@asynccontextmanager
async def syslog(_: Path) -> AsyncIterator[Way]:
    """Over TCP."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    writer = (await asyncio.open_connection("127.0.0.1", port))[1]

    async def send(bodies: Sequence[bytes]) -> None:
        for body in bodies:
            writer.write(b"%d %b" % (len(body), body))
            await writer.drain()

    async with server:
        yield Way({"address": f"127.0.0.1:{port}", "transport": "tcp"}, send)
        writer.close()


@asynccontextmanager
async def smtp(_: Path) -> AsyncIterator[Way]:
    """Without TLS."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Box(), hostname="mail.test", loop=loop), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    def by_one_connection(bodies: Sequence[bytes]) -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            for body in bodies:
                client.sendmail("a@x.example", ["b@x.example"], body)

    async def send(bodies: Sequence[bytes]) -> None:
        await asyncio.to_thread(by_one_connection, bodies)

    yield Way({"address": f"127.0.0.1:{port}", "security": "none", "plain": True}, send)
    server.close()


@asynccontextmanager
async def file(folder: Path) -> AsyncIterator[Way]:
    """Flushed once a batch."""

    async def send(bodies: Sequence[bytes]) -> None:
        with (folder / "bare").open("ab", buffering=0) as archive:
            for start in range(0, len(bodies), FLUSHED):
                archive.write(b"".join(b"%b\n" % body for body in bodies[start : start + FLUSHED]))
                os.fsync(archive.fileno())

    yield Way({"path": str(folder / "ours"), "batch_size": FLUSHED}, send)


WAYS: Sequence[Callable[[Path], AbstractAsyncContextManager[Way]]] = (jira, smtp, syslog, file)


def run() -> Sequence[Row]:
    """One figure of each."""
    return [uvloop.run(_figure(way)) for way in WAYS]


async def _figure(way: Callable[[Path], AbstractAsyncContextManager[Way]]) -> Row:
    (kind,) = (one for one in KINDS if one.name == way.__name__)
    documents = rendered(kind, encoded_events(EVENTS))
    with tempfile.TemporaryDirectory() as folder:
        async with way(Path(folder)) as there:
            written = {**least(kind), **there.written}
            destination = open_destination(read(written, Path(folder), variables_of(written)), EGRESS)
            batches, bodies = in_batches(destination, documents), [one.body for one in documents]
            rates = [
                (await rate(delivered(destination, batches), EVENTS), await rate(there.send(bodies), EVENTS))
                for _ in range(ROUNDS)
            ]
            await destination.close()
    ours, bare = (statistics.median(pair[index] for pair in rates) for index in range(2))
    return Row(f"{kind.name}: events/s", f"{ours:,.0f}", f"{bare:,.0f} (bare way)", f"{ours / bare:.0%}", "")


if __name__ == "__main__":
    from tests.bench.table import as_text

    print(as_text(run()))
