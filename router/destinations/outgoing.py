"""What is sent of a post: where to, with every secret in its place, and all that is said of the body.

Rules:
(1) The order is: secrets are filled in (`secrets`), headers are made of the body as it is then (`Post.seal`), and it is
    compressed last. A signature is over the bytes that are sent: settings let nobody have both.
(2) What the kind says in a header goes before what the operator says.
(3) Compressed is gzip as HTTP has it (RFC 9110, clause 8.4.1.3; RFC 1952). The same body is the same bytes whenever it
    is compressed, so that a repetition can be known. Compressing is done in a thread where it would hold up others: 5
    MiB take a tenth of a second.
(4) Every event passes here on its way out: nothing is copied that nothing changes.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from typing import NamedTuple

from yarl import URL

from router.destinations.dialect import Post
from router.destinations.secrets import Filling
from router.destinations.settings import HttpSettings, revealed

LEVEL = 6
IN_A_THREAD = 64 * 1024
"""Bytes from which on it is."""


class Outgoing(NamedTuple):
    """A request as it goes out."""

    verb: str
    url: URL
    body: bytes
    headers: Mapping[str, str]

    def with_header(self, name: str, value: str) -> Outgoing:
        """The same with one more header."""
        return self._replace(headers={**self.headers, name: value})


class Outfit:
    """Makes posts ready to go to one destination."""

    def __init__(self, settings: HttpSettings) -> None:
        self._filling = Filling(settings)
        self._besides = {name: revealed(value) for name, value in settings.headers.items()}
        self._is_packed = settings.compression == "gzip"

    def outgoing(self, url: URL, post: Post) -> Outgoing:
        """The request, to the destination's URL or where the post says; not compressed yet (`packs`)."""
        body, headers = self._filling.filled(post.body, post.encoding), post.headers
        if self._besides:
            headers = {**self._besides, **headers}
        if post.seal is not None:
            headers = {**headers, **post.seal(body)}
        return Outgoing(post.verb, address(url, post), body, headers)

    def packs(self, request: Outgoing) -> bool:
        """Whether it goes out compressed."""
        return self._is_packed and bool(request.body)


def address(url: URL, post: Post) -> URL:
    """Where a post goes, if the destination's URL is this."""
    found = URL(post.url) if post.url else url
    if post.method:
        found /= post.method
    return found.update_query(post.query) if post.query else found


async def packed(request: Outgoing) -> Outgoing:
    """The same with its body compressed."""
    body = request.body
    small = _packed(body) if len(body) < IN_A_THREAD else await asyncio.to_thread(_packed, body)
    return request._replace(body=small).with_header("Content-Encoding", "gzip")


def _packed(body: bytes) -> bytes:
    return gzip.compress(body, LEVEL, mtime=0)
