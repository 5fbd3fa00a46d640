"""The real Alertmanager on a free loopback port, by itself, and what it has: no simulation.

It keeps alerts in memory and notifies nobody.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE

_LISTENING = re.compile(r'msg="Listening on" address=(127\.0\.0\.1:[0-9]+)')
_CONFIGURATION = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


@dataclass(frozen=True)
class Alertmanager:
    """One replica."""

    host: str
    """With its port."""

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self.host}"

    def active(self, **labels: str) -> list[dict[str, Any]]:
        """The alerts that fire now and have these labels."""
        _, found = self._asked("GET", "/api/v2/alerts")
        return [one for one in json.loads(found) if labels.items() <= one["labels"].items()]

    async def until(self, count: int, **labels: str) -> list[dict[str, Any]]:
        """The same, as soon as there are so many."""
        async with asyncio.timeout(PATIENCE):
            asked = partial(self.active, **labels)
            while len(found := await asyncio.to_thread(asked)) != count:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)
        return found

    def refusal(self, body: bytes) -> str:
        """What it says against some alerts; empty where it takes them."""
        status, said = self._asked("POST", "/api/v2/alerts", body)
        return "" if status == http.client.OK else f"{status} {said.decode()}"

    def _asked(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.host, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()


@pytest.fixture(scope="session")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    """One that every test of a session uses: each asks for its own labels."""
    with started(tmp_path_factory.mktemp("alertmanager")) as one:
        yield one


@contextmanager
def started(folder: Path) -> Iterator[Alertmanager]:
    """One of its own, which keeps its files there."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip("Alertmanager is not installed (Debian: apt-get install prometheus-alertmanager)")
    (folder / "config.yml").write_text(_CONFIGURATION)
    options = {
        "config.file": folder / "config.yml",
        "storage.path": folder / "data",
        "web.listen-address": "127.0.0.1:0",
        "cluster.listen-address": "",
    }
    command = [program, *(f"--{name}={value}" for name, value in options.items())]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        draining = threading.Thread(target=process.stderr.read, daemon=True)
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                if (found := _LISTENING.search(line)) is not None:
                    break
            else:
                raise AssertionError(f"Alertmanager does not start: {said}")
            draining.start()
            yield Alertmanager(found[1])
        finally:
            process.terminate()
            process.wait()
            if draining.ident is not None:
                draining.join()
