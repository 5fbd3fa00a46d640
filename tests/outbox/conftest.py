from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.outbox.sqlite import SqliteOutbox
from tests.outbox.stage import REPLICA


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
async def outbox(path: Path) -> AsyncIterator[SqliteOutbox]:
    opened = await SqliteOutbox.open(path, REPLICA)
    yield opened
    await opened.close()
