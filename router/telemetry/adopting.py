"""What others say goes the same way: the standard library's logging, warnings, hooks, whatever is printed.

Libraries and the interpreter write to standard error by themselves, and would wait there for a reader that does not
read. Whoever serves does so within `adopting`:
(1) Records of the standard library's logging from WARNING on, and warnings, become lines of ours. Others can cause
    them by what they send, so one of a kind is told a minute.
(2) Exceptions that nobody can catch (in finalizers and threads) become lines, too, with the same bound.
(3) Whatever else is written to `sys.stderr` becomes lines, one for each that is written.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from router.telemetry.line_values import as_text, foreign_text
from router.telemetry.logs import logger
from router.telemetry.seldom import Seldom

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

log = logger()

_KIND_LIMIT = 100
_LINE_LIMIT = 4096
"""Characters of a printed line; what is longer becomes several."""


class _Records(logging.Handler):
    """Turns records into lines."""

    def __init__(self, seldom: Seldom) -> None:
        super().__init__(logging.WARNING)
        self._seldom = seldom

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line of a record."""
        error = record.exc_info[1] if record.exc_info else None
        kind = as_text(record.msg, _KIND_LIMIT)[:_KIND_LIMIT]
        held_back = self._seldom.turn(f"{record.name} {type(error).__name__} {kind}")
        if held_back is not None:
            say = log.error if record.levelno >= logging.ERROR else log.warning
            text = foreign_text(record.getMessage, "(a record that can't be shown)")
            say("library_complained", library=record.name, text=text, held_back=held_back, exc_info=error)


class _Printed(io.TextIOBase):
    """Takes the place of `sys.stderr`."""

    def __init__(self) -> None:
        self._begun = ""

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Turn whole lines into lines of the log."""
        *lines, self._begun = f"{self._begun}{text}".split("\n")
        if len(self._begun) > _LINE_LIMIT:
            lines, self._begun = [*lines, self._begun], ""
        for line in filter(None, lines):
            log.warning("standard_error_written", text=line)
        return len(text)


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """While this lasts, nothing but the log writes to standard error."""
    seldom = Seldom()

    def unraisable(found: UnraisableHookArgs, /) -> None:
        held_back = seldom.turn(f"unraisable {found.exc_type.__name__}")
        if held_back is not None:
            log.error("exception_ignored", held_back=held_back, exc_info=found.exc_value)

    def in_thread(found: threading.ExceptHookArgs, /) -> None:
        held_back = seldom.turn(f"thread {found.exc_type.__name__}")
        if held_back is not None:
            log.error("thread_failed", held_back=held_back, exc_info=found.exc_value)

    handler, root = _Records(seldom), logging.getLogger()
    hooks = sys.unraisablehook, threading.excepthook
    root.addHandler(handler)
    logging.captureWarnings(capture=True)
    sys.unraisablehook, threading.excepthook = unraisable, in_thread
    try:
        with contextlib.redirect_stderr(_Printed()):
            yield
    finally:
        sys.unraisablehook, threading.excepthook = hooks
        logging.captureWarnings(capture=False)
        root.removeHandler(handler)
