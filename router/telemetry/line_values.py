"""What a line of the log may say: plain values, bounded, without secrets.

Rules:
(1) Every value that stands at the top of a line has a room of its own, so that one that others chose can't push out
    what stands beside it. What is cut says so, and how much there was.
(2) No value is looked at beyond its room: a list of a million items costs as much as one of a hundred.
(3) Secrets are replaced by type, and by the names of keys, at any depth.
(4) Nothing here raises: a value that can't be shown is told as such.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Collection, Mapping
from itertools import islice

from pydantic import SecretBytes, SecretStr

from router.integers import INTEGERS

REDACTED = "**redacted**"
CREDENTIAL_KEYS = frozenset(
    {"authorization", "password", "token", "secret", "signing_secret", "url", "headers", "webhook_url"}
)
DEPTH = 6
"""Mappings and lists within each other; JSON readers of log collectors take more."""
KEY_LIMIT = 100
"""Characters of a key."""
FRAMES = 30
"""Calls of a traceback, counted from the one that failed."""
_HEAD = 4
"""The beginning of a traceback keeps one part in so many of its room: what it ends with says more."""
_SMALL = (bool, float, type(None))
_SHOWN_BITS = 4096
_ITEM = 8
"""Characters that an item costs beside its own."""


def bounded(event: Mapping[str, object], room: int) -> dict[str, object]:
    """The values of a line, each of them within so many characters (marks of what was cut come on top)."""
    return {_text(key, KEY_LIMIT): _bounded(key, value, room) for key, value in event.items()}


def _bounded(key: object, value: object, room: int) -> object:
    if key in CREDENTIAL_KEYS:
        return REDACTED
    if (type(value) is str and len(value) <= room) or type(value) in _SMALL:  # as nearly all of them are
        return value
    if type(value) is list and _is_short(value, room):
        return value
    return _Room(room).fitted(value, DEPTH)


def _is_short(values: list[object], room: int) -> bool:
    """Whether it is a list of texts that has room as it is."""
    if len(values) * _ITEM > room:
        return False
    texts = [value for value in values if type(value) is str]
    return len(texts) == len(values) and sum(map(len, texts)) + len(texts) * _ITEM <= room


class _Room:
    """What one value of a line may still take."""

    def __init__(self, left: int) -> None:
        self.left = left

    def fitted(self, value: object, depth: int) -> object:
        """The value as JSON can hold it, within what is left."""
        if isinstance(value, str):
            return self._fitted_text(value)
        if value is None or isinstance(value, bool | float):
            self.left -= _ITEM
            return value
        if isinstance(value, int) and INTEGERS.start <= value < INTEGERS.stop:
            self.left -= _ITEM
            return int(value)
        if isinstance(value, dict | list | tuple | set | frozenset):
            if depth == 0:
                return self._fitted_text(f"... (a {type(value).__name__} of {len(value)} items)")
            return self._fitted_mapping(value, depth) if isinstance(value, dict) else self._fitted_items(value, depth)
        return self._fitted_text(as_text(value, self.left))

    def _fitted_text(self, text: str) -> str:
        fitted = _text(text, max(0, self.left))
        self.left -= len(fitted) + _ITEM
        return fitted

    def _fitted_items(self, items: Collection[object], depth: int) -> list[object]:
        fitted: list[object] = []
        for count, item in enumerate(items):
            if self.left <= 0:
                return [*fitted, f"... ({len(items) - count} more)"]
            fitted.append(self.fitted(item, depth - 1))
        return fitted

    def _fitted_mapping(self, found: Mapping[object, object], depth: int) -> dict[str, object]:
        fitted: dict[str, object] = {}
        for count, (key, value) in enumerate(found.items()):
            if self.left <= 0:
                return {**fitted, "...": f"({len(found) - count} more)"}
            name = _text(key if isinstance(key, str) else as_text(key, KEY_LIMIT), KEY_LIMIT)
            self.left -= len(name)
            fitted[name] = REDACTED if key in CREDENTIAL_KEYS else self.fitted(value, depth - 1)
        return fitted


def _text(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


def as_text(value: object, most: int) -> str:
    """Any other value as text; secrets never."""
    if isinstance(value, SecretStr | SecretBytes):
        return REDACTED
    if isinstance(value, int) and value.bit_length() > _SHOWN_BITS:
        return f"(an integer of {value.bit_length()} bits)"  # beyond a limit of Python's own, str() raises
    if isinstance(value, bytes | bytearray):
        return f"({len(value)} bytes) {bytes(islice(value, max(0, most)))!r}"
    return foreign_text(lambda: str(value), f"({type(value).__name__} that can't be shown)")


def foreign_text(make: Callable[[], str], instead: str) -> str:
    """What code that is not ours makes as text, or something else where it fails: a line is written all the same."""
    try:
        return make()
    except Exception:  # noqa: BLE001 - foreign code may raise anything, and the line is about something else
        return instead


def failure(found: object) -> BaseException | None:
    """The exception that `exc_info` means, as the standard library understands it."""
    match found:
        case BaseException():
            return found
        case (_, BaseException() as error, _):
            return error
        case None | False | (None, None, None):
            return None
        case _:
            return sys.exception()


def traceback_text(error: BaseException, room: int) -> str:
    """The traceback within so many characters; cut in its middle, since its end names the cause."""
    unknown = f"{type(error).__name__} (its traceback can't be shown)"
    text = foreign_text(lambda: "".join(traceback.format_exception(error, limit=-FRAMES)).rstrip("\n"), unknown)
    if len(text) <= room:
        return text
    head = room // _HEAD
    return f"{text[:head]}\n... ({len(text)} characters) ...\n{text[len(text) - (room - head) :]}"
