"""A mail server on a free loopback port that says what it is told to say."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import email
import email.policy
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail that it has taken."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def mail(self) -> EmailMessage:
        """As its reader sees it."""
        return email.message_from_bytes(self.content, policy=email.policy.default)


@dataclass
class MailServer:
    """Takes everything, but for what `says` has another reply to: by command (`MAIL`), or by recipient."""

    says: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    is_tls_first: bool = False
    login: tuple[str, str] | None = None
    port: int = 0
    got: list[Taken] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    """Every command of every connection."""
    asked: list[str] = field(default_factory=list)
    """Recipients, each time."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[MailServer]:
        """Listen."""
        first = self.tls if self.is_tls_first else None
        under_way = set[asyncio.Task[None]]()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            under_way.add(task)
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await self._serve(reader, writer)
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=first)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await asyncio.gather(*under_way)

    async def _serve(  # noqa: C901 - a branch for each command
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(f"{self.says.get('', '220 mail.test')}\r\n".encode())
        sender, recipients, is_tls = "", list[str](), self.is_tls_first
        while True:
            line = (await reader.readuntil(b"\r\n")).decode().strip()
            command = line.split()[0].upper()
            self.heard.append(command + line[len(command) :])
            reply = self.says.get(command, "250 OK")
            match command:
                case "EHLO":
                    reply = self.says.get(command, self._offers(is_tls=is_tls))
                case "STARTTLS":
                    writer.write(f"{self.says.get(command, '220 go on')}\r\n".encode())
                    if command not in self.says and self.tls is not None:
                        await writer.start_tls(self.tls)
                        is_tls = True
                    continue
                case "AUTH":
                    reply = self.says.get(command, self._judged(line))
                case "MAIL":
                    sender, recipients = line.split("<")[1].split(">")[0], []
                case "RCPT":
                    who = line.split("<")[1].split(">")[0]
                    self.asked.append(who)
                    reply = self.says.get(who, reply)
                    recipients += [who] if reply.startswith("25") else []
                case "DATA":
                    writer.write(b"354 go on\r\n")
                    content = await reader.readuntil(b"\r\n.\r\n")
                    if reply.startswith("250"):
                        self.got.append(Taken(sender, tuple(recipients), content[:-3]))
                case _:
                    pass
            if reply == "hang":
                await reader.read()
                return
            writer.write(f"{reply}\r\n".encode())
            await writer.drain()
            if command == "QUIT":
                return

    def _offers(self, *, is_tls: bool) -> str:
        offers = ["mail.test", "SIZE 10000000"]
        offers += ["STARTTLS"] if self.tls is not None and not is_tls else []
        offers += ["AUTH PLAIN LOGIN"] if self.login is not None else []
        return "\r\n".join([*(f"250-{one}" for one in offers), "250 HELP"])

    def _judged(self, line: str) -> str:
        said = base64.b64decode(line.split()[2]).decode().split("\0")[1:]
        return "235 welcome" if tuple(said) == self.login else f"535 5.7.8 no, not {said}"
