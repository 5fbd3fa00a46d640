"""Which namespaces the file enforces and no label does, asked of an API server that plays."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from router.assembly.labels import are_needed, follow_unlabelled
from router.errors import ClusterError
from router.kubernetes.client import Cluster
from router.policy import EnforcementSettings
from tests.kubernetes.shapes import lowest
from tests.patience import PATIENCE
from tests.simulators.kubernetes import KubernetesSimulator, status
from tests.simulators.log import Log

LABEL = "gatecrier.dev/mode"
SETTINGS = EnforcementSettings.model_validate(
    {
        "namespaces": {"payments*": "enforce", "batch": "enforce", "kube-system": "enforce"},
        "never_block": ["kube-system"],
        "label": LABEL,
        "label_may_lower": ["batch"],
    }
)
NAMES = {
    "payments-a": {},
    "payments-b": {LABEL: "detect"},
    "payments-c": {LABEL: "enforce"},
    "payments-d": {LABEL: "off"},
    "batch": {},
    "kube-system": {},
    "elsewhere": {},
}


def put(api: KubernetesSimulator, name: str, **labels: str) -> None:
    api.put("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})


@contextlib.asynccontextmanager
async def followed(api: KubernetesSimulator) -> AsyncIterator[None]:
    """Somebody follows these namespaces."""
    for name, labels in NAMES.items():
        put(api, name, **labels)
    async with api.running(), Cluster(api.access(), dice=lowest) as cluster:
        task = asyncio.create_task(follow_unlabelled(lambda: cluster, SETTINGS))
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def named(log: Log, times: int, event: str = "namespaces_unlabelled") -> list[tuple[int, list[str]]]:
    """How many there were and which were new, once that was said so many times."""
    async with asyncio.timeout(PATIENCE):
        while len(found := log.named(event)) < times:  # noqa: ASYNC110 - a log tells nobody that it has grown
            await asyncio.sleep(0.005)
    return [(line["count"], line["namespaces"]) for line in found if "count" in line]


async def test_those_are_named_that_the_file_enforces_and_no_label_does(log: Log) -> None:
    """One that is switched off, too: nothing is refused there, whatever the file says."""
    async with followed(KubernetesSimulator()):
        said = await named(log, 1)

    assert said == [(3, ["payments-a", "payments-b", "payments-d"])]
    assert log.named("namespaces_unlabelled")[0]["remedy"].startswith(
        "kubectl label namespace NAME gatecrier.dev/mode=enforce"
    )


async def test_one_that_comes_back_without_its_label_is_named_at_once_and_one_that_has_it_is_not(log: Log) -> None:
    """Nobody has to have answered when the label went."""
    api = KubernetesSimulator()
    async with followed(api):
        await named(log, 1)
        put(api, "payments-a", **{LABEL: "enforce"})
        put(api, "payments-b", other="label")  # was named already
        api.remove("/api/v1/namespaces", "payments-c")
        put(api, "payments-c")
        said = await named(log, 2)
        put(api, "payments-a")
        said = await named(log, 3)

    assert said[1:] == [(3, ["payments-c"]), (4, ["payments-a"])]


async def test_what_was_missed_while_the_api_server_was_away_is_named(log: Log) -> None:
    """And what is known already is not said again."""
    api = KubernetesSimulator()
    async with followed(api):
        await named(log, 1)
        api.faults.append(lambda _: status(500))
        api.end_watches()
        await named(log, 1, "labels_not_known")
        put(api, "payments-a", **{LABEL: "enforce"})
        api.remove("/api/v1/namespaces", "payments-d")
        put(api, "payments-e")
        api.forget()
        api.faults.clear()
        said = await named(log, 2)

    assert said[1:] == [(2, ["payments-e"])]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"label": LABEL}, False),
        ({"namespaces": {"payments": "enforce"}}, False),
        ({"label": LABEL, "namespaces": {"payments": "detect"}}, False),
        ({"label": LABEL, "namespaces": {"payments": "enforce"}}, True),
        ({"label": LABEL, "default": "enforce"}, True),
    ],
)
def test_nothing_is_looked_for_where_nothing_can_be_found(settings: dict[str, object], *, expected: bool) -> None:
    """As installed nothing is enforced by the file: no right is needed for that."""
    assert are_needed(EnforcementSettings.model_validate(settings)) is expected


@pytest.mark.parametrize("is_configured", [True, False])
async def test_what_can_not_be_found_out_is_said(log: Log, *, is_configured: bool) -> None:
    api = KubernetesSimulator()
    api.faults.append(lambda _: status(403))
    if is_configured:
        async with followed(api):
            await named(log, 1, "labels_not_known")
    else:

        def get() -> Cluster:
            raise ClusterError("this is no Pod", cause="unconfigured")

        await follow_unlabelled(get, SETTINGS)

    assert len(log.named("labels_not_known")) == 1
