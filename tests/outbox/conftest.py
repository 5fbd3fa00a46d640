from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.outbox.sqlite import SqliteOutbox
from router.outbox.statements import Change
from tests.outbox import tables
from tests.outbox.stage import REPLICA


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
async def outbox(path: Path) -> AsyncIterator[SqliteOutbox]:
    tables.prepare(path)
    opened = await SqliteOutbox.open(path, REPLICA)
    await opened._file.write(Change(lambda _: 0))  # what it writes when it is opened is done
    yield opened
    await opened.close()
