"""One line in the log per decision, written by the half that keeps events, of the event itself.

The gate writes none: a line costs about as much as deciding. What could not be stored stands in the log as a whole
(`router.admission.recording`), and a dry run leaves no line, as it leaves no event.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from collections.abc import Set as AbstractSet

from router.events import DECISION_TYPE, EventData, ImageData, decode
from router.outbox import Intake, NewEvent, Number
from router.telemetry.logs import logger
from router.verdict import Verdict

log = logger()

SHOWN_IMAGES = 20
"""Images in a line of the log, those that fail first."""
SHOWN_CHARACTERS = 200
"""Of an image's name."""


class LoggedIntake:
    """Implements `Intake` by another, and logs each decision that it has stored.

    Args:
        intake: Stores events.
        hear: Is told each decision that was stored, too.
    """

    def __init__(self, intake: Intake, hear: Callable[[EventData], None] = lambda _: None) -> None:
        self._intake = intake
        self._hear = hear

    async def append(self, event: NewEvent) -> Number:
        """Store an event, and log the decision that it tells of."""
        number = await self._intake.append(event)
        try:
            self._log_decision(event)
        except Exception:  # it is stored; the gate would take it for not stored, and may refuse
            log.exception("decision_not_logged", event_id=event.id)
        return number

    async def withdraw(self, ids: Collection[str]) -> AbstractSet[str]:
        """Take events back."""
        return await self._intake.withdraw(ids)

    def _log_decision(self, stored: NewEvent) -> None:
        event = decode(stored.body)
        if event["type"] == DECISION_TYPE:
            _log(stored.id, event["data"])
            self._hear(event["data"])


def _log(event_id: str, data: EventData) -> None:
    decision, request, workload = data["decision"], data["request"], data["workload"]
    log.info(
        "request_decided",
        uid=request["uid"],
        namespace=request["namespace"],
        workload=f"{workload['kind']}/{workload['name']}",
        outcome=decision["outcome"],
        mode=decision["mode"],
        would_reject=decision["would_reject"],
        verdicts=[_verdict(image) for image in _shown(data["images"])],
        milliseconds=round(data["timings"]["gate_milliseconds"], 2),
        event_id=event_id,
    )


def _shown(images: list[ImageData]) -> list[ImageData]:
    if len(images) <= SHOWN_IMAGES:
        return images
    return sorted(images, key=lambda image: Verdict(image["verdict"]).is_pass)[:SHOWN_IMAGES]


def _verdict(image: ImageData) -> str:
    return f"{image['image'][:SHOWN_CHARACTERS]}: {image['verdict']}({image['reason']})"
