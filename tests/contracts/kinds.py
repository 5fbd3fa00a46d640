"""What every kind of destination can be opened with, found out from its own settings: nobody keeps a list of kinds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypeGuard

import orjson
import pytest
from pydantic import TypeAdapter

from router.by_reference import Secret
from router.destinations.catalogue import DestinationSettings, kind_named
from router.destinations.dialect import Dialect, Exchange, Post, Reply
from router.destinations.document import Document
from router.destinations.kind import AnyKind, HttpKind
from router.destinations.outcome import Outcome, gist
from router.destinations.socket_settings import SocketEndpoint
from router.events import as_json, encode
from router.fields import ReadingContext
from router.rendering.examples import EXAMPLES, INCIDENTS, NOTICES, WHOLE
from router.rendering.library import Library, Templates
from router.rendering.rehearsal import OF_DECISIONS, OF_INCIDENTS, OF_NOTICES
from router.rendering.renderer import Renderer
from router.rendering.shipped import notices_folder, shipped_folder
from router.settings import shape
from router.settings.snapshot import read_file

ADAPTER: TypeAdapter[DestinationSettings] = TypeAdapter(DestinationSettings)
USUAL = frozenset({"url", "email", "api_key", "client_secret", "authority"})
"""Keys that are said here although the same can be said by others: where events go, and who tells them."""
URL = "http://127.0.0.1:9/T000/url-secret"

STORED = [*map(encode, EXAMPLES.values()), *map(as_json, INCIDENTS), *map(as_json, NOTICES)]
"""Whatever can be told, as it is stored."""


def least(kind: AnyKind) -> dict[str, object]:
    """As little as an operator can say so that all is told: what is required, where it goes, secrets by variables."""
    written: dict[str, object] = {"name": "it", "kind": kind.name, "secrets": {"canary": {"env": "CANARY"}}}
    if "admitted" in kind.settings.model_fields:
        written["admitted"] = "change"
    for key, field in kind.settings.model_fields.items():
        allowed = set(shape.alternatives(field.annotation))
        if key in written or not (field.is_required() or key in USUAL):
            continue
        if field.examples:
            written[field.alias or key] = field.examples[0]
        elif str in allowed:
            written[key] = {"url": URL, "authority": URL, "email": "it@x.example"}.get(key, "x")
        elif SocketEndpoint in allowed:
            written[key] = "127.0.0.1:9"
        elif Secret in allowed:
            written[key] = {"env": key.upper()}
        elif key == "urls":
            written[key] = [URL]
        else:
            assert Path in allowed, f"the tests know no value for {key} of {kind.name}: teach them one here"
            written[key] = "x"
    is_http = "plain_http" in kind.settings.model_fields
    return written | ({"plain_http": True, "headers": {"X-Canary": {"env": "HEADER"}}} if is_http else {})


def told_at(written: Mapping[str, object], url: str) -> dict[str, object]:
    """The same where everything that stands as a URL is this one."""
    found = {key: url for key in ("url", "api", "authority") if isinstance(written.get(key), str)}
    return {**written, **found, **({"urls": [url]} if "urls" in written else {})}


def secret(variable: str) -> str:
    """The content of a variable: of the length and the characters that most services give their keys.

    That of templates, which goes into bodies, has what must be escaped there, too.
    """
    found = hashlib.sha256(variable.encode()).hexdigest()[:32]
    return f'{found} "&=%\\\u00fc{found[::-1]}' if variable == "CANARY" else found


def read(written: Mapping[str, object], folder: Path, variables: Mapping[str, str]) -> DestinationSettings:
    """The settings, of which any variable can be asked."""
    reading = ReadingContext(folder, variables, lambda path, _: path.read_bytes())
    return ADAPTER.validate_python(written, context={"reading": reading})


def variables_of(written: Mapping[str, object], url: str = URL) -> dict[str, str]:
    """What the variables hold that the settings name."""
    named = [value["env"] for value in _all_values(written) if isinstance(value, dict) and "env" in value]
    return {str(name): url if name == "URL" else secret(str(name)) for name in named}


def _all_values(written: Mapping[str, object]) -> list[object]:
    within = [value.values() if isinstance(value, dict) else value for value in written.values() if _has_parts(value)]
    return [*written.values(), *(one for values in within for one in values)]


def _has_parts(value: object) -> TypeGuard[dict[str, object] | list[object]]:
    return isinstance(value, dict | list)


def beforehand(path: str) -> str | None:
    """What a service answers to a question that comes before what is told; None where it is no question."""
    there = '{"key":"IT-1","fields":{"status":{"statusCategory":{"key":"new"}}}}'
    if path.endswith("/oauth2/v2.0/token"):
        return f'{{"token_type":"Bearer","expires_in":3599,"access_token":"{secret("TOKEN")}"}}'
    return f'{{"issues":[{there}],"transitions":[]}}' if path.endswith(("/search/jql", "/transitions")) else None


def told_with(exchange: Exchange) -> Post:
    """What tells the service, after what it is asked before."""
    post = next(exchange)
    while (answer := beforehand(f"/{post.method}")) is not None:
        post = exchange.send(Reply(200, answer, None, 0.0))
    return post


def outcome_of(dialect: Dialect, reply: Reply) -> Outcome:
    """What becomes of an attempt to which this is answered; it must be the only request."""
    attempt = dialect.exchange([Document("event-1", b'{"text":"hello"}')], 0.0)
    told_with(attempt)
    try:
        attempt.send(reply)
    except StopIteration as ended:
        return gist(ended.value)
    raise AssertionError("one request is not all of it")


def kind_of_name(name: str) -> AnyKind:
    """The kind of this name, which there must be."""
    kind = kind_named(name)

    assert kind is not None
    return kind


def shelf(name: str | None) -> Library:
    """Where the templates of such a name lie."""
    return Library([shipped_folder()], read_file, OF_INCIDENTS if str(name).endswith("-incident") else OF_DECISIONS)


@cache
def shipped(kind: AnyKind) -> Templates:
    """The kind's own templates, compiled once: they keep nothing of what they have rendered."""
    if not kind.has_templates:
        return Templates(None)
    decisions, incidents = (
        shelf(name).template(str(name), kind.markup) for name in (kind.template, kind.incident_template)
    )
    return Templates(
        decisions,
        Library([notices_folder()], read_file, OF_NOTICES).template(str(kind.template), kind.markup),
        None,
        incidents,
    )


def renderer(kind: AnyKind, templates: Templates) -> Renderer:
    return Renderer(templates, kind=kind.name, name="it", minimal=kind.minimal)


def as_decided(outcome: str, *, would_reject: bool) -> bytes:
    """An event of such a decision."""
    event = json.loads(encode(WHOLE))
    event["data"]["decision"].update(outcome=outcome, would_reject=would_reject, is_attempt=False, message="m")
    event["data"].pop("corrects", None)
    return as_json(event)


def documents_of(kind: AnyKind, bodies: Sequence[bytes], templates: Templates | None = None) -> list[Document]:
    """What is delivered of stored events; by the kind's own templates where no others are given."""
    made = renderer(kind, templates or shipped(kind))
    return [Document(orjson.loads(body)["id"], made.render(body).body) for body in bodies]


AS_DECIDED = pytest.mark.parametrize(
    ("event", "summary", "is_rejected"),
    [
        (as_decided("rejected", would_reject=True), "Rejected: ", True),
        (as_decided("admitted", would_reject=True), "Admitted, but would reject: ", False),
        (as_decided("admitted", would_reject=False), "Admitted: ", False),
        (as_decided("unanswered", would_reject=True), "Unanswered request: ", False),
    ],
    ids=["rejected", "would reject", "admitted", "unanswered"],
)
"""Events as they are stored, and how a message about each begins for people."""


def composed(kind: AnyKind, folder: Path, body: bytes) -> bytes:
    """What is sent for a payload; the payload itself where it is no HTTP that carries it."""
    written = least(kind)
    settings = read(written, folder, variables_of(written))
    if not isinstance(kind, HttpKind):
        return body
    return told_with(kind.dialect(kind.own(settings)).exchange([Document("event-1", body)], 0.0)).body


def documents_in(body: bytes) -> list[object]:
    """The JSON documents of a request, one a line."""
    return [json.loads(line) for line in body.splitlines()]
