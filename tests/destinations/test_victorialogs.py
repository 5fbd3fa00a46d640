"""What several kinds send is taken by a real program, and can be found there: every example event of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from router.destinations.catalogue import kind_of, open_destination
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.destinations.outcome import Delivered, Each
from router.destinations.over_http import HttpDestination
from router.events import CloudEvent, encode
from router.rendering.examples import EXAMPLES
from router.rendering.filters import epoch_ms
from router.rendering.renderer import Renderer
from tests.contracts.kinds import ADAPTER, kind_of_name, read, shipped
from tests.simulators.sinks import Sink
from tests.simulators.victorialogs import VictoriaLogs, victorialogs

__all__ = ["victorialogs"]

LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
SECRETS = {"TOKEN": "token-4711"}
TOKEN = {"env": "TOKEN"}
NOW = 1_795_428_990.0
"""A minute after the examples."""


def as_a_subset(body: bytes) -> bytes:
    """VictoriaLogs takes of Datadog's logs texts alone, and a number as their time; Datadog takes more."""
    logs = [
        {name: one if isinstance(one, str) else json.dumps(one) for name, one in log.items()}
        for log in json.loads(body)
    ]
    return orjson.dumps([{**log, "timestamp": epoch_ms(log["timestamp"])} for log in logs])


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
    passing_on = victorialogs.passing_on(path) if mend is None else victorialogs.passing_on(path, mend)
    async with Sink(behave=passing_on).running() as sink:
        written = {"name": "it", "kind": kind, "url": sink.url(""), "plain_http": True, "compression": compression}
        destination = open_destination(read({**written, **settings}, tmp_path, SECRETS), LOOPBACK)
        assert isinstance(destination, HttpDestination)
        destination._clock = lambda: NOW
        outcome = await destination.deliver(documents(kind))
        await destination.close()
    found = {one[key]: one for one in victorialogs.found(f'"{key}":~"^{kind}-"')}

    outcomes = outcome.outcomes if isinstance(outcome, Each) else [outcome]
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
