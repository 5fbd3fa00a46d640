"""The tables of the SQLite outbox, their versions, and opening a file with all that must hold.

Rules:
(1) `PRAGMA user_version` is the version of the tables. Each migration brings the file one version further, in a
    transaction of its own. A file of a newer version is refused, not guessed at.
(2) Write-ahead log with `synchronous=FULL`: a commit returns when the log is flushed (SQLite, "PRAGMA synchronous"),
    and a torn write at its end is cut off when the file is opened again ("WAL-mode File Format", clause 4.1).
(3) A file that fails the integrity check is left as it is; the error says how to go on.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from router.errors import OutboxError

MIGRATIONS = (
    """
    CREATE TABLE events (
        sequence    INTEGER PRIMARY KEY,
        id          TEXT NOT NULL UNIQUE,
        appended_at REAL NOT NULL,
        body        BLOB NOT NULL
    );
    CREATE TABLE deliveries (
        destination      TEXT NOT NULL,
        sequence         INTEGER NOT NULL REFERENCES events (sequence),
        state            TEXT NOT NULL,
        attempts         INTEGER NOT NULL,
        due_at           REAL NOT NULL,
        first_attempt_at REAL,
        settled_at       REAL,
        reason           TEXT NOT NULL,
        PRIMARY KEY (sequence, destination)
    ) WITHOUT ROWID;
    CREATE INDEX pending ON deliveries (destination, due_at, sequence) WHERE state = 'pending';
    CREATE INDEX set_aside ON deliveries (destination, sequence) WHERE state = 'set_aside';
    CREATE TABLE numbering (last INTEGER NOT NULL);
    INSERT INTO numbering VALUES (0);
    """,
)
"""What brings a file from version n to n + 1."""

CHECKPOINT_PAGES = 4000
"""Pages of the log after which they are moved into the file: 16 MiB."""


def connect(path: Path, *, busy: float = 10.0) -> sqlite3.Connection:
    """A connection with the settings that every one must have; `busy` is how long it waits for another process.

    Raises:
        OutboxError: The file can't be opened.
    """
    try:
        connection = sqlite3.connect(
            path, timeout=busy, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.Error as error:
        raise OutboxError(_advice(path, error)) from error
    return connection


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Check the file and bring its tables up to date.

    Raises:
        OutboxError: It is damaged, of a newer version, or can't be written.
    """
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise OutboxError(_damaged(path, str(found)))
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise OutboxError(
                f"the outbox {path} is of version {version}, this release knows {len(MIGRATIONS)}; "
                "start the newer release again, or name another file in outbox.url"
            )
        for number, migration in enumerate(MIGRATIONS[version:], version + 1):
            connection.executescript(f"BEGIN IMMEDIATE; {migration}; PRAGMA user_version = {number}; COMMIT;")
    except sqlite3.Error as error:
        raise OutboxError(_advice(path, error)) from error


def _advice(path: Path, error: sqlite3.Error) -> str:
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return _damaged(path, str(error))
    if not path.parent.is_dir():
        return f"the outbox {path} can't be opened: there is no folder {path.parent}; make it, or change outbox.url"
    return f"the outbox {path} can't be opened: {error}; is its folder writable for this user?"


def _damaged(path: Path, found: str) -> str:
    return (
        f"the outbox {path} is damaged ({found}). Nothing was changed. Move it aside and start again; what was "
        f"undelivered can be read with: sqlite3 {path} .recover"
    )
