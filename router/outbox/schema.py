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
    decisions   count: how often a person has decided something, by which its owner tells that from other changes

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
    exempt_images       pattern (of an exemption), namespace, owner, image, found (its true verdict), last_at
    grants              id (of the event that made it), namespace, until (time of day), body: what break-glass lets in
    told_exemptions     exemption, until, state: which ends of exemptions were told

What `router.readiness` keeps stands in `seen_namespaces`, `seen_days`, `seen_images` and `watching`
(`readiness.ledger`).

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
from router.outbox.migrations import MIGRATIONS

MESSAGES_BEGIN, MESSAGES_END = -(2**52), 0
"""Message n has the number MESSAGES_BEGIN + n: exact in JSON, in the order of appending, and apart from decisions."""
COLLECTED_BEGIN = -(2**51)
"""The event that was collected as the nth has the number COLLECTED_BEGIN + n: apart from messages, too."""
CHECKPOINT_PAGES = 4000
"""Pages of the log after which they are moved into the file: 16 MiB."""


PATIENCE = 10.0
"""Seconds that a connection waits for another to leave the file."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection with the settings that every one must have.

    It waits for others already here: whoever closes the file just now has it to himself for a moment.

    Raises:
        OutboxError: The file can't be opened.
    """
    connection = None
    try:
        connection = sqlite3.connect(
            path, timeout=PATIENCE, isolation_level=None, check_same_thread=False, cached_statements=512
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
