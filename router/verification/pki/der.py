"""DER as far as certificates and signed messages need it: what stands where, and its very bytes. Pure.

Source: ITU-T X.690 (2021) sections 8 and 10. Only definite lengths in their shortest form, tags below 31, and nothing
after the end, so that a message has one reading. It copies nothing but what is asked for, and descends only where it is
told to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from router.errors import InvalidSignatureError
from router.verification.documents import malformed

INTEGER, OCTETS, OBJECT, UTF8, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x0C, 0x30, 0x31
_LONG, _SHORT_MOST, _MOST_LENGTH_BYTES, _HIGH_TAG = 0x80, 0x7F, 3, 0x1F
_CHILDREN_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Value:
    """One value: its tag, its content, and all its bytes."""

    tag: int
    content: bytes
    whole: bytes

    def children(self, what: str) -> Sequence[Value]:
        """What a constructed value holds; raises InvalidSignatureError(malformed)."""
        found: list[Value] = []
        rest = self.content
        while rest:
            value = _first(rest, what)
            found.append(value)
            if len(found) > _CHILDREN_LIMIT:
                raise malformed(what, "holds too much")
            rest = rest[len(value.whole) :]
        return found

    def only(self, what: str) -> Value:
        """The one value that it holds; raises InvalidSignatureError(malformed)."""
        return read(self.content, what)


def read(body: bytes, what: str) -> Value:
    """The one value that these bytes are; raises InvalidSignatureError(malformed)."""
    value = _first(body, what)
    if len(value.whole) != len(body):
        raise malformed(what, "goes on after its end")
    return value


def _first(body: bytes, what: str) -> Value:
    start = 2
    if len(body) < start or body[0] & _HIGH_TAG == _HIGH_TAG:
        raise _unreadable(what)
    length = body[1]
    if length > _SHORT_MOST:
        count = length & ~_LONG
        start += count
        if not 1 <= count <= _MOST_LENGTH_BYTES or len(body) < start:
            raise _unreadable(what)
        length = int.from_bytes(body[2:start], "big")
        if length <= _SHORT_MOST or length < 1 << 8 * (count - 1):
            raise _unreadable(what)
    if len(body) < start + length:
        raise _unreadable(what)
    return Value(body[0], body[start : start + length], body[: start + length])


def _unreadable(what: str) -> InvalidSignatureError:
    return malformed(what, "is not valid DER")
