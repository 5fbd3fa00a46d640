"""Logs: JSON lines in production, readable on a terminal; secrets can not get in, and nobody waits for them.

Rules:
(1) One event name in the past tense and named values per line. Redaction is by construction: values of the types that
    carry secrets are replaced before anything is rendered, and keys that name credentials are never printed.
(2) Lines go to standard error (JSON to standard output is a command's own result) through a queue of the process's
    own (`line_queue`). Writing a line never blocks and never raises, whatever standard error is and whatever is logged.
(3) An event that can't be stored is written whole, in parts (`write_event`), and takes precedence over lines.
(4) What the process ends with is still written: its end waits for the log, for a second at most.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol

import orjson

from router.telemetry.line_forms import Columns, Form, as_json, dumped, unfailing
from router.telemetry.line_queue import PATIENCE, LineQueue
from router.telemetry.line_values import REDACTED, bounded
from router.telemetry.structured import structlog

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger, WrappedLogger

__all__ = ["REDACTED", "configure", "dropped", "flush", "logger", "write_event"]

STANDARD_ERROR = 2
_EVENT_ROOM = 8 * 1024 * 1024


def logger() -> FilteringBoundLogger:
    """The logger of the calling module; cheap, bound late to the configuration in force."""
    bound: FilteringBoundLogger = structlog.get_logger()
    return bound


def _gap(form: Form, missing: int, mistake: Exception | None) -> bytes:
    level = "warning" if mistake is None else "error"
    told = {"event": "log_lines_dropped", "level": level, "timestamp": _now(), "lines": missing}
    return form({**told, "exc_info": mistake})


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


_JSON = unfailing(as_json)
_of_process = LineQueue(STANDARD_ERROR, partial(_gap, _JSON))
_queue: LogLines = _of_process
atexit.register(lambda: _queue.flush(PATIENCE))
os.register_at_fork(after_in_child=_of_process.after_fork)


class LogLines(Protocol):
    """Where lines go: a queue in front of a descriptor, or another process."""

    @property
    def dropped(self) -> dict[str, int]:
        """How many ordinary lines, and how many whole events, have found no room so far."""

    def put(self, line: bytes) -> None:
        """Take an ordinary line, which ends in a line feed. Never raises, never waits."""

    def put_event(self, event_id: str, body: bytes, stamp: str) -> bool:
        """Take an event whose last resort this is; says whether there was room. Never raises, never waits."""

    def flush(self, patience: float) -> bool:
        """Wait until everything is written, at most so many seconds; says whether it is."""


class _Queued:
    """What structlog takes for a logger: every level is queued alike, in the queue of that moment."""

    @staticmethod
    def msg(line: bytes) -> None:
        """Queue a line."""
        _queue.put(line)

    debug = info = warning = error = critical = exception = msg


def configure(*, readable: bool | None = None, least: str = "INFO", queue: LogLines | None = None) -> None:
    """Choose the form of the lines: readable on a terminal unless told otherwise, JSON everywhere else.

    Args:
        readable: Columns for people, or JSON.
        least: Lines below this level are not written.
        queue: Where lines go instead of standard error.
    """
    global _queue  # noqa: PLW0603 - a process has one log, as it has one standard error
    is_terminal = os.isatty(STANDARD_ERROR)
    form = (
        unfailing(Columns(colours=is_terminal and wants_colours(os.environ)))
        if (is_terminal if readable is None else readable)
        else _JSON
    )
    _queue = queue or _of_process
    if isinstance(_queue, LineQueue):
        _queue.gap = partial(_gap, form)

    def line(_: WrappedLogger, level: str, event: MutableMapping[str, object]) -> bytes:
        event["level"] = "error" if level == "exception" else level
        event["timestamp"] = _now()
        return form(event)

    structlog.configure(
        processors=[line],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=_Queued,
        cache_logger_on_first_use=True,
    )


def wants_colours(environment: Mapping[str, str]) -> bool:
    """Whether a terminal may be sent colours (no-color.org; a dumb terminal has none)."""
    return not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def write_event(event_id: str, event: Mapping[str, object]) -> bool:
    """Write an event whose last resort is the log, as numbered lines (`event_parts`). Never raises.

    Args:
        event_id: Its id.
        event: What JSON can hold; other values are written as text.

    Returns:
        Whether there was room for it; if not, it is counted as dropped.
    """
    try:
        body = orjson.dumps(event, default=str)
    except TypeError:  # orjson's: lone surrogates, integers of more than 64 bits, a value without text; all but those
        body = dumped(bounded(event, _EVENT_ROOM))
    return _queue.put_event(event_id, body, _now())


def write_line(line: bytes) -> None:
    """Write a line that another process of ours has made. Never raises, never waits."""
    _queue.put(line)


def write_encoded_event(event_id: str, body: bytes, stamp: str) -> bool:
    """Write an event that another process of ours could not store; says whether there was room."""
    return _queue.put_event(event_id, body, stamp)


def dropped() -> dict[str, int]:
    """How many lines (`ordinary`) and whole events (`event`) found no room in the queue so far."""
    return _queue.dropped


def flush(patience: float = PATIENCE) -> bool:
    """Wait until everything is written, but no longer than so many seconds; says whether it is."""
    return _queue.flush(patience)
