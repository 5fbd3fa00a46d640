"""A real rsyslog on free loopback ports, with a configuration of its own; what it took comes back as it read it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from router.cli.demo.world import free_port
from tests.patience import PATIENCE
from tests.simulators.certificates import SelfSigned

_DRIVERS = {"ossl": "rsyslog-openssl", "gtls": "rsyslog-gnutls"}
_MODULES = Path("/usr/lib")


def needs_rsyslog() -> None:
    """Skip a test where there is none."""
    if shutil.which("rsyslogd") is None:
        pytest.skip("rsyslogd is not installed (Debian: rsyslog)")


def tls_driver() -> str:
    """The name of a driver of TLS that is installed; skips where there is none."""
    for name in _DRIVERS:
        if any(_MODULES.glob(f"**/rsyslog/lmnsd_{name}.so")):
            return name
    return pytest.skip(f"rsyslog has no TLS here (Debian: {' or '.join(_DRIVERS.values())})")


@dataclass
class Rsyslog:
    """What it listens to, and what it has read."""

    folder: Path
    tls: SelfSigned | None = None
    asks_for_certificate: bool = False
    udp: int = 0
    tcp: int = 0
    got: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    """What it read, as its template `jsonmesg` shows it."""
    _said: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """What it says of itself."""
    _process: asyncio.subprocess.Process | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Rsyslog]:
        """Listen."""
        needs_rsyslog()
        self.udp, self.tcp = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
        server = await asyncio.start_server(self._forwarded, "127.0.0.1", 0)
        (self.folder / "rsyslog.conf").write_text(self._configuration(server.sockets[0].getsockname()[1]))
        await self._start()
        try:
            yield self
        finally:
            await self.stop()
            server.close()

    async def next(self) -> dict[str, Any]:
        """The next record that it read."""
        return await asyncio.wait_for(self.got.get(), PATIENCE)

    async def restart(self) -> None:
        """End it and start it anew, on the same ports."""
        await self.stop()
        await self._start()

    async def _start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            "rsyslogd", "-n", "-f", str(self.folder / "rsyslog.conf"), "-i", str(self.folder / "rsyslog.pid"),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        while "] start" not in await asyncio.wait_for(self._said.get(), PATIENCE):  # when it listens
            pass

    async def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def _forwarded(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            read = json.loads(line)
            if read["app-name"] == "rsyslogd":
                self._said.put_nowait(read["msg"])
            else:
                self.got.put_nowait(read)
        writer.close()

    def _configuration(self, port: int) -> str:
        lines = [
            f'global(workDirectory="{self.folder}" maxMessageSize="64k")',
            'global(processInternalMessages="on" parser.escapeControlCharactersOnReceive="off")',
        ]
        driver = ""
        if self.tls is not None:
            name = tls_driver()
            (self.folder / "rsyslog.pem").write_bytes(self.tls.certificate)
            (self.folder / "rsyslog.key").write_bytes(self.tls.key)
            lines.append(
                f'global(DefaultNetstreamDriver="{name}" DefaultNetstreamDriverCAFile="{self.folder}/rsyslog.pem" '
                f'DefaultNetstreamDriverCertFile="{self.folder}/rsyslog.pem" '
                f'DefaultNetstreamDriverKeyFile="{self.folder}/rsyslog.key")'
            )
            mode = "x509/certvalid" if self.asks_for_certificate else "anon"
            driver = f' StreamDriver.Name="{name}" StreamDriver.Mode="1" StreamDriver.AuthMode="{mode}"'
        return "\n".join(
            [
                *lines,
                f'module(load="imtcp"{driver})',
                'module(load="imudp")',
                'template(name="told" type="string" string="%jsonmesg%\\n")',
                'ruleset(name="tell") {',
                f'  action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" template="told"',
                '         StreamDriver="ptcp" StreamDriverMode="0")',
                "}",
                f'input(type="imtcp" address="127.0.0.1" port="{self.tcp}" ruleset="tell")',
                f'input(type="imudp" address="127.0.0.1" port="{self.udp}" ruleset="tell")',
                "call tell",
                "",
            ]
        )
