from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import pytest

from router.outbox import DeliverySelection
from router.outbox.migrations import MIGRATIONS
from router.outbox.records import beside
from router.outbox.retention import Retention
from tests.assembly.small import Place
from tests.patience import PATIENCE


async def test_nobody_waits_for_what_waits_to_be_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To count a million deliveries took longer than all the rest of the start."""
    counting = asyncio.Event()

    async def counts_for_ever(_: Retention, _destinations: Collection[str]) -> None:
        counting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Retention, "notice_removed", counts_for_ever)
    place = Place(tmp_path)
    async with asyncio.timeout(PATIENCE), place.running():
        await counting.wait()
        ready, _ = await place.probe("readyz")

    assert ready == 200


async def test_what_an_older_release_has_stored_gets_its_severity_while_it_runs(tmp_path: Path) -> None:
    place, path = Place(tmp_path), tmp_path / "outbox.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(";".join(MIGRATIONS[:3]))
        connection.executescript("""
            PRAGMA user_version = 3;
            INSERT INTO events VALUES (1, 'old', 5.0, '{"data":{"decision":{"severity":"high"}}}', 'r', 0);
            INSERT INTO deliveries VALUES ('away', 1, 'pending', 0, 5.0, NULL, NULL, '');
            UPDATE numbering SET last = 1;
        """)
    async with place.running():
        command = await beside(path)
        async with asyncio.timeout(PATIENCE):
            while (await command.deliveries(DeliverySelection(), 1))[0].severity != "high":  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.01)
        await command.close()
