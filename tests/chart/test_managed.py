"""`tls.mode: managed` as the chart installs it: two replicas, a real API server, and no right but those of the chart.

The webhooks of namespaces that enforce lead to the first replica, those of watched ones to the second, since nobody
here knows a Service; a renewal waits for `SETTLE` seconds. All else is as the chart says, the collector's name too.

(1) Requests come at even rates, whatever becomes of those before (`asking`). A busy machine answers fewer than are
    due: every one that is answered counts, and what pace that was is said, and not claimed.
(2) A watched namespace is let in whoever does not answer. So what is asked about there is an image that no rule lets
    in, and an answer without the warning was never judged.
(3) A connection that the API server has is never looked at again. So somebody comes anew all the time, and believes
    what the webhooks say at that moment.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from router.certificates.making import make
from router.certificates.planning import StoredCertificates
from router.certificates.stored import StoredSecret, encoded, kept_in
from router.cli.demo.world import free_port
from router.outbound.authorities import client_context
from tests.assembly.program import Served
from tests.assembly.small import Place
from tests.chart.asking import Asking, Case, Fate, going_on, session
from tests.chart.cluster import ADMISSION, Cluster, Json
from tests.chart.helm import needs_helm
from tests.chart.hurried import SETTLE
from tests.chart.later import Clock
from tests.chart.node import account, replica, said, started
from tests.simulators.kube_apiserver import needs_api_server

pytestmark = [needs_helm, needs_api_server]
DAY, SOON = 86400.0, 2400.0
"""The second is less than how long before it is made a certificate is valid: what is made so late is valid at once."""
PATIENCE = 120.0
DRY_RUNS, REAL = 150.0, 20.0
"""Requests a second."""
DIGEST = f"sha256:{'a' * 64}"
GOOD, BAD = f"registry.k8s.io/pause@{DIGEST}", f"registry.example/shop/web@{DIGEST}"
CASES = [Case("strict", GOOD, Fate.LET_IN), Case("watched", BAD, Fate.WARNED)]
SECRET = "/api/v1/namespaces/gatecrier/secrets/gatecrier-tls"
VALUES: Json = {
    "tls": {"mode": "managed"},
    "config": {
        "policy": [{"pattern": "registry.k8s.io/**", "verifier": "allow"}, {"pattern": "**", "verifier": "deny"}]
    },
}


@pytest.fixture
def installed(bare: Cluster) -> Cluster:
    """A cluster with the chart in it, and two namespaces besides ours: `strict`, which enforces, and `watched`."""
    bare.namespace("strict", mode="enforce")
    bare.namespace("watched")
    bare.install(VALUES)
    return bare


@contextlib.asynccontextmanager
async def replicas(made: Cluster, folder: Path, clock: Clock) -> AsyncIterator[list[Served]]:
    """Two that are ready, and asked by the API server."""
    text = made.must("GET", "/api/v1/namespaces/gatecrier/configmaps/gatecrier-config")["data"]["gatecrier.yaml"]
    kubeconfig, collector = account(made.server), free_port()
    places = [replica(folder / f"gatecrier-{number}", text, collector, kubeconfig) for number in range(2)]
    lead(made, places)
    async with contextlib.AsyncExitStack() as running:
        programs = [await running.enter_async_context(started(place, clock)) for place in places]
        async with asyncio.timeout(PATIENCE):
            while {(await place.probe("readyz"))[0] for place in places} != {200}:  # noqa: ASYNC110 - a probe tells nobody
                await asyncio.sleep(0.1)
        await until_so(lambda: is_judged(made, "strict", GOOD) and is_judged(made, "watched", BAD))
        yield programs


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


def kept(made: Cluster) -> StoredCertificates:
    return kept_in(msgspec.convert(made.must("GET", SECRET), StoredSecret))


def bundles(made: Cluster) -> set[str]:
    """Every `caBundle` of ours."""
    return {
        webhook["clientConfig"].get("caBundle", "")
        for path in webhook_paths()
        for webhook in made.must("GET", path)["webhooks"]
    }


async def test_a_release_needs_nothing_but_itself(installed: Cluster, tmp_path: Path) -> None:
    """From an empty Secret to a removal, by what the documentation says of each."""
    clock = Clock(tmp_path / "clock")
    async with replicas(installed, tmp_path, clock) as programs:
        refused = installed.ask("POST", pods("strict"), pod(BAD))
        assert 'admission webhook "enforce.validate.gatecrier.dev" denied the request: ' in refused.message
        assert bundles(installed) == {encoded(kept(installed).bundle())}

        first, second = (program.place for program in programs)
        _, silence = await said(second, clock, "silence", "add", "request.namespace = ci", *BECAUSE)
        _, listed = await said(first, clock, "silence", "list", "--json")
        assert [one["id"] for one in json.loads(listed)] == [silence.strip()]

        before = kept(installed), bundles(installed)
        installed.install({**VALUES, "podAnnotations": {"example.com/by": "an upgrade"}}, verb="upgrade")
        assert (kept(installed), bundles(installed)) == before

        installed.helm("uninstall", "gatecrier")
        assert installed.ask("POST", f"{pods('strict')}?dryRun=All", pod(BAD)).status == 201
        assert [installed.ask("GET", path).status for path in webhook_paths()] == [404, 404]
        assert [line for program in programs for line in program.lines if line["event"] == "labels_not_known"] == []


BECAUSE = ("--author", "al", "--reason", "x", "--for", "1h")


async def come_anew(made: Cluster, places: Sequence[Place], unknown: list[str]) -> None:
    """Come to each replica as an API server that has just started, all the time (3).

    A busy machine may take longer to come than a renewal waits: what the webhooks said so long ago, and say no more, is
    nothing to go by.
    """
    while True:
        began = time.monotonic()
        for bundle in await asyncio.to_thread(bundles, made):
            believing = client_context(base64.b64decode(bundle).decode())
            for place in places:
                try:
                    _, writer = await asyncio.open_connection(
                        "127.0.0.1", place.webhook, ssl=believing, server_hostname="gatecrier.gatecrier.svc"
                    )
                except ssl.SSLError as error:
                    if time.monotonic() < began + SETTLE or bundle in await asyncio.to_thread(bundles, made):
                        unknown.append(f"{place.folder.name}: {error}")
                else:
                    writer.close()
        await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def asked(made: Cluster, places: Sequence[Place]) -> AsyncIterator[tuple[Asking, Asking, list[str]]]:
    """Dry runs and real requests, all the time; and what those say who come anew."""
    async with session(made) as opened:
        dry, real = (Asking(opened, made.server.url, CASES) for _ in range(2))
        unknown = list[str]()
        going = dry.at(DRY_RUNS, is_dry=True), real.at(REAL, is_dry=False), come_anew(made, places, unknown)
        async with going_on(*map(asyncio.create_task, going)):
            yield dry, real, unknown


async def until_so(check: Callable[[], bool]) -> None:
    """Wait until it is so at the API server, which others ask meanwhile."""
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(check):  # noqa: ASYNC110 - the API server is not watched here
            await asyncio.sleep(0.1)


async def test_no_request_is_refused_or_unjudged_while_all_is_renewed(
    installed: Cluster, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """At the rates above where the machine has room for them; the report says what it reached (`-rA`).

    It is not due before requests come.
    """
    old, clock = make(["gatecrier.gatecrier.svc"], time.time() - 60 * DAY + SOON), Clock(tmp_path / "clock")
    parts = {"tls.crt": old.pair.certificate, "tls.key": old.pair.key, "ca.crt": old.authority}
    installed.must("PATCH", SECRET, {"data": {name: encoded(part) for name, part in parts.items()}})
    async with (
        replicas(installed, tmp_path, clock) as programs,
        asked(installed, [program.place for program in programs]) as (dry, real, unknown),
    ):
        began = time.monotonic()
        clock.advance(SOON)
        await until_so(lambda: kept(installed).previous is not None)
        await until_so(lambda: bundles(installed) == {encoded(kept(installed).bundle())})
        await until_so(lambda: kept(installed).previous is None)
        await until_so(lambda: bundles(installed) == {encoded(kept(installed).bundle())})
        lasted = time.monotonic() - began
        enough = dry.answered + DRY_RUNS, real.answered + REAL  # what is in force by now is asked with, too
        await until_so(lambda: dry.answered >= enough[0] and real.answered >= enough[1])

    found = kept(installed)
    reached = (f"{one.pace:.0f} of {rate:.0f} a second" for one, rate in ((dry, DRY_RUNS), (real, REAL)))
    request.node.add_report_section("call", "pace", "; ".join(reached))
    assert (dry.wrong[:5], real.wrong[:5], unknown[:5]) == ([], [], [])
    assert found.current is not None
    assert found.current.mark != old.mark
    assert {name: mark.shown for name, mark in found.marks.items()} == dict.fromkeys(
        ("gatecrier-0", "gatecrier-1"), found.current.mark
    )
    assert lasted > SETTLE
