"""How much of a reply is read, and for how long: it is judged by what its judge must see of it, however it goes on.

Rules:
(1) Of the body as much is wanted as makes a receipt, or the words of a refusal, for `BODY_PATIENCE` at most.
(2) The rest is read for `DRAIN` and up to `REPLY_LIMIT`, so that the connection can be used again; what is longer or
    slower costs the receiver its connection.
(3) A body that has come whole with its head, as most do, is taken as it is: nobody waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp

from router.destinations.dialect import Reply, is_success
from router.destinations.words import READ_LIMIT
from router.outbound.exchanging import Replied

REPLY_LIMIT = 64 * 1024
"""Bytes of a reply that are read so that its connection can be used again."""
BODY_PATIENCE, DRAIN = 2.0, 0.25
"""Seconds."""


async def reply_of(replied: Replied, now: float, wanted: int, end: float) -> Reply:
    """The reply with the beginning of its body, of which so many bytes are wanted if it is a success.

    `now` is seconds since 1970. Nothing is waited for beyond `end`, of the event loop's time. Closes the connection
    where it can't be used again.
    """
    text = await _body(replied, wanted if is_success(replied.status) else READ_LIMIT, end)
    return Reply(replied.status, text.decode(errors="replace"), replied.headers.get("Retry-After"), now)


async def _body(reply: Replied, wanted: int, end: float) -> bytes:
    content = reply.content
    if content.is_eof() and content.exception() is None:  # (3)
        text = content.read_nowait(max(wanted, REPLY_LIMIT))
    else:
        text = await _awaited(content, wanted, end)
    if not content.at_eof():
        reply.close()  # the connection can't be used again without reading what we do not want
    return text


async def _awaited(content: aiohttp.StreamReader, wanted: int, end: float) -> bytes:
    text, now = bytearray(), asyncio.get_running_loop().time
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):  # what breaks off ends here
        async with asyncio.timeout_at(min(end, now() + BODY_PATIENCE)):
            await _read(content, text, wanted)
        async with asyncio.timeout_at(min(end, now() + DRAIN)):
            await _read(content, text, REPLY_LIMIT)
    return bytes(text)


async def _read(content: aiohttp.StreamReader, text: bytearray, limit: int) -> None:
    while len(text) < limit and not content.at_eof():
        text += await content.read(limit - len(text))
