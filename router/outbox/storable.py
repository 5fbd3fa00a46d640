"""What an outbox takes: nothing that could be stored, but would stand in the way of every claim. Pure."""

from __future__ import annotations

from router.errors import OutboxError
from router.events import EVENT_LIMIT
from router.outbox.protocol import NewEvent


def expect_storable(event: NewEvent) -> None:
    """Refuse what could be stored, but would stand in the way of every claim.

    Raises:
        OutboxError: It is larger than `EVENT_LIMIT`, as none is that we make; or no UTF-8; or holds a NUL, which JSON
            does not allow.
    """
    if len(event.body) > EVENT_LIMIT:
        raise OutboxError(f"an event of {len(event.body)} bytes; at most {EVENT_LIMIT} are kept")
    try:
        event.id.encode()
        event.body.decode()
    except UnicodeError as error:
        raise OutboxError(f"an event that is not valid UTF-8: {error}") from error
    if "\0" in event.id or 0 in event.body:
        raise OutboxError("an event with a NUL byte, which JSON does not allow")
