"""The payload that goes out when a template fails: small, in the shape of the service, and marked. Pure.

It asks for nothing that an event could lack: an event that an older release stored must still be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.rendering.context import alert_message
from router.rendering.filters import map_severity
from router.rendering.markup import Lines, Markup, cut_chars, escape
from router.rendering.values import as_json

MESSAGE_LIMIT = 2000
"""Characters of its text."""
MARK = "gatecrierfallback"
"""The extension of a CloudEvent that says so (CloudEvents 1.0, "Extension Context Attributes": lower-case letters)."""


def minimal(cloudevent: Mapping[str, Any], kind: str) -> tuple[bytes, str]:
    """The payload and its media type, for a kind of destination."""
    data = cloudevent.get("data") or {}
    message = _message(data)
    match kind:
        case "slack":
            text = cut_chars(escape(Lines(f"(template failed) {message}"), Markup.SLACK), MESSAGE_LIMIT)
            return as_json({"text": text}), "application/json"
        case "sysdig":
            return as_json(_sysdig(cloudevent, data, cut_chars(message, MESSAGE_LIMIT))), "application/json"
        case _:
            return as_json({**cloudevent, MARK: "true"}), "application/cloudevents+json"


def _sysdig(cloudevent: Mapping[str, Any], data: Mapping[str, Any], message: str) -> dict[str, object]:
    event = {
        "timestamp": str(cloudevent.get("time", "")),
        "rule": "Check image signature",
        "priority": map_severity((data.get("decision") or data.get("notice") or {}).get("severity"), "sysdig"),
        "output": message,
        "source": "gatecrier",
        "tags": ["image-signature", "template-failed"],
        "output_fields": {
            "gatecrier.event.id": str(cloudevent.get("id", "")),
            "k8s.ns.name": str((data.get("request") or {}).get("namespace", "")),
        },
    }
    return {"events": [event], "labels": {"cluster": str(data.get("cluster", "")), "message": message}}


def _message(data: Mapping[str, Any]) -> str:
    if notice := data.get("notice"):
        return f"{notice.get('title', '')}. {notice.get('text', '')}"
    decision = {"outcome": "", "would_reject": False, "message": "", **(data.get("decision") or {})}
    return alert_message(decision, is_correction="corrects" in data)
