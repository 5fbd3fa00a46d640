r"""Reads JSON that no other reader takes, in steps: any depth, any number, bytes that are no UTF-8. Pure.

Rules:
(1) Only what a shape names is read; everything else is passed over by counting brackets outside of strings, and need
    not be JSON inside. So nothing in a place that nobody needs makes a document unreadable.
(2) Where something is read, the syntax is that of RFC 8259: what is wrong there raises UnreadableJsonError.
(3) Bytes that are no UTF-8, and lone surrogates, become U+FFFD: replaced, never removed, so that no text turns into
    another text that means something.
(4) Keys are case-sensitive and of equal keys the last wins, with all of its value.
(5) A value of another kind than its shape says is as good as missing (None).
(6) Of a text, the first `TEXT_LIMIT` characters are read.
(7) Between two steps at most `WINDOW` bytes are looked at, blanks aside.

The fields of a shape (a msgspec.Struct) are those of its fast reader: there is one list of what we read.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Mapping
from functools import cache
from itertools import accumulate, islice
from json import JSONDecodeError, JSONDecoder
from typing import TypeAlias, TypeVar

import msgspec
from msgspec import inspect

from router.steps import Steps

WINDOW = 32 * 1024
"""Bytes that are looked at between two steps."""
FIRST_WINDOW = 64
"""Bytes that are looked at first of an object or a list that is passed over."""
TEXT_LIMIT = 128 * 1024
"""Characters of a text that are read."""
_RAW_TEXT_LIMIT = TEXT_LIMIT * 12
"""Bytes that so many characters may take: an escaped surrogate pair has twelve."""

_BLANK = re.compile(rb"[ \t\n\r]*")
_KEY = re.compile(rb'"([ !#-\[\]-~]{0,256})"[ \t\n\r]*:')
_PIECE = re.compile(rb'(?s)[^"\\]{0,%d}(?:\\.[^"\\]{0,256}){0,1024}' % WINDOW)
_SCALAR = re.compile(rb'[^\x00-\x20",:{}\[\]]{1,%d}' % WINDOW)
# Unrolled, so that there is one way only to match: no way back to try, and none of the possessive quantifiers that
# Python 3.11.2 has wrong.
_TEXT = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_STRING = re.compile(rb"(?s)" + _TEXT)
_RUN = re.compile(rb'(?s)[^"]*(?:%b[^"]*)*' % _TEXT)
_TO_BRACKET = re.compile(rb'(?s)[^"{}\[\]]*(?:%b[^"{}\[\]]*)*[{}\[\]]' % _TEXT)
_OTHERS = bytes(set(range(256)) - set(b"{}[]"))
_LEVELS = bytes(1 if byte in b"{[" else 255 for byte in range(256))
"""As signed bytes: 1 for what opens, -1 for what closes."""
_UNESCAPING = JSONDecoder(strict=False)
_CONSTANTS = {b"true": True, b"false": False}

S = TypeVar("S", bound=msgspec.Struct)
ReadValue: TypeAlias = "Callable[[Reader], Steps[object]]"


class UnreadableJsonError(ValueError):
    """What must be read is no JSON; the text says where."""


class Reader:
    """A position in a document."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._at = 0

    def document(self, shape: type[S]) -> Steps[S | None]:
        """The whole document; None where it is no object. Nothing but white space may follow it."""
        found = yield from self.struct(shape)
        self._pass_blank()
        if self._at < len(self._data):
            raise self._problem("the end")
        return found

    def struct(self, shape: type[S]) -> Steps[S | None]:
        """The object here, as far as the shape names its members; None for anything else."""
        if not (yield from self.enters(b"{")):
            return None
        members, values, is_first = _members(shape), dict[str, object](), True
        while (key := (yield from self.next_key(is_first=is_first))) is not None:
            is_first = False
            member = members.get(key)
            if member is None:
                yield from self.skip()
            else:
                values[member[0]] = yield from member[1](self)
            yield
        return shape(**values)

    def enters(self, opening: bytes) -> Steps[bool]:
        """Enter the list (`[`) or object (`{`) here; False, behind it, for anything else.

        Then ask `has_entry` before each entry, or `next_key` before each value.
        """
        if self._next() != opening:
            yield from self.skip()
            return False
        self._at += 1
        return True

    def has_entry(self, *, is_first: bool) -> bool:
        """Whether another entry stands here; if not, the list ends here."""
        return self._goes_on(b"]", is_first=is_first)

    def next_key(self, *, is_first: bool) -> Steps[str | None]:
        """The key of the next member, with the position before its value; None behind the object."""
        if not self._goes_on(b"}", is_first=is_first):
            return None
        if self._next() != b'"':
            raise self._problem("a key")
        plain = _KEY.match(self._data, self._at)
        if plain is not None:
            self._at = plain.end()
            return bytes(plain[1]).decode()
        key = yield from self._string()
        if self._next() != b":":
            raise self._problem("a colon")
        self._at += 1
        return key

    def text(self) -> Steps[str | None]:
        """The text here; None for anything else."""
        if self._next() == b'"':
            return (yield from self._string())
        yield from self.skip()
        return None

    def flag(self) -> Steps[bool | None]:
        """True or false; None for anything else."""
        return _CONSTANTS.get(bytes((yield from self.span())[:6]))

    def whole_number(self) -> Steps[int | None]:
        """A whole number of a few digits; None for anything else."""
        found = bytes((yield from self.span())[:20])
        return int(found) if re.fullmatch(rb"-?[0-9]{1,18}", found) else None

    def raw(self) -> Steps[msgspec.Raw]:
        """The value here, unread."""
        return msgspec.Raw((yield from self.span()))

    def span(self) -> Steps[memoryview]:
        """The bytes of the value here."""
        self._pass_blank()
        start = self._at
        yield from self.skip()
        return self._data[start : self._at]

    def rest(self) -> memoryview:
        """What nobody has read yet."""
        return self._data[self._at :]

    def skip(self) -> Steps[None]:
        """Pass over the value here."""
        match self._next():
            case b'"':
                yield from self._skip_string()
            case b"{" | b"[":
                yield from self._skip_nested()
            case _:
                yield from self._skip_scalar()

    def _skip_scalar(self) -> Steps[None]:
        start = self._at
        while (found := _SCALAR.match(self._data, self._at)) is not None:
            self._at = found.end()
            yield
        if self._at == start:
            raise self._problem("a value")

    def _skip_nested(self) -> Steps[None]:
        """Pass over an object or a list: count levels, a window at a time, until the one that opened it closes.

        Windows grow, so that the price of a small object is its own, and not that of what stands behind it.
        """
        depth, window = 0, FIRST_WINDOW
        while True:
            end = _RUN.match(self._data, self._at, self._at + window)
            window = min(2 * window, WINDOW)
            run = self._data[self._at : end.end() if end else self._at]
            if not run:  # a string that is longer than a window, or that never ends
                yield from self._skip_string()
                continue
            levels = array("b", _STRING.sub(b"", run).translate(_LEVELS, _OTHERS))
            if depth + min(accumulate(levels), default=0) <= 0:
                closes = next(index for index, level in enumerate(accumulate(levels), 1) if depth + level == 0)
                self._at += next(islice(_TO_BRACKET.finditer(run), closes - 1, None)).end()
                return
            depth += sum(levels)
            self._at += len(run)
            yield

    def _skip_string(self) -> Steps[None]:
        if self._byte() != b'"':
            raise self._problem("a value")
        self._at += 1
        while not self._piece():
            yield

    def _string(self) -> Steps[str]:
        self._at += 1
        start, kept = self._at, -1
        while not self._piece():
            if kept < 0 and self._at - start >= _RAW_TEXT_LIMIT:
                kept = self._at
            yield
        end = self._at - 1 if kept < 0 else kept
        return self._decoded(bytes(self._data[start:end]))

    def _piece(self) -> bool:
        """Pass over a piece of a string; whether it ended."""
        found = _PIECE.match(self._data, self._at)
        end = self._at if found is None else found.end()
        match bytes(self._data[end : end + 1]):
            case b'"':
                self._at = end + 1
                return True
            case b"":
                raise self._problem("the end of a string")
            case _ if end == self._at:  # a lone backslash, and the end of the document
                raise self._problem("the end of a string")
        self._at = end
        return False

    def _decoded(self, raw: bytes) -> str:
        found = raw.decode(errors="replace")
        if "\\" in found:
            try:
                found = str(_UNESCAPING.decode(f'"{found}"'))
            except JSONDecodeError as error:
                raise self._problem("an escape sequence") from error
        return representable(found[:TEXT_LIMIT])

    def _goes_on(self, closing: bytes, *, is_first: bool) -> bool:
        found = self._next()
        if found == closing:
            self._at += 1
            return False
        if not is_first:
            if found != b",":
                raise self._problem("a comma")
            self._at += 1
        return True

    def _next(self) -> bytes:
        """The next byte that is not blank; the position is there then."""
        self._pass_blank()
        if self._at >= len(self._data):
            raise self._problem("more")
        return self._byte()

    def _byte(self) -> bytes:
        return bytes(self._data[self._at : self._at + 1])

    def _pass_blank(self) -> None:
        found = _BLANK.match(self._data, self._at)  # at one go, since 30 MiB take 50 ms
        if found is not None:
            self._at = found.end()

    def _problem(self, expected: str) -> UnreadableJsonError:
        return UnreadableJsonError(f"the body is not valid JSON: expected {expected} at byte {self._at}")


def representable(text: str) -> str:
    """The text with U+FFFD for lone surrogates, which UTF-8 can't hold."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@cache
def _members(shape: type[msgspec.Struct]) -> Mapping[str, tuple[str, ReadValue]]:
    """How each member of a shape is read, by its key in the document, with its name in the shape."""
    described = inspect.type_info(shape)
    if not isinstance(described, inspect.StructType):
        raise TypeError(f"{shape} is no shape")
    return {field.encode_name: (field.name, _reading(field.type)) for field in described.fields}


def _reading(kind: inspect.Type) -> ReadValue:
    if isinstance(kind, inspect.UnionType):
        kind = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
    match kind:
        case inspect.StrType():
            return Reader.text
        case inspect.BoolType():
            return Reader.flag
        case inspect.IntType():
            return Reader.whole_number
        case inspect.RawType():
            return Reader.raw
        case inspect.StructType(cls=shape):
            return lambda reader: reader.struct(shape)
        case _:
            raise TypeError(f"no reading for {kind}")
