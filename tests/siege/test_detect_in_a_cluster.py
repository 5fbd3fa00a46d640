"""Detect can not block, shown behind a real API server with the chart's own webhooks.

A namespace that is only watched takes everything, within the time that the API server waits at most, whatever becomes
of Gatecrier; one that enforces takes nothing that was not judged good. There is no kubelet: Pods are stored.

(1) Under `Fail` every fault that leaves a process answering refuses nothing there: all that the siege knows at the
    port, registries that are away, silent or wrong, more than there is room for, a keeper that is killed or hangs, an
    outbox that is damaged, a disk that is full, a configuration that is not right.
(2) With the chart's own webhooks, which ignore failures there, so does everything else: each process hung, and killed,
    alone and all together. It delays by `timeoutSeconds` at most.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from router.outbound.authorities import client_context
from router.tls import show
from tests.admission import recorded
from tests.assembly.program import Served, served
from tests.assembly.small import Place, tls_files
from tests.chart.helm import needs_helm, of_kind, rendered
from tests.patience import PATIENCE
from tests.simulators.kube_apiserver import ApiServer, needs_api_server, started
from tests.simulators.registry import DATA

pytestmark = [needs_helm, needs_api_server]


class Patience(NamedTuple):
    """How long somebody waits."""

    timeout: int
    """Seconds that the API server waits for a webhook (`timeoutSeconds`)."""
    deadline: str
    """`webhook.deadline`."""


USUAL, SHORT = Patience(15, "1s"), Patience(2, "1s")
"""The second where somebody is waited for who does not answer. With the first nobody is, unless something is wrong."""
SLACK = 2.0
"""Seconds that everything else may take: the machine is shared, and nobody promises more of an API server."""
LABEL = "gatecrier.dev/mode"
AWAY = "127.0.0.1:9"
"""A registry that is not there."""
ADMISSION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
UNSIGNED = "r.example/other/app:1"
KEY = (DATA / "keys" / "release.pub").read_text()
LARGE = 400_000
"""Characters of six bytes each in what the API server sends: beyond what is read without a slot."""
Json = dict[str, Any]


@dataclass
class Cluster:
    """Somebody who asks a real API server."""

    server: ApiServer
    session: aiohttp.ClientSession
    number: int = 0
    patience: Patience = USUAL

    async def ask(self, method: str, path: str, body: Json) -> tuple[int, str, float]:
        """Status, the message where it is refused, and how many seconds it took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Content-Type": kind}
        async with self.session.request(method, self.server.url + path, json=body, headers=headers) as reply:
            said = await reply.json()
            return reply.status, str(said.get("message", "")), loop.time() - began

    async def must(self, method: str, path: str, body: Json) -> None:
        """The same, which has to succeed."""
        status, message, _ = await self.ask(method, path, body)
        assert status < 400, message

    async def create(
        self, namespace: str, images: Sequence[str] = (UNSIGNED,), *, padding: int = 0
    ) -> tuple[int, str, float]:
        """Create a Pod with these images, and an environment of so many characters; a large one is not stored."""
        self.number += 1
        environment = [{"name": "A", "value": "<" * padding}] if padding else []
        containers = [{"name": f"c{n}", "image": image, "env": environment} for n, image in enumerate(images)]
        pod = {"metadata": {"name": f"pod-{self.number}"}, "spec": {"containers": containers}}
        query = "?dryRun=All" if padding else ""
        return await self.ask("POST", f"/api/v1/namespaces/{namespace}/pods{query}", pod)

    async def check(self, *images: str, padding: int = 0, most: int = 4) -> None:
        """What is watched gets in, in time; the same does not where it is enforced.

        In time is by what the same takes where nobody is asked: the API server is as busy as the machine.
        """
        asked = [
            self.create(namespace, images or (UNSIGNED,), padding=padding)
            for namespace in ("strict", "off", *["watched"] * most)
        ]
        (strict, said, _), (_, _, unasked), *others = await asyncio.gather(*asked)
        for status, message, seconds in others:
            assert status == 201, message
            assert seconds - unasked < self.patience.timeout + SLACK
        assert strict in {403, 500}, said


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """One for all; namespaces and webhooks are each test's own."""
    with started(tmp_path_factory.mktemp("kube")) as made:
        yield made


@pytest.fixture
async def cluster(server: ApiServer) -> AsyncIterator[Cluster]:
    """A cluster with a namespace that enforces and one that says nothing."""
    context = client_context(server.authority.certificate.decode())
    show(context, server.authority.pair("admin", "system:masters"))
    connector = aiohttp.TCPConnector(ssl=context, limit=64)
    async with aiohttp.ClientSession(connector=connector, headers={"Accept": "application/json"}) as session:
        made = Cluster(server, session, number=int.from_bytes(os.urandom(4)))
        for name, labels in {"strict": {LABEL: "enforce"}, "watched": {}, "off": {LABEL: "off"}}.items():
            status, message, _ = await made.ask(
                "POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}}
            )
            assert status in {201, 409}, message
        yield made


def webhooks(cluster: Cluster, port: int, *, detect: str) -> Json:
    """The chart's, with addresses on loopback; `detect` is the failure policy where nothing blocks."""
    server, patience = cluster.server, cluster.patience
    values = {"webhooks": {"timeoutSeconds": patience.timeout}, "config": {"webhook": {"deadline": patience.deadline}}}
    made = of_kind(rendered(values), "ValidatingWebhookConfiguration")
    authority = base64.b64encode(server.authority.certificate).decode()
    for one in made["webhooks"]:
        path = one["clientConfig"]["service"]["path"]
        one["clientConfig"] = {"url": f"https://127.0.0.1:{port}{path}", "caBundle": authority}
        assert one["failurePolicy"] == ("Fail" if path == "/validate/enforce" else "Ignore")
        if path != "/validate/enforce":
            one["failurePolicy"] = detect
    return made


@contextlib.asynccontextmanager
async def installed(cluster: Cluster, folder: Path, *registries: str, detect: str = "Ignore") -> AsyncIterator[Served]:
    """Gatecrier, and webhooks that call it, until the end; its rules are about these registries and `AWAY`."""
    place, hosts = Place(folder), (AWAY, *registries)
    place.write(
        webhook={
            "listen": f"127.0.0.1:{place.webhook}",
            "tls": tls_files(folder, cluster.server.authority.pair("gatecrier")),
            "linger": "100ms",
            "deadline": cluster.patience.deadline,
            "processes": 2,
        },
        enforcement={"label": LABEL},
        routes={"destinations": ["archive"], "routes": [{"about": ["gatecrier"], "destinations": ["archive"]}]},
        registries=[{"host": host, "plain_http": True} for host in hosts],
        verifiers=[{"name": "keys", "kind": "cosign", "keys": [{"name": "release", "pem": KEY}]}],
        policy=[
            *({"pattern": f"{host}/**", "verifier": "keys"} for host in hosts),
            {"pattern": "r.example/free/*", "verifier": "allow"},
        ],
    )
    made = webhooks(cluster, place.webhook, detect=detect)
    name = made["metadata"]["name"]
    async with served(place) as program:
        await cluster.must("POST", ADMISSION, {"metadata": {"name": name}, "webhooks": made["webhooks"]})
        try:
            await until_answered(cluster, "strict", 403)
            yield program
        finally:
            await cluster.must("DELETE", f"{ADMISSION}/{name}", {})


async def until_answered(cluster: Cluster, namespace: str, wanted: int) -> str:
    """Create Pods there until the answer is this one: what was written takes an API server some milliseconds."""
    async with asyncio.timeout(PATIENCE):
        while (answer := await cluster.create(namespace))[0] != wanted:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.02)
    return answer[1]


def family(process: int) -> list[int]:
    """A process and all that came of it, the youngest first."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [*(one for child in children for one in family(int(child))), process]


def strike(processes: Sequence[int], what: signal.Signals) -> None:
    """Send a signal to those that are still there."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, what)


async def test_whoever_switches_the_label_switches_the_mode(cluster: Cluster, tmp_path: Path) -> None:
    """What is told of a request is what the API server was told, whichever side of the switch it was on."""
    async with installed(cluster, tmp_path) as program:
        await until_answered(cluster, "watched", 201)
        await cluster.must("PATCH", "/api/v1/namespaces/watched", {"metadata": {"labels": {LABEL: "enforce"}}})
        said = await until_answered(cluster, "watched", 403)
        await cluster.must("PATCH", "/api/v1/namespaces/watched", {"metadata": {"labels": {LABEL: None}}})
        await until_answered(cluster, "watched", 201)
        off, _, _ = await cluster.create("off")
        await program.place.until_archived(6)

    assert off == 201
    assert "denied the request: r.example/other/app:1 (container c0): denied" in said
    in_order = sorted(program.place.events, key=lambda event: str(event["time"]))
    everything = [recorded.mapping(event["data"]) for event in in_order]
    told = [one for one in everything if "decision" in one]
    switched = [recorded.mapping(recorded.mapping(one["notice"])["facts"]) for one in everything if "notice" in one]
    assert [(one["namespace"], one["before"], one["after"], one["user"]) for one in switched] == [
        ("watched", "detect", "enforce", "admin"),
        ("watched", "enforce", "detect", "admin"),
    ]
    decisions = {
        (str(recorded.mapping(one["request"])["namespace"]), str(decision["mode"]), str(decision["outcome"]))
        for one in told
        for decision in [recorded.mapping(one["decision"])]
    }
    assert decisions - {("strict", "enforce", "rejected")} == {
        ("watched", "detect", "admitted"),
        ("watched", "enforce", "rejected"),
    }


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        await reader.read()
    writer.close()


async def _wrong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnonsense\n")
    writer.close()


async def test_nothing_is_refused_under_fail_as_long_as_a_process_answers(cluster: Cluster, tmp_path: Path) -> None:
    silent, wrong = [await asyncio.start_server(who, "127.0.0.1", 0) for who in (_silent, _wrong)]
    nowhere, nonsense = (f"127.0.0.1:{one.sockets[0].getsockname()[1]}" for one in (silent, wrong))
    async with silent, wrong, installed(cluster, tmp_path, nowhere, nonsense, detect="Fail") as program:
        await cluster.check(UNSIGNED)
        await cluster.check("UPPER/case:1")
        await cluster.check(f"{AWAY}/app:1")  # nobody listens
        await cluster.check(f"{nowhere}/app:1")  # nobody answers
        await cluster.check(f"{nonsense}/app:1")  # what is answered is nothing
        await cluster.check(*(f"{nowhere}/app-{number}:1" for number in range(1200)), most=1)
        await cluster.check(UNSIGNED, padding=LARGE, most=16)  # more than are read at once
        async with besieged(program, nonsense, nowhere):
            for _ in range(5):
                await cluster.check(UNSIGNED)
                await cluster.check(f"{nowhere}/app:1")
        await _keeper_in_trouble(cluster, program)


@contextlib.asynccontextmanager
async def besieged(program: Served, wrong: str, nowhere: str) -> AsyncIterator[None]:
    """All that the siege knows, at the port."""
    command = [sys.executable, "-m", "tests.siege.hostile", str(program.place.webhook), wrong, nowhere, "4711"]
    crowd = await asyncio.create_subprocess_exec(*command)
    try:
        async with asyncio.timeout(PATIENCE):
            while await _refused(program.place) == 0:  # noqa: ASYNC110 - a counter tells nobody
                await asyncio.sleep(0.1)
        yield
        assert crowd.returncode is None, "nobody was hostile any more"
    finally:
        with contextlib.suppress(ProcessLookupError):
            crowd.kill()
        await crowd.wait()


async def _refused(place: Place) -> float:
    """Bodies that were no review: whoever deploys sends none, the crowd does."""
    _, text = await place.probe("metrics")
    lines = [line for line in text.splitlines() if line.startswith("gatecrier_requests_malformed_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def _keeper_in_trouble(cluster: Cluster, program: Served) -> None:
    os.kill(program.member("keeper"), signal.SIGKILL)
    await cluster.check(UNSIGNED)
    await program.told("process_ready", role="keeper")
    keeper = program.member("keeper")
    os.kill(keeper, signal.SIGSTOP)
    try:
        await cluster.check(UNSIGNED)
    finally:
        os.kill(keeper, signal.SIGCONT)
    before = resource.prlimit(keeper, resource.RLIMIT_FSIZE)
    resource.prlimit(keeper, resource.RLIMIT_FSIZE, (0, before[1]))  # nothing can be written, as on a full disk
    try:
        await cluster.check(UNSIGNED)
    finally:
        resource.prlimit(keeper, resource.RLIMIT_FSIZE, before)
    (program.place.folder / "outbox.db").write_bytes(b"\0" * 8192)
    await cluster.check(UNSIGNED)
    program.place.config.write_text("webhook: [")
    program.process.send_signal(signal.SIGHUP)
    await program.told("configuration_refused")
    await cluster.check(UNSIGNED)


async def test_nothing_is_refused_by_what_is_killed_or_hangs(cluster: Cluster, tmp_path: Path) -> None:
    """With the chart as it is, and a delay of no more than the API server waits."""
    cluster.patience = SHORT
    async with installed(cluster, tmp_path) as program:
        everybody = family(program.process.pid)
        for struck in (*([one] for one in everybody), everybody):
            strike(struck, signal.SIGSTOP)
            try:
                await cluster.check(UNSIGNED)
            finally:
                strike(struck[::-1], signal.SIGCONT)
        for role in ("gate", "keeper"):
            os.kill(program.member(role), signal.SIGKILL)
            await cluster.check(UNSIGNED)
            await program.told("process_ready", role=role)
        _, nursery, *_ = everybody[::-1]
        os.kill(nursery, signal.SIGKILL)
        await cluster.check(UNSIGNED)
        program.process.kill()  # whose others notice that it is gone
        await cluster.check(UNSIGNED)
        strike(everybody, signal.SIGKILL)
        await cluster.check(UNSIGNED)
