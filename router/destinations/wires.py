"""Ways on which messages go to a receiver that never answers.

Rules:
(1) A stream is kept. Whether the receiver has ended it is looked for before each message, for the kernel takes what is
    written to a connection that has gone, and says so to nobody.
(2) A message counts as sent when the receiver's *kernel* has all of it, where ours says so (Linux: `TCP_INFO`,
    `SIOCOUTQ`): a receiver whose machine is gone, or that ends the connection then, is found out, and the message is
    sent again. Elsewhere it counts when our kernel has it. Whether a program ever read it nobody knows: syslog has no
    acknowledgement.
(3) Of datagrams nothing is known but what an ICMP error says of an earlier one: the message that meets it is sent
    again, the earlier one is not.
(4) What breaks a stream ends it; the next message begins another.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import sys
from collections.abc import Awaitable
from typing import Protocol

from router.destinations.outcome import Outcome, TryAgain
from router.destinations.socket_settings import SocketEndpoint
from router.errors import ForbiddenAddressError
from router.outbound.connecting import Connector

if sys.platform == "linux":
    import fcntl

_SIOCOUTQ = 0x5411
"""Linux, `sockios.h`: bytes in the queue of a socket that the other side has not acknowledged."""
_BYTES_ACKED = 120
"""Linux, `tcp.h`: where `tcpi_bytes_acked` stands in `struct tcp_info`, since 4.1; eight bytes."""
_INFO_BYTES = 256
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.02
"""Seconds between two looks at what was acknowledged."""


async def attempted(attempt: Awaitable[Outcome], patience: float) -> Outcome:
    """What became of an attempt that has so many seconds, whatever the network does."""
    try:
        async with asyncio.timeout(patience):
            return await attempt
    except ForbiddenAddressError:
        return TryAgain("forbidden_address")  # no fault of the event: names and `egress.allow` can change
    except TimeoutError:
        return TryAgain("timeout")
    except ssl.SSLError:
        return TryAgain("tls_failed")
    except OSError:
        return TryAgain("connection_failed")


class Wire(Protocol):
    """A way to a receiver."""

    async def send(self, message: bytes) -> None:
        """Send a message, framed as the receiver wants it; raises OSError, and ForbiddenAddressError."""

    async def close(self) -> None:
        """Let go of the connection."""


class Datagrams:
    """Messages that are packets."""

    def __init__(self, connector: Connector, endpoint: SocketEndpoint) -> None:
        self._connector = connector
        self._endpoint = endpoint
        self._socket: socket.socket | None = None

    async def send(self, message: bytes) -> None:
        """Send one; where it leads is looked up anew after a failure."""
        if self._socket is None:
            self._socket = await self._connector.datagrams(self._endpoint.host, self._endpoint.port)
        try:
            self._socket.send(message)
        except OSError:
            self._let_go()
            raise

    async def close(self) -> None:
        """Close the socket."""
        self._let_go()
        await self._connector.close()

    def _let_go(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Stream:
    """Messages that follow one another on a connection."""

    def __init__(self, connector: Connector, endpoint: SocketEndpoint, tls: ssl.SSLContext | None) -> None:
        self._connector = connector
        self._endpoint = endpoint
        self._tls = tls
        self._opening = asyncio.Lock()
        self._open: _Open | None = None

    async def send(self, message: bytes) -> None:
        """Send one, and wait until it is there (rule 2)."""
        stream = await self._usable()
        try:
            await stream.send(message)
        except BaseException:  # half of it may have been written: what follows would be read as the rest
            self._let_go(stream)
            raise

    async def close(self) -> None:
        """End the connection; what was written still goes out."""
        if self._open is not None:
            stream, self._open = self._open, None
            stream.end()
        await self._connector.close()

    async def _usable(self) -> _Open:
        async with self._opening:
            if self._open is not None and await self._open.has_ended():
                self._let_go(self._open)
            if self._open is None:
                reader, writer = await self._connector.stream(self._endpoint.host, self._endpoint.port, self._tls)
                self._open = _Open(reader, writer)
            return self._open

    def _let_go(self, stream: _Open) -> None:
        stream.abort()
        if self._open is stream:
            self._open = None


class _Open:
    """A connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        # `drain` then waits until the kernel has all; with 0 for both, TLS would wait for ever.
        self._writer.transport.set_write_buffer_limits(high=1, low=0)
        self._reading = asyncio.create_task(_read_until_end(reader), name="see the end of a connection")

    async def has_ended(self) -> bool:
        """Whether the receiver has ended it, as far as we can have heard."""
        await asyncio.sleep(0)  # one turn of the loop, in which it hears what has come
        await asyncio.sleep(0)
        return self._is_over()

    async def send(self, message: bytes) -> None:
        self._writer.write(message)
        await self._writer.drain()
        await self._there()
        if await self.has_ended():
            raise ConnectionResetError("the receiver has ended the connection")

    async def _there(self) -> None:
        """Wait until all that was written has been acknowledged, as far as that can be known.

        Twice: below TLS, a part may still wait for room in the kernel, and is there when what was before it has gone.
        """
        connection = self._writer.get_extra_info("socket")
        for _ in range(2):
            if (acknowledged := _acknowledged(connection)) is None:
                return
            wanted = acknowledged + _outstanding(connection)
            pause = _FIRST_PAUSE
            while acknowledged is not None and acknowledged < wanted and not self._is_over():
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, 2 * pause)
                acknowledged = _acknowledged(connection)

    def _is_over(self) -> bool:
        return self._reading.done() or self._writer.is_closing()

    def end(self) -> None:
        self._reading.cancel()
        self._writer.close()

    def abort(self) -> None:
        self._reading.cancel()
        self._writer.transport.abort()


async def _read_until_end(reader: asyncio.StreamReader) -> None:
    """Syslog's receivers say nothing; what they say is not kept."""
    try:
        while await reader.read(4096):
            pass
    except OSError:
        return


def _acknowledged(connection: socket.socket) -> int | None:
    """Bytes that the receiver's kernel has acknowledged; None where that can't be known."""
    if sys.platform != "linux":
        return None
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
        return int(struct.unpack_from("=Q", info, _BYTES_ACKED)[0])
    except (OSError, struct.error):
        return None


def _outstanding(connection: socket.socket) -> int:
    if sys.platform != "linux":
        return 0
    return int(struct.unpack("=i", fcntl.ioctl(connection.fileno(), _SIOCOUTQ, bytes(4)))[0])
