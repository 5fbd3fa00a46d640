"""Events from decisions: what stands in them, and their identity. Pure.

Rules:
(1) One event per decision, and the same request is the same event: `id` is derived from cluster and request uid. The
    event that corrects another has an id of its own, derived from that one's.
(2) No secret, environment value or Pod body enters an event.
(3) What follows from the decision alone is not made here (`router.events.parts`): it is the same in many events.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from router.decision import of_unread, of_unreadable
from router.events.parts import DecisionParts, decision_data
from router.events.schema import (
    DECISION_TYPE,
    UNREADABLE_TYPE,
    CloudEvent,
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


@lru_cache(maxsize=256)
def event_id(cluster: str, request_uid: str) -> str:
    """The id of the event about a decision on this request of this cluster.

    A name-based UUID (RFC 9562, clause 5.5, version 5), made by hand because it is made for every request, and
    `uuid.uuid5` takes three times as long. Reply and event name it: so the last ones are remembered.
    """
    name = f"{cluster}/{request_uid}".encode(errors="replace")
    made = hashlib.sha1(_IDENTITY.bytes + name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(made[16], 16) & 3]
    return f"{made[:8]}-{made[8:12]}-5{made[13:16]}-{variant}{made[17:20]}-{made[20:32]}"


def timestamp(epoch: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC with milliseconds."""
    second, microseconds = divmod(round(epoch * 1e6), 1_000_000)
    return f"{_second(second)}.{microseconds // 1000:03d}Z"


@lru_cache(maxsize=16)  # many events are of one second
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:-6]


def decision_event(  # noqa: PLR0913 - an event has these independent parts
    origin: Origin,
    request: RequestData,
    workload: WorkloadData,
    parts: DecisionParts,
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
        "id": _id(origin.cluster, parts, request["uid"], corrects),
        "source": f"/clusters/{origin.cluster}",
        "subject": f"{request['namespace']}/{workload['kind']}/{workload['name']}",
        "time": timestamp(at),
        "datacontenttype": "application/json",
        "data": {
            "decision": {**parts.decision, "is_attempt": True} if is_attempt else parts.decision,
            "request": request,
            "workload": workload,
            "images": parts.images,
            "cluster": origin.cluster,
            "replica": origin.replica,
            "timings": {"gate_milliseconds": round(gate_milliseconds, 3)},
        },
    }
    if corrects is not None:
        event["data"]["corrects"] = corrects
    return event


def corrected_id(cluster: str, corrects: str) -> str:
    """Id of the event that corrects the one of this id."""
    return event_id(cluster, f"{corrects}/corrected")


def _id(cluster: str, parts: DecisionParts, uid: str, corrects: str | None) -> str:
    if parts.decision["outcome"] == RequestOutcome.UNANSWERED.value:
        return event_id(cluster, f"{uid}/unanswered")
    return event_id(cluster, uid) if corrects is None else corrected_id(cluster, corrects)


def unreadable_event(origin: Origin, unreadable: UnreadableData, problem: str, *, at: float) -> CloudEvent:
    """The event about bodies that were no review; it has the members of a decision, so that routes and templates work.

    `at` is in seconds since 1970.
    """
    told = of_unread if unreadable["cause"] == "unread" else of_unreadable
    return {
        "specversion": "1.0",
        "type": UNREADABLE_TYPE,
        "id": event_id(origin.cluster, f"{origin.replica}/{unreadable['cause']}/{at}/unreadable"),
        "source": f"/clusters/{origin.cluster}",
        "subject": f"unreadable/{unreadable['cause']}",
        "time": timestamp(at),
        "datacontenttype": "application/json",
        "data": {
            "decision": decision_data(told(unreadable["count"], problem)),
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
