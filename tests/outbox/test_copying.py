"""The backup of the documentation is one."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from router.outbox.sqlite import SqliteOutbox
from tests.outbox.stage import REPLICA, new

UPKEEP = Path(__file__).resolve().parents[2] / "docs" / "upkeep.md"


async def test_a_copy_by_the_documentation_is_whole_while_everything_goes_on(tmp_path: Path) -> None:
    (script,) = re.findall(r'python -c "\n(.*?)"\n', UPKEEP.read_text(), re.DOTALL)
    outbox = await SqliteOutbox.open(tmp_path / "outbox.db", REPLICA)
    await outbox.append(new("e1"))
    command = [sys.executable, "-c", script.replace("/var/lib/gatecrier", str(tmp_path))]
    await asyncio.to_thread(subprocess.run, command, check=True, timeout=60)
    await outbox.append(new("e2"))
    await outbox.close()

    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT id FROM events").fetchall() == [("e1",)]
