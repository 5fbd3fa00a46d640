"""Elasticsearch's bulk interface into a data stream, as far as its documentation says; OpenSearch's is the same.

Sources: "Bulk API", "Data streams", and for fields the Elastic Common Schema 9.4.0 (names and types, as far as
templates use them).
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tests.simulators.sinks import Receipt, answer

ECS: Mapping[str, tuple[str, bool]] = {
    **dict.fromkeys(("@timestamp", "event.start", "event.end"), ("date", False)),
    **dict.fromkeys(("event.severity",), ("long", False)),
    **dict.fromkeys(("message",), ("text", False)),
    **dict.fromkeys(
        (
            "ecs.version", "log.level", "event.kind", "event.outcome", "event.action", "event.reason", "event.id",
            "event.dataset", "event.module", "rule.name", "orchestrator.type", "orchestrator.cluster.name",
            "orchestrator.namespace", "orchestrator.api_version", "orchestrator.resource.type",
            "orchestrator.resource.name", "container.name", "container.image.name", "user.name", "observer.vendor",
            "observer.product", "observer.type", "observer.name",
        ),
        ("keyword", False),
    ),
    **dict.fromkeys(
        ("tags", "event.category", "event.type", "container.image.hash.all", "related.hash", "related.user"),
        ("keyword", True),
    ),
}  # fmt: skip
"""Field -> its type, and whether it is an array."""
ALLOWED = {
    "event.kind": {"alert", "event"},
    "event.outcome": {"success", "failure", "unknown"},
    "event.category": {"api"},
    "event.type": {"allowed", "denied", "info"},
}
"""Of the values that ECS allows, those that go together: category `api` takes these types."""
OURS = "gatecrier"


@dataclass
class Cluster:
    """One cluster with one data stream."""

    authorization: str
    stream: str = "logs-gatecrier.admission-default"
    documents: dict[str, dict[str, object]] = field(default_factory=dict)
    """By `_id`."""
    says: dict[str, int] = field(default_factory=dict)
    """`_id` -> the status of the next item about it."""
    most_bytes: int = 100 * 2**20
    pipelines: list[str] = field(default_factory=list)
    """Those that requests asked for."""

    def behave(self, receipt: Receipt) -> bytes:
        """What it answers to a request."""
        path, _, query = receipt.path.partition("?")
        if receipt.headers.get("authorization") != self.authorization:
            return refused(401, "security_exception")
        if path != f"/{self.stream}/_bulk":
            return refused(404, "index_not_found_exception")
        if receipt.headers.get("content-type") != "application/x-ndjson":
            return refused(406, "content_type")
        if len(receipt.body) > self.most_bytes:
            return answer("413 Request Entity Too Large")
        if not receipt.body.endswith(b"\n"):
            return refused(400, "illegal_argument_exception")
        asked = urllib.parse.parse_qs(query)
        self.pipelines += asked.get("pipeline", [])
        lines = [json.loads(line) for line in receipt.body.splitlines()]
        items = [self._item(*pair) for pair in zip(lines[::2], lines[1::2], strict=True)]
        said = {"took": 3, "errors": any("error" in one["create"] for one in items), "items": items}
        return answer("200 OK", json.dumps(said).encode())

    def _item(
        self, action: Mapping[str, Mapping[str, str]], document: dict[str, object]
    ) -> dict[str, dict[str, object]]:
        if action.keys() != {"create"}:
            return item("", 400, "illegal_argument_exception")
        event_id = action["create"]["_id"]
        if (status := self.says.pop(event_id, 0)) != 0:
            return item(event_id, status, "es_rejected_execution_exception")
        if event_id in self.documents:
            return item(event_id, 409, "version_conflict_engine_exception")
        if wrong := [*mistakes(document)]:
            return item(event_id, 400, "document_parsing_exception", "; ".join(wrong))
        self.documents[event_id] = document
        return item(event_id, 201)


def item(event_id: str, status: int, error: str = "", reason: str = "no") -> dict[str, dict[str, object]]:
    """What became of one document."""
    cause = {"error": {"type": error, "reason": reason}} if error else {}
    return {"create": {"_index": ".ds-logs", "_id": event_id, "status": status, **cause}}


def refused(status: int, error: str) -> bytes:
    """The whole request is refused."""
    return answer(f"{status} No", json.dumps({"error": {"type": error, "reason": "no"}, "status": status}).encode())


def mistakes(document: Mapping[str, object]) -> Iterator[str]:
    """What a data stream with mappings of ECS refuses, and what ECS does not know."""
    found = dict(fields(document))
    if "@timestamp" not in found:
        yield "data stream timestamp field [@timestamp] is missing"
    for name, value in found.items():
        if name.partition(".")[0] == OURS:
            continue
        if name not in ECS:
            yield f"[{name}] is no field of ECS"
        elif not _is_of(value, *ECS[name]):
            yield f"failed to parse field [{name}] of type [{ECS[name][0]}]"
        elif name in ALLOWED and not {str(one) for one in _all(value)} <= ALLOWED[name]:
            yield f"[{name}] has a value that ECS does not allow"


def fields(document: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    """Leaves by their dotted names."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from fields(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _all(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _is_of(value: object, kind: str, is_array: bool) -> bool:  # noqa: FBT001 - as the table has it
    if is_array is not isinstance(value, list):
        return False
    for one in _all(value):
        if kind == "long" and (not isinstance(one, int) or isinstance(one, bool)):
            return False
        if kind == "date" and not _is_time(one):
            return False
        if kind in ("keyword", "text") and not isinstance(one, str):
            return False
    return True


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
