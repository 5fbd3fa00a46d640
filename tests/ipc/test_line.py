"""A line asks whichever process is there, until one has answered."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from router.ipc import Answerer, Line, Peer, PeerGoneError, PeerRefusedError


class Answering:
    """A process that answers at a socket, and may die."""

    def __init__(self, path: Path, answerer: Answerer) -> None:
        self._path = path
        self._answerer = answerer
        self._peers: list[Peer] = []

    async def start(self) -> None:
        """Answer the door."""
        self._server = await asyncio.get_running_loop().create_unix_server(self._peer, str(self._path))

    def die(self) -> None:
        """End, as SIGKILL ends a process: connections close, work is lost."""
        self._server.close()
        for peer in self._peers:
            peer.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _peer(self) -> Peer:
        self._peers.append(peer := Peer(self._answerer))
        return peer


async def test_a_question_outlives_whoever_was_to_answer_it(tmp_path: Path) -> None:
    """A request in hand waits for the process that comes back, not for the one that died."""
    path, heard = tmp_path / "s", asyncio.Event()

    async def die(_: str, __: bytes) -> bytes:
        heard.set()
        await asyncio.Event().wait()
        return b""

    async def answer(topic: str, body: bytes) -> bytes:
        return topic.encode() + body

    first, second = Answering(path, die), Answering(path, answer)
    line = Line(str(path))
    question = asyncio.create_task(line.ask("append", b"1"))
    await asyncio.sleep(0)  # nobody is there yet
    await first.start()
    await heard.wait()
    first.die()
    await second.start()

    assert await question == b"append1"
    await line.close()
    second.die()


async def test_a_refusal_is_an_answer(tmp_path: Path) -> None:
    """Asking again would only be refused again."""

    async def refuse(_: str, __: bytes) -> bytes:
        raise PeerRefusedError("no")

    there = Answering(tmp_path / "s", refuse)
    await there.start()
    line = Line(str(tmp_path / "s"))

    with pytest.raises(PeerRefusedError, match="no"):
        await line.ask("append")
    await line.close()
    there.die()


async def test_a_closed_line_fails_whoever_waits(tmp_path: Path) -> None:
    """The end of our own process is no reason to hang."""
    line = Line(str(tmp_path / "nobody"))
    question = asyncio.create_task(line.ask("append"))
    await asyncio.sleep(0)
    await line.close()

    with pytest.raises(PeerGoneError):
        await question
