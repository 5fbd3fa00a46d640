"""Whose object it is in the end, as far as one request tells. Pure.

Rules:
(1) A Deployment, StatefulSet, DaemonSet, CronJob, ReplicationController or PodTemplate is itself, whatever it claims.
(2) Any other object is its controller's, where it claims one that is no Node; else its own. A Pod of its own that is
    made with `generateName` has that as its name.
(3) A Pod whose controller is a ReplicaSet NAME-HASH, and whose label `pod-template-hash` is HASH, is of the Deployment
    NAME (`template_hash`). A Pod whose controller is a Job NAME-DIGITS with 8 to 10 digits is of the CronJob NAME
    (`name`): a CronJob's controller names its Jobs after the minutes since 1970 for which they are.
What is not done here: believing it. That is for `router.incidents.owners`, which knows who asked and what was seen.

Sources: Kubernetes, "Deployments" (pod-template-hash label), "CronJob limitations"; `getJobName` of the controller.
"""

from __future__ import annotations

import re

from router.events.schema import OwnerData, TopOwnerData

_THEMSELVES = frozenset(
    {
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("apps", "DaemonSet"),
        ("batch", "CronJob"),
        ("", "ReplicationController"),
        ("", "PodTemplate"),
    }
)
_JOB_OF_CRON_JOB = re.compile(r"(?s)(.+)-[0-9]{8,10}", re.ASCII)


def group_of(api_version: str) -> str:
    """The API group in `apps/v1`; empty for the core group."""
    return api_version.rpartition("/")[0]


def is_owner_by_itself(api_version: str, kind: str) -> bool:
    """Whether objects of this kind are owners, whatever they claim."""
    return (group_of(api_version), kind) in _THEMSELVES


def claimed(api_version: str, kind: str, owner: OwnerData | None) -> OwnerData | None:
    """The controller that an object of this kind claims, where its claim counts for anything."""
    if owner is None or is_owner_by_itself(api_version, kind):
        return None
    is_node = (group_of(owner["api_version"]), owner["kind"]) == ("", "Node")
    return None if is_node else owner


def top_owner(api_version: str, kind: str, name: str, owner: OwnerData | None, template_hash: str) -> TopOwnerData:
    """Whose an object with this controller is; `name` is the prefix of its generated name where it has one."""
    claim = claimed(api_version, kind, owner)
    if claim is None:
        return {"api_version": api_version, "kind": kind, "name": name, "by": "self"}
    if (group_of(api_version), kind) == ("", "Pod"):
        match group_of(claim["api_version"]), claim["kind"]:
            case "apps", "ReplicaSet" if template_hash and claim["name"].endswith(f"-{template_hash}"):
                deployment = claim["name"][: -len(template_hash) - 1]
                return {
                    "api_version": claim["api_version"],
                    "kind": "Deployment",
                    "name": deployment,
                    "by": "template_hash",
                }
            case "batch", "Job" if (found := _JOB_OF_CRON_JOB.fullmatch(claim["name"])) is not None:
                return {"api_version": claim["api_version"], "kind": "CronJob", "name": found[1], "by": "name"}
            case _:
                pass
    return {"api_version": claim["api_version"], "kind": claim["kind"], "name": claim["name"], "by": "owner"}
