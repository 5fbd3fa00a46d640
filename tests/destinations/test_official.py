"""What we send, by the services' own schemas and kits: every shipped template, every example event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # has no types
import orjson
import pytest
from google.protobuf import json_format  # type: ignore[import-untyped] # its types are a package of their own
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from slack_sdk.models.blocks import Block

from router.destinations.document import Document
from router.destinations.kind import HttpKind
from router.events import as_json, encode
from router.rendering.examples import EXAMPLES, INCIDENTS, NOTICES
from router.rendering.renderer import Renderer
from tests.contracts.kinds import kind_of_name, least, read, shipped, variables_of

STORED = [*map(encode, EXAMPLES.values()), *map(as_json, INCIDENTS), *map(as_json, NOTICES)]
EACH = pytest.mark.parametrize("body", STORED, ids=lambda body: orjson.loads(body)["id"])
SCHEMAS = Path(__file__).parents[1] / "data" / "schemas"
CARD = jsonschema.Draft6Validator(json.loads((SCHEMAS / "adaptive-card-1.5.0.json").read_text()))
SEVERITIES = {"critical": 21, "high": 17, "medium": 13, "info": 9}


def sent(name: str, body: bytes, folder: Path) -> Any:  # noqa: ANN401 - as the services' own kits take it
    """The body of the request, read."""
    kind = kind_of_name(name)
    assert isinstance(kind, HttpKind)
    written = least(kind)
    settings = kind.own(read(written, folder, variables_of(written)))
    rendered = Renderer(shipped(kind), kind=name, name="it", minimal=kind.minimal).render(body)
    document = Document(orjson.loads(body)["id"], rendered.body, type=orjson.loads(body)["type"])
    return json.loads(next(kind.dialect(settings).exchange([document], 0.0)).body)


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
