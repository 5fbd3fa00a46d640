"""What a node does, where there is none: a process for each Pod of ours, and a Service that leads to the ready ones.

A Pod runs by what the ConfigMap says when it starts; only places are others than in a container: ports of loopback,
and a folder for its volume, which outlives it. A Pod in whose place is another one is told to end, and leaves the
Service as it is told; the new one starts when the old one has ended, and is in the Service, and ready at the API
server, when it says so itself. Which Pods there are, and which is replaced when, is decided by the real controllers.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import yaml

from router.cli.demo.world import free_port
from tests.assembly.program import Served, served
from tests.assembly.small import Place
from tests.chart.asking import going_on
from tests.chart.cluster import Cluster, Json
from tests.chart.hurried import HOSTS
from tests.chart.later import CLOCK, Clock
from tests.simulators.kube_apiserver import ApiServer

PODS = "/api/v1/namespaces/gatecrier/pods"
SET = "/apis/apps/v1/namespaces/gatecrier/statefulsets/gatecrier"
CONFIG = "/api/v1/namespaces/gatecrier/configmaps/gatecrier-config"
ACCOUNT = "system:serviceaccount:gatecrier:gatecrier"
LATER = "tests.chart.later"
LOOK = 0.4
"""Seconds between two looks at the API server."""
PATIENCE = 240.0
"""Seconds in which all must have been replaced: the machine may have much else to do."""
LINGER = "1s"
"""`webhook.linger`: as long as others may take to notice."""


def account(server: ApiServer) -> Path:
    """The kubeconfig of what the chart calls Gatecrier: it may do what the chart lets it, and nothing else."""
    path = server.write_kubeconfig(ACCOUNT)
    document = json.loads(path.read_text())
    document["contexts"][0]["context"]["namespace"] = "gatecrier"
    path.write_text(json.dumps(document))
    return path


def replica(folder: Path, text: str, collector: int, kubeconfig: Path) -> Place:
    """A replica by the chart's configuration, in a folder of its own; the collector is at a port of loopback."""
    folder.mkdir(exist_ok=True)
    place, config = Place(folder), yaml.safe_load(text)
    incidents = config.get("incidents", {})
    name = incidents.get("collector", "nobody:1").partition(":")[0]
    (folder / "hosts").write_text(f"127.0.0.1 localhost {name}\n")
    config["webhook"] |= {"listen": f"127.0.0.1:{place.webhook}", "processes": 1}
    config["operations"] = {"listen": f"127.0.0.1:{place.operations}"}
    config["outbox"] = {"url": "sqlite:///outbox.db"}
    config["egress"] = {"allow": ["127.0.0.0/8"]}
    if "kubernetes" in config:
        config["kubernetes"] |= {"api": {"kubeconfig": str(kubeconfig)}}
    if incidents:
        config["incidents"] = incidents | {"collector": f"{name}:{collector}"}
    place.settings = config
    place.write()
    return place


def started(place: Place, clock: Clock) -> contextlib.AbstractAsyncContextManager[Served]:
    """The replica, running as the Pod that its folder is called after; killed where it has not ended."""
    return served(place, LATER, **_environment(place, clock))


async def said(place: Place, clock: Clock, *arguments: str) -> tuple[int, str]:
    """What a command ends with and prints that is asked in a replica's Pod."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", LATER, *arguments, "--config", str(place.config),
        env=os.environ | _environment(place, clock), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


def _environment(place: Place, clock: Clock) -> dict[str, str]:
    return {"HOSTNAME": place.folder.name, HOSTS: str(place.folder / "hosts"), CLOCK: str(clock.path)}


@dataclass
class Member:
    """A Pod that runs."""

    uid: str
    program: Served
    running: contextlib.AsyncExitStack


@dataclass
class Node:
    """The only one, and the Service before it: `port` of loopback."""

    made: Cluster
    folder: Path
    clock: Clock
    port: int = field(default_factory=free_port)
    members: dict[str, Member] = field(default_factory=dict)
    """By the names of Pods."""
    replaced: list[str] = field(default_factory=list)
    """Names of Pods that were, in order."""
    _ready: dict[str, int] = field(default_factory=dict)
    _collector: int = field(default_factory=free_port)
    _looking: asyncio.Task[None] | None = None
    _connections: set[asyncio.Task[None]] = field(default_factory=set)
    _turns: itertools.count[int] = field(default_factory=itertools.count)

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, made: Cluster, folder: Path) -> AsyncIterator[Self]:
        """It, looking for Pods until the end."""
        node = cls(made, folder, Clock(folder / "clock"))
        service = await asyncio.start_server(node._connected, "127.0.0.1", node.port)
        try:
            node._looking = asyncio.create_task(node._look())
            async with going_on(node._looking):
                yield node
        finally:
            service.close()
            for connection in node._connections:
                connection.cancel()
            await asyncio.gather(*node._connections, return_exceptions=True)
            for member in node.members.values():
                await member.running.aclose()

    async def until_rolled_out(self) -> None:
        """Wait as `kubectl rollout status` does."""
        async with asyncio.timeout(PATIENCE):
            while not _is_rolled_out(await asyncio.to_thread(self.made.must, "GET", SET)):
                if self._looking is not None and self._looking.done():
                    self._looking.result()
                await asyncio.sleep(LOOK)

    async def said(self, name: str, *arguments: str) -> tuple[int, str]:
        """What a command ends with and prints that is asked in a Pod."""
        return await said(self.members[name].program.place, self.clock, *arguments)

    def fall_silent(self) -> None:
        """Let nobody be ready any more: whoever comes to the Service is let go at once."""
        self._ready.clear()

    async def _due(self) -> dict[str, str]:
        """Pods that should run and do not: their uids by name."""
        found: list[Json] = (await asyncio.to_thread(self.made.must, "GET", PODS))["items"]
        pods = {one["metadata"]["name"]: one["metadata"]["uid"] for one in found}
        running = {name: member.uid for name, member in self.members.items()}
        return {name: uid for name, uid in pods.items() if running.get(name) != uid}

    async def _look(self) -> None:
        while True:
            async with asyncio.TaskGroup() as starting:
                for name, uid in (await self._due()).items():
                    starting.create_task(self._run(name, uid))
            await asyncio.sleep(LOOK)

    async def _run(self, name: str, uid: str) -> None:
        if (before := self.members.pop(name, None)) is not None:
            self.replaced.append(name)
            self._ready.pop(name)
            before.program.process.terminate()
            await before.program.process.wait()
            await before.running.aclose()
        text = (await asyncio.to_thread(self.made.must, "GET", CONFIG))["data"]["gatecrier.yaml"]
        place = self._place(name, text)
        running = contextlib.AsyncExitStack()
        program = await running.enter_async_context(started(place, self.clock))
        self.members[name] = Member(uid, program, running)
        async with asyncio.timeout(PATIENCE):
            while (await place.probe("readyz"))[0] != 200:  # noqa: ASYNC110 - a probe tells nobody
                await asyncio.sleep(LOOK)
        self._ready[name] = place.webhook
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        await asyncio.to_thread(self.made.must, "PATCH", f"{PODS}/{name}/status", {"status": ready})

    def _place(self, name: str, text: str) -> Place:
        place = replica(self.folder / name, text, self._collector, account(self.made.server))
        pair = self.made.server.authority.pair("gatecrier", hosts=["gatecrier.gatecrier.svc"])
        for file, content in (("tls.crt", pair.certificate), ("tls.key", pair.key)):
            (place.folder / file).write_bytes(content)
        webhook = place.settings["webhook"]
        assert isinstance(webhook, dict)
        place.write(webhook=webhook | {"tls": {"certificate": "tls.crt", "key": "tls.key"}, "linger": LINGER})
        return place

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._lead(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection to the Service."""
        ready = sorted(self._ready.values())
        with contextlib.suppress(OSError), contextlib.closing(writer):
            if ready:
                there, back = await asyncio.open_connection("127.0.0.1", ready[next(self._turns) % len(ready)])
                with contextlib.closing(back):
                    await asyncio.gather(_pumped(reader, back), _pumped(there, writer))


def _is_rolled_out(found: Json) -> bool:
    wanted, status = found["spec"]["replicas"], found.get("status", {})
    return (
        status.get("observedGeneration") == found["metadata"]["generation"]
        and status.get("currentRevision") == status.get("updateRevision")
        and (status.get("updatedReplicas"), status.get("readyReplicas")) == (wanted, wanted)
    )


async def _pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
