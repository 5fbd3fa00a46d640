"""What a gate process asks its keeper for."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from router.assembly import messages
from router.assembly.gate_process import receipts_over
from router.ipc import Line, Peer


async def test_the_keeper_ends_its_waiting_before_the_gate_does(tmp_path: Path) -> None:
    """Else one receiver that hangs would cost all receipts that were given, and the refusal would blame everybody."""
    asked: list[messages.UrgentReceivers] = []

    async def answer(_topic: str, body: bytes) -> bytes:
        asked.append(messages.unpack(body, messages.UrgentReceivers))
        return messages.pack(frozenset({"one"}))

    path = str(tmp_path / "keeper")
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(lambda: Peer(answer), path)
    line, end = Line(path), time.monotonic() + 60.0
    given = await receipts_over(line, 1)(b"{}", "the-one", ["one", "two"], loop.time() + 60.0)
    await line.close()
    server.close()

    (question,) = asked
    assert given == {"one"}
    assert question.destinations == ["one", "two"]
    assert end - 1.0 < question.until < end - 0.03
