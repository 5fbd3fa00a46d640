"""Cuts a list into its entries where the document around it can't be read: a bad entry hides none of the others. Pure.

Rules:
(1) Entries are handed over unread. Whoever wants one decodes it by itself, as those of a document that can be read; so
    nothing is taken here that would not be taken there.
(2) Only quotes, brackets and the commas between entries are looked at, without recursion: depth, escapes, numbers and
    bytes that no reader takes stay within the entry, or within the member beside the list. What leaves a bracket or a
    string open can't be told from what follows, and breaks the document.
(3) The price is that of the bytes, whatever they are, and of no more members and entries than are taken. It is paid at
    one go, so whoever calls has bounded the bytes.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from itertools import accumulate, islice

import msgspec
from msgspec import Raw

_MEMBERS_LIMIT = 100
"""Members of the object that holds the list; those of OCI have fewer than ten."""
_BLANKS = b" \t\n\r"
_BLANK = re.compile(rb"[ \t\n\r]*")
_KEY = re.compile(rb'[ \t\n\r]*("[^"]*")[ \t\n\r]*:[ \t\n\r]*')
_SCALAR = re.compile(rb"[^{}\[\],]*")
_LEVELS = bytes(1 if byte in b"{[" else 255 if byte in b"}]" else 0 for byte in range(256))
"""As signed bytes: 1 for what opens, -1 for what closes."""
_BRACKET, _OPENING = re.compile(rb"[{}\[\]]"), frozenset({b"{", b"["})
_FEW = 32
"""Brackets of a value that are looked at one by one."""
_FIRST_WINDOW, _WINDOW = 64, 32 * 1024
"""Bytes in which the bracket is looked for that closes another, behind those."""


class UncutListError(ValueError):
    """There is no list to cut; the text says why."""


def cut_entries(body: bytes, name: str, most: int) -> list[Raw] | None:
    """The entries of the list that is the member `name` of an object; None where it is absent or null.

    Of more than `most` entries one more than that is given.

    Raises:
        UncutListError: It is no object, it has too many members, or the list is none or stands there twice.
    """
    plain = _without_strings(body)
    found = [at for key, at in _members(plain) if _is(body[key], name)]
    if len(found) > 1:
        raise UncutListError("the list stands there twice")
    if not found or plain[found[0] : found[0] + 4] == b"null":
        return None
    return [Raw(body[entry].strip(_BLANKS)) for entry in _entries(plain, found[0], most)]


def _without_strings(body: bytes) -> bytes:
    """The same with nothing in its strings that could be taken for something outside of them; as long as it was."""
    pieces = body.replace(rb"\\", b"  ").replace(rb"\"", b"  ").split(b'"')
    if len(pieces) % 2 == 0:
        raise UncutListError("a string stays open")
    pieces[1::2] = map(bytes, map(len, pieces[1::2]))
    return b'"'.join(pieces)


def _members(plain: bytes) -> Iterator[tuple[slice, int]]:
    """Where the key of each member of the object is, and where its value begins."""
    at = _entered(plain, 0, b"{")
    for _ in range(_MEMBERS_LIMIT):
        if (key := _KEY.match(plain, at)) is None:
            break
        yield slice(*key.span(1)), key.end()
        at = _behind(plain, key.end())
        if plain[at : at + 1] != b",":
            break
        at += 1
    if plain[at : at + 1] != b"}" or plain[at + 1 :].strip(_BLANKS):
        raise UncutListError(f"the object does not end at byte {at}, or not with the document")


def _entries(plain: bytes, at: int, most: int) -> Iterator[slice]:
    """Where the entries of the list here are."""
    at = _entered(plain, at, b"[")
    if plain[at : at + 1] == b"]":
        return
    for _ in range(most + 1):
        end = _behind(plain, at)
        yield slice(at, end)
        if plain[end : end + 1] != b",":
            break
        at = _blank(plain, end + 1)
    if plain[end : end + 1] not in {b",", b"]"}:
        raise UncutListError(f"an entry does not end at byte {end}")


def _behind(plain: bytes, at: int) -> int:
    """Where a comma, or what closes the list or object, is expected behind the value here."""
    if plain[at : at + 1] in {b"{", b"["}:
        return _blank(plain, _closed(plain, at))
    return _passed(_SCALAR, plain, at)


def _closed(plain: bytes, at: int) -> int:
    """Behind the bracket that closes the one here: one by one where there are few, else in windows.

    Windows grow, so that the price of a small value is its own.
    """
    depth, window = 0, _FIRST_WINDOW
    for found in islice(_BRACKET.finditer(plain, at), _FEW):
        at = found.end()
        depth += 1 if found[0] in _OPENING else -1
        if not depth:
            return at
    while run := plain[at : at + window]:
        depths = list(accumulate(array("b", run.translate(_LEVELS)), initial=depth))
        if 0 in depths[1:]:
            return at + depths.index(0, 1)
        depth, at, window = depths[-1], at + len(run), min(2 * window, _WINDOW)
    raise UncutListError("a bracket stays open")


def _entered(plain: bytes, at: int, opening: bytes) -> int:
    at = _blank(plain, at)
    if plain[at : at + 1] != opening:
        raise UncutListError(f"expected {opening.decode()} at byte {at}")
    return _blank(plain, at + 1)


def _blank(plain: bytes, at: int) -> int:
    return _passed(_BLANK, plain, at)


def _passed(what: re.Pattern[bytes], plain: bytes, at: int) -> int:
    found = what.match(plain, at)
    return at if found is None else found.end()


def _is(key: bytes, name: str) -> bool:
    try:
        return msgspec.json.decode(key, type=str) == name
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
