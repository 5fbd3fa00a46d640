"""As much of DER as it takes to walk through a document and to put one together. Pure.

Source: ITU-T X.690 clauses 8.1 and 10.1: tags of one byte, definite lengths below 2^24.
"""

from __future__ import annotations

from collections.abc import Iterator

_LONG_TAG = 0x1F
_LONG_LENGTH = 0x80
_LENGTH_BYTES_LIMIT = 3


def elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element that stands side by side; raises ValueError where they are no DER."""
    position = 0
    while position < len(content):
        tag = content[position]
        length, begin = _length(content, position + 1)
        if tag & _LONG_TAG == _LONG_TAG or begin + length > len(content):
            raise ValueError("no DER")
        yield tag, content[begin : begin + length]
        position = begin + length


def element(tag: int, content: bytes) -> bytes:
    """One element."""
    size = len(content)
    if size < _LONG_LENGTH:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_LENGTH | len(length))) + length + content


def _length(content: bytes, position: int) -> tuple[int, int]:
    """How long the content is whose length stands here, and where it begins."""
    if position >= len(content):
        raise ValueError("no length")
    first = content[position]
    if first < _LONG_LENGTH:
        return first, position + 1
    begin = position + 1 + (count := first - _LONG_LENGTH)
    if not 1 <= count <= _LENGTH_BYTES_LIMIT or begin > len(content):
        raise ValueError("no length in DER")
    return int.from_bytes(content[position + 1 : begin], "big"), begin
