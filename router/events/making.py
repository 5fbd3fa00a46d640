"""Events from decisions: what stands in them, and their identity. Pure.

Rules:
(1) One event per decision, and the same request is the same event: `id` is derived from cluster and request uid. The
    event that corrects another has an id of its own, derived from that one's.
(2) No secret, environment value or Pod body enters an event.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from router.decision import Decision, Finding
from router.decision.wording import one_line
from router.events.schema import (
    DECISION_TYPE,
    UNREADABLE_TYPE,
    CloudEvent,
    ImageData,
    RequestData,
    UnreadableData,
    WorkloadData,
)
from router.verdict import RequestOutcome

_IDENTITY = uuid.UUID("5d0f6a0e-5b7c-5c1e-9a53-6761746563ff")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where events come from."""

    cluster: str
    replica: str


def event_id(cluster: str, request_uid: str) -> str:
    """The id of the event about a decision on this request of this cluster.

    A name-based UUID (RFC 9562, clause 5.5, version 5), made by hand because it is made for every request, and
    `uuid.uuid5` takes three times as long.
    """
    name = f"{cluster}/{request_uid}".encode(errors="replace")
    made = hashlib.sha1(_IDENTITY.bytes + name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(made[16], 16) & 3]
    return f"{made[:8]}-{made[8:12]}-5{made[13:16]}-{variant}{made[17:20]}-{made[20:32]}"


def timestamp(epoch: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def decision_event(  # noqa: PLR0913 - an event has these independent parts
    origin: Origin,
    request: RequestData,
    workload: WorkloadData,
    decision: Decision,
    findings: Sequence[Finding],
    *,
    at: float,
    gate_milliseconds: float,
    corrects: str | None = None,
    is_attempt: bool = False,
) -> CloudEvent:
    """The event about one decision; `at` is in seconds since 1970.

    That a request was not answered is another event than what was decided about the same request: it has its own id.
    """
    event: CloudEvent = {
        "specversion": "1.0",
        "type": DECISION_TYPE,
        "id": event_id(origin.cluster, _identity(decision, request["uid"], corrects)),
        "source": f"/clusters/{origin.cluster}",
        "subject": f"{request['namespace']}/{workload['kind']}/{workload['name']}",
        "time": timestamp(at),
        "datacontenttype": "application/json",
        "data": {
            "decision": {
                "outcome": decision.outcome.value,
                "mode": decision.mode.value,
                "would_reject": decision.would_reject,
                "severity": decision.severity.value,
                "message": decision.message,
                "break_glass": None,
            },
            "request": request,
            "workload": workload,
            "images": [image_data(finding) for finding in findings],
            "cluster": origin.cluster,
            "replica": origin.replica,
            "timings": {"gate_milliseconds": round(gate_milliseconds, 3)},
        },
    }
    if is_attempt:
        event["data"]["decision"]["is_attempt"] = True
    if corrects is not None:
        event["data"]["corrects"] = corrects
    return event


def _identity(decision: Decision, uid: str, corrects: str | None) -> str:
    if decision.outcome is RequestOutcome.UNANSWERED:
        return f"{uid}/unanswered"
    return uid if corrects is None else f"{corrects}/corrected"


def unreadable_event(origin: Origin, unreadable: UnreadableData, problem: str, *, at: float) -> CloudEvent:
    """The event about bodies that were no review; it has the members of a decision, so that routes and templates work.

    `at` is in seconds since 1970.
    """
    count = unreadable["count"]
    return {
        "specversion": "1.0",
        "type": UNREADABLE_TYPE,
        "id": event_id(origin.cluster, f"{origin.replica}/{unreadable['cause']}/{at}/unreadable"),
        "source": f"/clusters/{origin.cluster}",
        "subject": f"unreadable/{unreadable['cause']}",
        "time": timestamp(at),
        "datacontenttype": "application/json",
        "data": {
            "decision": {
                "outcome": "unanswered",
                "mode": "detect",
                "would_reject": False,
                "severity": "medium",
                "message": f"{count} request{'s' * (count > 1)} could not be read; the first: {one_line(problem)}",
                "break_glass": None,
            },
            "request": _NOTHING_ASKED,
            "workload": {"api_version": "", "kind": "", "name": "", "owner": None},
            "images": [],
            "unreadable": unreadable,
            "cluster": origin.cluster,
            "replica": origin.replica,
        },
    }


_NOTHING_ASKED: RequestData = {
    "uid": "",
    "operation": "",
    "api_version": "",
    "kind": "",
    "subresource": "",
    "namespace": "",
    "name": "",
    "generate_name": "",
    "user": {"name": "", "groups": []},
    "dry_run": False,
}


def image_data(finding: Finding) -> ImageData:
    """A place of an image and what was found out about it, as events and commands tell it."""
    return {
        "container": finding.container,
        "container_kind": finding.container_kind,
        "image": finding.image,
        "reference": finding.reference,
        "digest": finding.digest,
        "rule": finding.rule,
        "verifier": finding.verifier,
        "verdict": finding.verdict.value,
        "reason": finding.reason,
        "detail": finding.detail,
        "signers": [
            {
                "name": signer.name,
                "identity": signer.identity,
                "issuer": signer.issuer,
                "fingerprint": signer.fingerprint,
            }
            for signer in finding.signers
        ],
        "cached": finding.cached,
        "milliseconds": round(finding.milliseconds, 3),
        "is_new": finding.is_new,
    }
