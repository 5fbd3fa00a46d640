"""Cross-check: no destination writes to a file that Gatecrier itself reads or keeps.

Compared are the names that links lead to, and, of files that are there, what tells them apart on their disk, so that
neither a symbolic nor a hard link hides one. What stands beside the outbox does so where a link to it stands, and where
that leads to. What was read with the configuration is what it needs (`snapshot`).
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from router.outbox.damage import real
from router.replicas.naming import identity_file
from router.settings.problems import ConfigurationFinding
from router.settings.sections import Ours, TellingItems
from router.settings.snapshot import Reading
from router.text import shown

BESIDE_THE_OUTBOX = ("", "-wal", "-shm", "-journal", ".lock", "-reserve")
"""Endings of the files that an outbox consists of (SQLite, "Temporary Files Used By SQLite")."""


def overwritten(ours: Ours, telling: TellingItems, reading: Reading) -> Iterator[ConfigurationFinding]:
    """Destinations that would write into one of our own files."""
    own: dict[object, str] = {}
    for path, what in _own(ours, reading):
        for mark in _marks(path):
            own.setdefault(mark, what)
    templates = None if telling.templates is None else real(telling.templates)
    for item in telling.destinations:
        written = None if item.value is None else item.value.written
        if written is None:
            continue
        key, path = written
        found = next((own[mark] for mark in _marks(path) if mark in own), None)
        if found is None and templates is not None and real(path).parent == templates:
            found = "in the folder of templates"
        if found is not None:
            name = path.relative_to(reading.folder) if path.is_relative_to(reading.folder) else path
            text = f"{shown(str(name))} is {found}, which would be overwritten; name a file that nothing else uses"
            yield ConfigurationFinding(("destinations", item.index, key), text)


def _own(ours: Ours, reading: Reading) -> Iterator[tuple[Path | int, str]]:
    yield reading.path, "the configuration itself"
    if ours.outbox is not None:
        outbox = ours.outbox.path
        for file in (outbox, real(outbox)):
            for ending in BESIDE_THE_OUTBOX:
                yield file.with_name(file.name + ending), "the outbox" if not ending else "a part of the outbox"
        yield identity_file(outbox), "what other replicas know this one by"
    for watched in reading.watched:
        yield watched, "a file that the configuration names"
    with suppress(OSError, ValueError, AttributeError):  # there may be no standard error
        log = sys.stderr.fileno()
        if stat.S_ISREG(os.fstat(log).st_mode):
            yield log, "the log"


def _marks(file: Path | int) -> Iterator[object]:
    """What tells a file, by its path or its descriptor, from all others: its name, and its place on a disk."""
    if isinstance(file, Path):
        yield real(file)
    with suppress(OSError, ValueError):  # it is not there
        found = os.stat(file)  # noqa: PTH116 - of a descriptor, too
        yield found.st_dev, found.st_ino
