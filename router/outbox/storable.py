"""What an outbox takes: nothing that could be stored, but would stand in the way of every claim. Pure."""

from __future__ import annotations

from router.errors import OutboxError
from router.outbox.protocol import NewEvent

BODY_LIMIT = 8 * 2**20
"""Bytes of one event at most."""


def expect_storable(event: NewEvent) -> None:
    """Refuse what could be stored, but would stand in the way of every claim.

    Raises:
        OutboxError: It is larger than `BODY_LIMIT`, no UTF-8, or holds a NUL, which JSON does not allow.
    """
    if len(event.body) > BODY_LIMIT:
        raise OutboxError(f"an event of {len(event.body)} bytes; at most {BODY_LIMIT} are kept")
    try:
        event.id.encode()
        event.body.decode()
    except UnicodeError as error:
        raise OutboxError(f"an event that is not valid UTF-8: {error}") from error
    if "\0" in event.id or 0 in event.body:
        raise OutboxError("an event with a NUL byte, which JSON does not allow")
