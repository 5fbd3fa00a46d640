"""The webhook's certificate is renewed behind a real API server, by two replicas, and no request is refused.

The replicas may do no more than the chart lets them: get and patch one Secret, one Lease, the webhook configurations.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from router.certificates.making import HeldCertificate, make
from router.certificates.planning import StoredCertificates
from router.certificates.stored import LEASES, SECRETS, VALIDATING, bundles_in, encoded, kept_in
from router.errors import ClusterError
from router.kubernetes.client import Cluster, Json
from router.kubernetes.resources import ApiObject, Resource
from tests.assembly.program import served
from tests.assembly.small import Place
from tests.kubernetes.shapes import NAMESPACES, PODS
from tests.object_events.test_real_api_server import allow
from tests.simulators.kube_apiserver import ApiServer, needs_api_server

pytestmark = needs_api_server

NAME = "gatecrier"
SERVICES = Resource("", "v1", "services", ApiObject)
DAY = 86400.0
HURRIED = "tests.journeys.hurried_product"
PATIENCE = 150.0
RULES: Sequence[Json] = [
    {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["gatecrier-tls"], "verbs": ["get", "patch"]},
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["gatecrier-tls"],
        "verbs": ["get", "patch"],
    },
    {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"],
        "resourceNames": [NAME],
        "verbs": ["get", "patch"],
    },
]


def replica(folder: Path, number: int, kubeconfig: Path) -> Place:
    """The configuration of a replica."""
    folder.mkdir()
    place = Place(
        folder,
        policy=[{"pattern": "**", "verifier": "allow"}],
        kubernetes={"api": {"kubeconfig": str(kubeconfig)}},
    )
    webhook = {"listen": f"127.0.0.1:{place.webhook}", "tls": "managed", "linger": "100ms", "processes": 1}
    place.write(webhook=webhook, outbox={"url": f"sqlite:///outbox-{number}.db"})
    return place


def hooks(places: Sequence[Place], bundle: Json = None) -> Json:
    """A webhook for each replica, so that each is asked about each Pod."""
    return {
        "metadata": {"name": NAME},
        "webhooks": [
            {
                "name": f"replica-{number}.gatecrier.dev",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "NoneOnDryRun",
                "failurePolicy": "Fail",
                "timeoutSeconds": 5,
                "clientConfig": {
                    "service": {"name": NAME, "namespace": NAME, "path": "/validate", "port": place.webhook},
                    "caBundle": bundle,
                },
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            }
            for number, place in enumerate(places)
        ],
    }


async def prepare(admin: Cluster, places: Sequence[Place], old: HeldCertificate) -> None:
    """What the chart makes, with a certificate that was made long ago, and that a replica of then looks after."""
    for namespace in (NAME, "shop"):
        await admin.create(NAMESPACES, {"metadata": {"name": namespace}})
    ports: Json = [{"name": f"p{place.webhook}", "port": place.webhook} for place in places]
    service: Json = {"type": "ExternalName", "externalName": "localhost", "ports": ports}
    await admin.create(SERVICES, {"metadata": {"name": NAME}, "spec": service}, NAME)
    parts = {"tls.crt": old.pair.certificate, "tls.key": old.pair.key, "ca.crt": old.authority}
    data = {name: encoded(part) for name, part in parts.items()}
    await admin.create(SECRETS, {"metadata": {"name": "gatecrier-tls"}, "data": data}, NAME)
    await admin.create(LEASES, {"metadata": {"name": "gatecrier-tls"}, "spec": {"holderIdentity": "of-then"}}, NAME)
    await admin.create(VALIDATING, hooks(places, encoded(StoredCertificates(old).bundle())))
    await allow(admin, "keeper", RULES)


@asynccontextmanager
async def asking(admin: Cluster, refused: list[str]) -> AsyncIterator[list[int]]:
    """Make Pods all the time, a hundred at least; gives the number of each that was answered."""

    async def ask() -> None:
        number = 0
        while True:
            number += 1
            spec: Json = {"containers": [{"name": "web", "image": "r.example/shop/web:1"}]}
            try:
                await admin.create(PODS, {"metadata": {"name": f"web-{number}"}, "spec": spec}, "shop")
            except ClusterError as error:
                refused.append(str(error))
            asked.append(number)
            await asyncio.sleep(0.01)

    asked: list[int] = []
    task = asyncio.create_task(ask())
    yield asked
    async with asyncio.timeout(PATIENCE):
        while len(asked) <= 100:  # noqa: ASYNC110 - a busy machine makes fewer while a certificate is renewed
            await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(admin: Cluster, authorities: int, current: str | None = None) -> float:
    """Wait until every bundle has so many CAs, and another certificate than this is current; the seconds it took."""
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        while True:
            bundles = bundles_in(await admin.get(VALIDATING, NAME))
            held = kept_in(await admin.get(SECRETS, "gatecrier-tls", NAME)).current
            counts = {bundle.count(b"BEGIN CERTIFICATE") for bundle in bundles}
            if counts == {authorities} and held is not None and held.mark != current:
                return time.monotonic() - began
            await asyncio.sleep(0.2)


async def until_ready(places: Sequence[Place]) -> None:
    """Wait until each says so: it has shown a certificate of the Secret by then."""
    async with asyncio.timeout(PATIENCE):
        while {(await place.probe("readyz"))[0] for place in places} != {200}:  # noqa: ASYNC110 - a probe tells nobody
            await asyncio.sleep(0.1)


async def test_no_request_is_refused_while_it_is_renewed(api_server: ApiServer, tmp_path: Path) -> None:
    refused: list[str] = []
    old = make(["gatecrier.gatecrier.svc"], time.time() - 61 * DAY)
    kubeconfig = api_server.write_kubeconfig("keeper")
    document = json.loads(kubeconfig.read_text())
    document["contexts"][0]["context"]["namespace"] = NAME
    kubeconfig.write_text(json.dumps(document))
    places = [replica(tmp_path / f"replica-{number}", number, kubeconfig) for number in range(2)]
    async with Cluster(api_server.access()) as admin, AsyncExitStack() as running:
        await prepare(admin, places, old)
        for number, place in enumerate(places):
            await running.enter_async_context(served(place, HURRIED, HOSTNAME=f"gatecrier-{number}"))
        await until_ready(places)
        async with asking(admin, refused) as asked:
            await admin.patch(LEASES, "gatecrier-tls", {"spec": {"holderIdentity": ""}}, NAME)
            await until(admin, 2)
            answered = [len(asked)]
            await until(admin, 1, current=old.mark)
            answered.append(len(asked))
            await asyncio.sleep(2)
        found = kept_in(await admin.get(SECRETS, "gatecrier-tls", NAME))

        await admin.replace(VALIDATING, NAME, await _without_bundles(admin, places))
        mended = await until(admin, 1)

    assert refused == []
    assert 0 < answered[0] < answered[1]
    assert found.current is not None
    assert {mark.shown for mark in found.marks.values()} == {found.current.mark}
    assert set(found.marks) == {"gatecrier-0", "gatecrier-1"}
    assert mended <= 10


async def _without_bundles(admin: Cluster, places: Sequence[Place]) -> Json:
    """The webhooks as they stand in somebody's repository."""
    version = (await admin.get(VALIDATING, NAME)).metadata.resource_version
    written = hooks(places)
    assert isinstance(written, dict)
    return {**written, "metadata": {"name": NAME, "resourceVersion": version}}
