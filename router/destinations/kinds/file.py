"""A file of JSON lines, one event each: for sidecars that ship logs, and for tests.

Rules:
(1) A batch is delivered when its lines are durable (`lines`); the path may lead to a pipe or a terminal, too, where
    that is when they were taken.
(2) A full disk, a missing folder, a pipe that nobody reads is a failure that may pass.
(3) An attempt that does not end within `ATTEMPT_LIMIT` is given up, and closing takes `CLOSE_LIMIT` at most: a disk
    that does not answer is this destination's trouble and nobody else's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from router.by_reference import RelativePath
from router.destinations.document import Document
from router.destinations.kind import OwnKind
from router.destinations.lines import LineFile
from router.destinations.outcome import Delivered, Outcome, TryAgain
from router.destinations.own_thread import OwnThread
from router.destinations.settings import CommonSettings
from router.fields import Duration
from router.telemetry.logs import logger

log = logger()

ATTEMPT_LIMIT, CLOSE_LIMIT = 30.0, 2.0
"""Seconds."""


class FileSettings(CommonSettings):
    """A file of JSON lines."""

    kind: Literal["file"]
    """A file of JSON lines."""
    path: RelativePath
    """The file; made if it is not there, appended to if it is. It may be a pipe or `/dev/stdout`."""
    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 128
    """How many events are flushed to the disk together; as many may be repeated after a crash."""
    give_up_after: Duration = 86400.0
    """How long after its first attempt an event is set aside that could not be written."""

    @property
    def written(self) -> tuple[str, Path]:
        """The key that names the file, and the file."""
        return "path", self.path


class FileDestination:
    """Appends to a file."""

    concurrency = 1
    """One writer, so that lines keep their order."""
    linger = 0.0
    """A line that waits is none that is on the disk."""

    def __init__(self, settings: FileSettings) -> None:
        self.name = settings.name
        self.batch_size, self.batch_bytes = settings.batch_size, sys.maxsize
        self.give_up_after = settings.give_up_after
        self._lines = LineFile(settings.path)
        self._thread = OwnThread(f"file-{settings.name}")
        self._is_failing = False

    async def deliver(self, documents: Sequence[Document]) -> Outcome:
        """Append these documents, a line each."""
        lines = [document.body.replace(b"\n", b" ") + b"\n" for document in documents]
        try:
            await self._thread.run(partial(self._lines.append, lines), ATTEMPT_LIMIT)
        except OSError as error:
            if not self._is_failing:  # once, not with every attempt; the reason code alone does not say what to mend
                cause = error.strerror or f"nothing was heard of it for {ATTEMPT_LIMIT:g} s"
                log.warning("file_append_failed", destination=self.name, cause=cause)
            self._is_failing = True
            return TryAgain("io_error")
        self._is_failing = False
        return Delivered()

    async def close(self) -> None:
        """Close the file, after whatever a cancelled attempt still writes, if that ends in time."""
        if not await self._thread.end(self._lines.close, CLOSE_LIMIT):
            log.warning("file_left_open", destination=self.name)


KIND = OwnKind(
    settings=FileSettings, destination=lambda settings, _guard: FileDestination(settings), has_templates=False
)
