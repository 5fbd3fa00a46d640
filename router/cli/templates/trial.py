"""Delivers one example to a real destination, marked as a test, by the way that alerts take.

Rules:
(1) The event says `MARK` wherever people or programs look for what it is about: in its message, its subject, and the
    names of workload, owner and containers. Every id in it is a new one, and its time is now. So it is taken for no
    repetition, and has no key in common with anything real.
(2) It takes the way of production: rendered and sent by the channel that delivery would have
    (`assembly.channels`), of a destination that names the template. Only a template that fails sends nothing here,
    where a minimal payload would go out.
(3) A document that does not show `MARK` more often than one of what really is goes nowhere where it would open
    something: nobody could know it for a test. Nor does one whose ending is also that of what is real, as where a
    template makes PagerDuty's key of what is no id. (Where the ending says more than a key, that is not seen.)
(4) What it may have opened is ended by the kind's own word for that, with the receipt that it was given; also where
    whoever sends it interrupts that.
(5) A receipt that comes later is waited for, `PATIENCE` in all; the ending is tried again for as long, nothing else is.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from router.assembly.channels import channel_of
from router.cli.templates.making import rendered
from router.cli.templates.shelf import Entry
from router.destinations.catalogue import DestinationSettings, kind_of
from router.destinations.document import Destination, Document
from router.destinations.egress import EgressSettings
from router.destinations.kind import HttpKind
from router.destinations.outcome import Delivered, Outcome, PendingReceipt, TryAgain, Undeliverable, gist
from router.errors import TemplateError
from router.events import as_json
from router.rendering.context import purpose_of
from router.rendering.library import Templates

MARK = "TEST"
"""What tells people that nothing has happened."""
PATIENCE = 30.0
"""Seconds."""
LEAST_PAUSE = 1.0
"""Seconds between two attempts."""


@dataclass(frozen=True, slots=True)
class TrialReply:
    """What came back from one request."""

    status: int
    words: str
    """The beginning of its body, without secrets."""


@dataclass(slots=True)
class Tried:
    """What became of it."""

    document: Document
    outcome: Outcome
    is_sent: bool = True
    """Whether the destination wants such an event at all."""
    heard: list[TrialReply] = field(default_factory=list)
    """Of the document, and of what ended it."""
    ended: Outcome | None = None
    """What became of the ending; None where nothing was to be ended."""


class Trial:
    """One example for one destination; raises TemplateError where the template fails.

    Args:
        destination: Who is told, with its secrets.
        egress: Which addresses may be told.
        template: By which it is told.
        event: Of what, before it is marked.
        now: When, as events have it.
    """

    def __init__(
        self,
        destination: DestinationSettings,
        egress: EgressSettings,
        template: Entry,
        event: Mapping[str, object],
        now: str,
    ) -> None:
        kind = kind_of(destination)
        markup, real, event = kind.markup_by(destination.reads), _as_of(event, now), marked(event, now)
        # Raises, where a minimal payload would go out.
        rendered(template, event, markup, destination.name, kind.name, destination.secrets)
        parsed = template.parsed(markup)
        templates = Templates(of_decisions=parsed, of_notices=parsed, of_incidents=parsed)
        is_of_decisions = purpose_of(event) == "decision" and kind.template != template.name
        self._settings = destination.model_copy(update={"template": template.name}) if is_of_decisions else destination
        self._heard = list[TrialReply]()
        self._channel = channel_of(
            self._settings, templates, egress, lambda: None, lambda *one: self._heard.append(TrialReply(*one))
        )
        self._ending, self._is_over_http = kind.ending, isinstance(kind, HttpKind)
        self.document = self._channel.render(str(event["id"]), as_json(event), "")
        """What is sent."""
        self._real = self._channel.render(str(real["id"]), as_json(real), "")
        if self.opens and self._ends_alike():
            raise TemplateError(
                f"template {template.name}: the test would have the key of what is real, and would end that; make the "
                "key of an id too, as of `cloudevent.id`, or of `incident.id`"
            )

    def _ends_alike(self) -> bool:
        endings = [None if self._ending is None else self._ending(one) for one in (self.document, self._real)]
        return None not in endings and len({one.body for one in endings if one is not None}) == 1

    @property
    def opens(self) -> bool:
        """Whether the service keeps open what it is told: somebody is called, or a ticket is made."""
        return self._ending is not None

    @property
    def shows_the_mark(self) -> bool:
        """Whether whoever reads the document sees that it is a test."""
        return self.document.body.count(MARK.encode()) > self._real.body.count(MARK.encode())

    async def run(self) -> Tried:
        """Deliver it, and end what it has opened; raises nothing that is the receiver's doing."""
        destination = self._channel.destination
        try:
            outcome = await self._delivered(destination)
            tried = Tried(self.document, outcome, heard=self._heard)
            tried.is_sent = bool(self._heard) or not isinstance(outcome, Delivered) or not self._is_over_http
            ending = self._to_end(outcome) if tried.is_sent else None
            if ending is not None:
                tried.ended = await _answer(destination, ending, _may_pass)
            return tried
        finally:
            await destination.close()

    async def _delivered(self, destination: Destination) -> Outcome:
        """What is answered; whoever does not wait for it leaves nothing open either."""
        try:
            return await _answer(destination, self.document, _is_pending)
        except asyncio.CancelledError:
            if (ending := self._to_end(_UNSEEN)) is not None:
                await destination.deliver([ending])
            raise

    def _to_end(self, outcome: Outcome) -> Document | None:
        if self._ending is None or isinstance(outcome, Undeliverable):
            return None
        ending = self._ending(self.document)
        receipt = outcome.receipt if isinstance(outcome, Delivered) else ""
        return None if ending is None else replace(ending, receipt=receipt)


_UNSEEN = TryAgain("timeout")
"""What is known of an attempt that nobody has waited for."""


def _is_pending(outcome: Outcome) -> bool:
    return isinstance(outcome, PendingReceipt)


def _may_pass(outcome: Outcome) -> bool:
    return isinstance(outcome, PendingReceipt) or (isinstance(outcome, TryAgain) and not outcome.pauses)


async def _answer(destination: Destination, document: Document, is_asked_again: Callable[[Outcome], bool]) -> Outcome:
    clock = asyncio.get_running_loop().time
    until = clock() + PATIENCE
    while True:
        outcome = gist(await destination.deliver([document]))
        after = outcome.after if isinstance(outcome, PendingReceipt | TryAgain) else None
        pause = max(after or 0.0, LEAST_PAUSE)
        if not is_asked_again(outcome) or clock() + pause > until:
            return outcome
        await asyncio.sleep(pause)


def marked(event: Mapping[str, object], now: str) -> Mapping[str, object]:
    """The event as a test of its like (1)."""
    copy: dict[str, object] = {**_as_of(event, now)}
    copy |= {"id": _new_id(""), "subject": f"{MARK}/{copy.get('subject', '')}"}
    for path in _NAMES:
        _change(copy, ("data", *path.split(".")), lambda text: f"{MARK} {text}")
    for path in (*_TEXTS, *map(_in_event, _TEXTS)):
        _change(copy, ("data", *path.split(".")), lambda text: f"{MARK}: {text}")
    for path in (*_IDS, *map(_in_event, _IDS)):
        _change(copy, ("data", *path.split(".")), _new_id)
    return copy


def _as_of(event: Mapping[str, object], now: str) -> Mapping[str, object]:
    """The event as if it were real, and of now."""
    copy: dict[str, object] = {**json.loads(json.dumps(event)), "time": now}
    for path in _TIMES:
        _change(copy, ("data", *path.split(".")), lambda _: now)
    return copy


def _in_event(path: str) -> str:
    return f"event.{path}"


_OF_EVENT = ("request.name", "workload.name", "workload.owner.name", "workload.top_owner.name", "images.*.container")
_NAMES = ("incident.owner.name", "incident.images.*.container", *_OF_EVENT, *map(_in_event, _OF_EVENT))
_TEXTS = ("decision.message", "images.*.detail", "incident.images.*.detail", "notice.title", "notice.text")
_IDS = ("corrects", "request.uid", "workload.uid", "workload.owner.uid", "incident.id")
_TIMES = ("incident.first_seen", "incident.last_seen")


def _new_id(_: str) -> str:
    return str(uuid.uuid4())


def _change(value: object, path: Sequence[str], change: Callable[[str], str]) -> None:
    """Change the texts that stand there, if any do; `*` is every member of a list."""
    key, *rest = path
    if isinstance(value, list) and key == "*":
        for one in value:
            _change(one, rest, change)
    elif isinstance(value, dict) and key in value:
        if rest:
            _change(value[key], rest, change)
        elif isinstance(value[key], str):
            value[key] = change(value[key])
