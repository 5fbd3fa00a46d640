"""OpenTelemetry's collector, as far as the protocol says: log records in JSON, strictly.

Source: OpenTelemetry Protocol 1.11 ("OTLP/HTTP", "JSON Protobuf Encoding"), and the messages of its logs. A real one
ignores names that it does not know; this one refuses them, for they would be lost without a word.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.sinks import Receipt, answer

PATH = "/v1/logs"
VALUES: Mapping[str, type] = {"stringValue": str, "boolValue": bool, "intValue": str, "doubleValue": float}
RECORD = {"timeUnixNano", "severityNumber", "severityText", "eventName", "body", "attributes"}


@dataclass
class Collector:
    """One collector."""

    records: list[dict[str, Any]] = field(default_factory=list)
    """Each with the attributes of its resource beneath `resource`, and its own as a mapping."""
    rejects: int = 0
    """How many records of the next requests it says that it has rejected."""

    def behave(self, receipt: Receipt) -> bytes:
        """What it answers to a request."""
        if receipt.headers.get("content-type") != "application/json":
            return answer("415 Unsupported Media Type")
        made = json.loads(receipt.body)
        if found := [*mistakes(made)]:
            return answer("400 Bad Request", json.dumps({"code": 3, "message": "; ".join(found)}).encode())
        for logs in made["resourceLogs"]:
            resource = _plain(logs["resource"]["attributes"])
            records = [one for scope in logs["scopeLogs"] for one in scope["logRecords"]]
            self.records += [
                {**one, "attributes": _plain(one.get("attributes", [])), "resource": resource} for one in records
            ]
        if self.rejects:
            said = {"partialSuccess": {"rejectedLogRecords": str(self.rejects), "errorMessage": "too old"}}
            return answer("200 OK", json.dumps(said).encode())
        return answer("200 OK", b"{}")


def _plain(attributes: list[dict[str, Any]]) -> dict[str, object]:
    return {one["key"]: next(iter(one["value"].values())) for one in attributes}


def mistakes(made: object) -> Iterator[str]:
    """What is wrong with a request."""
    if not isinstance(made, dict) or made.keys() != {"resourceLogs"}:
        yield "no ExportLogsServiceRequest"
        return
    for logs in made["resourceLogs"]:
        if not logs.keys() <= {"resource", "scopeLogs"}:
            yield f"ResourceLogs: {sorted(logs)}"
        yield from _attributes(logs.get("resource", {}).get("attributes", []))
        for scope in logs["scopeLogs"]:
            if not isinstance(scope, dict) or not scope.keys() <= {"scope", "logRecords"}:
                yield "ScopeLogs"
                continue
            for record in scope["logRecords"]:
                yield from _record(record)


def _record(record: Mapping[str, Any]) -> Iterator[str]:
    if not record.keys() <= RECORD:
        yield f"LogRecord: {sorted(record)}"
    time, severity = record.get("timeUnixNano", "1"), record.get("severityNumber", 0)
    if not (isinstance(time, str) and time.isdecimal()):
        yield "timeUnixNano"
    if not isinstance(severity, int) or isinstance(severity, bool) or not 0 <= severity <= 24:
        yield "severityNumber"
    yield from (name for name in ("severityText", "eventName") if not isinstance(record.get(name, ""), str))
    yield from _value(record.get("body", {"stringValue": ""}))
    yield from _attributes(record.get("attributes", []))


def _attributes(attributes: object) -> Iterator[str]:
    if not isinstance(attributes, list):
        yield "attributes"
        return
    keys = [one.get("key") for one in attributes]
    if len(set(keys)) < len(keys) or not all(isinstance(key, str) and key for key in keys):
        yield "keys of attributes"
    for one in attributes:
        yield from _value(one.get("value"))


def _value(value: Mapping[str, Any]) -> Iterator[str]:
    match value:
        case {"arrayValue": {"values": [*inner]}} if len(value) == 1:
            for one in inner:
                yield from _value(one)
        case dict() if len(value) == 1:
            ((name, one),) = value.items()
            if name not in VALUES or not isinstance(one, VALUES[name]):
                yield f"AnyValue: {name}"
            elif name == "intValue" and not str(one).removeprefix("-").isdecimal():
                yield "intValue"
        case _:
            yield "AnyValue"
