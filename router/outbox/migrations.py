"""What brings the tables of the SQLite outbox from each version to the next; what they hold, `schema` says."""

from __future__ import annotations

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
    CREATE TABLE exempt_images (
        pattern TEXT NOT NULL, namespace TEXT NOT NULL, owner TEXT NOT NULL, image TEXT NOT NULL,
        found TEXT NOT NULL, last_at REAL NOT NULL, PRIMARY KEY (pattern, namespace, owner, image)
    ) WITHOUT ROWID;
    CREATE INDEX exempt_images_by_time ON exempt_images (pattern, namespace, last_at);
    CREATE TABLE grants (id TEXT PRIMARY KEY, namespace TEXT NOT NULL, until REAL NOT NULL, body TEXT NOT NULL);
    CREATE INDEX grants_of_namespace ON grants (namespace, until);
    CREATE TABLE told_exemptions (
        exemption TEXT NOT NULL, until REAL NOT NULL, state TEXT NOT NULL, PRIMARY KEY (exemption, until, state)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE incident_progress ADD COLUMN collected INTEGER NOT NULL DEFAULT -2251799813685248;
    ALTER TABLE incident_progress ADD COLUMN collected_consumed INTEGER NOT NULL DEFAULT -2251799813685248;
    ALTER TABLE incident_progress ADD COLUMN offered INTEGER NOT NULL DEFAULT 0;
    """,
    """
    CREATE TABLE seen_namespaces (
        namespace     TEXT PRIMARY KEY,
        mode          TEXT NOT NULL,
        first_at      REAL NOT NULL,
        last_at       REAL NOT NULL,
        images        INTEGER NOT NULL DEFAULT 0,
        overflowed_at REAL,
        state         TEXT NOT NULL DEFAULT '',
        scanned_at    REAL,
        pods          INTEGER NOT NULL DEFAULT 0,
        unknown_pods  INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE seen_days (
        namespace TEXT NOT NULL, day INTEGER NOT NULL, requests INTEGER NOT NULL, would_reject INTEGER NOT NULL,
        PRIMARY KEY (namespace, day)
    ) WITHOUT ROWID;
    CREATE TABLE seen_images (
        namespace TEXT NOT NULL,
        key       BLOB NOT NULL,
        owner     BLOB NOT NULL,
        kinds     TEXT NOT NULL,
        standing  TEXT NOT NULL,
        is_open   INTEGER NOT NULL,
        first_at  REAL NOT NULL,
        last_at   REAL NOT NULL,
        times     INTEGER NOT NULL,
        rejected  INTEGER NOT NULL,
        PRIMARY KEY (namespace, key)
    ) WITHOUT ROWID;
    CREATE TABLE seen_bodies (
        namespace TEXT NOT NULL, key BLOB NOT NULL, body BLOB NOT NULL, PRIMARY KEY (namespace, key)
    );
    CREATE INDEX open_images ON seen_images (namespace, owner, standing, last_at) WHERE is_open;
    CREATE TABLE told_findings (id TEXT PRIMARY KEY, day INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE watching (began_at REAL NOT NULL, beat_at REAL NOT NULL, gaps TEXT NOT NULL);
    """,
    """
    ALTER TABLE watching ADD COLUMN replica TEXT NOT NULL DEFAULT '';
    CREATE UNIQUE INDEX watching_replicas ON watching (replica);
    """,
    "CREATE TABLE decisions (count INTEGER NOT NULL); INSERT INTO decisions VALUES (0);",
)
"""What brings a file from version n to n + 1, without rewriting rows: a file may hold a million of them."""
