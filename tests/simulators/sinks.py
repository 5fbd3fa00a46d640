"""A receiver on a free loopback port that answers as it is told: bytes on a socket, so that it can say anything."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field


def answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    """A whole HTTP answer."""
    told = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def chunked(status: str, body: bytes) -> bytes:
    """A whole HTTP answer whose body comes byte by byte."""
    chunks = b"".join(b"1\r\n%c\r\n" % one for one in body)
    return b"HTTP/1.1 %b\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % (status.encode(), chunks)


OK = answer("200 OK", b"ok")
GARBAGE = b"SSH-2.0-OpenSSH_9.2\r\n\r\n"
NOTHING = b""
HALF_A_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123"
BAD_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n"
ENDLESS_HEAD = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %b\r\n" % (number, b"a" * 1000) for number in range(200))
RESET = b"reset"
"""Not an answer: the connection is reset."""
HANG = None
"""Never answer."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    """As it was before it was compressed, if it was."""
    method: str = "POST"


@dataclass
class Sink:
    """Answers every request with `says`; what is no whole answer is followed by the end of the connection."""

    says: bytes | None = OK
    port: int = 0
    tls: ssl.SSLContext | None = None
    got: list[Receipt] = field(default_factory=list)
    connections: int = 0
    behave: Callable[[Receipt], bytes | None] | None = None
    beforehand: Callable[[str], str | None] | None = None
    """What it answers by itself to a path, before what it is told; None where that is no such question."""
    pause: float = 0.0
    """Seconds that it takes for each answer."""
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def url(self, path: str = "/x") -> str:
        """An address of it."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}{path}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Sink]:
        """Listen."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await asyncio.sleep(0)  # a connection that is just being accepted
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for writer in self._writers:
                writer.transport.abort()
            await server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._tasks.append(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            while True:
                receipt = await self._received(reader)
                if self.beforehand is not None and (asked := self.beforehand(receipt.path)) is not None:
                    writer.write(answer("200 OK", asked.encode()))
                    continue
                self.got.append(receipt)
                await asyncio.sleep(self.pause)
                says = self.says if self.behave is None else self.behave(receipt)
                if says is HANG:
                    await asyncio.Event().wait()
                    continue
                if says is RESET:
                    writer.transport.abort()
                    break
                writer.write(says)
                await writer.drain()
                if not says.startswith(b"HTTP/1.1 ") or says in {HALF_A_BODY, BAD_CHUNKS}:
                    break
        writer.close()

    @staticmethod
    async def _received(reader: asyncio.StreamReader) -> Receipt:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        method, path, *_ = head[0].split(" ")
        return Receipt(path, headers, body, method)
