r"""What a record looks like on a line: RFC 5424, CEF and LEEF. Pure.

A record is a JSON object that a template makes: `severity` (ours), `time` (RFC 3339), `event` (a stable code, such as
`REQUEST_REJECTED`), `name` (what that means), `message` (what happened) and `fields` (texts by name).

Sources: RFC 5424, clause 6 (grammar, 6.2.1 the priority, 6.3.3 what is escaped); OpenText, "ArcSight CEF Implementation
Standard" (header, dictionary of keys and their lengths); IBM, "LEEF event components" (header, delimiter as `x09`).

Rules:
(1) No value adds a field or a line: keys are letters and digits, values are escaped (`router.rendering.markup`), and
    what delimits is written here alone.
(2) A record has at most `size` bytes of UTF-8. The message has half of what the header leaves, and what the fields
    leave; then come the fields in their order, the first that does not fit is cut, and those behind it are left out.
(3) Whatever a template gives becomes a record: what is missing or has another type is filled in or left out, for a
    record that is never sent would be a lost alert. A document that is no object is the message.
(4) What happened is said by the template's own words: nothing here turns an outcome into another one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from router import __version__
from router.destinations.document import said_by
from router.errors import TemplateError
from router.rendering.filters import all_filters, map_severity, rfc3339
from router.rendering.markup import Markup, TextLines, escape_within
from router.rendering.values import as_text

NIL, BOM = "-", "\ufeff"
HOST_LIMIT, APP_LIMIT, CODE_LIMIT, KEY_LIMIT = 255, 48, 32, 32
"""Characters (RFC 5424, clause 6)."""
NAME_LIMIT, VALUE_LIMIT = 255, 1023
"""Bytes: of what an event is called, and of a field's value in CEF."""
LEAST_BYTES = 480
"""What every receiver takes (RFC 5424, clause 6.1)."""
_UNPRINTABLE = re.compile(r"[^\x21-\x7e]+")
_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9]+")
_NOT_IN_CODES = re.compile(r"[^A-Za-z0-9_.-]+")
_NOT_IN_NAMES = re.compile(r"[\\|=^\x00-\x1f\x7f-\x9f]+")
_EPOCH_MS: Callable[..., object] = all_filters()["epoch_ms"]
_CEF_KEYS: Mapping[str, str] = {
    "outcome": "act",
    "reason": "reason",
    "cluster": "dvchost",
    "user": "suser",
    "event": "externalId",
    "image": "cs1",
    "namespace": "cs2",
    "workload": "cs3",
    "digest": "cs4",
    "verdict": "cs5",
    "incident": "cs6",
}
"""Keys of CEF's dictionary; a field with no such key has one of ours, as the standard asks for: `gatecrierMode`."""
_CUSTOM = re.compile(r"cs[1-6]")
_LEEF_KEYS: Mapping[str, str] = {"user": "usrName", "outcome": "cat"}
_LEEF_LIMITS = {"usrName": 255}
"""Bytes that LEEF allows, where it says so."""
_LEEF_TAKEN = frozenset({"sev", "devTime", "msg", *_LEEF_KEYS.values()})
_ANY = sys.maxsize
_LIMITS = {"act": 63, "externalId": 40, "dvchost": 100}
"""Bytes that CEF allows where that is less than `VALUE_LIMIT`."""


class SyslogFormat(StrEnum):
    """What stands on a line."""

    RFC5424 = "rfc5424"
    CEF = "cef"
    LEEF = "leef"


@dataclass(frozen=True, slots=True)
class Sender:
    """What is the same in every record of a destination."""

    facility: int
    app_name: str
    hostname: str
    """Empty where the record's cluster is meant."""
    structured_data: str
    """The id of its element; empty where fields stand behind the message."""
    has_bom: bool
    size: int
    """Bytes of a record."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a template said."""

    severity: str
    time: str
    """As RFC 3339 with milliseconds; empty where it said none."""
    event: str
    name: str
    message: str
    fields: Mapping[str, str]
    """None of them is empty."""

    @classmethod
    def of(cls, body: bytes) -> Record:
        """The record that a document is (rule 3)."""
        made = said_by(body)
        said = made if isinstance(made, dict) else {"message": as_text(made)}
        fields = said.get("fields")
        texts = {name: as_text(one) for name, one in fields.items()} if isinstance(fields, dict) else {}
        message = said.get("message")
        return cls(
            severity=as_text(said.get("severity")),
            time=_time(said.get("time")),
            event=_NOT_IN_CODES.sub("_", as_text(said.get("event")))[:CODE_LIMIT] or "GATECRIER",
            name=" ".join(_NOT_IN_NAMES.sub(" ", as_text(said.get("name"))).split()) or "Gatecrier",
            message=message if isinstance(message, str) else as_text(made),
            fields={key: text for name, text in texts.items() if text and (key := _key(name))},
        )


def _key(name: str) -> str:
    return _NOT_IN_KEYS.sub("", name)[:KEY_LIMIT]


def _time(value: object) -> str:
    try:
        return rfc3339(value)
    except TemplateError:
        return ""


def line_of(record: Record, sender: Sender, form: SyslogFormat) -> bytes:
    """The record as one line, without what ends it."""
    priority = f"<{sender.facility * 8 + int(map_severity(record.severity, 'syslog'))}>1 {record.time or NIL} "
    host = _printable(sender.hostname or record.fields.get("cluster", ""), HOST_LIMIT)
    if form is SyslogFormat.LEEF:
        return _leef(record, f"{priority}{host} ", sender.size)
    head = f"{priority}{host} {_printable(sender.app_name, APP_LIMIT)} {NIL} {record.event} "
    return (_cef if form is SyslogFormat.CEF else _rfc5424)(record, head, sender)


def _printable(text: str, limit: int) -> str:
    """As a part of the header can be: one word of printable ASCII."""
    return _UNPRINTABLE.sub("_", text)[:limit] or NIL


def _rfc5424(record: Record, head: str, sender: Sender) -> bytes:
    bom = BOM if sender.has_bom else ""
    pairs = [FramedField(f' {name}="', text, '"') for name, text in record.fields.items()]
    if (element := sender.structured_data) == "":
        head += f'{NIL} {bom}message="'
        message, fields = _shared(record.message, Markup.QUOTED, pairs, sender.size - _bytes(head) - 1)
        return f'{head}{message}"{fields}'.encode()
    room = sender.size - _bytes(f"{head}[{element}] {bom}")
    message, fields = _shared(record.message, Markup.LINE, pairs, room, of_pairs=Markup.SYSLOG)
    return f"{head}[{element}{fields}] {bom}{message}".encode()


def _cef(record: Record, head: str, sender: Sender) -> bytes:
    severity, name = map_severity(record.severity, "cef"), escape_within(record.name, Markup.CEF, NAME_LIMIT)
    version = f"{NIL} CEF:0|Gatecrier|gatecrier|{__version__}"
    head += f"{version}|{record.event}|{name}|{severity}|"
    if record.time:
        head += f"rt={_EPOCH_MS(record.time)} "
    head += "msg="
    pairs = list[FramedField]()
    for name, text in record.fields.items():
        key = _CEF_KEYS.get(name) or _ours(name)
        label = f" {key}Label={name}" if _CUSTOM.fullmatch(key) else ""
        pairs.append(FramedField(f"{label} {key}=", text, limit=_LIMITS.get(key, VALUE_LIMIT)))
    message, fields = _shared(
        record.message, Markup.CEF_EXTENSION, pairs, sender.size - _bytes(head), limit=VALUE_LIMIT
    )
    return f"{head}{message}{fields}".encode()


def _leef(record: Record, head: str, size: int) -> bytes:
    head += f"LEEF:2.0|Gatecrier|gatecrier|{__version__}|{record.event}|x09|sev={map_severity(record.severity, 'leef')}"
    if record.time:
        head += f"\tdevTime={_EPOCH_MS(record.time)}"
    head += "\tmsg="
    keys = {name: _LEEF_KEYS.get(name) or (_ours(name) if name in _LEEF_TAKEN else name) for name in record.fields}
    pairs = [
        FramedField(f"\t{keys[name]}=", text, limit=_LEEF_LIMITS.get(keys[name], _ANY))
        for name, text in record.fields.items()
    ]
    message, fields = _shared(record.message, Markup.LEEF, pairs, size - _bytes(head))
    return f"{head}{message}{fields}".encode()


def _ours(name: str) -> str:
    return f"gatecrier{name[:1].upper()}{name[1:]}"


@dataclass(frozen=True, slots=True)
class FramedField:
    """A field: what stands before its value and behind it, and how many bytes the value may have."""

    before: str
    value: str
    behind: str = ""
    limit: int = _ANY

    def written(self, markup: Markup, room: int) -> str:
        """In at most so many bytes; empty where not even the key has room."""
        left = room - _bytes(self.before + self.behind)
        value = escape_within(self.value, markup, min(self.limit, left)) if left > 0 else ""
        return f"{self.before}{value}{self.behind}" if value else ""


def _shared(
    message: str,
    markup: Markup,
    pairs: Sequence[FramedField],
    room: int,
    *,
    of_pairs: Markup | None = None,
    limit: int = _ANY,
) -> tuple[str, str]:
    """Message and fields, within so many bytes together (rule 2)."""
    whole = [pair.written(of_pairs or markup, _ANY) for pair in pairs]
    wanted = _bytes("".join(whole))
    told = escape_within(TextLines(message), markup, min(limit, max(room // 2, room - wanted)))
    left = room - _bytes(told)
    return told, "".join(whole if wanted <= left else _within(pairs, whole, of_pairs or markup, left))


def _within(pairs: Sequence[FramedField], whole: Sequence[str], markup: Markup, room: int) -> Iterator[str]:
    for pair, written in zip(pairs, whole, strict=True):
        if (size := _bytes(written)) > room:
            yield pair.written(markup, room)
            return
        yield written
        room -= size


def _bytes(text: str) -> int:
    return len(text.encode())
