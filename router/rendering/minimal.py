"""The payload that goes out when no other can: small, in the shape of the service, and marked. Pure.

It asks for nothing that an event could lack: an event that an older release stored must still be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, cast

from router.events import CloudEvent, reduced
from router.rendering.context import alert_message, incident_message
from router.rendering.filters import map_severity
from router.rendering.markup import Lines, Markup, cut_chars, escape
from router.rendering.values import as_json

MESSAGE_LIMIT = 2000
"""Characters of its text."""
MARK = "gatecrierfallback"
"""The extension of a CloudEvent that says so (CloudEvents 1.0, "Extension Context Attributes": lower-case letters)."""


LEAST_BYTES = 16 * 1024
"""Bytes of an event that is made smaller because it was too large, where names allow it."""


class Because(StrEnum):
    """Why a minimal payload goes out, as people are told."""

    TEMPLATE_FAILED = "template failed"
    TOO_LARGE = "shortened: the receiver found the whole too large"


def minimal(cloudevent: Mapping[str, Any], kind: str, because: Because) -> tuple[bytes, str]:
    """The payload and its media type, for a kind of destination."""
    data = cloudevent.get("data") or {}
    message = _message(data)
    match kind:
        case "slack":
            text = cut_chars(escape(Lines(f"({because}) {message}"), Markup.SLACK), MESSAGE_LIMIT)
            return as_json({"text": text}), "application/json"
        case "sysdig":
            return as_json(_sysdig(cloudevent, data, cut_chars(message, MESSAGE_LIMIT), because)), "application/json"
        case _:
            kept = _smaller(cloudevent) if because is Because.TOO_LARGE else cloudevent
            return as_json({**kept, MARK: "true"}), "application/cloudevents+json"


def _smaller(cloudevent: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return reduced(cast("CloudEvent", cloudevent), LEAST_BYTES)
    except (KeyError, TypeError):  # an event of another type, or of an older release: it has nothing to cut by
        return cloudevent


def _sysdig(
    cloudevent: Mapping[str, Any], data: Mapping[str, Any], message: str, because: Because
) -> dict[str, object]:
    event = {
        "timestamp": str(cloudevent.get("time", "")),
        "rule": "Check image signature",
        "priority": map_severity(
            (data.get("decision") or data.get("notice") or data.get("incident") or {}).get("severity"), "sysdig"
        ),
        "output": message,
        "source": "gatecrier",
        "tags": ["image-signature", "template-failed" if because is Because.TEMPLATE_FAILED else "shortened"],
        "output_fields": {
            "gatecrier.event.id": str(cloudevent.get("id", "")),
            "k8s.ns.name": str((data.get("request") or data.get("incident") or {}).get("namespace", "")),
        },
    }
    return {"events": [event], "labels": {"cluster": str(data.get("cluster", "")), "message": message}}


def _message(data: Mapping[str, Any]) -> str:
    if (incident := data.get("incident")) is not None:
        return incident_message(incident)
    if notice := data.get("notice"):
        return f"{notice.get('title', '')}. {notice.get('text', '')}"
    decision = {"outcome": "", "would_reject": False, "message": "", **(data.get("decision") or {})}
    return alert_message(decision, is_correction="corrects" in data)
