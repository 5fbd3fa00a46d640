"""What destinations answered when they were told of incidents, so that the next message can refer to it.

Rules:
(1) A receipt is kept in the transaction that settles its delivery: after a crash either both are known or none, and
    then the message is sent again, and its new receipt counts.
(2) There is one for each incident and destination. It goes with the incident, and nothing is kept for one that has been
    forgotten meanwhile.
(3) It is the destination's own text, which nobody else reads. One that is longer than `RECEIPT_LIMIT` is not kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import orjson

from router.outbox.settlement import RECEIPT_LIMIT


def keep(connection: sqlite3.Connection, rows: Sequence[Sequence[object]]) -> None:
    """Keep the receipts of settlements: destination, number of the message, receipt."""
    connection.execute(_KEEP, (orjson.dumps(rows).decode(),))


_KEEP = f"""
    INSERT INTO incident_receipts (incident, destination, receipt, sequence)
    SELECT incident, destination, receipt, sequence FROM (
        SELECT value ->> 0 AS destination, value ->> 1 AS sequence, value ->> 2 AS receipt FROM json_each(?)
        WHERE length(value ->> 2) <= {RECEIPT_LIMIT}
    ) JOIN deliveries USING (destination, sequence)
    WHERE incident IN (SELECT number FROM incidents)
    ON CONFLICT DO UPDATE SET receipt = excluded.receipt, sequence = max(sequence, excluded.sequence)
"""  # noqa: S608 - a number of our own
