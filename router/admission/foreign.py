"""What stands in an object of a kind that nobody told us about: containers anywhere, and whether it changed. Pure.

Rules:
(1) The whole object is searched but for `metadata` and `status`: a list of containers is one by that name with an
    object in it that has an `image`. Lists that were read otherwise are known; a list with the same bytes is the same.
(2) The search looks for the keys in the text: within a JSON string every quote is escaped, so that a match is a key.
(3) It is bounded by members, lists and bytes: what is beyond may hold anything, and `is_whole` says so.
(4) Two objects say the same if the same bytes stand in the same members, and behind the last one that is searched: the
    API server writes both the same way. Where it would not, they differ, and somebody is told once more than needed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from msgspec import Raw

from router.admission.reading.reader import read_entries
from router.admission.reading.shapes import Container
from router.admission.reading.tolerant import WINDOW, Reader, UnreadableJsonError
from router.steps import Steps

MEMBERS_LIMIT = 1_000
"""Members of an object that are searched."""
LISTS_LIMIT = 1_000
"""Lists of containers in it that are read."""
AGAIN_LIMIT = 4
"""How often an object's bytes are read, since lists may stand within lists."""
SHOWN = 120
"""Characters of a member's name that are told."""

_ASIDE = frozenset({"metadata", "status"})
_LIST = re.compile(rb'"(containers|initContainers|ephemeralContainers)"[ \t\n\r]*:[ \t\n\r]*(?=\[)')
_OVERLAP = 256


@dataclass(slots=True)
class ForeignContents:
    """What stands in an object."""

    where: str | None = None
    """Where the first list of containers stands that is not known, in words."""
    images: set[str] = field(default_factory=set)
    """Images in such lists."""
    is_whole: bool = True
    """Whether all of it was searched."""
    content: str = ""
    """The same for objects that say the same."""


def search(raw: Raw, known: Sequence[Raw]) -> Steps[ForeignContents]:
    """What stands in an object beside the lists that are known.

    Raises:
        UnreadableJsonError: It is no JSON where its members stand.
    """
    found, content, data = ForeignContents(), hashlib.sha256(), memoryview(raw)
    lists = _Lists(found, {bytes(memoryview(one)) for one in known if memoryview(one)}, len(data) * AGAIN_LIMIT)
    reader, count = Reader(data), 0
    if (yield from reader.enters(b"{")):
        while (key := (yield from reader.next_key(is_first=not count))) is not None:
            if count == MEMBERS_LIMIT:
                found.is_whole = False
                content.update(key.encode(errors="replace") + b"\0")
                yield from _digested(content, reader.rest())
                break
            span = yield from reader.span()
            yield
            count += 1
            if key in _ASIDE:
                continue
            content.update(key.encode(errors="replace") + b"\0")
            yield from _digested(content, span)
            yield from lists.look_into(key, span)
    found.content = content.hexdigest()
    return found


def _digested(content: hashlib._Hash, span: memoryview) -> Steps[None]:
    for start in range(0, len(span), WINDOW * 16):
        content.update(span[start : start + WINDOW * 16])
        yield


class _Lists:
    """Reads lists of containers as long as its budget lasts."""

    def __init__(self, found: ForeignContents, known: AbstractSet[bytes], budget: int) -> None:
        self._found = found
        self._known = known
        self._left = budget
        self._read = self._containers = 0

    def look_into(self, key: str, span: memoryview) -> Steps[None]:
        for start in range(0, len(span), WINDOW):
            window = bytes(span[start : start + WINDOW + _OVERLAP])
            for hit in _LIST.finditer(window):
                if hit.start() >= WINDOW:
                    break
                if self._read >= LISTS_LIMIT or self._left <= 0:
                    self._found.is_whole = False
                    return
                self._read += 1
                yield from self._list(key, hit[1].decode(), span[start + hit.end() :])
                yield
            yield

    def _list(self, key: str, name: str, rest: memoryview) -> Steps[None]:
        try:
            span = yield from Reader(rest).span()
        except UnreadableJsonError:
            self._found.is_whole = False
            return
        self._left -= len(span)
        if len(span) <= WINDOW * 64 and bytes(span) in self._known:
            return
        before = self._containers
        yield from read_entries(Raw(span), Container, self._take)
        if self._containers > before and self._found.where is None:
            self._found.where = f"there are {name} in /{key[:SHOWN]}"

    def _take(self, container: Container | None) -> None:
        if container is not None and container.image is not None:
            self._containers += 1
            self._found.images.add(container.image)
