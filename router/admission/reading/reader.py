"""Reads bytes into shapes: fast where the bytes are as expected, tolerantly where they are not. Pure.

Rules:
(1) The fast reader is msgspec in C: about 5 ms a MiB at worst, at one go. It gets a document whole up to `FAST_LIMIT`,
    and a larger one up to `FAST_LARGE_LIMIT` where it has few members and entries; so it never takes longer than
    50 ms for a body of 3 MiB, 100 ms for a larger one.
(2) What the fast reader refuses, whatever for, and what is too large for it, goes to the tolerant one, in steps.
(3) Where both read something, they read the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

import msgspec

from router.admission.reading.tolerant import Reader
from router.steps import Steps

FAST_LIMIT = 4 * 2**20
"""Bytes that the fast reader takes at one go, whatever is in them."""
FAST_LARGE_LIMIT = 12 * 2**20
"""Bytes that it takes where there is little in them."""
FEW = 1_500_000
"""Brackets and commas that are little."""
TAKEN_AT_ONCE = 256
"""Entries that are given away between two steps."""
OBJECTS_AT_ONCE, ENTRIES_AT_ONCE = 2_000, 50_000
"""Objects, and entries and members of any kind, in a list that is read at one go."""
TEXTS_AT_ONCE = 8 * 2**10
"""Bytes of a list of texts that is read at one go."""
_TEXTS = msgspec.json.Decoder(list[str])

S = TypeVar("S", bound=msgspec.Struct)


def read_document(data: memoryview, shape: type[S]) -> Steps[S | None]:
    """The document; None where it is no object.

    Raises:
        UnreadableJsonError: It is no JSON in a place that must be read.
    """
    if _is_fast(data):
        yield
        try:
            found: S = _decoder(shape).decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            yield
        else:
            return found
    return (yield from Reader(data).document(shape))


def read_entries(raw: msgspec.Raw, shape: type[S], take: Callable[[S | None], None]) -> Steps[None]:
    """Give each entry of a list to `take`, None for one that is no object; what is no list has no entries.

    Raises:
        UnreadableJsonError: It is no JSON in a place that must be read.
    """
    data = memoryview(raw)
    if bytes(data[:1]) != b"[":
        return
    if len(data) <= FAST_LIMIT and _has_few_entries(few := bytes(data)):
        try:
            entries = _list_decoder(shape).decode(few)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            yield
        else:
            for index, entry in enumerate(entries):
                take(entry)
                if index % TAKEN_AT_ONCE == 0:
                    yield
            return
    reader, is_first = Reader(data), True
    yield from reader.enters(b"[")
    while reader.has_entry(is_first=is_first):
        is_first = False
        take((yield from reader.struct(shape)))
        yield


def read_texts(raw: msgspec.Raw, most: int) -> Steps[list[str]]:
    """The first texts of a list, without what else stands in it; none where there is no list.

    Raises:
        UnreadableJsonError: It is no JSON in a place that must be read.
    """
    found: list[str] = []
    data = memoryview(raw)
    if not data:
        return found
    if len(data) <= TEXTS_AT_ONCE:
        try:
            return _TEXTS.decode(data)[:most]
        except (msgspec.MsgspecError, UnicodeDecodeError):
            yield
    reader, is_first = Reader(data), True
    if not (yield from reader.enters(b"[")):
        return found
    while len(found) < most and reader.has_entry(is_first=is_first):
        is_first = False
        text = yield from reader.text()
        if text is not None:
            found.append(text)
        yield
    return found


def _has_few_entries(data: bytes) -> bool:
    return len(data) <= OBJECTS_AT_ONCE or (data.count(b"{") <= OBJECTS_AT_ONCE and data.count(b",") <= ENTRIES_AT_ONCE)


def _is_fast(data: memoryview) -> bool:
    if len(data) <= FAST_LIMIT:
        return True
    if len(data) > FAST_LARGE_LIMIT:
        return False
    whole = bytes(data)
    return sum(whole.count(one) for one in (b"{", b"[", b",")) <= FEW


@cache
def _decoder(shape: type[S]) -> msgspec.json.Decoder[S]:
    return msgspec.json.Decoder(shape)


@cache
def _list_decoder(shape: type[S]) -> msgspec.json.Decoder[list[S | None]]:
    return msgspec.json.Decoder(list[shape | None])  # type: ignore[valid-type]  # a type made at run time
