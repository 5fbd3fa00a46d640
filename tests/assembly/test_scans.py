"""Scans that the running product makes: when, how many at a time, and what is said where they fail."""

from __future__ import annotations

import asyncio
import io
import itertools
import sys
from collections.abc import Sequence

import pytest

from router.assembly.scans import FIRST, LONGEST, Scans, ended
from router.cli.pages import Progress
from router.scanning.settings import ScanSettings
from tests.simulators.log import Log
from tests.simulators.virtual_time import virtually


class Program:
    """What is run: takes its time, and ends as it is told."""

    def __init__(self, code: int = 0, said: str = "", seconds: float = 10.0) -> None:
        self.code, self.said, self.seconds = code, said, seconds
        self.begun: list[float] = []
        self.commands: list[Sequence[str]] = []

    async def __call__(self, command: Sequence[str]) -> tuple[int, str]:
        """Run."""
        self.begun.append(asyncio.get_running_loop().time())
        self.commands.append(command)
        await asyncio.sleep(self.seconds)
        return self.code, self.said


async def scanning(program: Program, settings: ScanSettings | None, seconds: float) -> float:
    """Scan for so long; returns when that began."""
    scans = Scans(program)
    scans.take(settings, "/etc/g.yaml")
    task = asyncio.create_task(scans.run())
    begin = asyncio.get_running_loop().time()
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return begin


def test_the_first_scan_is_soon_and_the_others_are_as_far_apart_as_is_wanted() -> None:
    program = Program()
    begin = virtually(scanning(program, ScanSettings(every=3600.0), 10_000.0))

    assert [at - begin for at in program.begun] == [FIRST, FIRST + 3600.0, FIRST + 7200.0]
    assert program.commands[0][1:] == ("-m", "router", "scan", "--config", "/etc/g.yaml")


def test_there_is_one_at_a_time_and_none_for_ever(log: Log) -> None:
    program = Program(seconds=10 * LONGEST)
    virtually(scanning(program, ScanSettings(every=60.0), 2.5 * LONGEST))

    assert len(program.begun) == 3
    assert [one["event"] for one in log.named("scan_failed")] == ["scan_failed"] * 2


def test_where_none_is_wanted_none_is_made() -> None:
    program = Program()
    virtually(scanning(program, None, 100_000.0))

    assert program.begun == []


@pytest.mark.parametrize(
    ("code", "said", "event"),
    [
        (0, "", "scan_ended"),
        (1, "3 of 9 images done", "scan_ended"),
        (1, "3 of 9 images done\nnothing is kept of it: the disk is full", "scan_not_kept"),
        (3, "why", "scan_failed"),
    ],
)
def test_what_became_of_it_stands_in_the_log(log: Log, code: int, said: str, event: str) -> None:
    virtually(scanning(Program(code, said), ScanSettings(), 1000.0))

    assert len(log.named(event)) == 1


@pytest.mark.parametrize(("said", "cause"), [("", "could not be told"), ("no access\n", "no access")])
def test_how_far_a_scan_was_is_not_why_it_failed(log: Log, said: str, cause: str) -> None:
    progress = io.StringIO()
    passing = itertools.count(0.0, 1000.0)
    Progress(500, "images", progress, now=lambda: next(passing)).done(480)
    assert "480" in progress.getvalue()
    virtually(scanning(Program(3, said + progress.getvalue()), ScanSettings(), 1000.0))

    (one,) = log.named("scan_failed")
    assert cause in one["cause"]


async def test_a_program_is_run_to_its_end_and_heard() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"

    assert await ended((sys.executable, "-c", code)) == (3, "err\n")


async def test_a_program_that_is_not_waited_for_is_ended() -> None:
    task = asyncio.create_task(ended((sys.executable, "-c", "import time; time.sleep(600)")))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
