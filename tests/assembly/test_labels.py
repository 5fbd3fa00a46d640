"""Which namespaces the file enforces and no label does, asked of an API server that plays."""

from __future__ import annotations

import pytest

from router.assembly.labels import name_unlabelled, unlabelled
from router.errors import ClusterError
from router.kubernetes.client import Cluster
from router.policy import EnforcementSettings
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


def with_namespaces() -> KubernetesSimulator:
    """An API server that has them."""
    api = KubernetesSimulator()
    for name, labels in NAMES.items():
        api.put("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    return api


async def test_those_are_named_that_the_file_enforces_and_no_label_does() -> None:
    """One that is switched off, too: nothing is refused there, whatever the file says."""
    async with with_namespaces().running() as api, Cluster(api.access()) as cluster:
        found = await unlabelled(cluster, SETTINGS)

    assert found == ["payments-a", "payments-b", "payments-d"]


async def test_it_is_said_in_the_log(log: Log) -> None:
    async with with_namespaces().running() as api, Cluster(api.access()) as cluster:
        await name_unlabelled(lambda: cluster, SETTINGS)
        await name_unlabelled(lambda: cluster, EnforcementSettings(label=LABEL))

    (line,) = log.named("namespaces_unlabelled")
    assert (line["count"], line["namespaces"]) == (3, ["payments-a", "payments-b", "payments-d"])
    assert line["remedy"].startswith("kubectl label namespace NAME gatecrier.dev/mode=enforce")


@pytest.mark.parametrize("is_configured", [True, False])
async def test_what_can_not_be_found_out_is_said(log: Log, *, is_configured: bool) -> None:
    async with with_namespaces().running() as api, Cluster(api.access()) as cluster:
        api.faults.append(lambda _: status(403))

        def get() -> Cluster:
            if is_configured:
                return cluster
            raise ClusterError("this is no Pod", cause="unconfigured")

        await name_unlabelled(get, SETTINGS)

    assert log.named("labels_not_known")
