"""`tls.mode: managed` as the chart installs it: two replicas, a real API server, and no right but those of the chart.

The webhooks of namespaces that enforce lead to the first replica, those of watched ones to the second, since nobody
here knows a Service; a renewal waits for `SETTLE` seconds. All else is as the chart says, the collector's name too.

(1) A watched namespace is let in whoever does not answer. So what is asked about there is an image that no rule lets
    in, and an answer without the warning was never judged.
(2) A connection that the API server has is never looked at again. So somebody comes anew all the time, and believes
    what the webhooks say at that moment.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec
import pytest
import yaml

from router.certificates.making import make
from router.certificates.planning import Kept
from router.certificates.stored import Secret, encoded, kept_in
from router.cli.demo.world import free_port
from router.outbound.authorities import client_context
from router.tls import show
from tests.assembly.program import Served, served
from tests.assembly.small import Place
from tests.chart.cluster import ADMISSION, Cluster, Json, ours
from tests.chart.helm import needs_helm
from tests.chart.hurried import HOSTS, SETTLE
from tests.simulators.kube_apiserver import needs_api_server

pytestmark = [needs_helm, needs_api_server]
DAY = 86400.0
PATIENCE = 120.0
DRY_RUNS, REAL = 150.0, 20.0
"""Requests a second."""
UNDER_WAY = 48
"""Requests that are not answered yet, at most."""
DIGEST = f"sha256:{'a' * 64}"
GOOD, BAD = f"registry.k8s.io/pause@{DIGEST}", f"registry.example/shop/web@{DIGEST}"
ACCOUNT = "system:serviceaccount:gatecrier:gatecrier"
SECRET = "/api/v1/namespaces/gatecrier/secrets/gatecrier-tls"
VALUES: Json = {
    "tls": {"mode": "managed"},
    "config": {
        "policy": [{"pattern": "registry.k8s.io/**", "verifier": "allow"}, {"pattern": "**", "verifier": "deny"}]
    },
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One with two namespaces besides ours: `strict`, which enforces, and `watched`."""
    with ours(tmp_path_factory.mktemp("kube")) as made:
        made.namespace("strict", mode="enforce")
        made.namespace("watched")
        yield made


@pytest.fixture
def installed(cluster: Cluster) -> Iterator[Cluster]:
    """The same with the chart in it, for a test."""
    cluster.install(VALUES)
    yield cluster
    if "gatecrier" in cluster.helm("list", "--short"):
        cluster.helm("uninstall", "gatecrier")


@contextlib.asynccontextmanager
async def replicas(made: Cluster, folder: Path) -> AsyncIterator[list[Served]]:
    """Two that are ready, and asked by the API server."""
    text = made.must("GET", "/api/v1/namespaces/gatecrier/configmaps/gatecrier-config")["data"]["gatecrier.yaml"]
    kubeconfig = made.server.write_kubeconfig(ACCOUNT)
    document = json.loads(kubeconfig.read_text())
    document["contexts"][0]["context"]["namespace"] = "gatecrier"
    kubeconfig.write_text(json.dumps(document))
    collector = free_port()
    places = [place_of(folder / f"gatecrier-{number}", text, kubeconfig, collector) for number in range(2)]
    lead(made, places)
    async with contextlib.AsyncExitStack() as running:
        programs = [await running.enter_async_context(started(place)) for place in places]
        async with asyncio.timeout(PATIENCE):
            while {(await place.probe("readyz"))[0] for place in places} != {200}:  # noqa: ASYNC110 - a probe tells nobody
                await asyncio.sleep(0.1)
        await until_so(lambda: is_judged(made, "strict", GOOD) and is_judged(made, "watched", BAD))
        yield programs


def place_of(folder: Path, text: str, kubeconfig: Path, collector: int) -> Place:
    """A replica by the chart's configuration; only places are others than in a Pod."""
    folder.mkdir()
    place = Place(folder)
    config = yaml.safe_load(text)
    name = config["incidents"]["collector"].partition(":")[0]
    (folder / "hosts").write_text(f"127.0.0.1 localhost {name}\n")
    config["webhook"] |= {"listen": f"127.0.0.1:{place.webhook}", "processes": 1}
    config["operations"] = {"listen": f"127.0.0.1:{place.operations}"}
    config["outbox"] = {"url": "sqlite:///outbox.db"}
    config["kubernetes"] |= {"api": {"kubeconfig": str(kubeconfig)}}
    config["incidents"] |= {"collector": f"{name}:{collector}"}
    config["egress"] = {"allow": ["127.0.0.0/8"]}
    place.settings = config
    place.write()
    return place


def started(place: Place) -> contextlib.AbstractAsyncContextManager[Served]:
    return served(place, "tests.chart.hurried", HOSTNAME=place.folder.name, **{HOSTS: str(place.folder / "hosts")})


async def said(place: Place, *arguments: str) -> str:
    """What a command prints that is asked in a replica's Pod."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.chart.hurried", *arguments, "--config", str(place.config),
        env=os.environ | {"HOSTNAME": place.folder.name, HOSTS: str(place.folder / "hosts")},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


def lead(made: Cluster, places: list[Place]) -> None:
    """Let the Service of the chart be a name of loopback, and each mode a port of it."""
    path = "/api/v1/namespaces/gatecrier/services/gatecrier"
    service = made.must("GET", path)
    ports = [{"name": place.folder.name, "port": place.webhook} for place in places]
    service["spec"] = {"type": "ExternalName", "externalName": "localhost", "ports": ports}
    made.must("PUT", path, service)
    for path in webhook_paths():
        found = made.must("GET", path)
        for webhook in found["webhooks"]:
            webhook["clientConfig"]["service"]["port"] = places[not webhook["name"].startswith("enforce.")].webhook
        made.must("PUT", path, found)


def webhook_paths() -> list[str]:
    return [f"{ADMISSION}/{kind}webhookconfigurations/gatecrier" for kind in ("validating", "mutating")]


def pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def pod(image: str, name: str = "probe") -> Json:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "web", "image": image}]}}


def is_judged(made: Cluster, namespace: str, image: str) -> bool:
    answer = made.ask("POST", f"{pods(namespace)}?dryRun=All", pod(image))
    return answer.status == 201 and (image == GOOD or bool(answer.warnings))


def kept(made: Cluster) -> Kept:
    return kept_in(msgspec.convert(made.must("GET", SECRET), Secret))


def bundles(made: Cluster) -> set[str]:
    """Every `caBundle` of ours."""
    return {
        webhook["clientConfig"].get("caBundle", "")
        for path in webhook_paths()
        for webhook in made.must("GET", path)["webhooks"]
    }


async def test_a_release_needs_nothing_but_itself(installed: Cluster, tmp_path: Path) -> None:
    """From an empty Secret to a removal, by what the documentation says of each."""
    async with replicas(installed, tmp_path) as programs:
        refused = installed.ask("POST", pods("strict"), pod(BAD))
        assert 'admission webhook "enforce.validate.gatecrier.dev" denied the request: ' in refused.message
        assert bundles(installed) == {encoded(kept(installed).bundle())}

        first, second = (program.place for program in programs)
        silence = await said(second, "silence", "add", "request.namespace = ci", *BECAUSE)
        assert [one["id"] for one in json.loads(await said(first, "silence", "list", "--json"))] == [silence.strip()]

        before = kept(installed), bundles(installed)
        installed.install({**VALUES, "podAnnotations": {"example.com/by": "an upgrade"}}, verb="upgrade")
        assert (kept(installed), bundles(installed)) == before

        installed.helm("uninstall", "gatecrier")
        assert installed.ask("POST", f"{pods('strict')}?dryRun=All", pod(BAD)).status == 201
        assert [installed.ask("GET", path).status for path in webhook_paths()] == [404, 404]
        assert [line for program in programs for line in program.lines if line["event"] == "labels_not_known"] == []


BECAUSE = ("--author", "al", "--reason", "x", "--for", "1h")


@dataclass
class Asking:
    """Requests at a rate, and what became of them."""

    name: str
    session: aiohttp.ClientSession
    url: str
    count: int = 0
    wrong: list[str] = field(default_factory=list)
    """What was refused, or let in unjudged."""

    async def ask(self, number: int, query: str) -> None:
        """Make a Pod in one of the namespaces, by turns."""
        namespace, image = (("strict", GOOD), ("watched", BAD))[number % 2]
        url = f"{self.url}{pods(namespace)}{query}"
        async with self.session.post(url, json=pod(image, f"{self.name}-{number}")) as reply:
            text = await reply.text()
        self.count += 1
        if reply.status != 201:
            self.wrong.append(f"{namespace}: {text[:500]}")
        elif image == BAD and "gatecrier (detect):" not in reply.headers.get("Warning", ""):
            self.wrong.append(f"{namespace}: not judged")

    async def at(self, rate: float, query: str = "") -> None:
        """Go on at so many a second, however long answers take, until cancelled."""
        loop, turns = asyncio.get_running_loop(), asyncio.Semaphore(UNDER_WAY)
        began = loop.time()

        async def one(number: int) -> None:
            try:
                await self.ask(number, query)
            finally:
                turns.release()

        async with asyncio.TaskGroup() as under_way:
            for number in itertools.count():
                await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
                await turns.acquire()
                under_way.create_task(one(number))


async def come_anew(made: Cluster, places: Sequence[Place], unknown: list[str]) -> None:
    """Come to each replica as an API server that has just started, all the time (2)."""
    while True:
        for bundle in await asyncio.to_thread(bundles, made):
            believing = client_context(base64.b64decode(bundle).decode())
            for place in places:
                try:
                    _, writer = await asyncio.open_connection(
                        "127.0.0.1", place.webhook, ssl=believing, server_hostname="gatecrier.gatecrier.svc"
                    )
                except ssl.SSLError as error:
                    unknown.append(f"{place.folder.name}: {error}")
                else:
                    writer.close()
        await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def asked(made: Cluster, places: Sequence[Place]) -> AsyncIterator[tuple[Asking, Asking, list[str]]]:
    """Dry runs and real requests, all the time; and what those say who come anew."""
    context = client_context(made.server.authority.certificate.decode())
    show(context, made.server.authority.pair("admin", "system:masters"))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        dry, real = (Asking(name, session, made.server.url) for name in ("dry", "real"))
        unknown = list[str]()
        asking = dry.at(DRY_RUNS, "?dryRun=All"), real.at(REAL), come_anew(made, places, unknown)
        tasks = [asyncio.create_task(one) for one in asking]
        yield dry, real, unknown
        ended = [task.exception() for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert ended == []


async def until_so(check: Callable[[], bool]) -> None:
    """Wait until it is so at the API server, which others ask meanwhile."""
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(check):  # noqa: ASYNC110 - the API server is not watched here
            await asyncio.sleep(0.1)


async def test_no_request_is_refused_or_unjudged_while_all_is_renewed(installed: Cluster, tmp_path: Path) -> None:
    old = make(["gatecrier.gatecrier.svc"], time.time() - 61 * DAY)
    parts = {"tls.crt": old.pair.certificate, "tls.key": old.pair.key, "ca.crt": old.authority}
    installed.must("PATCH", SECRET, {"data": {name: encoded(part) for name, part in parts.items()}})
    async with (
        replicas(installed, tmp_path) as programs,
        asked(installed, [program.place for program in programs]) as (dry, real, unknown),
    ):
        began = time.monotonic()
        await until_so(lambda: kept(installed).previous is not None)
        await until_so(lambda: bundles(installed) == {encoded(kept(installed).bundle())})
        await until_so(lambda: kept(installed).previous is None)
        await until_so(lambda: bundles(installed) == {encoded(kept(installed).bundle())})
        lasted = time.monotonic() - began
        enough = dry.count + DRY_RUNS, real.count + REAL  # what is in force by now is asked with, too
        await until_so(lambda: dry.count >= enough[0] and real.count >= enough[1])

    found = kept(installed)
    assert (dry.wrong[:5], real.wrong[:5], unknown[:5]) == ([], [], [])
    assert found.current is not None
    assert found.current.mark != old.mark
    assert {name: mark.shown for name, mark in found.marks.items()} == dict.fromkeys(
        ("gatecrier-0", "gatecrier-1"), found.current.mark
    )
    assert lasted > SETTLE
