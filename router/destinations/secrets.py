"""A destination's own secrets in what it is sent: the places that templates make, and what is filled in there.

Rules:
(1) A template is given places (`router.rendering.secret_places`), and nothing else. They are of this process: nobody
    else knows their mark, so that no value of an event can be one.
(2) What is sent over HTTP is filled in when the request is whole, before it is signed: for the encoding of its body.
    For what is told by other means, the document is filled in when it is delivered.
(3) Whoever received them may repeat them, also as they were escaped (`encodings.forms`): `words` leaves those out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from secrets import token_hex
from typing import Final
from urllib.parse import quote_plus

from router.destinations.document import Destination, Document
from router.destinations.encodings import Encoding, in_json
from router.destinations.outcome import AttemptOutcome
from router.destinations.settings import CommonSettings
from router.rendering.secret_places import PREFIX, SecretPlace

_MARK: Final = token_hex(16)
_FORM = re.compile(f"{PREFIX}{_MARK}([0-9a-f]{{2}})([0-9])P*E".encode())


def places_of(settings: CommonSettings) -> Mapping[str, str]:
    """The places of its secrets by their names."""
    return {
        name: SecretPlace(_MARK, index).text(len(in_json(settings.secrets[name].reveal()).encode()))
        for index, name in enumerate(sorted(settings.secrets))
    }


class Filling:
    """Fills in the secrets of a destination."""

    def __init__(self, settings: CommonSettings) -> None:
        self._values = [settings.secrets[name].reveal() for name in sorted(settings.secrets)]

    def filled(self, body: bytes, encoding: Encoding) -> bytes:
        """The body with every secret in its place."""
        if not self._values:
            return body
        return _FORM.sub(partial(self._value, encoding), body)

    def _value(self, encoding: Encoding, found: re.Match[bytes]) -> bytes:
        index, depth = int(found[1], 16), int(found[2])
        if index >= len(self._values):
            return found[0]
        value = self._values[index]
        for _ in range(depth + (encoding in {"json", "ndjson"})):
            value = in_json(value)
        return (quote_plus(value) if encoding == "form" else value).encode()


class FilledDestination:
    """A destination that is not told over HTTP, and is given documents in which every secret is in its place."""

    def __init__(self, inner: Destination, filling: Filling) -> None:
        self._inner = inner
        self._filling = filling
        self.name, self.concurrency = inner.name, inner.concurrency
        self.batch_size, self.batch_bytes = inner.batch_size, inner.batch_bytes
        self.give_up_after, self.linger = inner.give_up_after, inner.linger

    async def deliver(self, documents: Sequence[Document]) -> AttemptOutcome:
        """One attempt with these documents."""
        return await self._inner.deliver([self._filled(one) for one in documents])

    async def close(self) -> None:
        """Let go of what it has open."""
        await self._inner.close()

    def _filled(self, document: Document) -> Document:
        smaller = None if (make := document.minimal) is None else lambda: self._filled(make())
        body = self._filling.filled(document.body, "json")
        return replace(document, body=body, value=None, minimal=smaller)
