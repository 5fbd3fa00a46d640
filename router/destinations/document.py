"""What is sent: one event, rendered for one destination. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import orjson

from router.destinations.outcome import AttemptOutcome
from router.events import CONTENT_TYPE
from router.rendering.secret_places import nested


@dataclass(frozen=True, slots=True)
class Document:
    """One event as a payload."""

    event_id: str
    """The same on every attempt: receivers recognise repetitions by it."""
    body: bytes
    content_type: str = "application/json"
    value: object = field(default=None, compare=False, repr=False)
    """What the body says, for dialects that read it (`parsed`); None where whoever rendered it has not parsed it."""
    is_fallback: bool = False
    """Whether this is the built-in minimal payload."""
    minimal: Callable[[], Document] | None = field(default=None, compare=False)
    """Makes the built-in minimal payload, for a receiver that finds this one too large; None where this is it."""
    type: str = ""
    """The CloudEvents type of the event."""
    receipt: str = ""
    """What the receiver answered when it was told of the same incident before (`Delivered.receipt`); empty where that
    is not known."""
    is_late: bool = False
    """Whether the receiver has taken a later message about that incident already."""

    def parsed(self) -> object:
        """What the body says, which nobody may change; raises ValueError where it is no JSON."""
        return orjson.loads(self.body) if self.value is None else self.value

    def smallest(self) -> Document | None:
        """The built-in minimal payload in its place; None where this is it."""
        if self.minimal is None:
            return None
        return replace(self.minimal(), type=self.type, receipt=self.receipt, is_late=self.is_late)

    @property
    def is_event(self) -> bool:
        """Whether it is a CloudEvent in structured mode, not what a template made of one."""
        return self.content_type == CONTENT_TYPE


def said_by(body: bytes) -> object:
    """What a body says; its text where it is no JSON."""
    try:
        return orjson.loads(body)
    except ValueError:
        return text_of(body)


def object_in(body: bytes) -> dict[str, object] | None:
    """The JSON object that a body is; None where it is none."""
    said = said_by(body)
    return said if isinstance(said, dict) else None


def text_of(body: bytes) -> str:
    """A body as a text in another document."""
    return nested(body.decode(errors="replace"))


class Destination(Protocol):
    """A receiver, as delivery sees it."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""

    @property
    def concurrency(self) -> int:
        """How many attempts may be under way at once."""

    @property
    def batch_size(self) -> int:
        """How many documents one attempt may carry."""

    @property
    def batch_bytes(self) -> int:
        """How many bytes of documents one attempt may carry, where it carries more than one."""

    @property
    def linger(self) -> float:
        """Seconds that an incomplete batch waits for more."""

    @property
    def give_up_after(self) -> float:
        """Seconds after which an event that could not be delivered is set aside."""

    async def deliver(self, documents: Sequence[Document]) -> AttemptOutcome:
        """One attempt with these documents; one alone has one outcome. Raises nothing that is the receiver's doing."""

    async def close(self) -> None:
        """Let go of connections and files."""
