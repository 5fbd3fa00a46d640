"""What is sent, compressed: gzip as HTTP has it (RFC 9110, clause 8.4.1.3; RFC 1952).

The same body is the same bytes whenever it is compressed, so that a repetition can be known. Compressing is done in a
thread where it would hold up others: 5 MiB take a tenth of a second.
"""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import replace

from router.destinations.dialect import Post

LEVEL = 6
IN_A_THREAD = 64 * 1024
"""Bytes from which on it is."""


async def packed(post: Post) -> Post:
    """The same request with its body compressed; itself where it has none."""
    if not post.body:
        return post
    body = _packed(post.body) if len(post.body) < IN_A_THREAD else await asyncio.to_thread(_packed, post.body)
    return replace(post, body=body, headers={**post.headers, "Content-Encoding": "gzip"})


def _packed(body: bytes) -> bytes:
    return gzip.compress(body, LEVEL, mtime=0)
