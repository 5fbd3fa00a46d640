"""The kinds that run images, where a Pod stands in each, and where a tag in it may be pinned. Pure.

One table: what is read (`router.admission.workloads`), what counts as not pinned, and what the shipped webhook
configurations ask the API server to send (a test compares them).

Sources: Kubernetes API reference v1.35, the workload kinds; "API Groups".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from router.admission.reading.shapes import AnyObject, PodSpec


def _pod(found: AnyObject) -> PodSpec | None:
    return found.spec


def _template(found: AnyObject) -> PodSpec | None:
    spec = found.spec
    return spec.template.spec if spec is not None and spec.template is not None else None


def _cron(found: AnyObject) -> PodSpec | None:
    job = found.spec.job_template.spec if found.spec is not None and found.spec.job_template is not None else None
    return job.template.spec if job is not None and job.template is not None else None


def _bare_template(found: AnyObject) -> PodSpec | None:
    return found.template.spec if found.template is not None else None


PodOf: TypeAlias = Callable[[AnyObject], "PodSpec | None"]
Stand: TypeAlias = tuple[str, PodOf]
"""Where a Pod's specification stands: its JSON Pointer, and what finds it."""

POD: Stand = ("/spec", _pod)
TEMPLATE: Stand = ("/spec/template/spec", _template)
CRON: Stand = ("/spec/jobTemplate/spec/template/spec", _cron)
BARE_TEMPLATE: Stand = ("/template/spec", _bare_template)
USUAL = (TEMPLATE, CRON, BARE_TEMPLATE, POD)
"""Where objects of kinds that we do not know may hold a Pod."""

CREATE, UPDATE = ("CREATE", ""), ("UPDATE", "")


@dataclass(frozen=True, slots=True)
class WorkloadKind:
    """A built-in kind that runs images."""

    group: str
    kind: str
    resource: str
    stand: Stand
    pinned_by: frozenset[tuple[str, str]] = frozenset()
    """Operations and subresources in which a new image may be pinned: those that `/mutate` is asked about. None where
    an image can't change, or where a controller would undo it."""
    is_served: bool = True
    """Whether API servers of today know it; `extensions` has gone, but an old one may ask about it."""


_CHANGES = frozenset({CREATE, UPDATE})
KINDS = (
    WorkloadKind("", "Pod", "pods", POD, _CHANGES | {("UPDATE", "ephemeralcontainers")}),
    WorkloadKind("", "PodTemplate", "podtemplates", BARE_TEMPLATE),
    WorkloadKind("", "ReplicationController", "replicationcontrollers", TEMPLATE),
    WorkloadKind("apps", "Deployment", "deployments", TEMPLATE, _CHANGES),
    WorkloadKind("apps", "ReplicaSet", "replicasets", TEMPLATE),
    WorkloadKind("apps", "StatefulSet", "statefulsets", TEMPLATE, _CHANGES),
    WorkloadKind("apps", "DaemonSet", "daemonsets", TEMPLATE, _CHANGES),
    WorkloadKind("batch", "Job", "jobs", TEMPLATE, frozenset({CREATE})),
    WorkloadKind("batch", "CronJob", "cronjobs", CRON, _CHANGES),
    WorkloadKind("extensions", "Deployment", "deployments", TEMPLATE, is_served=False),
    WorkloadKind("extensions", "DaemonSet", "daemonsets", TEMPLATE, is_served=False),
    WorkloadKind("extensions", "ReplicaSet", "replicasets", TEMPLATE, is_served=False),
)
_BY_NAME = {(kind.group, kind.kind): kind for kind in KINDS}

_BUILT_IN_GROUPS = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "extensions",
        "flowcontrol.apiserver.k8s.io",
        "internal.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
        "storagemigration.k8s.io",
    }
)
"""Groups that are Kubernetes' own; other groups below `k8s.io` are custom resources of its projects."""


def workload_kind(group: str, kind: str) -> WorkloadKind | None:
    """What is known of a kind that runs images; None for any other."""
    return _BY_NAME.get((group, kind))


def is_foreign(group: str) -> bool:
    """Whether kinds of this group are none of Kubernetes' own: nobody knows where their Pods stand."""
    return group not in _BUILT_IN_GROUPS
