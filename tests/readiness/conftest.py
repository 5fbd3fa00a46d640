from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.readiness.stage import Ledger


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "outbox.db")
    yield made
    made.close()
