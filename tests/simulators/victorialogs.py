"""The real VictoriaLogs on free loopback ports, and what it has: no simulation.

One Go program that takes Elasticsearch's bulk, Splunk's HEC, Datadog's logs, OTLP and syslog, of which it reads CEF,
and can be asked for all of it.
It differs from those services in its paths, and takes less of what Datadog takes: `passing_on` bridges that, and so it
does that OTLP is taken as protobuf only, which we do not send.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from router.cli.demo.world import free_port
from tests.patience import PATIENCE
from tests.simulators.sinks import Receipt, answer

PROGRAM = "victoria-logs"
_HOW = "go install github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs@v1.52.2"
_BUILT = Path.home() / ".cache" / "gatecrier-kube"
"""Where `.ci/run` has it built."""
NOTHING_ELSE: Mapping[str, str] = {}
_TAKEN = "Content-Type", "Content-Encoding", "Authorization"


@dataclass(frozen=True)
class VictoriaLogs:
    """One that runs."""

    port: int
    syslog: int
    """Where it takes syslog by TCP."""

    def found(self, query: str) -> list[dict[str, Any]]:
        """The records that a query of LogsQL finds, once all that was taken can be."""
        self._asked("GET", "/internal/force_flush")
        _, said = self._asked("GET", f"/select/logsql/query?{urlencode({'query': query})}")
        return [json.loads(line) for line in said.splitlines()]

    async def until(self, query: str, count: int) -> list[dict[str, Any]]:
        """The same, as soon as there are so many: syslog has no receipt."""
        async with asyncio.timeout(PATIENCE):
            while len(found := await asyncio.to_thread(self.found, query)) < count:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.02)
        return found

    def passing_on(
        self, path: str, mended: Callable[[bytes], bytes] = lambda body: body, said: Mapping[str, str] = NOTHING_ELSE
    ) -> Callable[[Receipt], bytes]:
        """What a receiver does that hands every request over at this path, and answers as VictoriaLogs does."""

        def behave(receipt: Receipt) -> bytes:
            taken = {name: receipt.headers[name.lower()] for name in _TAKEN if name.lower() in receipt.headers}
            headers = {**taken, **said}
            body = mended(receipt.body)
            packed = gzip.compress(body) if headers.get("Content-Encoding") == "gzip" else body
            status, text = self._asked("POST", path, packed, headers)
            return answer(f"{status} {http.client.responses[status]}", text)

        return behave

    def _asked(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, reply.read()


@pytest.fixture(scope="session")
def victorialogs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaLogs]:
    """One that every test of a session uses: each asks for its own ids."""
    program = shutil.which(PROGRAM) or shutil.which(PROGRAM, path=_BUILT)
    if program is None:
        pytest.skip(f"{PROGRAM} is not on PATH ({_HOW})")
    folder: Path = tmp_path_factory.mktemp("victorialogs")
    made = VictoriaLogs(free_port(), free_port())
    options = {
        "httpListenAddr": f"127.0.0.1:{made.port}",
        "storageDataPath": folder,
        "syslog.listenAddr.tcp": f"127.0.0.1:{made.syslog}",
        "memory.allowedBytes": "64MiB",
        "retentionPeriod": "100y",
        "futureRetention": "100y",
    }
    command = [program, *(f"-{name}={value}" for name, value in options.items())]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _until_there(process, made.port)
            yield made
        finally:
            process.terminate()
            process.wait()


def _until_there(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(1000):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert process.poll() is None, f"{PROGRAM} does not start"
        time.sleep(0.02)  # another process: nothing tells when it listens
    raise AssertionError(f"{PROGRAM} does not listen")
