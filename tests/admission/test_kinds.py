from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from router.admission.kinds import KINDS, is_foreign, workload_kind

CONFIGURATIONS = Path(__file__).resolve().parents[2] / "config" / "kubernetes" / "webhook.yaml"


def asked_about(kind: str) -> set[tuple[str, str, str, str]]:
    """(group, resource, subresource, operation) that a shipped webhook configuration names."""
    found = set()
    for document in yaml.safe_load_all(CONFIGURATIONS.read_text()):
        if document["kind"] != kind:
            continue
        for rule in document["webhooks"][0]["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    name, _, subresource = resource.partition("/")
                    found |= {(group, name, subresource, operation) for operation in rule["operations"]}
    return found


def test_mutate_is_asked_where_a_new_image_may_be_pinned() -> None:
    """What it is not asked about can't be held against anybody as not pinned, and the other way round."""
    pinned = {
        (kind.group, kind.resource, subresource, operation)
        for kind in KINDS
        for operation, subresource in kind.pinned_by
    }

    assert asked_about("MutatingWebhookConfiguration") == pinned


def test_validate_is_asked_about_every_kind_that_runs_images() -> None:
    served = {
        (kind.group, kind.resource, "", operation)
        for kind in KINDS
        if kind.is_served
        for operation in ("CREATE", "UPDATE")
    }

    assert asked_about("ValidatingWebhookConfiguration") == served | {("", "pods", "ephemeralcontainers", "UPDATE")}


@pytest.mark.parametrize(("group", "kind"), [("", "Pod"), ("apps", "Deployment"), ("extensions", "DaemonSet")])
def test_a_workload_is_known_in_every_version(group: str, kind: str) -> None:
    assert workload_kind(group, kind) is not None
    assert not is_foreign(group)


@pytest.mark.parametrize("group", ["example.com", "jobset.x-k8s.io", "snapshot.storage.k8s.io", "k8s.io"])
def test_other_groups_are_foreign(group: str) -> None:
    assert is_foreign(group)
    assert workload_kind(group, "Pod") is None
