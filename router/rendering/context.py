"""What a template sees of an event. Pure.

Of a decision: `event` is the event's `data` with the envelope's id, time, source, subject and type beside it;
`cloudevent` the whole; `destination` its name and kind. Beside them stand the eight names of Connaisseur's templates,
so that those run unchanged (Connaisseur, "Alerting": all of them are texts there, `images` is a printed list).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.rendering.filters import SEVERITIES
from router.rendering.markup import Lines

_PRIORITIES = {severity: str(number) for severity, number in SEVERITIES["connaisseur"].items()}


def context_of(
    cloudevent: Mapping[str, Any],  # JSON that we wrote, read back
    destination: Mapping[str, str],
) -> dict[str, object]:
    """The names of a template for this event and destination."""
    data = cloudevent["data"]
    decision, request = data["decision"], data["request"]
    event = {
        "corrects": None,  # members that many events lack, and that no template should have to ask for
        **data,
        "decision": {
            "is_attempt": False,
            **decision,
            "message": Lines(decision["message"]),  # its parts are guarded, its lines are ours
        },
        "id": cloudevent["id"],
        "time": cloudevent["time"],
        "source": cloudevent["source"],
        "subject": cloudevent["subject"],
        "type": cloudevent["type"],
    }
    return {
        "event": event,
        "cloudevent": cloudevent,
        "destination": destination,
        "alert_message": Lines(alert_message(decision, is_correction="corrects" in data)),
        "priority": _PRIORITIES.get(decision["severity"], "3"),
        "connaisseur_pod_id": data["replica"],
        "namespace": request["namespace"],
        "cluster": data["cluster"],
        "timestamp": cloudevent["time"],
        "request_id": request["uid"],
        "images": str([image["image"] for image in data["images"]]),
    }


def notice_context(
    cloudevent: Mapping[str, Any],  # JSON that we wrote, read back
    destination: Mapping[str, str],
) -> dict[str, object]:
    """The names of a template for a notice: of Gatecrier itself, not of a decision."""
    data = cloudevent["data"]
    notice = data["notice"]
    return {
        "notice": notice,
        "facts": [{"name": name, "value": str(value)} for name, value in notice["facts"].items()],
        "cloudevent": cloudevent,
        "destination": destination,
        "cluster": data["cluster"],
        "replica": data["replica"],
        "timestamp": cloudevent["time"],
    }


def alert_message(decision: Mapping[str, Any], *, is_correction: bool = False) -> str:
    """What happened, in a sentence; `rejected` stands only in those about requests that were."""
    besides = " that it would reject" if decision["would_reject"] else ""
    match decision["outcome"]:
        case "rejected":
            told = "rejected a request"
        case "admitted" if decision.get("is_attempt"):
            told = f"is about to admit a request{besides}"
        case "admitted":
            told = f"admitted a request{besides}"
        case _:
            told = "did not answer a request"
    correction = " (which corrects what it told before)" if is_correction else ""
    return f"Gatecrier {told}{correction}: {decision['message']}"
