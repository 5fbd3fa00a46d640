"""The chart in a real API server: every object of it is taken, and who may switch a namespace.

What is refused, and what that looks like to a user, is decided by the API server; nothing here plays it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.cluster import RBAC, Answer, Cluster, ours, until
from tests.chart.helm import needs_helm
from tests.simulators.kube_apiserver import needs_api_server

pytestmark = [needs_helm, needs_api_server]
LABEL = "gatecrier.dev/mode"
MONITORED = {
    "tls": {"mode": "certManager"},
    "monitoring": {"podMonitor": {"enabled": True}, "rules": {"enabled": True}, "dashboard": {"enabled": True}},
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with the chart in it, cert-manager's and Prometheus' kinds, and those who may do this or that."""
    with ours(tmp_path_factory.mktemp("kube")) as made:
        made.define()
        made.install(MONITORED)
        people(made)
        refused = {"metadata": {"name": "probe", "labels": {LABEL: "nonsense"}}}
        until(lambda: made.ask("POST", "/api/v1/namespaces?dryRun=All", refused).status == 422)
        yield made


def people(made: Cluster) -> None:
    """Those who may label namespaces: everybody here; and set modes: as they are called."""
    every = ["namespaces", "namespaces/status", "namespaces/finalize"]
    verbs = ["get", "create", "update", "patch"]
    roles = {
        "labels": [{"apiGroups": [""], "resources": every, "verbs": verbs}],
        "raises": [
            {"apiGroups": ["gatecrier.dev"], "resources": ["modes"], "resourceNames": ["enforce"], "verbs": ["set"]}
        ],
        "sets-all": [{"apiGroups": ["gatecrier.dev"], "resources": ["modes"], "verbs": ["set"]}],
    }
    for name, rules in roles.items():
        made.must("POST", f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": rules})
    bound = {"raiser": "raises", "setter": "gatecrier-set-modes", "greedy": "sets-all", "root": "cluster-admin"}
    for user in (*bound, "labeller", "local"):
        made.bind(user, "labels")
    for user, role in bound.items():
        made.bind(user, role)
    made.namespace("local-own")
    made.bind("local", "gatecrier-set-modes", namespace="local-own")


def switch(made: Cluster, name: str, mode: str | None, user: str | None = None) -> Answer:
    return made.ask("PATCH", f"/api/v1/namespaces/{name}", {"metadata": {"labels": {LABEL: mode}}}, as_user=user)


def test_every_object_of_the_chart_is_taken(installed: Cluster) -> None:
    assert installed.helm("status", "gatecrier").count("STATUS: deployed") == 1
    assert (
        installed.ask("GET", "/apis/cert-manager.io/v1/namespaces/gatecrier/certificates/gatecrier-tls").status == 200
    )
    assert (
        installed.ask("GET", "/apis/monitoring.coreos.com/v1/namespaces/gatecrier/podmonitors/gatecrier").status == 200
    )


def test_its_pod_is_taken_where_pods_are_restricted(installed: Cluster) -> None:
    """Pod Security Standards, "Restricted", which our namespace asks for."""
    path = "/apis/apps/v1/namespaces/gatecrier/statefulsets/gatecrier"
    template = installed.must("GET", path)["spec"]["template"]
    template["spec"]["volumes"].append({"name": "outbox", "emptyDir": {}})
    pod = {"metadata": {"name": "one", "labels": template["metadata"]["labels"]}, "spec": template["spec"]}

    answer = installed.ask("POST", "/api/v1/namespaces/gatecrier/pods?dryRun=All&fieldValidation=Strict", pod)
    assert answer.status == 201, answer.message
    pod["spec"]["containers"][0]["securityContext"] = {}
    assert "PodSecurity" in installed.ask("POST", "/api/v1/namespaces/gatecrier/pods?dryRun=All", pod).message


@pytest.mark.parametrize(
    ("user", "before", "after", "status"),
    [
        ("labeller", None, "enforce", 403),
        ("labeller", "enforce", None, 403),
        ("labeller", "enforce", "detect", 403),
        ("labeller", "off", "enforce", 403),
        ("setter", None, "enforce", 200),
        ("setter", "enforce", "detect", 200),
        ("setter", "enforce", None, 200),
        ("setter", "off", "detect", 200),
        ("setter", None, "off", 403),
        ("raiser", None, "enforce", 200),
        ("raiser", "enforce", "detect", 403),
        ("raiser", "enforce", None, 403),
        ("greedy", "detect", "enforce", 200),
        ("greedy", "enforce", "off", 403),
        ("local", None, "enforce", 403),
        ("root", "enforce", "off", 200),
        ("root", None, "Enforce", 422),
        (None, "enforce", "off", 200),
    ],
)
def test_who_may_switch_a_namespace(
    installed: Cluster, user: str | None, before: str | None, after: str | None, status: int
) -> None:
    name = f"of-{user}-{before}-{after}".lower()
    installed.namespace(name, **({} if before is None else {"mode": before}))
    answer = switch(installed, name, after, user)

    assert answer.status == status, answer.message
    now = installed.must("GET", f"/api/v1/namespaces/{name}")["metadata"]["labels"].get(LABEL)
    assert now == (after if status == 200 else before)
    if status == 403:
        assert f"{user} may not" in answer.message


def test_who_may_set_modes_in_one_namespace_may_do_so_there_only(installed: Cluster) -> None:
    assert switch(installed, "local-own", "enforce", "local").status == 200
    assert switch(installed, "local-own", "off", "local").status == 403


def test_whoever_may_label_may_change_everything_else(installed: Cluster) -> None:
    installed.namespace("other-labels", mode="enforce")
    patch = {"metadata": {"labels": {"team": "shop"}, "annotations": {"gatecrier.dev/mode": "off"}}}

    assert installed.ask("PATCH", "/api/v1/namespaces/other-labels", patch, as_user="labeller").status == 200


@pytest.mark.parametrize("subresource", ["status", "finalize"])
def test_there_is_no_way_around_by_a_subresource(installed: Cluster, subresource: str) -> None:
    """Both may change labels, too."""
    name = f"around-{subresource}"
    installed.namespace(name, mode="enforce")
    found = installed.must("GET", f"/api/v1/namespaces/{name}")
    del found["metadata"]["labels"][LABEL]
    where = f"/api/v1/namespaces/{name}/{subresource}"

    assert installed.ask("PUT", where, found, as_user="labeller").status == 403
    assert installed.ask("PUT", where, found, as_user="setter").status == 200


@pytest.mark.parametrize(("user", "mode", "status"), [("labeller", "enforce", 403), ("setter", "enforce", 201)])
def test_a_new_namespace_has_its_label_by_the_same_right(installed: Cluster, user: str, mode: str, status: int) -> None:
    body: dict[str, Any] = {"metadata": {"name": f"new-{user}-{mode}", "labels": {LABEL: mode}}}

    assert installed.ask("POST", "/api/v1/namespaces", body, as_user=user).status == status
    body = {"metadata": {"name": f"new-{user}"}}
    assert installed.ask("POST", "/api/v1/namespaces", body, as_user=user).status == 201
