"""The event that tells one destination of an incident, and the links in it. Pure.

Rules:
(1) Its id is a name-based UUID of incident, destination and number of telling, an incident's of its subject and the
    event that opened it: what is made again is the same.
(2) It has the envelope of a decision's event; its `data` has the incident, and the `data` of the event that made it.
    That event is cut as in `router.events.encoding` where both would be too large. An incident that is too large by
    itself has shorter texts, then fewer images: those that fail no more go first, and all are counted (`more_images`).
(3) A link's text is the operator's; what `{{ incident.NAME }}` in it stands for is percent-encoded whole, so that it
    can be a part of a path or a query and nothing else.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import quote

from router.events import EVENT_LIMIT, INCIDENT_TYPES, CloudEvent, as_json, decode, reduced, timestamp
from router.incidents.incident import Incident
from router.text import SHORTENED, shortened

_IDENTITY = uuid.UUID("0f3a9f0e-7d52-5a6e-8c1d-696e63696465")
_VALUE = re.compile(r"\{\{\s*incident((?:\.[a-z_]+|\[[0-9]{1,2}\])+)\s*\}\}", re.ASCII)
_STEP = re.compile(r"\.([a-z_]+)|\[([0-9]{1,2})\]", re.ASCII)
_ROOM = 48 * 1024
"""Bytes of a message that are left at least for its event, the links and the envelope."""
_TEXTS = ("image", "container", "rule", "detail")
"""Of an image: what others may have made long."""


def incident_id(subject: str, event_id: str) -> str:
    """The id of the incident that this event has opened."""
    return str(uuid.uuid5(_IDENTITY, f"{subject}\n{event_id}"))


def message_id(incident: Incident, destination: str, number: int) -> str:
    """The id of what a destination is told, the n-th time."""
    return str(uuid.uuid5(_IDENTITY, f"{incident.id}\n{destination}\n{number}"))


def message(
    incident: Incident,
    state: str,
    destination: str,
    links: Mapping[str, str],
    event: bytes | None,
    at: float,
) -> tuple[str, bytes]:
    """(id, body) of what a destination is told; `event` is what made it, None where it is gone."""
    told = incident.tellings[destination].told
    shown = _within(incident.public(state, destination, {}), EVENT_LIMIT - _ROOM)
    shown["links"] = {name: linked(text, shown) for name, text in links.items()}
    one = message_id(incident, destination, told)
    subject = "/".join(filter(None, (incident.namespace, incident.owner["kind"], incident.owner["name"])))
    room = max(0, EVENT_LIMIT - len(as_json(shown)) - _ROOM // 8)
    body = {
        "specversion": "1.0",
        "type": f"{INCIDENT_TYPES[0]}{state}.v1",
        "id": one,
        "source": f"/clusters/{incident.cluster}",
        "subject": subject,
        "time": timestamp(at),
        "datacontenttype": "application/json",
        "data": {"incident": shown, "event": None if event is None else _cut(decode(event), room)["data"]},
    }
    return one, as_json(body)


def _within(shown: dict[str, object], room: int) -> dict[str, object]:
    """The incident in at most so many bytes (2)."""
    if len(as_json(shown)) <= room:
        return shown
    images = [_shortened(one) for one in cast("Sequence[dict[str, object]]", shown["images"])]
    others = len(as_json(shown | {"images": []}))
    left = room - others
    kept = list[int]()
    for index in sorted(range(len(images)), key=lambda index: (not images[index]["current"], -index)):
        left -= len(as_json(images[index])) + 1
        if left < 0:
            break
        kept.append(index)
    dropped = len(images) - len(kept)
    return shown | {
        "images": [images[index] for index in sorted(kept)],
        "more_images": cast("int", shown["more_images"]) + dropped,
    }


def _shortened(image: dict[str, object]) -> dict[str, object]:
    return image | {name: shortened(text, SHORTENED) for name in _TEXTS if isinstance(text := image[name], str)}


def _cut(event: CloudEvent, room: int) -> CloudEvent:
    return event if len(as_json(event)) <= room else reduced(event, room)


def linked(text: str, incident: Mapping[str, object]) -> str:
    """A link with the values of an incident."""
    return _VALUE.sub(lambda found: quote(_value(incident, found[1]), safe=""), text)


def _value(value: object, path: str) -> str:
    for name, index in _STEP.findall(path):
        if name and isinstance(value, Mapping):
            value = value.get(name)
        elif index and isinstance(value, list):
            value = value[int(index)] if int(index) < len(value) else None
        else:
            return ""
    return "" if value is None or isinstance(value, (dict, list)) else str(value)
