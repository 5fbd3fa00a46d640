"""What is wrong with what was awaited, as a value."""

from __future__ import annotations

from collections.abc import Awaitable

from router.errors import OutboxError


async def problem_of(done: Awaitable[object]) -> OutboxError | None:
    """Why the outbox has not done it; None where it has."""
    try:
        await done
    except OutboxError as error:
        return error
    return None
