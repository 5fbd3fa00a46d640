"""Events that are posted: whoever has them stored is told, and waits in no task meanwhile.

Rules:
(1) `told` is called once for each event, within `MOMENT` seconds or soon after, never before `post` has returned: with
    None where the event is durable, else with what to await to learn what becomes of it.
(2) That awaits what is under way: the event is not appended a second time, unless it went with a process that has died.
(3) Who is told later than a moment has to look after his deadline himself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from router.outbox.protocol import Intake, NewEvent

MOMENT = 0.1
"""Seconds: less than any request has for storing its event (`router.admission.deadlines`)."""

Later: TypeAlias = Callable[[], Awaitable[object]]
"""Returns when the event is durable; raises OutboxError."""
StoredListener: TypeAlias = Callable[[Later | None], None]
PostEvent: TypeAlias = Callable[[NewEvent, StoredListener], None]


def posting(intake: Intake) -> PostEvent:
    """Posts to an intake of this process."""

    def post(event: NewEvent, told: StoredListener) -> None:
        _Appending(asyncio.ensure_future(intake.append(event)), told)

    return post


class _Appending:
    """One event that is being appended."""

    def __init__(self, appended: asyncio.Future[object], told: StoredListener) -> None:
        self._appended = appended
        self._told: StoredListener | None = told
        self._timer = asyncio.get_running_loop().call_later(MOMENT, self._tell, self._later)
        appended.add_done_callback(self._ended)

    def _ended(self, appended: asyncio.Future[object]) -> None:
        self._timer.cancel()
        is_durable = not appended.cancelled() and appended.exception() is None
        self._tell(None if is_durable else self._later)

    def _tell(self, later: Later | None) -> None:
        if self._told is not None:
            told, self._told = self._told, None
            told(later)

    async def _later(self) -> object:
        return await asyncio.shield(self._appended)
