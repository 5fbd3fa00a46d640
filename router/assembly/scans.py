"""Scans now and then: runs `gatecrier scan` as a process of its own, by the configuration file as it is then.

Rules:
(1) The first scan begins `FIRST` seconds after the start, so that a router that is restarted again and again does
    nothing but start; the others `every` after the one before has begun, or at its end where it took longer.
(2) One at a time, and none for longer than `LONGEST`: then it is ended, as it is when we end.
(3) What the process prints for people is not kept. What it could not do stands in the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from router.scanning.settings import ScanSettings
from router.telemetry.logs import logger
from router.text import cut

log = logger()

FIRST = 300.0
"""Seconds."""
LOOK = 60.0
"""Seconds between two looks at whether scans are wanted, where none are."""
LONGEST = 6 * 3600.0
"""Seconds."""
SAID = 2000
"""Characters of what a scan complained of that stand in the log: why it has failed, or what of it is not kept."""
_FOUND = {0: "nothing would be refused", 1: "something would be refused"}
_OPEN = "it could not be told of all that runs: `gatecrier scan` says of what, and why"
_HOW_FAR = re.compile(r"\d+ of \d+ images done", re.ASCII)
"""A line about how far a scan is: it says nothing of why it failed."""

Run: TypeAlias = Callable[[Sequence[str]], Awaitable[tuple[int, str]]]
"""A command line -> its exit code, and what it said on standard error."""


class Scans:
    """Scans for ever, as long as that is wanted; `take` says by what.

    Args:
        run: Runs a command.
    """

    def __init__(self, run: Run | None = None) -> None:
        self._run = run or ended
        self._settings: ScanSettings | None = None
        self._config = ""

    def take(self, settings: ScanSettings | None, config: str) -> None:
        """Scan by this file from now on; None: not at all."""
        self._settings, self._config = settings, config

    async def run(self) -> None:
        """Scan, for ever."""
        loop = asyncio.get_running_loop()
        due = loop.time() + FIRST
        while True:
            if self._settings is None or loop.time() < due:
                await asyncio.sleep(LOOK if self._settings is None else min(LOOK, due - loop.time()))
                continue
            due = loop.time() + self._settings.every
            await self._scan()

    async def _scan(self) -> None:
        command = (sys.executable, "-m", "router", "scan", "--config", self._config)
        try:
            async with asyncio.timeout(LONGEST):
                code, said = await self._run(command)
        except (OSError, TimeoutError) as error:
            log.warning("scan_failed", cause=str(error) or f"it took more than {LONGEST:.0f} s")
            return
        lines = [line for line in said.strip().splitlines() if _HOW_FAR.fullmatch(line) is None]
        cause = cut(lines[-1], SAID) if lines else ""
        if code not in _FOUND:
            log.warning("scan_failed", code=code, cause=cause or _OPEN)
        elif cause:
            log.warning("scan_not_kept", found=_FOUND[code], cause=cause)
        else:
            log.info("scan_ended", found=_FOUND[code])


async def ended(command: Sequence[str]) -> tuple[int, str]:
    """Run a command to its end, or end it; raises OSError where it can't be run."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode or 0, said.decode(errors="replace")
