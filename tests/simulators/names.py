"""A name server on loopback that answers, lies late, or never; and names that are known without any."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from router.outbound.lookups import Lookups, ResolvedAddresses

_A, _AAAA = 1, 28
_NO_SUCH_NAME = 3


@dataclass
class NameServer:
    """Answers questions for A and AAAA; says that there is no such name as `records` does not hold."""

    records: dict[str, list[str]] = field(default_factory=dict)
    delay: Callable[[str], float | None] = lambda _: 0.0
    """Seconds before the answer about a name; None: never."""
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> str:
        """As c-ares wants it."""
        return f"127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[NameServer]:
        """Listen on a free port of loopback."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Protocol(self), ("127.0.0.1", 0))
        self.port = transport.get_extra_info("sockname")[1]
        try:
            yield self
        finally:
            transport.close()

    def answer(self, query: bytes) -> tuple[str, bytes]:
        """The name that is asked for, and the answer (RFC 1035, section 4)."""
        labels, place = [], 12
        while length := query[place]:
            labels.append(query[place + 1 : place + 1 + length].decode())
            place += 1 + length
        question = query[12 : place + 5]
        (kind,) = struct.unpack("!H", query[place + 1 : place + 3])
        name = ".".join(labels).lower()
        found = [ipaddress.ip_address(text) for text in self.records.get(name, ())]
        wanted = [one for one in found if (one.version, kind) in {(4, _A), (6, _AAAA)}]
        code = 0 if name in self.records else _NO_SUCH_NAME
        head = query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(wanted), 0, 0)
        body = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(one.packed)) + one.packed for one in wanted)
        return name, head + question + body


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # what asyncio makes does not say so itself

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name, answer = self._server.answer(data)
        self._server.asked.append(name)
        delay = self._server.delay(name)
        if delay is not None:
            asyncio.get_running_loop().call_later(delay, self._send, answer, addr)

    def _send(self, answer: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(answer, addr)


def know(monkeypatch: pytest.MonkeyPatch, names: Mapping[str, Sequence[str] | OSError]) -> None:
    """Let every lookup find these names' addresses, or fail so; other names are not known."""

    async def addresses(_: Lookups, host: str, family: int = 0) -> ResolvedAddresses:  # noqa: ARG001 - as the real one
        found = names.get(host, socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
        if isinstance(found, OSError):
            raise found
        return tuple((socket.AF_INET6 if ":" in one else socket.AF_INET, one) for one in found)

    monkeypatch.setattr(Lookups, "addresses", addresses)
