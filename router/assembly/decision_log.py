"""One line in the log per decision, written by the half that keeps events, of the event itself.

The gate writes none: a line costs about as much as deciding. What could not be stored stands in the log as a whole
(`router.admission.recording`), and a dry run leaves no line, as it leaves no event.

Of an event only what stands in the line is read; all of it only where its object may have to be told of it, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

import msgspec

from router.errors import OutboxError
from router.events import DECISION_TYPE, EventData, decode, type_of
from router.outbox import AppendListener, BatchIntake, NewEvent, Number
from router.telemetry.going_on import nothing, or_else
from router.telemetry.logs import logger
from router.verdict import Verdict

log = logger()

SHOWN_IMAGES = 20
"""Images in a line of the log, those that fail first."""
SHOWN_CHARACTERS = 200
"""Of an image's name."""


class LoggedIntake:
    """Implements `BatchIntake` by another, and logs each decision that it has stored.

    Args:
        intake: Stores events.
        hear: Is told each decision that was stored and has refused something, or would have, too.
    """

    def __init__(self, intake: BatchIntake, hear: Callable[[EventData], None] = lambda _: None) -> None:
        self._intake = intake
        self._hear = hear

    async def append(self, event: NewEvent) -> Number:
        """Store an event, and log the decision that it tells of."""
        number = await self._intake.append(event)
        self._log(event)
        return number

    def append_all(self, events: Sequence[NewEvent], told: AppendListener) -> None:
        """Store each of these, and log the decisions that are stored, after whoever waits was told."""
        loop = asyncio.get_running_loop()

        def known(results: Sequence[Number | OutboxError]) -> None:
            told(results)
            stored = [event for event, result in zip(events, results, strict=True) if isinstance(result, Number)]
            loop.call_soon(self._log_all, stored)  # what was told is written at the end of this turn

        self._intake.append_all(events, known)

    async def withdraw(self, ids: Collection[str]) -> AbstractSet[str]:
        """Take events back."""
        return await self._intake.withdraw(ids)

    def _log_all(self, stored: Sequence[NewEvent]) -> None:
        for event in stored:
            self._log(event)

    def _log(self, event: NewEvent) -> None:
        # It is stored: the gate would take it for not stored, and may refuse.
        or_else(partial(self._log_decision, event), nothing, "decision_not_logged", event_id=event.id)

    def _log_decision(self, stored: NewEvent) -> None:
        if type_of(stored.body) != DECISION_TYPE:
            return
        logged = _read(stored.body).data
        _log(stored.id, logged)
        if logged.decision.would_reject:
            self._hear(decode(stored.body)["data"])


class _Request(msgspec.Struct):
    uid: str
    namespace: str


class _Workload(msgspec.Struct):
    kind: str
    name: str


class _Decision(msgspec.Struct):
    outcome: str
    mode: str
    would_reject: bool


class _Timings(msgspec.Struct):
    gate_milliseconds: float


class _Image(msgspec.Struct):
    image: str
    verdict: str
    reason: str


class _Logged(msgspec.Struct):
    request: _Request
    workload: _Workload
    decision: _Decision
    images: list[_Image]
    timings: _Timings


class _Event(msgspec.Struct):
    data: _Logged


_read = msgspec.json.Decoder(_Event).decode


def _log(event_id: str, logged: _Logged) -> None:
    log.info(
        "request_decided",
        uid=logged.request.uid,
        namespace=logged.request.namespace,
        workload=f"{logged.workload.kind}/{logged.workload.name}",
        outcome=logged.decision.outcome,
        mode=logged.decision.mode,
        would_reject=logged.decision.would_reject,
        verdicts=[f"{one.image[:SHOWN_CHARACTERS]}: {one.verdict}({one.reason})" for one in _shown(logged.images)],
        milliseconds=round(logged.timings.gate_milliseconds, 2),
        event_id=event_id,
    )


def _shown(images: list[_Image]) -> list[_Image]:
    if len(images) <= SHOWN_IMAGES:
        return images
    return sorted(images, key=lambda image: Verdict(image.verdict).is_pass)[:SHOWN_IMAGES]
