"""What runs, as a real API server tells it; there is no kubelet, so statuses are written by the test."""

from __future__ import annotations

import pytest

from router.kubernetes.client import Cluster, Json
from router.kubernetes.resources import ApiObject, Resource
from router.scanning.pods import PODS, Running
from router.scanning.scan import census
from tests.kubernetes.shapes import NAMESPACES, lowest
from tests.kubernetes.test_real_api_server import access_by, named
from tests.scanning.stage import DIGEST
from tests.simulators.kube_apiserver import ApiServer, needs_api_server

pytestmark = needs_api_server
ACCOUNTS = Resource("", "v1", "serviceaccounts", ApiObject)


@pytest.mark.parametrize("phase", ["Running", "Pending"])
async def test_a_pod_of_a_real_api_server_is_counted_once_it_has_an_image(api_server: ApiServer, phase: str) -> None:
    namespace = f"scan-{phase.lower()}"
    owner: Json = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d8", "uid": "u", "controller": True}
    metadata: Json = {"name": "web", "labels": {"pod-template-hash": "5d8"}, "ownerReferences": [owner]}
    spec: Json = {"nodeName": "n1", "containers": [{"name": "c", "image": "r.example/web:1"}]}
    state: Json = {
        "phase": phase,
        "containerStatuses": [
            {"name": "c", "image": "web:1", "imageID": f"r.example/web@{DIGEST}", "ready": True, "restartCount": 0}
        ],
    }
    async with Cluster(access_by(api_server.kubeconfig), dice=lowest) as cluster:
        await cluster.create(NAMESPACES, named(namespace))
        await cluster.create(ACCOUNTS, named("default"), namespace)
        await cluster.create(PODS, {"metadata": metadata, "spec": spec}, namespace)
        before = await census(cluster, [namespace])
        await cluster.patch(Resource("", "v1", "pods/web", ApiObject), "status", {"status": state}, namespace)
        after = await census(cluster, [namespace])

    assert before.pods == {}
    assert after.pods == {namespace: 1}
    assert list(after.running) == [
        Running(namespace, ("apps/v1", "Deployment", "web"), "template_hash", "r.example/web:1", DIGEST)
    ]
