"""What a decision says about an object of the cluster, for those who describe it. Pure.

Rules:
(1) Told is what was refused or would be, and what was let in by break-glass although it fails; an answer that nobody
    waited for is none of these.
(2) It is told about the object's controller where it claims one, else about the object itself: all Pods of a ReplicaSet
    are one trouble, a refused Pod was never there, and a Deployment is described when its Pods do not come.
(3) An Event is in the namespace of the request, whatever is claimed: nobody writes into another's.
(4) Whoever deploys chooses names of owners, and images. Names that are none of Kubernetes are nobody's: then the object
    itself is told about, or nothing. Of what is said everything is on one line, and what can't be seen is escaped.

Source: Kubernetes, API reference "Event v1 events.k8s.io": `reason`, `action` and `reportingInstance` have at most 128
characters, `note` 1,024 bytes; only `series` may change afterwards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from router.events import EventData, OwnerData, WorkloadData
from router.kubernetes.client import Json
from router.text import cut, one_line

CONTROLLER = "gatecrier.dev/gatecrier"
NOTE_LIMIT = 1024
"""Bytes."""
_SAID_LIMIT = 4096
"""Characters that are looked at, since what is escaped becomes longer."""
_INSTANCE_LIMIT = 128
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.:]{0,251}[a-z0-9])?", re.ASCII)
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}", re.ASCII)
_VERSION = re.compile(r"([a-z0-9][-a-z0-9.]{0,251}/)?[a-z0-9]{1,63}", re.ASCII)
_UID = re.compile(r"[A-Za-z0-9-]{0,64}", re.ASCII)

ObjectEventReason: TypeAlias = Literal["ImagesRejected", "ImagesWouldBeRejected", "ImagesLetIn"]


@dataclass(frozen=True, slots=True)
class Regarding:
    """An object of the cluster."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    """Empty where it was never there."""


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """What is said, and about what; equal ones are one Event that is counted."""

    regarding: Regarding
    reason: ObjectEventReason
    note: str


def said_of(data: EventData) -> ObjectEvent | None:
    """What there is to say; None where there is nothing, or nobody to say it about."""
    decision, request, workload = data["decision"], data["request"], data["workload"]
    if decision["outcome"] == "unanswered" or not decision["would_reject"] or not request["namespace"]:
        return None
    regarding = _regarding(request["namespace"], workload)
    if regarding is None:
        return None
    reason: ObjectEventReason = "ImagesRejected" if decision["outcome"] == "rejected" else "ImagesWouldBeRejected"
    if decision["break_glass"] is not None:
        reason = "ImagesLetIn"
    return ObjectEvent(regarding, reason, _note(decision["message"]))


def _regarding(namespace: str, workload: WorkloadData) -> Regarding | None:
    found = None if workload["owner"] is None else _named(namespace, workload["owner"], workload["owner"]["uid"])
    return found or _named(namespace, workload, workload.get("uid", ""))


def _named(namespace: str, one: OwnerData | WorkloadData, uid: str) -> Regarding | None:
    found = Regarding(one["api_version"], one["kind"], namespace, one["name"], uid)
    is_possible = all(
        pattern.fullmatch(text) is not None
        for pattern, text in ((_VERSION, found.api_version), (_KIND, found.kind), (_NAME, found.name), (_UID, uid))
    )
    return found if is_possible and _NAME.fullmatch(namespace) is not None else None


def _note(message: str) -> str:
    lines = [one_line(line) for line in cut(message, _SAID_LIMIT).splitlines() if line.strip()]
    note = "; ".join(lines) or "its images were not admitted"
    if len(note.encode()) <= NOTE_LIMIT:
        return note
    return note.encode()[: NOTE_LIMIT - 3].decode(errors="ignore") + "…"


def micro_time(seconds: float) -> str:
    """Unix time as Kubernetes writes a MicroTime."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def created(said: ObjectEvent, name: str, instance: str, at: float) -> Json:
    """The Event as it is made; `instance` is which of our replicas says it."""
    regarding = said.regarding
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": regarding.namespace},
        "eventTime": micro_time(at),
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:_INSTANCE_LIMIT],
        "action": "Admission",
        "reason": said.reason,
        "type": "Warning",
        "note": said.note,
        "regarding": {
            "apiVersion": regarding.api_version,
            "kind": regarding.kind,
            "namespace": regarding.namespace,
            "name": regarding.name,
            **({"uid": regarding.uid} if regarding.uid else {}),
        },
    }


def counted(count: int, at: float) -> Json:
    """The patch after it was said again: how often in all, at least twice, and when last."""
    return {"series": {"count": count, "lastObservedTime": micro_time(at)}}
