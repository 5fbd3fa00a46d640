"""What a template sees of an event. Pure.

Of a decision: `event` is the event's `data` with the envelope's id, time, source, subject and type beside it;
`cloudevent` the whole; `destination` its name and kind. Beside them stand the eight names of Connaisseur's templates,
so that those run unchanged (Connaisseur, "Alerting": all of them are texts there, `images` is a printed list).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from router.decision.wording import remedy
from router.events import INCIDENT_TYPES, NOTICE_TYPE
from router.reasons import REASONS, Reason
from router.rendering.filters import SEVERITIES
from router.rendering.markup import TextLines
from router.text import one_line

Purpose: TypeAlias = Literal["decision", "incident", "notice"]
"""What a template can be for."""
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
            "failure": None,
            **decision,
            "message": TextLines(decision["message"]),  # its parts are guarded, its lines are ours
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
        "alert_message": TextLines(alert_message(decision, is_correction="corrects" in data)),
        "priority": _PRIORITIES.get(decision["severity"], "3"),
        "connaisseur_pod_id": data["replica"],
        "namespace": request["namespace"],
        "cluster": data["cluster"],
        "timestamp": cloudevent["time"],
        "request_id": request["uid"],
        "images": str([image["image"] for image in data["images"]]),
    }


def incident_context(
    cloudevent: Mapping[str, Any],  # JSON that we wrote, read back
    destination: Mapping[str, str],
) -> dict[str, object]:
    """The names of a template for a message about an incident.

    `incident` is what `data.incident` holds; `event` the `data` of the event that made the message, None where that is
    not kept any more; `next_steps` what can be done about it. Connaisseur's names are there, too.
    """
    incident, event = cloudevent["data"]["incident"], cloudevent["data"]["event"]
    return {
        "incident": incident,
        "event": event,
        "next_steps": next_steps(incident, event),
        "cloudevent": cloudevent,
        "destination": destination,
        "alert_message": TextLines(incident_message(incident)),
        "priority": _PRIORITIES.get(incident["severity"], "3"),
        "connaisseur_pod_id": "" if event is None else event["replica"],
        "namespace": incident["namespace"],
        "cluster": incident["cluster"],
        "timestamp": cloudevent["time"],
        "request_id": "" if event is None else event["request"]["uid"],
        "images": str([image["image"] for image in incident["images"]]),
    }


def incident_message(incident: Mapping[str, Any]) -> str:
    """What an incident is about, in a sentence; `rejected` stands only in those of which requests were."""
    owner, namespace = incident["owner"], incident["namespace"]
    where = f" in {one_line(namespace)}" if namespace else ""
    found = ", ".join(dict.fromkeys(f"{image['verdict']} ({image['reason']})" for image in incident["images"][:10]))
    many = f"{incident['count']} request{'s' * (incident['count'] != 1)}"
    what = f"{one_line(owner['kind'])} {one_line(owner['name'])}{where}"
    return (
        f"Gatecrier: incident {incident['state']}, {what}: {found or 'no failing image'}, {many}{_answered(incident)}"
    )


def _answered(incident: Mapping[str, Any]) -> str:
    """The worst that the API server was told of an incident's requests; verdicts such as `denied` do not say it."""
    would_reject = incident["images"] and incident["kind"] != "registry"
    words = {
        "rejected": "rejected",
        "admitted": "admitted and would reject" if would_reject else "admitted",
        "unanswered": "did not answer",
    }
    for outcome, done in words.items():
        if number := incident["outcomes"][outcome]:
            return f" that it {done}" if number == incident["count"] else f", of which it {done} {number}"
    return ""


def next_steps(incident: Mapping[str, Any], event: Mapping[str, Any] | None) -> list[str]:
    """What whoever deploys it can do about what still fails, each step once; nothing where all is over."""
    wanted = {_place(image): image.get("wanted") for image in ([] if event is None else event["images"])}
    steps = list[str]()
    for image in incident["images"]:
        reason = _reason(image["verdict"], image["reason"])
        if reason is not None and image["current"]:
            want = wanted.get(_place(image))
            step = remedy(reason, image["image"], image["digest"])
            steps.append(f"The rule wants {want}. {step}" if want else step)
    return list(dict.fromkeys(steps))


def _place(image: Mapping[str, Any]) -> tuple[object, ...]:
    return image["container_kind"], image["container"], image["image"]


def _reason(verdict: str, code: str) -> Reason | None:
    """The code's own; None where this release knows no such."""
    known = {name.value: codes for name, codes in REASONS.items()}
    return next((one for one in known.get(verdict, ()) if one == code), None)


def notice_context(
    cloudevent: Mapping[str, Any],  # JSON that we wrote, read back
    destination: Mapping[str, str],
) -> dict[str, object]:
    """The names of a template for a notice: of Gatecrier itself, not of a decision."""
    data = cloudevent["data"]
    notice = data["notice"]
    return {
        "notice": {**notice, "text": TextLines(notice["text"])},  # its parts are guarded, its lines are ours
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


CONTEXTS: Mapping[Purpose, Callable[[Mapping[str, Any], Mapping[str, str]], dict[str, object]]] = {
    "decision": context_of,
    "incident": incident_context,
    "notice": notice_context,
}
"""(event, destination) -> the names of a template, by what it is for."""


def purpose_of(cloudevent: Mapping[str, Any]) -> Purpose:
    """What a template must be for to render this event."""
    match str(cloudevent.get("type", "")):
        case of if of == NOTICE_TYPE:
            return "notice"
        case of if of.startswith(INCIDENT_TYPES):
            return "incident"
        case _:
            return "decision"
