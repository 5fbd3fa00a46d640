"""The tables of the SQLite outbox, their versions, and opening a file with all that must hold.

    events      sequence, key (what it is found by: `queries.key`), appended_at, body, replica, is_repeated; id, of key
    deliveries  destination, sequence, state, attempts, due_at, first_attempt_at, settled_at, reason, and
                urgency   0 critical .. 3 info; medium where an older release stored it
                words     what the receiver said when it last refused or failed
                refusals  how often it was refused here while others were taken afterwards
                refused_at, kept_since    when it was refused last, if that was its last attempt; when it was settled
                template  the name of what it is rendered with; empty where the destination's own is meant
                tried     its attempts, as far as they are kept: one JSON text (`attempt`)
                incident  the number of the incident that it tells of; NULL for everything else
    own_time    the outbox's own time (`own_time`) and the time of day when that was last saved

`events.incident_routes` is what the routes of the incidents lane said of an event when it was decided
(`routing.incident_routes`), empty where none took it. Messages about incidents stand in `events` and `deliveries`, too,
under numbers of their own, which are below `MESSAGES_END` and count up, so that those of decisions have no gap. So do
events that were collected from other replicas (`collected`), from `COLLECTED_BEGIN` on; nobody is to receive them here.

What `router.incidents` keeps, in the same file, since a message is appended in the transaction that consumes its event:

    incident_progress   one row: consumed (the number of the last event, NULL before the first look), and the last
                        numbers of messages and incidents; of collected events the last, and the last consumed;
                        offered: the last event that another replica may have been told
    incidents           number, id, subject (whose trouble: `incidents.subjects`), namespace, is_open, opened_at,
                        ended_at, due_at (when it changes without an event), body (the whole: `incidents.incident`)
    incident_owners     owner, incident: open incidents in which this owner has failing findings
    incident_events     event, incident, outcome: which events an incident has counted
    seen_controllers    namespace, uid, body, seen_at: which owner objects led to, when they were seen
    silences            id, author, reason, matchers (JSON), created_at, ends_at, ended_by, is_over, matched_at,
                        suppressed, unmatched_told
    held_back           source (a silence's id, intervals, or a period of a rate), destination, incident, events
    sent_messages       destination, period, namespace, messages: how far a destination's rate is used up
    incident_receipts   incident, destination, receipt, sequence: what a destination answered when it was told of an
                        incident, and the last message that it has taken; as long as the incident

`opened_at`, `ended_at`, `due_at` and `seen_at` are of the own time, those of silences of the time of day.

`due_at`, `first_attempt_at`, `refused_at` and `kept_since` are of the outbox's own time; `appended_at` and `settled_at`
are of the time of day, for people.

Rules:
(1) `PRAGMA user_version` is the version of the tables. Each migration brings the file one version further, in a
    transaction of its own. A file of a newer version is refused, not guessed at. Only the owner migrates.
(2) Write-ahead log with `synchronous=FULL`: a commit returns when the log is flushed (SQLite, "PRAGMA synchronous"; the
    writer does without where that may wait),
    and a torn write at its end is cut off when the file is opened again ("WAL-mode File Format", clause 4.1).
(3) What is damaged is found by `replacing`, and moved aside. Space that was freed can be given back to the disk
    (`auto_vacuum`), in a file that was made by a release that does so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from router.errors import OutboxError
from router.outbox import own_time
from router.outbox.damage import DamagedError, is_damage

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
    "CREATE INDEX stored ON events (appended_at);",
    """
    ALTER TABLE events ADD COLUMN replica TEXT NOT NULL DEFAULT '';
    ALTER TABLE events ADD COLUMN is_repeated INTEGER NOT NULL DEFAULT 0;
    """,
    """
    ALTER TABLE events RENAME COLUMN id TO key;
    ALTER TABLE events ADD COLUMN id TEXT GENERATED ALWAYS AS
        (CASE WHEN key >= '~' THEN substr(key, 11) ELSE key END) VIRTUAL;
    ALTER TABLE deliveries ADD COLUMN urgency INTEGER NOT NULL DEFAULT 2;
    ALTER TABLE deliveries ADD COLUMN words TEXT NOT NULL DEFAULT '';
    ALTER TABLE deliveries ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE deliveries ADD COLUMN refused_at REAL;
    ALTER TABLE deliveries ADD COLUMN kept_since REAL;
    DROP INDEX pending;
    CREATE INDEX untried ON deliveries (destination, urgency, sequence) WHERE state = 'pending' AND attempts = 0;
    CREATE INDEX again ON deliveries (destination, urgency, due_at) WHERE state = 'pending' AND attempts > 0;
    CREATE TABLE removed_destinations (name TEXT PRIMARY KEY, since REAL NOT NULL);
    CREATE TABLE own_time (now REAL NOT NULL, time_of_day REAL NOT NULL);
    """,
    """
    ALTER TABLE events ADD COLUMN incident_routes TEXT NOT NULL DEFAULT '';
    ALTER TABLE deliveries ADD COLUMN template TEXT NOT NULL DEFAULT '';
    CREATE TABLE incident_progress (consumed INTEGER, messages INTEGER NOT NULL, incidents INTEGER NOT NULL);
    INSERT INTO incident_progress VALUES (NULL, 0, 0);
    CREATE TABLE incidents (
        number    INTEGER PRIMARY KEY,
        id        TEXT NOT NULL UNIQUE,
        subject   TEXT NOT NULL,
        namespace TEXT NOT NULL,
        is_open   INTEGER NOT NULL,
        opened_at REAL NOT NULL,
        ended_at  REAL,
        due_at    REAL,
        body      TEXT NOT NULL
    );
    CREATE UNIQUE INDEX open_incidents ON incidents (subject) WHERE is_open;
    CREATE INDEX ended_incidents ON incidents (subject, number) WHERE NOT is_open;
    CREATE INDEX old_incidents ON incidents (ended_at) WHERE NOT is_open;
    CREATE INDEX incidents_of_namespace ON incidents (namespace) WHERE is_open;
    CREATE INDEX due_incidents ON incidents (due_at) WHERE due_at IS NOT NULL;
    CREATE TABLE incident_owners (
        owner TEXT NOT NULL, incident INTEGER NOT NULL, PRIMARY KEY (owner, incident)
    ) WITHOUT ROWID;
    CREATE INDEX owners_of_incident ON incident_owners (incident);
    CREATE TABLE incident_events (
        event TEXT NOT NULL, incident INTEGER NOT NULL, outcome TEXT NOT NULL, PRIMARY KEY (event, incident)
    ) WITHOUT ROWID;
    CREATE INDEX events_of_incident ON incident_events (incident);
    CREATE TABLE seen_controllers (
        namespace TEXT NOT NULL, uid TEXT NOT NULL, body TEXT NOT NULL, seen_at REAL NOT NULL,
        PRIMARY KEY (namespace, uid)
    ) WITHOUT ROWID;
    CREATE TABLE silences (
        id         TEXT PRIMARY KEY,
        author     TEXT NOT NULL,
        reason     TEXT NOT NULL,
        matchers   TEXT NOT NULL,
        created_at REAL NOT NULL,
        ends_at    REAL NOT NULL,
        ended_by   TEXT NOT NULL DEFAULT '',
        is_over    INTEGER NOT NULL DEFAULT 0,
        matched_at REAL,
        suppressed INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE held_back (
        source TEXT NOT NULL, destination TEXT NOT NULL, incident INTEGER NOT NULL, events INTEGER NOT NULL,
        PRIMARY KEY (source, destination, incident)
    ) WITHOUT ROWID;
    """,
    "ALTER TABLE deliveries ADD COLUMN tried TEXT NOT NULL DEFAULT '[]';",
    """
    CREATE TABLE sent_messages (
        destination TEXT NOT NULL, period TEXT NOT NULL, namespace TEXT NOT NULL, messages INTEGER NOT NULL,
        PRIMARY KEY (destination, period, namespace)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE deliveries ADD COLUMN incident INTEGER;
    CREATE INDEX pending_of_incident ON deliveries (destination, incident, sequence)
        WHERE state = 'pending' AND incident IS NOT NULL;
    CREATE TABLE incident_receipts (
        incident INTEGER NOT NULL, destination TEXT NOT NULL, receipt TEXT NOT NULL, sequence INTEGER NOT NULL,
        PRIMARY KEY (incident, destination)
    ) WITHOUT ROWID;
    ALTER TABLE silences ADD COLUMN unmatched_told REAL;
    CREATE TABLE proven_images (
        name BLOB NOT NULL, namespace TEXT NOT NULL, proven_at REAL NOT NULL, PRIMARY KEY (name, namespace)
    ) WITHOUT ROWID;
    CREATE INDEX proven_images_of_namespace ON proven_images (namespace, proven_at);
    """,
    """
    ALTER TABLE incident_progress ADD COLUMN collected INTEGER NOT NULL DEFAULT -2251799813685248;
    ALTER TABLE incident_progress ADD COLUMN collected_consumed INTEGER NOT NULL DEFAULT -2251799813685248;
    ALTER TABLE incident_progress ADD COLUMN offered INTEGER NOT NULL DEFAULT 0;
    """,
)
"""What brings a file from version n to n + 1, without rewriting rows: a file may hold a million of them."""

MESSAGES_BEGIN, MESSAGES_END = -(2**52), 0
"""Message n has the number MESSAGES_BEGIN + n: exact in JSON, in the order of appending, and apart from decisions."""
COLLECTED_BEGIN = -(2**51)
"""The event that was collected as the nth has the number COLLECTED_BEGIN + n: apart from messages, too."""
CHECKPOINT_PAGES = 4000
"""Pages of the log after which they are moved into the file: 16 MiB."""


def connect(path: Path, *, busy: float = 10.0) -> sqlite3.Connection:
    """A connection with the settings that every one must have; `busy` is how long it waits for another process.

    Raises:
        OutboxError: The file can't be opened.
    """
    connection = None
    try:
        connection = sqlite3.connect(
            path, timeout=busy, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        if not (path.exists() and path.stat().st_size):  # later it would be of no effect, but written all the same
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise trouble(path, error) from error
    return connection


def prepare(path: Path) -> None:
    """Make the file, or bring its tables up to date; only for the owner. What it holds is not checked.

    Raises:
        DamagedError: It is no file of SQLite's.
        OutboxError: It is of a newer version, of another program, or can't be written.
    """
    with closing(connect(path)) as connection, _told(path):
        version = _version(connection, path)
        if version == 0 and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            raise OutboxError(f"{path} holds the tables of another program; name another file in outbox.url")
        for number, migration in enumerate(MIGRATIONS[version:], version + 1):
            connection.executescript(f"BEGIN IMMEDIATE; {migration}; PRAGMA user_version = {number}; COMMIT;")


@contextmanager
def recovered(path: Path) -> Iterator[int]:
    """How many frames of the log SQLite knows of; the log stays where it is until the end of the context.

    Raises:
        OutboxError: The file can't be opened, or is none of SQLite's.
    """
    with closing(connect(path)) as connection, _told(path):
        _, frames, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        yield max(0, int(frames))


def resumed(path: Path, time_of_day: float) -> float:
    """The outbox's own time, as it goes on now; raises OutboxError."""
    with closing(connect(path)) as connection, _told(path):
        saved = connection.execute("SELECT now, time_of_day FROM own_time").fetchone()
        return own_time.resumed(saved, time_of_day)


def expect_current(path: Path) -> None:
    """See that the tables are those of this release; changes nothing.

    Raises:
        OutboxError: They are older or newer, or the file can't be read.
    """
    with closing(connect(path)) as connection, _told(path):
        if (version := _version(connection, path)) < len(MIGRATIONS):
            raise OutboxError(
                f"the outbox {path} is of version {version}, this release knows {len(MIGRATIONS)}; "
                "the router brings it up to date when it starts"
            )


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(MIGRATIONS):
        raise OutboxError(
            f"the outbox {path} is of version {version}, this release knows {len(MIGRATIONS)}; "
            "start the newer release again, or name another file in outbox.url"
        )
    return version


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise trouble(path, error) from error


def trouble(path: Path, error: sqlite3.Error) -> OutboxError:
    """What SQLite suffers from, with its remedy."""
    text = str(error)
    if is_damage(error):
        return DamagedError(_damaged(path, text))
    if not path.parent.is_dir():
        return OutboxError(
            f"the outbox {path} can't be opened: there is no folder {path.parent}; make it, or change outbox.url"
        )
    if "locked" in text:
        return OutboxError(f"the outbox {path} is held by another program ({text}); end that program, then try again")
    return OutboxError(f"the outbox {path} can't be used: {text}; are it and its folder writable for this user?")


def _damaged(path: Path, found: str) -> str:
    return (
        f"the outbox {path} is damaged ({found}). Nothing was changed. Move it aside together with {path.name}-wal and "
        f"start again; what was undelivered can be read with: sqlite3 {path.name} .recover"
    )
