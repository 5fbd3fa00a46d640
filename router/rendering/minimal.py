"""The payload that goes out when no other can: small, in the shape of the service, and marked. Pure.

Each kind of destination makes its own (`Minimal`); here is what they are made of, and the one of kinds that take the
event itself. It asks for nothing that an event could lack: an event that an older release stored must still be told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeAlias, cast

from router.errors import TemplateError
from router.events import CONTENT_TYPE, CloudEvent, reduced
from router.rendering.context import alert_message, incident_message
from router.rendering.filters import epoch_ms
from router.rendering.values import as_json

MESSAGE_LIMIT = 2000
"""Characters of its text."""
LEAST_BYTES = 16 * 1024
"""Bytes of an event that is made smaller because it was too large, where names allow it."""
MARK = "gatecrierfallback"
"""The extension of a CloudEvent that says so (CloudEvents 1.0, "Extension Context Attributes": lower-case letters)."""


class Because(StrEnum):
    """Why a minimal payload goes out, as people are told."""

    TEMPLATE_FAILED = "template failed"
    TOO_LARGE = "shortened: the receiver found the whole too large"


Minimal: TypeAlias = Callable[[Mapping[str, Any], Because], tuple[bytes, str]]
"""Makes of a CloudEvent (JSON that we wrote, read back) the payload and its media type."""


def minimal_event(cloudevent: Mapping[str, Any], because: Because) -> tuple[bytes, str]:
    """The event itself, with a mark."""
    kept = _smaller(cloudevent) if because is Because.TOO_LARGE else cloudevent
    return as_json({**kept, MARK: "true"}), CONTENT_TYPE


def _smaller(cloudevent: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return reduced(cast("CloudEvent", cloudevent), LEAST_BYTES)
    except (KeyError, TypeError):  # an event of another type, or of an older release: it has nothing to cut by
        return cloudevent


def message_of(cloudevent: Mapping[str, Any]) -> str:
    """What the event tells, in a sentence: of a decision, an incident or Gatecrier itself."""
    data = cloudevent.get("data") or {}
    if (incident := data.get("incident")) is not None:
        return incident_message(_whole(incident))
    if notice := data.get("notice"):
        return f"{notice.get('title', '')}. {notice.get('text', '')}"
    decision = {"outcome": "", "would_reject": False, "message": "", **(data.get("decision") or {})}
    return alert_message(decision, is_correction="corrects" in data)


def _whole(incident: Mapping[str, Any]) -> Mapping[str, Any]:
    """The incident, with something in the place of whatever it lacks."""
    known = {"state": "", "kind": "", "namespace": "", "count": 0} | {
        name: value for name, value in incident.items() if value is not None
    }
    known["owner"] = {"kind": "", "name": "", **(incident.get("owner") or {})}
    known["images"] = [{"verdict": "", "reason": "", **image} for image in incident.get("images") or ()]
    known["outcomes"] = defaultdict(int, incident.get("outcomes") or {})
    return known


def milliseconds_of(cloudevent: Mapping[str, Any]) -> int | None:
    """When it was, since 1970; None where it does not say."""
    try:
        return epoch_ms(cloudevent.get("time"))
    except TemplateError:
        return None


def cluster_of(cloudevent: Mapping[str, Any]) -> str:
    """In which cluster; empty where it does not say."""
    data = cloudevent.get("data") or {}
    return str(data.get("cluster") or (data.get("incident") or {}).get("cluster") or "")


def severity_of(cloudevent: Mapping[str, Any]) -> str | None:
    """How grave it is; None where it does not say."""
    data = cloudevent.get("data") or {}
    found = (data.get("decision") or data.get("notice") or data.get("incident") or {}).get("severity")
    return found if isinstance(found, str) else None
