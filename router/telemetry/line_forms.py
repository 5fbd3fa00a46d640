r"""The two forms of a line: JSON for machines, columns for people at a terminal.

Rules:
(1) JSON is one line of UTF-8, of at most `LINE_LIMIT` bytes. What is too long is made again with less room for each
    value, and in the end told by its name alone.
(2) Nothing that others chose may shape a line or a terminal: characters that can't be seen are written as escapes
    (`router.text`), in JSON as JSON's own, which a reader turns back. In columns a value that is more than a plain word
    stands in quotes (structlog's renderer does that), so that it can't look like a value beside it, and a traceback is
    indented, so that it can't look like lines. So are `problems`, sentences that nobody could read beside each other.
(3) Nothing here raises: in place of a line that can't be made stands one that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping

import orjson

from router.telemetry.line_values import as_text, bounded, failure, traceback_text
from router.telemetry.structured import structlog
from router.text import escape_in_json, one_line

LINE_LIMIT = 16 * 1024
"""Bytes of a line with its end: container runtimes (CRI, Docker) split longer ones."""
ROOMS = (6000, 1500, 300, 50)
"""Characters for each value of a line, tried in this order."""
PROBLEMS = "problems"
"""The name of values that are told beneath a line for people, each on its own."""
_TRACEBACK = 8000

Form = Callable[[MutableMapping[str, object]], bytes]
"""Makes a line, with its end, of the values that are to stand in it; changes the mapping."""


def as_json(event: MutableMapping[str, object]) -> bytes:
    """The line as one JSON object."""
    error = failure(event.pop("exc_info", None))
    for room in ROOMS:
        values = bounded(event, room)
        if error is not None:
            values["exception"] = traceback_text(error, min(_TRACEBACK, room * 2))
        line = _json(values)
        if len(line) < LINE_LIMIT and len(line := seen_in_json(line)) < LINE_LIMIT:
            return line + b"\n"
    return _named_only(event, "too long")


def dumped(value: object) -> bytes:
    """A plain value as JSON in which every character can be seen, without its end."""
    return seen_in_json(_json(value))


def _json(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate: no UTF-8 can hold it
        return orjson.dumps(_encodable(value))


def seen_in_json(made: bytes) -> bytes:
    """JSON with escapes in place of what can't be seen; what it says to a reader stays the same."""
    if made.isascii() and b"\x7f" not in made:
        return made
    return one_line(made.decode(), escape_in_json).encode()


def _encodable(value: object) -> object:
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case dict():
            return {_encodable(key): _encodable(item) for key, item in value.items()}
        case list():
            return [_encodable(item) for item in value]
        case _:
            return value


class Columns:
    """Makes lines for people, in colours where they are wanted."""

    def __init__(self, *, colours: bool) -> None:
        self._render = structlog.dev.ConsoleRenderer(colors=colours, repr_native_str=False)

    def __call__(self, event: MutableMapping[str, object]) -> bytes:
        """The line; a traceback follows it, indented."""
        error = failure(event.pop("exc_info", None))
        for room in ROOMS:
            values = {one_line(key): _all_seen(value) for key, value in bounded(event, room).items()}
            problems = values.pop(PROBLEMS, [])
            line = self._rendered(values)
            line += "".join(f"\n    | {one}" for one in (problems if isinstance(problems, list) else [problems]))
            if error is not None:
                told = traceback_text(error, min(_TRACEBACK, room * 2))
                line += "".join(f"\n    | {one_line(part)}" for part in told.split("\n"))
            made = line.encode()
            if len(made) < LINE_LIMIT:
                return made + b"\n"
        return _named_only(event, "too long")

    def _rendered(self, values: MutableMapping[str, object]) -> str:
        return self._render(None, "", values)


def _all_seen(value: object) -> object:
    match value:
        case str():
            return one_line(value)
        case dict():
            return {one_line(key): _all_seen(item) for key, item in value.items()}
        case list():
            return [_all_seen(item) for item in value]
        case _:
            return value


def unfailing(form: Form) -> Form:
    """The form, with a line about the failure where making a line fails."""

    def line(event: MutableMapping[str, object]) -> bytes:
        try:
            return form(event)
        except Exception as error:  # noqa: BLE001 - a line of the log must never end what it tells about
            return _named_only(event, type(error).__name__)

    return line


def _named_only(event: Mapping[str, object], cause: str) -> bytes:
    name, stamp = (as_text(event.get(key, ""), KEPT)[:KEPT] for key in ("event", "timestamp"))
    told = {"line": name, "cause": cause, "event": "log_line_failed", "level": "error", "timestamp": stamp}
    return dumped(told) + b"\n"


KEPT = 200
"""Characters of the name of a line that can't be made."""
