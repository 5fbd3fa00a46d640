"""What several kinds send is taken by a real program, and can be found there: every example event of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from google.protobuf import json_format  # type: ignore[import-untyped] # its types are a package of their own
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from router.destinations.catalogue import kind_of, open_destination
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.destinations.outcome import Delivered, EachOutcome
from router.destinations.over_http import HttpDestination
from router.events import CloudEvent, encode
from router.rendering.examples import EXAMPLES
from router.rendering.filters import epoch_ms, map_severity
from router.rendering.renderer import Renderer
from tests.contracts.kinds import ADAPTER, kind_of_name, read, shipped
from tests.rendering.hostile import HOSTILE, event_with
from tests.simulators.sinks import Sink
from tests.simulators.victorialogs import NOTHING_ELSE, VictoriaLogs, victorialogs

__all__ = ["victorialogs"]

LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
SECRETS = {"TOKEN": "token-4711"}
TOKEN = {"env": "TOKEN"}
OF_CEF = "cef.extension."
CEF_KEYS = {
    *("rt", "msg", "act", "suser", "externalId", "reason", "dvchost"),
    *(f"cs{number}{label}" for number in range(1, 7) for label in ("", "Label")),
}
NOW = 1_795_428_990.0
"""A minute after the examples."""


def as_a_subset(body: bytes) -> bytes:
    """VictoriaLogs takes of Datadog's logs texts alone, and a number as their time; Datadog takes more."""
    logs = [
        {name: one if isinstance(one, str) else json.dumps(one) for name, one in log.items()}
        for log in json.loads(body)
    ]
    return orjson.dumps([{**log, "timestamp": epoch_ms(log["timestamp"])} for log in logs])


def as_protobuf(body: bytes) -> bytes:
    """VictoriaLogs takes OTLP as protobuf alone: the same request, by the protocol's own kit."""
    made: bytes = json_format.Parse(body, ExportLogsServiceRequest()).SerializeToString()
    return made


KINDS: Mapping[str, tuple[dict[str, object], str, Any, str, str]] = {
    "elasticsearch": (
        {"api_key": TOKEN},
        "/insert/elasticsearch/_bulk?_msg_field=message&_time_field=@timestamp",
        None,
        "event.id",
        "gatecrier.outcome",
    ),
    "opensearch": (
        {"username": "x", "password": TOKEN},
        "/insert/elasticsearch/_bulk?_msg_field=message&_time_field=@timestamp",
        None,
        "event.id",
        "gatecrier.outcome",
    ),
    "splunk_hec": ({"token": TOKEN}, "/insert/splunk/services/collector/event", None, "event.id", "event.outcome"),
    "otlp": ({}, "/insert/opentelemetry/v1/logs", as_protobuf, "gatecrier.event.id", "gatecrier.outcome"),
    "datadog": ({"api_key": TOKEN}, "/insert/datadog/api/v2/logs", as_a_subset, "id", "outcome"),
}
"""Settings, where VictoriaLogs takes the same, what is bridged, and which fields hold the id and what was answered."""


def events(kind: str) -> list[CloudEvent]:
    """The examples, with ids that no other kind's have."""
    return [{**one, "id": f"{kind}-{number}"} for number, one in enumerate(EXAMPLES.values())]


def documents(kind: str) -> list[Document]:
    """What is delivered of them."""
    found = kind_of_name(kind)
    renderer = Renderer(shipped(found), kind=kind, name="it", minimal=found.minimal)
    return [Document(one["id"], renderer.render(encode(one)).body, type=one["type"]) for one in events(kind)]


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_told_can_be_found(
    kind: str, compression: str, victorialogs: VictoriaLogs, tmp_path: Path
) -> None:
    settings, path, mend, key, answer = KINDS[kind]
    said = {"Content-Type": "application/x-protobuf"} if mend is as_protobuf else NOTHING_ELSE
    passing_on = victorialogs.passing_on(path, mend or (lambda body: body), said)
    async with Sink(behave=passing_on).running() as sink:
        written = {"name": "it", "kind": kind, "url": sink.url(""), "plain_http": True, "compression": compression}
        destination = open_destination(read({**written, **settings}, tmp_path, SECRETS), LOOPBACK)
        assert isinstance(destination, HttpDestination)
        destination._clock = lambda: NOW
        outcome = await destination.deliver(documents(kind))
        await destination.close()
    found = {one[key]: one for one in victorialogs.found(f'"{key}":~"^{kind}-"')}

    outcomes = outcome.outcomes if isinstance(outcome, EachOutcome) else [outcome]
    assert {type(one) for one in outcomes} == {Delivered}, outcomes
    assert set(found) == {one["id"] for one in events(kind)}
    for one in events(kind):
        assert found[one["id"]][answer] == one["data"]["decision"]["outcome"]


async def test_syslog_can_be_found(victorialogs: VictoriaLogs) -> None:
    written = {"name": "it", "kind": "syslog", "address": f"127.0.0.1:{victorialogs.syslog}", "transport": "tcp"}
    settings = ADAPTER.validate_python(written)
    destination = open_destination(settings, LOOPBACK)
    outcomes = [await destination.deliver([one]) for one in documents("syslog")]
    await destination.close()
    query = 'app_name:"gatecrier" | fields _msg, facility, format, hostname'
    found = await victorialogs.until(query, len(outcomes))

    assert kind_of(settings).name == "syslog"
    assert {type(one) for one in outcomes} == {Delivered}, outcomes
    assert {(one["facility"], one["format"], one["hostname"]) for one in found} == {("13", "rfc5424", "production-eu")}
    assert len(found) == len(outcomes)
    for one in events("syslog"):
        first = one["data"]["decision"]["message"].partition("\n")[0].partition(":")[0]
        assert [record for record in found if first in record["_msg"]]


def hostile_events() -> list[CloudEvent]:
    """Every hostile text wherever others write, with ids of their own."""
    return [renamed(orjson.loads(event_with(text)), f"cef-hostile-{number}") for number, text in enumerate(HOSTILE)]


def renamed(event: CloudEvent, name: str) -> CloudEvent:
    """The same with this id."""
    return {**event, "id": name}


async def test_cef_is_read_as_it_was_meant(victorialogs: VictoriaLogs) -> None:
    """VictoriaLogs has a parser of CEF that knows nothing of us: every field arrives, and no name adds one."""
    told = [*events("cef"), *hostile_events()]
    found = kind_of_name("syslog")
    renderer = Renderer(shipped(found), kind="syslog", name="it", minimal=found.minimal)
    bodies = {one["id"]: renderer.render(encode(one)).body for one in told}
    address = f"127.0.0.1:{victorialogs.syslog}"
    said = {"transport": "tcp", "format": "cef", "app_name": "gate-cef", "max_size": "64KiB"}
    destination = open_destination(
        ADAPTER.validate_python({"name": "it", "kind": "syslog", "address": address, **said}), LOOPBACK
    )
    outcomes = [await destination.deliver([Document(name, body)]) for name, body in bodies.items()]
    await destination.close()
    records = {one[OF_CEF + "externalId"]: one for one in await victorialogs.until('app_name:"gate-cef"', len(told))}

    assert {type(one) for one in outcomes} == {Delivered}
    assert set(records) == set(bodies)
    for name, body in bodies.items():
        made, record = json.loads(body), records[name]
        assert record["cef.device_event_class_id"] == made["event"]
        assert record["cef.name"] == made["name"]
        assert record["cef.severity"] == str(map_severity(made["severity"], "cef"))
        keys = {key.removeprefix(OF_CEF) for key in record if key.startswith(OF_CEF)}
        assert {key for key in keys if not key.startswith("gatecrier")} <= CEF_KEYS
        assert [
            key for key in keys if key.startswith("gatecrier") and key[9:].lower() not in lowered(made["fields"])
        ] == []
        for key, field in {"act": "outcome", "cs1": "image", "suser": "user", "cs2": "namespace"}.items():
            wanted = made["fields"][field]
            if wanted.isprintable() and len(wanted) < 300:  # else it is escaped, or cut
                assert record.get(OF_CEF + key, "") == wanted


def lowered(fields: Mapping[str, object]) -> set[str]:
    """Their names."""
    return {name.lower() for name in fields}
