"""What `kubectl describe` finds on a real API server, told by a user who may do no more than that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from router.kubernetes.client import Cluster, Json, ObjectSelection
from router.kubernetes.resources import ApiObject, Resource
from router.kubernetes.watching import Present, changes
from router.object_events.publishing import ObjectEvents
from tests.kubernetes.shapes import NAMESPACES
from tests.object_events.test_making import OWNER, event
from tests.patience import PATIENCE
from tests.simulators.kube_apiserver import ApiServer, needs_api_server

pytestmark = needs_api_server


class Series(ApiObject, frozen=True):
    """What is read of an Event."""

    reason: str
    message: str
    series: dict[str, int | str] | None = None


DESCRIBED = Resource("", "v1", "events", Series)
ROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", ApiObject)
BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", ApiObject)


async def allow(admin: Cluster, user: str, rules: Sequence[Json]) -> None:
    """Let a user do this, and nothing else."""
    group = "rbac.authorization.k8s.io"
    await admin.create(ROLES, {"metadata": {"name": user}, "rules": rules})
    await admin.create(
        BINDINGS,
        {
            "metadata": {"name": user},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": user},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        },
    )


async def test_who_describes_a_replica_set_is_told_how_often(api_server: ApiServer) -> None:
    async with (
        Cluster(api_server.access()) as admin,
        Cluster(api_server.access("teller", None), dice=lambda: 0.0) as teller,
    ):
        await admin.create(NAMESPACES, {"metadata": {"name": "payments"}})
        rule: Json = {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]}
        await allow(admin, "teller", [rule])
        events = ObjectEvents(lambda: teller, "gatecrier-0")
        events.is_on = True
        telling = asyncio.create_task(events.run())
        for _ in range(42):
            events.hear(event(workload={"kind": "Pod", "owner": OWNER}))
        # As `kubectl describe` asks: all of these must be right.
        of = {"kind": "ReplicaSet", "name": "web-7d4b9c", "uid": "0b1c", "namespace": "payments"}
        selection = ObjectSelection(
            "payments", fields=",".join(f"involvedObject.{key}={value}" for key, value in of.items())
        )
        found = set[str]()
        async with asyncio.timeout(PATIENCE), aclosing(changes(admin, DESCRIBED, selection)) as seen:
            async for change in seen:
                if isinstance(change, Present):
                    one = change.object
                    found.add(one.metadata.name)
                    if one.series is not None:
                        break
        telling.cancel()

    assert len(found) == 1
    assert one.reason == "ImagesRejected"
    assert one.message.startswith("registry.example/shop/web:1.4 (container web): unsigned.")
    assert one.series is not None
    assert one.series["count"] == 42
