"""The file of an outbox in which nothing is: made by the product once, and copied from then on.

Its tables are made by a dozen migrations, each in a transaction of its own, which was most of what short stories
took. That they are made, also in a file of an older release, is claimed by `test_schema.py`.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from router.outbox import schema


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outbox.db"
        schema.prepare(path)  # whose connection was the last: the whole log was moved into the file
        return path.read_bytes()


def prepare(path: Path) -> None:
    """Do what `schema.prepare` does with a file that is not there; one that is stays as it is."""
    if not path.exists():
        path.write_bytes(_empty())
