"""What a gate process asks its keeper for."""

from __future__ import annotations

import time
from typing import cast

import pytest

from router.assembly import messages
from router.assembly.gate_process import receipts_over
from router.ipc import Line
from tests.simulators.virtual_time import virtually


class Keeper:
    """The other end of a line: one of them has given a receipt."""

    def __init__(self) -> None:
        self.asked: list[messages.UrgentReceivers] = []

    async def ask(self, _topic: str, body: bytes) -> bytes:
        """Answer."""
        self.asked.append(messages.unpack(body, messages.UrgentReceivers))
        return messages.pack(frozenset({"one"}))


def test_the_keeper_ends_its_waiting_before_the_gate_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one receiver that hangs would cost all receipts that were given, and the refusal would blame everybody."""
    keeper = Keeper()
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)

    async def story() -> None:
        obtain = receipts_over(cast("Line", keeper), 1)

        assert await obtain(b"{}", "the-one", ["one", "two"], 8.0) == {"one"}
        assert await obtain(b"{}", "the-one", ["one", "two"], 0.02) == {"one"}

    virtually(story())

    assert [question.until for question in keeper.asked] == pytest.approx([1007.95, 1000.01])
