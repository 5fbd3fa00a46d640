"""A reader of LEEF, written from IBM's description of it and not from what we send.

Source: IBM, "Log Event Extended Format (LEEF)", versions 1.0 and 2.0: an optional syslog header, `LEEF:VERSION`,
vendor, product, version and event id between bars, in 2.0 the character that stands between attributes, itself or as
`x` with one to four hex digits (a tab where none is said), and KEY=VALUE. Nothing is escaped: the first `=` ends a key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RFC5424 = re.compile(r"<(\d{1,3})>1 (\S+) (\S+) ")
"""Of LEEF: no more than priority, time and host."""
_LEEF = re.compile(r"LEEF:(1\.0|2\.0)\|")
_DELIMITER = re.compile(r"(?:0?x([0-9A-Fa-f]{1,4})|(.))?\|", re.DOTALL)
_KEY = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_LONGEST = {"event id": 255, "usrName": 255}
_EPOCH = re.compile(r"\d{10}|\d{13}", re.ASCII)


class NoLeefError(Exception):
    """A text is no LEEF; says what is wrong with it."""


@dataclass(frozen=True)
class Leef:
    """What a record says."""

    priority: int | None
    host: str
    vendor: str
    product: str
    version: str
    event_id: str
    attributes: dict[str, str]


def read(text: str) -> Leef:
    """The record; raises NoLeefError."""
    head = _RFC5424.match(text)
    rest = text[head.end() :] if head else text
    begin = _LEEF.match(rest)
    _must(begin is not None and "\n" not in text and "\r" not in text, "no beginning, or more than a line")
    assert begin is not None
    vendor, product, version, event_id, rest = [*rest[begin.end() :].split("|", 4), "", "", "", "", ""][:5]
    _must(all((vendor, product, version, event_id)), "an empty part of the header")
    _must(len(event_id) <= _LONGEST["event id"], "a long event id")
    between = "\t"
    if begin[1] == "2.0":
        said = _DELIMITER.match(rest)
        _must(said is not None, "no delimiter")
        assert said is not None
        between = chr(int(said[1], 16)) if said[1] else said[2] or "\t"
        rest = rest[said.end() :]
    attributes = _attributes(rest, between)
    return Leef(int(head[1]) if head else None, head[3] if head else "", vendor, product, version, event_id, attributes)


def _attributes(text: str, between: str) -> dict[str, str]:
    found = dict[str, str]()
    for one in text.split(between):
        key, is_pair, value = one.partition("=")
        _must(bool(is_pair) and _KEY.fullmatch(key) is not None, f"{one!r} is no attribute")
        _must(key not in found, f"{key} is there twice")
        _must(len(value) <= _LONGEST.get(key, len(value)), f"{key} is too long")
        _must("|" not in value and "^" not in value, f"{key} holds what IBM says to avoid")
        found[key] = value
    _must(found.get("sev", "1") in {str(number) for number in range(1, 11)}, "sev is not 1 to 10")
    is_time = "devTime" not in found or "devTimeFormat" in found or _EPOCH.fullmatch(found["devTime"]) is not None
    _must(is_time, "devTime needs its format")
    return found


def _must(is_so: bool, what: str) -> None:  # noqa: FBT001 - a condition
    if not is_so:
        raise NoLeefError(what)
