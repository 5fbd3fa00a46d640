"""Which requests a real API server brings to which webhook of the chart, and what becomes of those that nobody answers.

What never brings an image is left out by `matchConditions`, which must not fail on anything: under `Fail` their error
would refuse.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.chart.cluster import ADMISSION, Answer, Cluster, Witness, ours, until
from tests.chart.helm import needs_helm
from tests.simulators.kube_apiserver import needs_api_server

pytestmark = [needs_helm, needs_api_server]
OWN = {"tls": {"mode": "secret", "secret": {"caBundle": "LS0tLS1CRUdJTg=="}}}
CONTAINERS = {"containers": [{"name": "web", "image": "registry.example/web:1"}]}
LABELS = {"app": "web"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": CONTAINERS}
SELECTED = {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}
JOB = {"template": {"metadata": {"labels": LABELS}, "spec": {**CONTAINERS, "restartPolicy": "Never"}}}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "Pod": ("/api/v1/{}/pods", {"spec": CONTAINERS}),
    "PodTemplate": ("/api/v1/{}/podtemplates", {"template": TEMPLATE}),
    "ReplicationController": ("/api/v1/{}/replicationcontrollers", {"spec": {"replicas": 1, "template": TEMPLATE}}),
    "Deployment": ("/apis/apps/v1/{}/deployments", {"spec": {"replicas": 1, **SELECTED}}),
    "ReplicaSet": ("/apis/apps/v1/{}/replicasets", {"spec": {"replicas": 1, **SELECTED}}),
    "StatefulSet": ("/apis/apps/v1/{}/statefulsets", {"spec": {"replicas": 1, "serviceName": "web", **SELECTED}}),
    "DaemonSet": ("/apis/apps/v1/{}/daemonsets", {"spec": SELECTED}),
    "Job": ("/apis/batch/v1/{}/jobs", {"spec": JOB}),
    "CronJob": ("/apis/batch/v1/{}/cronjobs", {"spec": {"schedule": "0 * * * *", "jobTemplate": {"spec": JOB}}}),
}
CONFIGURATIONS = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
ENFORCE = ["/mutate/enforce", "/validate/enforce"]
PINNED = {"Pod", "Deployment", "StatefulSet", "DaemonSet", "CronJob"}
SCALED = {"ReplicationController", "Deployment", "ReplicaSet", "StatefulSet"}


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    """Somebody who is asked in Gatecrier's place, in a cluster with a namespace of each mode."""
    with ours(tmp_path_factory.mktemp("kube")) as made:
        made.install(OWN)
        for mode in ("enforce", "detect", "off"):
            made.namespace(f"in-{mode}", mode=mode)
        made.namespace("plain")
        made.must("PATCH", "/api/v1/namespaces/gatecrier", {"metadata": {"labels": {"gatecrier.dev/mode": "enforce"}}})
        made.must(
            "PATCH", "/api/v1/namespaces/kube-system", {"metadata": {"labels": {"gatecrier.dev/mode": "enforce"}}}
        )
        found = Witness(made)
        with found.listening():
            probe = partial(create, found, "Pod", "in-enforce", "probe", dry_run=True)
            until(lambda: probe().status < 400 and len(found.calls) > 0)
            yield found


def where(kind: str, namespace: str) -> str:
    return KINDS[kind][0].format(f"namespaces/{namespace}")


def create(witness: Witness, kind: str, namespace: str, name: str, *, dry_run: bool = False) -> Answer:
    body = {"metadata": {"name": name, "namespace": namespace, "labels": LABELS}, **copy.deepcopy(KINDS[kind][1])}
    if kind == "Pod" and namespace == "gatecrier":  # which is restricted
        strict = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
        body["spec"]["containers"][0]["securityContext"] = {**strict, "seccompProfile": {"type": "RuntimeDefault"}}
    return witness.cluster.ask("POST", where(kind, namespace) + ("?dryRun=All" if dry_run else ""), body)


def change(witness: Witness, kind: str, name: str, how: dict[str, Any], subresource: str = "") -> Callable[[], Answer]:
    path = f"{where(kind, 'in-enforce')}/{name}"

    def act() -> Answer:
        witness.cluster.settle(path)
        return witness.cluster.ask("PATCH", path + subresource, how)

    return act


def with_image(kind: str, image: str) -> dict[str, Any]:
    """A patch that brings an image."""
    pod: dict[str, Any] = {"spec": {"containers": [{"name": "web", "image": image}]}}
    match kind:
        case "Pod":
            return pod
        case "PodTemplate":
            return {"template": pod}
        case "CronJob":
            return {"spec": {"jobTemplate": {"spec": {"template": pod}}}}
    return {"spec": {"template": pod}}


@pytest.mark.parametrize(
    ("namespace", "paths"),
    [
        ("plain", ["/validate/detect"]),
        ("in-detect", ["/validate/detect"]),
        ("in-enforce", ENFORCE),
        ("in-off", []),
        ("kube-system", []),
        ("gatecrier", []),
    ],
)
def test_the_label_says_who_is_called(witness: Witness, namespace: str, paths: list[str]) -> None:
    """Whatever it says, the cluster and Gatecrier itself can start."""
    assert witness.paths(lambda: create(witness, "Pod", namespace, "labelled")) == paths


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_asked_about_when_it_brings_an_image_and_only_then(witness: Witness, kind: str) -> None:
    name = f"of-{kind.lower()}"
    updated = ENFORCE if kind in PINNED else ["/validate/enforce"]
    note = {"metadata": {"annotations": {"example.com/note": "1"}}}
    override = {"metadata": {"annotations": {"gatecrier.dev/break-glass": "INC-4711 the shop is down"}}}

    created = [*updated] if kind != "Job" else ENFORCE
    assert witness.paths(lambda: create(witness, kind, "in-enforce", name)) == created
    # A PodTemplate has no spec, by which it is seen that nothing has changed.
    assert witness.paths(change(witness, kind, name, note)) == (["/validate/enforce"] if kind == "PodTemplate" else [])
    assert witness.paths(change(witness, kind, name, override)) == updated
    if kind != "Job":  # whose template can't be changed
        assert witness.paths(change(witness, kind, name, with_image(kind, "registry.example/web:2"))) == updated
    if kind in SCALED:
        assert witness.paths(change(witness, kind, name, {"spec": {"replicas": 3}})) == []
        assert witness.paths(change(witness, kind, name, {"spec": {"replicas": 2}}, "/scale")) == []
    if kind != "PodTemplate":
        assert witness.paths(change(witness, kind, name, {"status": {}}, "/status")) == []


def test_a_debug_container_is_asked_about(witness: Witness) -> None:
    create(witness, "Pod", "in-enforce", "debugged")
    container = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "registry.example/debug:1"}]}}

    assert witness.paths(change(witness, "Pod", "debugged", container, "/ephemeralcontainers")) == ENFORCE


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"Job"}))
def test_what_is_being_deleted_can_go(witness: Witness, kind: str) -> None:
    """Finalizers are taken away by updates, and nobody's failure may hold them up."""
    name = f"ends-{kind.lower()}"
    create(witness, kind, "in-enforce", name)
    change(witness, kind, name, {"metadata": {"finalizers": ["example.com/wait"]}})()
    gone = {"propagationPolicy": "Background"}

    assert witness.paths(lambda: witness.cluster.ask("DELETE", f"{where(kind, 'in-enforce')}/{name}", gone)) == []
    assert witness.paths(change(witness, kind, name, with_image(kind, "registry.example/web:3"))) == []
    assert witness.paths(change(witness, kind, name, {"metadata": {"finalizers": None}})) == []


def test_where_nobody_answers_only_what_is_enforced_is_refused(bare: Cluster) -> None:
    """The Service leads nowhere here: there is no Pod, as after a fault that takes every replica."""
    bare.install({**OWN, "webhooks": {"timeoutSeconds": 1}, "config": {"webhook": {"deadline": "500ms"}}})
    nobody = Witness(bare)
    bare.namespace("in-enforce", mode="enforce")
    bare.namespace("plain")
    until(lambda: create(nobody, "Pod", "in-enforce", "refused", dry_run=True).status == 500)

    assert create(nobody, "Pod", "plain", "let-in").status == 201
    assert create(nobody, "Pod", "kube-system", "let-in").status == 201
    assert create(nobody, "Pod", "gatecrier", "let-in").status == 201
    assert "enforce.validate.gatecrier.dev" in create(nobody, "Pod", "in-enforce", "refused").message


def test_webhooks_go_before_whoever_answers_them(bare: Cluster) -> None:
    """Else every namespace that enforces would refuse everything meanwhile, for good if the removal stopped there."""
    bare.install(OWN)
    before = len(bare.done())
    bare.helm("uninstall", "gatecrier")
    deleted = [path for verb, path in bare.done()[before:] if verb == "delete"]

    validating, mutating = (deleted.index(f"{ADMISSION}/{kind}/gatecrier") for kind in CONFIGURATIONS)
    others = [deleted.index(path) for path in deleted if "/namespaces/gatecrier/" in path]
    assert validating < mutating < min(others)
    for kind in CONFIGURATIONS:
        assert bare.ask("GET", f"{ADMISSION}/{kind}/gatecrier").status == 404
    assert bare.ask("GET", "/apis/apps/v1/namespaces/gatecrier/statefulsets/gatecrier").status == 404


def test_an_upgrade_leaves_what_the_program_has_written(bare: Cluster) -> None:
    """The managed certificate and its CA: to lose them would be an outage."""
    managed: dict[str, Any] = {"tls": {"mode": "managed"}}
    bare.install(managed)
    bare.must("PATCH", "/api/v1/namespaces/gatecrier/secrets/gatecrier-tls", {"data": {"tls.crt": "YQ=="}})
    path = f"{ADMISSION}/{CONFIGURATIONS[0]}/gatecrier"
    authority = base64.b64encode(bare.server.authority.certificate).decode()
    found = bare.must("GET", path)
    for webhook in found["webhooks"]:
        webhook["clientConfig"]["caBundle"] = authority
    bare.must("PUT", path, found)
    bare.install({**managed, "webhooks": {"timeoutSeconds": 15}}, "upgrade")

    secret = bare.must("GET", "/api/v1/namespaces/gatecrier/secrets/gatecrier-tls")
    webhooks = bare.must("GET", path)["webhooks"]
    assert secret["data"] == {"tls.crt": "YQ=="}
    assert [webhook["timeoutSeconds"] for webhook in webhooks] == [15, 15, 5]
    assert {webhook["clientConfig"]["caBundle"] for webhook in webhooks} == {authority}
