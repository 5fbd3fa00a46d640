"""The access token of a destination: fetched when it is first needed, shared, forgotten in time.

Rules:
(1) It is kept in memory alone, until a little before its time (`grants`).
(2) One call at a time, whoever waits for it. The call is nobody's own: it goes on when an attempt that waits ends.
(3) A token that the service refuses (401) is forgotten, unless another has taken its place by then; who was refused
    asks once more with a new one, and no further in the same attempt (`over_http`).
(4) What goes wrong is an outcome of whoever waits; the next one asks again.
(5) An assertion may be a file that somebody else renews: it is read for each call, and may be missing for a while.
(6) What the server says shows nothing of what we have proven ourselves by, which it may repeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from router.by_reference import SECRET_LIMIT
from router.destinations.dialect import Post, Reply
from router.destinations.grants import NO_TOKEN, AccessToken, TokenGrant, granted, proofs_in
from router.destinations.outcome import TryAgain
from router.destinations.words import Words

Send = Callable[[Post], Awaitable[Reply | TryAgain]]
"""Asks the authorization server."""


class AccessTokens:
    """The token of one destination.

    Args:
        grant: What it is granted for.
        send: Asks the authorization server.
        clock: Seconds since 1970.
    """

    def __init__(self, grant: TokenGrant, send: Send, clock: Callable[[], float]) -> None:
        self._grant = grant
        self._send = send
        self._clock = clock
        self._held: AccessToken | None = None
        self._call: asyncio.Task[AccessToken | TryAgain] | None = None

    async def token(self) -> AccessToken | TryAgain:
        """The token that is held, or a new one; or why there is none."""
        if self._held is not None and self._clock() < self._held.expires:
            return self._held
        if self._call is None:
            self._call = asyncio.create_task(self._fetched(), name="fetch an access token")
            self._call.add_done_callback(self._ended)
        return await asyncio.shield(self._call)

    def drop(self, token: AccessToken) -> None:
        """Forget a token that was refused."""
        if self._held is token:
            self._held = None

    async def close(self) -> None:
        """End the call that is under way."""
        if (call := self._call) is not None:
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    def _ended(self, call: asyncio.Task[AccessToken | TryAgain]) -> None:
        self._call = None
        _ = call.cancelled() or call.exception()  # whoever waited may have gone

    async def _fetched(self) -> AccessToken | TryAgain:
        asked = self._clock()
        file = self._grant.file
        try:
            request = self._grant.request(None if file is None else await asyncio.to_thread(_read, file), asked)
        except (OSError, ValueError):
            return TryAgain(NO_TOKEN, words="the file with the assertion can't be read, or holds none")
        reply = await self._send(request)
        if isinstance(reply, TryAgain):
            return reply
        found = granted(reply, asked)
        self._held = found if isinstance(found, AccessToken) else None
        if isinstance(found, AccessToken):
            return found
        return replace(found, words=Words(proofs_in(request)).shown(found.words))


def _read(file: Path) -> str:
    with file.open("rb") as content:
        return content.read(SECRET_LIMIT).decode("ascii").strip()
