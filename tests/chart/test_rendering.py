"""What Helm makes of the chart: valid for every release, watching and blocking nothing unless told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

import router
from router.fields import OnlyAtStart
from router.settings.loading import Loaded, attempt_offline
from router.settings.tree import Settings
from tests.chart.helm import CHART, IMAGE, Json, helm, needs_helm, of_kind, refusal, rendered
from tests.chart.schemas import RELEASES, faults

pytestmark = needs_helm
CA = "LS0tLS1CRUdJTg=="
EVERYTHING: Json = {
    "templates": {"mine.json": '{"text": "{{ event.id }}"}'},
    "secretName": "gatecrier-secrets",
    "imagePullSecrets": [{"name": "pull"}],
    "tls": {"mode": "certManager", "certManager": {"issuer": {"name": "ours", "kind": "ClusterIssuer"}}},
    "monitoring": {
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "rules": {"enabled": True, "runbooks": "https://docs.example/"},
        "dashboard": {"enabled": True},
    },
    "networkPolicy": {
        "controlPlane": ["10.0.0.0/28"],
        "extraEgress": [{"ports": [{"port": 5000}], "to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]}],
    },
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "infra", "operator": "Exists"}],
    "persistence": {"size": "10Gi", "storageClassName": "fast"},
    "serviceAccount": {"annotations": {"example.com/role": "gatecrier"}},
    "extraEnv": [{"name": "SYSDIG_TOKEN", "valueFrom": {"secretKeyRef": {"name": "sysdig", "key": "token"}}}],
    "extraEnvFrom": [{"secretRef": {"name": "more"}}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "company-ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/run/ca", "readOnly": True}],
    "commonLabels": {"team": "platform"},
    "podLabels": {"sidecar.istio.io/inject": "false"},
    "podAnnotations": {"example.com/note": "a gate"},
    "webhooks": {"excludeNamespaces": ["kube-node-lease"], "annotations": {"example.com/owner": "platform"}},
}
VARIANTS: dict[str, Json] = {
    "as it stands": {},
    "everything": EVERYTHING,
    "own certificate": {"tls": {"mode": "secret", "secret": {"name": "mine", "caBundle": CA}}},
    "cert-manager": {"tls": {"mode": "certManager"}},
    "looking at what runs": {"config": {"scan": {"every": "24h"}}},
    "told on objects": {"config": {"kubernetes": {"api": "in-cluster", "events": True}}},
    "OpenShift": {"openshift": True, "priorityClass": {"create": False}},
    "by Service": {"monitoring": {"serviceMonitor": {"enabled": True}}},
    "one replica on the host's network": {"replicas": 1, "hostNetwork": True},
    "enforced by the file": {"config": {"enforcement": {"namespaces": {"payments": "enforce"}}}},
    "as little as possible": {
        "networkPolicy": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "priorityClass": {"create": False},
        "modePolicy": {"enabled": False},
        "serviceAccount": {"create": False},
        "config": {"webhook": {"pin_digests": False}},
    },
}


@pytest.mark.parametrize("name", VARIANTS)
def test_helm_finds_nothing_to_say(name: str) -> None:
    done = helm("lint", CHART, "--strict", values=VARIANTS[name])

    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", VARIANTS)
def test_every_object_is_valid_in_every_release_of_kubernetes(name: str, release: str) -> None:
    objects = rendered(VARIANTS[name], hooks=True)

    assert len(objects) > 5
    assert [fault for found in objects for fault in faults(found, release)] == []


def test_a_fault_is_found() -> None:
    """The check above checks something."""
    workload = of_kind(rendered(), "StatefulSet")
    workload["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}

    assert "readynessProbe" in " ".join(faults(workload, RELEASES[0]))


@pytest.mark.parametrize("name", VARIANTS)
def test_the_configuration_is_one_that_the_program_takes(name: str, tmp_path: Path) -> None:
    text = of_kind(rendered(VARIANTS[name]), "ConfigMap", "gatecrier-config")["data"]["gatecrier.yaml"]
    (tmp_path / "gatecrier.yaml").write_text(text)

    assert isinstance(attempt_offline(tmp_path / "gatecrier.yaml"), Loaded)


def test_as_it_stands_it_blocks_nothing() -> None:
    """A namespace without the label is asked about by a webhook that is ignored where it fails, and in detect."""
    objects = rendered()
    config = yaml.safe_load(of_kind(objects, "ConfigMap")["data"]["gatecrier.yaml"])
    webhooks = {
        webhook["name"]: webhook
        for found in objects
        if found["kind"].endswith("WebhookConfiguration")
        for webhook in found["webhooks"]
    }

    assert config["enforcement"] == {
        "default": "detect",
        "label": "gatecrier.dev/mode",
        "never_block": ["kube-system", "gatecrier"],
    }
    assert {name: webhook["failurePolicy"] for name, webhook in webhooks.items()} == {
        "enforce.validate.gatecrier.dev": "Fail",
        "detect.validate.gatecrier.dev": "Ignore",
        "modes.gatecrier.dev": "Ignore",
        "enforce.mutate.gatecrier.dev": "Ignore",
    }
    del webhooks["modes.gatecrier.dev"]
    for name, webhook in webhooks.items():
        mode, verb, *_ = name.split(".")
        label, own = webhook["namespaceSelector"]["matchExpressions"]
        chosen = {"enforce": ("In", ["enforce"]), "detect": ("NotIn", ["enforce", "off"])}[mode]

        assert webhook["clientConfig"]["service"]["path"] == f"/{verb}/{mode}"
        assert (label["key"], label["operator"], label["values"]) == ("gatecrier.dev/mode", *chosen)
        assert (own["operator"], own["values"]) == ("NotIn", ["kube-system", "gatecrier"])


def test_every_webhook_of_a_configuration_is_asked_about_the_same() -> None:
    """What the label says changes the mode, not what is looked at."""
    for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
        found = of_kind(rendered(VARIANTS["enforced by the file"]), kind)["webhooks"]
        first, *others = [webhook for webhook in found if webhook["name"] != "modes.gatecrier.dev"]

        assert others
        for key in ("rules", "matchConditions", "timeoutSeconds", "sideEffects", "matchPolicy"):
            assert [other[key] for other in others] == [first[key]]


def test_a_namespace_that_is_only_watched_waits_for_one_call() -> None:
    """Pinning asks there only where the file enforces, which the API server does not know."""
    names = [
        [webhook["name"] for webhook in of_kind(rendered(values), "MutatingWebhookConfiguration")["webhooks"]]
        for values in ({}, VARIANTS["enforced by the file"])
    ]

    assert names == [
        ["enforce.mutate.gatecrier.dev"],
        ["enforce.mutate.gatecrier.dev", "detect.mutate.gatecrier.dev"],
    ]


def test_another_label_is_meant_everywhere() -> None:
    """By the configuration, by both selectors, and by the policy that guards it."""
    text = helm(
        *("template", "gatecrier", CHART, "--namespace", "gatecrier", "--kube-version", "1.35.0"),
        values={"config": {"enforcement": {"label": "example.com/images"}}},
    ).stdout

    assert "gatecrier.dev/mode" not in text
    assert text.count("example.com/images") > 8


def test_an_annotation_that_overrides_brings_a_request_to_the_gate() -> None:
    """By whatever name it goes."""
    allowed = {"annotation": "example.com/let-in", "allowed": {"users": ["alice@example.com"]}}
    webhook = of_kind(rendered({"config": {"break_glass": allowed}}), "ValidatingWebhookConfiguration")["webhooks"][0]

    assert webhook["matchConditions"][1]["expression"].count("annotations[?'example.com/let-in']") == 2


def test_the_release_says_what_everything_is_called() -> None:
    for found in rendered(release="gate"):
        assert found["metadata"]["name"].startswith("gate-gatecrier")
        assert found["metadata"].get("namespace", "gatecrier") == "gatecrier"


def test_nothing_that_can_not_be_changed_is_changed() -> None:
    """A StatefulSet that is there already is upgraded only as long as these are as they always were."""
    for values in ({}, EVERYTHING):
        spec = of_kind(rendered(values), "StatefulSet")["spec"]

        assert spec["selector"] == {"matchLabels": {"app.kubernetes.io/name": "gatecrier"}}
        assert (spec["serviceName"], spec["podManagementPolicy"]) == ("gatecrier-replicas", "Parallel")
        assert [claim["metadata"] for claim in spec["volumeClaimTemplates"]] == [{"name": "outbox"}]


AT_START: dict[str, Json] = {
    "webhook.listen": {"config": {"webhook": {"listen": "0.0.0.0:8443"}}},
    "webhook.processes": {"config": {"webhook": {"processes": 2}}},
    "webhook.max_body": {"config": {"webhook": {"max_body": "16MiB"}}},
    "operations.listen": {"config": {"operations": {"listen": "0.0.0.0:9090"}}},
    "outbox.url": {"config": {"outbox": {"url": "sqlite:////var/lib/gatecrier/other.db"}}},
    "incidents.collector": {
        "replicas": 3,
        "config": {"incidents": {"collector": "gatecrier-1.gatecrier-replicas:8444"}},
    },
}


def taken_at_start(model: type[BaseModel], *before: str) -> Iterator[str]:
    """The names of all settings that a running program does not take."""
    for name, field in model.model_fields.items():
        if any(isinstance(mark, OnlyAtStart) for mark in field.metadata):
            yield ".".join([*before, name])
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from taken_at_start(field.annotation, *before, name)


def test_what_is_taken_at_a_start_only_replaces_the_pods_and_nothing_else_does() -> None:
    """Among it that there are several replicas now, of which one collects."""

    def template(values: Json) -> object:
        return of_kind(rendered(values), "StatefulSet")["spec"]["template"]

    assert set(taken_at_start(Settings)) == set(AT_START)
    for values in AT_START.values():
        assert template(values) != template({})
    assert template({"replicas": 1}) != template({"replicas": 2})
    assert template({"replicas": 3}) == template({"replicas": 2})
    assert template({"config": {"webhook": {"deadline": "5s"}}}) == template({})


def test_on_openshift_the_cluster_chooses_the_user() -> None:
    context = of_kind(rendered({"openshift": True}), "StatefulSet")["spec"]["template"]["spec"]["securityContext"]

    assert context["runAsNonRoot"] is True
    assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(context)


def test_on_openshift_names_are_found() -> None:
    """Its name servers listen at 5353, and a NetworkPolicy is held against that port, not the Service's."""
    found = [
        {
            port["port"]
            for rule in of_kind(rendered(values), "NetworkPolicy")["spec"]["egress"]
            for port in rule["ports"]
        }
        for values in ({"openshift": True}, {})
    ]

    assert found[0] - found[1] == {5353}


def test_no_value_can_be_a_label_that_the_chart_sets() -> None:
    """It would stand there twice; what the schema refuses is written by hand."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    is_refused = re.compile(schema["$defs"]["labels"]["propertyNames"]["not"]["pattern"]).search
    labels = {label for found in rendered(hooks=True) for label in found["metadata"]["labels"]}

    assert len(labels) > 4
    assert {label for label in labels if not is_refused(label)} == set()


def test_a_label_of_one_kind_of_object_outranks_one_of_everything() -> None:
    """Were both written, the key would stand there twice, which `rendered` refuses."""
    own = {"team": "own"}
    monitoring = {"enabled": True, "labels": own}
    values: Json = {
        "commonLabels": {"team": "platform", "cost": "1"},
        "podLabels": own,
        "monitoring": {"podMonitor": monitoring, "rules": monitoring, "dashboard": monitoring},
    }
    objects = rendered(values)
    by_service = rendered({**values, "monitoring": {"serviceMonitor": monitoring}})
    outranking = [
        of_kind(objects, "StatefulSet")["spec"]["template"],
        of_kind(objects, "PodMonitor"),
        of_kind(objects, "PrometheusRule"),
        of_kind(objects, "ConfigMap", "gatecrier-dashboard"),
        of_kind(by_service, "ServiceMonitor"),
    ]

    assert [one["metadata"]["labels"]["team"] for one in outranking] == ["own"] * 5
    assert {one["metadata"]["labels"]["cost"] for one in outranking} == {"1"}
    assert of_kind(objects, "StatefulSet")["metadata"]["labels"]["team"] == "platform"
    assert outranking[0]["metadata"]["labels"] == {"app.kubernetes.io/name": "gatecrier", "team": "own", "cost": "1"}


def test_the_image_is_named_by_digest_where_there_is_one() -> None:
    digest = f"sha256:{'a' * 64}"
    images = [
        of_kind(rendered({"image": {"repository": "r.example/gate", **more}}), "StatefulSet")["spec"]["template"][
            "spec"
        ]["containers"][0]["image"]
        for more in ({}, {"tag": "1"}, {"digest": digest}, {"tag": "1", "digest": digest})
    ]

    named = [f":{router.__version__}", ":1", f"@{digest}", f":1@{digest}"]
    assert images == [f"r.example/gate{name}" for name in named]


def test_the_chart_has_the_version_of_the_program() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert chart["version"] == chart["appVersion"] == router.__version__


def test_alerts_and_dashboard_are_those_of_the_project() -> None:
    objects = rendered(EVERYTHING)
    alerts = yaml.safe_load((CHART / "files/alerts.yaml").read_text())
    rules = of_kind(objects, "PrometheusRule")["spec"]
    links = {rule["annotations"].pop("runbook_url") for group in rules["groups"] for rule in group["rules"]}
    for group in alerts["groups"]:
        for rule in group["rules"]:
            del rule["annotations"]["runbook_url"]

    assert rules == alerts
    assert all(link.startswith("https://docs.example/docs/operations.md#") for link in links)
    dashboard = of_kind(objects, "ConfigMap", "gatecrier-dashboard")["data"]["gatecrier.json"]
    assert dashboard.strip() == (CHART / "files/dashboard.json").read_text().strip()


def test_the_right_to_write_is_about_named_objects_only() -> None:
    """And there is none where the program does not ask the API server."""
    managed = rendered()
    rules = [rule for found in managed if found["kind"] in {"Role", "ClusterRole"} for rule in found["rules"]]

    assert [rule for rule in rules if "resourceNames" not in rule] == []
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "update", "patch", "set"}
    assert of_kind(managed, "StatefulSet")["spec"]["template"]["spec"]["automountServiceAccountToken"] is True
    config = yaml.safe_load(of_kind(managed, "ConfigMap")["data"]["gatecrier.yaml"])
    assert (config["webhook"]["tls"], config["kubernetes"]) == ("managed", {"api": "in-cluster"})
    by_others = rendered(VARIANTS["cert-manager"])
    assert not [found for found in by_others if found["kind"].endswith("RoleBinding")]
    assert of_kind(by_others, "StatefulSet")["spec"]["template"]["spec"]["automountServiceAccountToken"] is False


def test_what_the_configuration_asks_of_the_cluster_is_allowed_and_no_more() -> None:
    objects = rendered(VARIANTS["told on objects"])
    rules = of_kind(objects, "ClusterRole", "gatecrier")["rules"]

    assert rules == [
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
    ]
    assert of_kind(objects, "ClusterRoleBinding", "gatecrier")["subjects"][0]["name"] == "gatecrier"
    assert of_kind(objects, "StatefulSet")["spec"]["template"]["spec"]["automountServiceAccountToken"] is True
    ports = [port["port"] for rule in of_kind(objects, "NetworkPolicy")["spec"]["egress"] for port in rule["ports"]]
    assert 6443 in ports


@pytest.mark.parametrize("tls", [{"mode": "managed"}, {"mode": "certManager"}])
def test_a_scan_may_list_pods_and_nothing_more(tls: Json) -> None:
    config: Json = {"scan": {"every": "24h"}} | (
        {} if tls["mode"] == "managed" else {"kubernetes": {"api": "in-cluster"}}
    )
    rules = of_kind(rendered({"tls": tls, "config": config}), "ClusterRole", "gatecrier")["rules"]

    assert rules == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]


def test_namespaces_may_be_followed_only_where_the_file_enforces_some() -> None:
    """Where nothing is enforced but by a label no label can be missing."""
    rules = of_kind(rendered(VARIANTS["enforced by the file"]), "ClusterRole", "gatecrier")["rules"]

    assert rules == [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"]}]
    assert [one for one in rendered() if one["kind"] == "ClusterRole" and one["metadata"]["name"] == "gatecrier"] == []


MONITORED: Json = {"enabled": True}
BASES: dict[str, Json] = {
    "as it stands": {},
    "monitored": {"monitoring": {"podMonitor": MONITORED, "rules": MONITORED, "dashboard": MONITORED}},
    "by Service": {"monitoring": {"serviceMonitor": MONITORED}},
    "cert-manager": {"tls": {"mode": "certManager"}},
    "no objects of its own": {"priorityClass": {"create": False}, "serviceAccount": {"create": False}},
}
MEANT = re.compile(r"config|resources\..*|monitoring\.dashboard\.labels\..*")
"""Left out: the configuration has defaults of its own, and who takes a label away, or a limit of memory, by null means
that."""


def paths(values: Mapping[str, Any], *before: str) -> Iterator[tuple[str, ...]]:
    """The way to every value that the chart has, maps before what they hold."""
    for key, value in values.items():
        path = (*before, key)
        if not MEANT.fullmatch(".".join(path)):
            yield path
            if isinstance(value, dict):
                yield from paths(value, *path)


def found_at(values: object, path: tuple[str, ...]) -> object:
    """What these values say there; None where they say nothing."""
    for key in path:
        values = values.get(key) if isinstance(values, dict) else None
    return values


def with_nulls(values: Json, where: list[tuple[str, ...]]) -> Json:
    """These values, and null at each of these that no other null has taken away with what it is in."""
    made: Json = json.loads(json.dumps(values))
    for *parents, last in where:
        part: Json | None = made
        for key in parents:
            part = None if part is None else part.setdefault(key, {})
        if part is not None:
            part[last] = None
    return made


def is_required(path: tuple[str, ...]) -> bool:
    """Whether the schema refuses it where it is not there, which a value that is null is not to Helm."""
    schema: Json = json.loads((CHART / "values.schema.json").read_text())
    part = schema
    for key in path[:-1]:
        part = part["properties"][key]
        if "$ref" in part:
            part = schema["$defs"][part["$ref"].rpartition("/")[2]]
    return path[-1] in part.get("required", [])


VALUES: Json = yaml.safe_load((CHART / "values.yaml").read_text())
LEAVES = [path for path in paths(VALUES) if not isinstance(found_at(VALUES, path), dict)]
MAPS = [path for path in paths(VALUES) if isinstance(found_at(VALUES, path), dict)]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("where", [LEAVES, MAPS], ids=["leaves", "maps"])
def test_a_value_that_is_commented_out_opens_nothing(base: str, where: list[tuple[str, ...]]) -> None:
    """A key whose value is commented out is null, and so is not there: it is refused, or is as it stood."""
    given = {"image": IMAGE, **BASES[base]}
    left = [path for path in where if not is_required(path) and found_at(given, path) is None]

    assert len(left) > 3
    assert rendered(with_nulls(given, left), hooks=True) == rendered(given, hooks=True)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_every_value_that_is_required_is_named_where_it_is_missing(depth: int) -> None:
    wanted = [path for path in (*LEAVES, *MAPS) if is_required(path) and len(path) == depth]
    words = refusal(with_nulls({"image": IMAGE}, wanted))
    said: dict[str, str] = dict(re.findall(r"at '([^']*)': missing propert(?:y|ies) (.*)", words))
    missing = [path for path in wanted if f"'{path[-1]}'" not in said.get("".join(f"/{key}" for key in path[:-1]), "")]

    assert len(wanted) > 2
    assert missing == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"image": {"repository": ""}}, "build the image from the Dockerfile"),
        ({"tls": {"mode": "secret"}}, "tls.secret.caBundle is empty"),
        ({"tls": {"mode": "secret", "secret": {"caBundle": "bm9uZQ=="}}}, "tls.secret.caBundle is no PEM in base64"),
        ({"tls": {"mode": "secret", "secret": {"caBundle": "A"}}}, "tls.secret.caBundle is no PEM in base64"),
        ({"fullnameOverride": "a.b"}, "'a.b' can't be the name of a Service"),
        ({"nameOverride": "Gate"}, "'gatecrier-Gate' can't be the name of a Service"),
        ({"fullnameOverride": "1gate"}, "'1gate' can't be the name of a Service"),
        ({"podDisruptionBudget": {"maxUnavailable": "200%"}}, "does not match pattern"),
        ({"podDisruptionBudget": {"maxUnavailable": -1}}, "minimum"),
        ({"webhooks": {"excludeNamespaces": ["Bad Name"]}}, "does not match pattern"),
        ({"networkPolicy": {"monitoring": [{}]}}, "minProperties"),
        ({"config": {"webhook": {"listen": "127.0.0.1:8443"}}}, "nobody reaches it from outside of the Pod"),
        ({"config": {"operations": {"listen": "localhost:9090"}}}, "nobody reaches it from outside of the Pod"),
        ({"config": {"operations": {"listen": "[::1]:9090"}}}, "nobody reaches it from outside of the Pod"),
        ({"config": {"webhook": {"deadline": "10s"}}}, "must be below webhooks.timeoutSeconds"),
        ({"webhooks": {"timeoutSeconds": 8}}, "must be below webhooks.timeoutSeconds"),
        ({"config": {"enforcment": {}}}, "'enforcment' not allowed"),
        ({"config": {"webhook": {"tls": "self-signed"}}}, "'tls' not allowed"),
        ({"config": {"policy": [{"verifier": "deny"}]}}, "missing property 'pattern'"),
        ({"replica": 3}, "'replica' not allowed"),
        ({"networkPolicy": {"egressPorts": None}}, "missing property 'egressPorts'"),
        ({"commonLabels": {"app.kubernetes.io/name": "mine"}}, "invalid propertyName"),
        ({"podLabels": {"app.kubernetes.io/name": "mine"}}, "invalid propertyName"),
        ({"image": {"repository": "r.example/gate:1"}}, "does not match pattern"),
        (
            {"monitoring": {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}},
            "scraped twice; enable one",
        ),
    ],
)
def test_what_can_not_work_is_refused_before_anything_is_changed(values: dict[str, Any], words: str) -> None:
    assert words in refusal(values)


def test_a_release_whose_name_no_service_may_have_is_refused() -> None:
    """Helm takes one with a dot, and every object but the Service could have it."""
    done = helm("template", "my.rel", CHART, "--namespace", "gatecrier", "--kube-version", "1.35.0")

    assert "'my.rel-gatecrier' can't be the name of a Service" in done.stderr
    assert (
        of_kind(rendered({"fullnameOverride": "gate"}, release="my.rel"), "StatefulSet")["metadata"]["name"] == "gate"
    )


@pytest.mark.parametrize("most", [0, 1, "0%", "50%", "100%"])
def test_a_budget_may_be_a_number_or_a_share(most: int | str) -> None:
    budget = of_kind(rendered({"podDisruptionBudget": {"maxUnavailable": most}}), "PodDisruptionBudget")

    assert budget["spec"]["maxUnavailable"] == most


@pytest.mark.parametrize(("kubernetes", "is_asked"), [({}, True), (None, False)], ids=["empty", "null"])
def test_the_api_is_asked_where_the_configuration_says_so_if_only_by_its_name(
    kubernetes: object, *, is_asked: bool
) -> None:
    """`kubernetes: {}` is the cluster that it runs in; null is what is not there."""
    given = {"image": IMAGE, **BASES["cert-manager"], "config": {"kubernetes": kubernetes, "scan": None}}
    (workload,) = [one for one in rendered(given) if one["kind"] == "StatefulSet"]

    assert workload["spec"]["template"]["spec"]["automountServiceAccountToken"] is is_asked
