"""PagerDuty's Events API v2, as far as its documentation says: what it refuses, and which alerts it has.

Source: "Events API v2" ("Send an alert event", "Send a change event", "Overview"). It knows an alert
by its `dedup_key`; an event about one that is open is added to it, and one that resolves what is not there does
nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.patience import PATIENCE
from tests.simulators.sinks import Receipt, answer

LEVELS = {"critical", "error", "warning", "info"}
TAKEN = answer("202 Accepted", b'{"status":"success","message":"Event processed","dedup_key":"x"}')


@dataclass
class Alert:
    """What a person sees."""

    summary: str
    severity: str
    is_open: bool = True
    events: int = 1


@dataclass
class PagerDuty:
    """One service with one integration key."""

    routing_key: str
    alerts: dict[str, list[Alert]] = field(default_factory=dict)
    """By `dedup_key`, the newest last."""
    changes: list[str] = field(default_factory=list)
    """The summaries of change events."""
    taken: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def behave(self, receipt: Receipt) -> bytes:
        """What it answers to a request."""
        event = json.loads(receipt.body)
        is_change = receipt.path.endswith("/v2/change/enqueue")
        refused = refusals_of_change(event, receipt.body) if is_change else refusals(event, receipt.body)
        if found := refused or [*self._of_key(event)]:
            return answer("400 Bad Request", json.dumps({"status": "invalid event", "errors": found}).encode())
        if is_change:
            self.changes.append(event["payload"]["summary"])
        else:
            self._take(event)
        self.taken += 1
        self._news.set()
        return TAKEN

    async def until(self, taken: int) -> list[Alert]:
        """The alerts as they are once so many events were taken."""
        async with asyncio.timeout(PATIENCE):
            while self.taken < taken:
                self._news.clear()
                await self._news.wait()
        return [replace(one) for of_key in self.alerts.values() for one in of_key]

    def _of_key(self, event: Mapping[str, object]) -> list[str]:
        return [] if event["routing_key"] == self.routing_key else ["invalid routing key"]

    def _take(self, event: Mapping[str, str | Mapping[str, str]]) -> None:
        key, payload = str(event["dedup_key"]), event.get("payload", {})
        of_key = self.alerts.setdefault(key, [])
        newest = of_key[-1] if of_key and of_key[-1].is_open else None
        match event["event_action"], newest:
            case "trigger", None:
                assert isinstance(payload, Mapping)
                of_key.append(Alert(payload["summary"], payload["severity"]))
            case "trigger", Alert():
                newest.events += 1
            case "resolve", Alert():
                newest.is_open = False


def refusals_of_change(event: object, body: bytes) -> list[str]:
    """What is wrong with a change event."""
    payload = event.get("payload") if isinstance(event, dict) else None
    if not isinstance(event, dict) or not isinstance(payload, dict):
        return ["payload"]
    unknown = [*(event.keys() - {"routing_key", "payload", "links", "images"})]
    unknown += [*(payload.keys() - {"summary", "source", "timestamp", "custom_details"})]
    of_alert = {"event_action": "trigger", "dedup_key": "-", **event, "payload": {**payload, "severity": "info"}}
    return unknown + refusals(of_alert, body)


def refusals(event: object, body: bytes) -> list[str]:
    """What is wrong with an event."""
    if not isinstance(event, dict):
        return ["no object"]
    found = []
    if len(body) > 512_000:
        found.append("too large")
    key = event.get("routing_key")
    if not isinstance(key, str) or len(key) != 32:
        found.append("routing_key")
    if event.get("event_action") not in {"trigger", "acknowledge", "resolve"}:
        found.append("event_action")
    dedup = event.get("dedup_key")
    if not isinstance(dedup, str) or not 0 < len(dedup) <= 255:
        found.append("dedup_key")
    found += [name for name in ("links", "images") if not isinstance(event.get(name, []), list)]
    return found + (_of_payload(event.get("payload")) if event.get("event_action") == "trigger" else [])


def _of_payload(payload: object) -> list[str]:
    if not isinstance(payload, dict):
        return ["payload"]
    summary, source = payload.get("summary"), payload.get("source")
    texts = [
        name for name in ("timestamp", "component", "group", "class") if not isinstance(payload.get(name, ""), str)
    ]
    return [
        *([] if isinstance(summary, str) and 0 < len(summary) <= 1024 else ["summary"]),
        *([] if isinstance(source, str) and source else ["source"]),
        *([] if payload.get("severity") in LEVELS else ["severity"]),
        *([] if isinstance(payload.get("custom_details") or {}, dict) else ["custom_details"]),
        *texts,
    ]
