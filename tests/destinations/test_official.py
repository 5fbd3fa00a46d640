"""What we send, by the services' own schemas and kits: every shipped template, every example event."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import compress
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # has no types
import orjson
import pytest
from datadog_api_client.v2.model.http_log_item import HTTPLogItem
from google.protobuf import json_format  # type: ignore[import-untyped] # its types are a package of their own
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from slack_sdk.models.blocks import Block

from router.destinations.dialect import Exchange, Post, Reply
from router.destinations.document import Document
from router.destinations.kind import HttpKind
from router.events import as_json, encode
from router.rendering.examples import EXAMPLES, INCIDENTS, NOTICES
from router.rendering.renderer import Renderer
from tests.contracts.kinds import documents_of, kind_of_name, least, read, shipped, told_with, variables_of
from tests.destinations import ecs

STORED = [*map(encode, EXAMPLES.values()), *map(as_json, INCIDENTS), *map(as_json, NOTICES)]
EACH = pytest.mark.parametrize("body", STORED, ids=lambda body: orjson.loads(body)["id"])
SCHEMAS = Path(__file__).parents[1] / "data" / "schemas"
CARD = jsonschema.Draft6Validator(json.loads((SCHEMAS / "adaptive-card-1.5.0.json").read_text()))
DESCRIPTION = jsonschema.Draft4Validator(json.loads((SCHEMAS / "adf-57.7.22.json").read_text()))
CLOUDEVENT = jsonschema.Draft7Validator(json.loads((SCHEMAS / "cloudevents-1.0.json").read_text()))
SEVERITIES = {"critical": 21, "high": 17, "medium": 13, "info": 9}


def sent(name: str, body: bytes, folder: Path, tell: Callable[[Exchange], Post] = told_with) -> Any:  # noqa: ANN401 - as the services' own kits take it
    """The body of the request, read."""
    return json.loads(posted(name, body, folder, tell))


def posted(name: str, body: bytes, folder: Path, tell: Callable[[Exchange], Post] = told_with) -> bytes:
    """The body of the request that tells the service."""
    kind = kind_of_name(name)
    assert isinstance(kind, HttpKind)
    written = least(kind)
    settings = kind.own(read(written, folder, variables_of(written)))
    rendered = Renderer(shipped(kind), kind=name, name="it", minimal=kind.minimal).render(body)
    document = Document(orjson.loads(body)["id"], rendered.body, type=orjson.loads(body)["type"])
    return tell(kind.dialect(settings).exchange([document], 0.0)).body


@EACH
def test_teams_gets_an_adaptive_card(body: bytes, tmp_path: Path) -> None:
    (attachment,) = sent("teams", body, tmp_path)["attachments"]
    card = {name: one for name, one in attachment["content"].items() if name != "msteams"}

    assert [error.message for error in CARD.iter_errors(card)] == []


def test_the_schema_of_cards_finds_what_is_wrong() -> None:
    card = {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": 7}]}

    assert [*CARD.iter_errors(card)]


@EACH
def test_slack_gets_blocks(body: bytes, tmp_path: Path) -> None:
    message = sent("slack", body, tmp_path)
    found = [*_blocks(message)]

    assert found
    for block in Block.parse_all(found):
        block.validate_json()


def _blocks(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from message.get("blocks", [])
    for one in message.get("attachments", []):
        yield from one.get("blocks", [])


@EACH
def test_a_collector_gets_logs(body: bytes, tmp_path: Path) -> None:
    request = json_format.ParseDict(sent("otlp", body, tmp_path), ExportLogsServiceRequest())
    (record,) = (one for found in request.resource_logs for scope in found.scope_logs for one in scope.log_records)
    data = orjson.loads(body)["data"]
    told = data.get("incident") or data.get("decision") or data.get("notice")

    assert record.time_unix_nano > 0
    assert record.severity_number == SEVERITIES[told["severity"]]


@EACH
@pytest.mark.parametrize("kind", ["elasticsearch", "opensearch"])
def test_a_data_stream_gets_documents_of_ecs(kind: str, body: bytes, tmp_path: Path) -> None:
    create, document = map(json.loads, posted(kind, body, tmp_path).splitlines())

    assert create == {"create": {"_id": orjson.loads(body)["id"]}}
    assert document["ecs"]["version"] == ecs.VERSION
    assert ecs.mistakes(document) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            {"event": {"kind": "alert", "category": ["package"], "type": ["denied"]}},
            ["event.type: 'denied' is of none"],
        ),
        ({"event": {"kind": "news"}}, ["event.kind: 'news'"]),
        ({"event": {"severity": "8"}}, ["event.severity: '8'"]),
        ({"@timestamp": "now"}, ["@timestamp: 'now'"]),
        ({"tags": "one"}, ["tags: a list or not"]),
        ({"host": {"nme": "x"}}, ["host.nme: unknown"]),
    ],
)
def test_the_list_of_fields_finds_what_is_wrong(change: dict[str, object], found: list[str]) -> None:
    document = {"@timestamp": "2026-11-23T10:15:30.123Z", "ecs": {"version": "9.4.0"}}

    assert ecs.mistakes(document) == []
    assert [one[: len(found[0])] for one in ecs.mistakes({**document, **change})] == found


@EACH
def test_jira_gets_comments_in_its_own_format(body: bytes, tmp_path: Path) -> None:
    commented = sent("jira", body, tmp_path)["body"]

    assert [error.message for error in DESCRIPTION.iter_errors(commented)] == []


IS_OPEN = [not json.loads(one.body).get("is_over", False) for one in documents_of(kind_of_name("jira"), STORED)]


@pytest.mark.parametrize("body", [*compress(STORED, IS_OPEN)], ids=lambda body: orjson.loads(body)["id"])
def test_jira_gets_descriptions_in_its_own_format(body: bytes, tmp_path: Path) -> None:
    created = sent("jira", body, tmp_path, lambda exchange: exchange.send(_no_ticket(next(exchange))))

    assert [error.message for error in DESCRIPTION.iter_errors(created["fields"]["description"])] == []


def _no_ticket(question: Post) -> Reply:
    return Reply(200, question.if_nothing, None, 0.0)


def test_the_schema_of_descriptions_finds_what_is_wrong() -> None:
    assert [*DESCRIPTION.iter_errors({"type": "doc", "version": 1, "content": [{"type": "codeBlock", "content": 1}]})]


@EACH
def test_a_webhook_gets_cloudevents(body: bytes, tmp_path: Path) -> None:
    event = sent("webhook", body, tmp_path)

    assert [error.message for error in CLOUDEVENT.iter_errors(event)] == []


def test_the_schema_of_cloudevents_finds_what_is_wrong() -> None:
    assert [*CLOUDEVENT.iter_errors({"specversion": "1.0", "type": "x", "source": "y"})]


@EACH
def test_datadog_takes_every_log(body: bytes, tmp_path: Path) -> None:
    """By the models of its own client (`v2/api/logs_api.py`), which refuse a member of another type."""
    (written,) = sent("datadog", body, tmp_path)

    assert HTTPLogItem(**written).to_dict() == written  # type: ignore[no-untyped-call] # has no types
