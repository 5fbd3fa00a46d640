"""Logs: JSON lines in production, readable on a terminal; secrets can not get in.

One event name in the past tense and named values per line. Redaction is by construction: values of the types that
carry secrets are replaced before anything is rendered, and keys that name credentials are never printed. Lines are
written to standard error (JSON to standard output is a command's own result).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, ClassVar

import orjson
import structlog
from pydantic import SecretStr

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger, Processor, WrappedLogger

REDACTED = "**redacted**"
_CREDENTIAL_KEYS = frozenset(
    {"authorization", "password", "token", "secret", "signing_secret", "url", "headers", "webhook_url"}
)


def logger() -> FilteringBoundLogger:
    """The logger of the calling module; cheap, bound late to the configuration in force."""
    bound: FilteringBoundLogger = structlog.get_logger()
    return bound


def redact(_: WrappedLogger, __: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """Replace what must never be read in a log: secrets by type, credentials and URLs by name."""
    for key, value in event.items():
        if isinstance(value, SecretStr) or key in _CREDENTIAL_KEYS:
            event[key] = REDACTED
    return event


class _Printed:
    """Writes lines to what standard error is at that moment."""

    def __init__(self, *_: object) -> None:
        """One per logger."""

    def msg(self, line: str) -> None:
        """Write a line."""
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    debug = info = warning = error = critical = exception = msg


class _Gathered:
    """Writes lines to standard error, all that belong to one turn of the event loop at once.

    A busy gate writes thousands of lines a second, and a system call for each would cost more than the line. Outside
    an event loop, and for errors, lines are written at once.
    """

    _waiting: ClassVar[list[bytes]] = []

    def __init__(self, *_: object) -> None:
        """One per logger; they share the lines that wait."""

    def msg(self, line: bytes) -> None:
        """Write a line when the loop gets to it."""
        self._waiting.append(line)
        if len(self._waiting) > 1:
            return
        try:
            asyncio.get_running_loop().call_soon(self.flush)
        except RuntimeError:
            self.flush()

    debug = info = msg

    def error(self, line: bytes) -> None:
        """Write a line, and those before it, now."""
        self._waiting.append(line)
        self.flush()

    warning = critical = exception = error

    @classmethod
    def flush(cls) -> None:
        """Write what waits."""
        lines, cls._waiting[:] = [*cls._waiting, b""], []
        sys.stderr.buffer.write(b"\n".join(lines))
        sys.stderr.buffer.flush()


def _as_text(value: object) -> str:
    return str(value)


def _json_line(_: WrappedLogger, __: str, event: Mapping[str, object]) -> bytes:
    return orjson.dumps(event, default=_as_text, option=orjson.OPT_NON_STR_KEYS)


def configure(*, readable: bool | None = None, least: str = "INFO") -> None:
    """Choose the form of the lines: readable on a terminal unless told otherwise, JSON everywhere else.

    Lines below the level `least` are not written.
    """
    if readable is None:
        readable = sys.stderr.isatty()
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    shared: list[Processor] = [structlog.processors.add_log_level, stamp, redact]
    if readable:
        structlog.configure(
            processors=[
                *shared,
                structlog.dev.ConsoleRenderer(
                    colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
                ),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(least),
            logger_factory=_Printed,
            cache_logger_on_first_use=True,
        )
        return
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, _json_line],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=_Gathered,
        cache_logger_on_first_use=True,
    )
