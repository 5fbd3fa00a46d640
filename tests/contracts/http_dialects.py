"""Every way in which an HTTP service can be told, opened with a receiver of the tests: nobody keeps a list of kinds."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from router.destinations.catalogue import KINDS as ALL
from router.destinations.catalogue import DestinationSettings, open_destination
from router.destinations.dialect import WORTH_ANOTHER_TRY, Reply
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.destinations.kind import HttpKind
from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable, gist
from router.destinations.over_http import HttpDestination
from tests.contracts.kinds import (
    beforehand,
    kind_of_name,
    least,
    outcome_of,
    read,
    renderer,
    shipped,
    told_at,
    variables_of,
)
from tests.rendering.hostile import event_with
from tests.simulators.sinks import Sink as AnySink
from tests.simulators.sinks import answer

Sink = partial(AnySink, beforehand=beforehand)
LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
WEBHOOK = least(kind_of_name("webhook"))
KINDS: Mapping[str, Mapping[str, object]] = {
    **{kind.name: least(kind) for kind in ALL if isinstance(kind, HttpKind)},
    "signed webhook": {**WEBHOOK, "signing_secret": {"env": "KEY"}, "headers": {"Authorization": {"env": "HEADER"}}},
    "webhook that knows us": {**WEBHOOK, "bearer": {"env": "BEARER"}, "cloudevents": "binary"},
    "webhook of a user": {**WEBHOOK, "username": "gate", "password": {"env": "PASSWORD"}},
    "webhook of two secrets": {**WEBHOOK, "signing_secret": [{"env": "KEY"}, {"env": "FORMER"}]},
    "batched webhook": {**WEBHOOK, "batch_size": 10},
    "templated webhook": {**WEBHOOK, "template": "mine", "method": "PUT", "success": {"status": [200, 202]}},
    "webhook of lines": {**WEBHOOK, "template": "mine", "encoding": "ndjson", "batch_size": 10},
    "webhook of a form": {**WEBHOOK, "template": "mine", "encoding": "form", "success": {"body": "ok"}},
    "webhook of text": {**WEBHOOK, "template": "mine", "encoding": "text", "method": "PATCH"},
    "slack by its Web API": {
        **{key: value for key, value in least(kind_of_name("slack")).items() if key != "url"},
        "token": {"env": "TOKEN"},
        "channel": "C024BE91L",
        "api": "http://127.0.0.1:9/api",
    },
}
KEY = {name: "whsec_" + base64.b64encode(letter * 32).decode() for name, letter in (("KEY", b"k"), ("FORMER", b"f"))}
SECRETS = {**{name: value for one in KINDS.values() for name, value in variables_of(one, "-").items()}, **KEY}
RECEIPTS = (
    ("200 OK", b"ok"),
    ("202 Accepted", b"ok"),
    ("200 OK", b'{"ok":true}'),
    ("200 OK", b'{"errors":false,"items":[{"create":{"status":201}}]}'),
)
DOCUMENT = Document("event-1", b'{"text":"hello"}')


def settings_of(kind: str, url: str, folder: Path, **more: object) -> DestinationSettings:
    written = told_at({**KINDS[kind], "timeout": "30s", **more}, url)
    return read(written, folder, {**SECRETS, "URL": url})


def opened(kind: str, url: str, folder: Path, **more: object) -> HttpDestination:
    destination = open_destination(settings_of(kind, url, folder, **more), LOOPBACK)
    assert isinstance(destination, HttpDestination)
    destination._clock = lambda: 1000.0
    return destination


def says_all(kind: str, folder: Path) -> bool:
    """Whether its receipts have no body that counts."""
    return opened(kind, "http://127.0.0.1:9/", folder)._dialect.receipt_bytes == 0


def may_pass(kind: str, outcome: TryAgain | Undeliverable, folder: Path) -> bool:
    """Whether the service may be asked again after a status of trouble: some take that for a mistake of ours."""
    dialect = opened(kind, "http://127.0.0.1:9/", folder)._dialect
    again = getattr(dialect, "worth_another_try", WORTH_ANOTHER_TRY)
    status = int(outcome.reason.removeprefix("http_")) if outcome.reason.startswith("http_") else 0
    return status not in WORTH_ANOTHER_TRY or status in again


def receipt(kind: str, folder: Path) -> tuple[str, bytes]:
    """Status and body of what the kind takes for a receipt."""
    dialect = opened(kind, "http://127.0.0.1:9/", folder)._dialect
    replies = ((one, Reply(int(one[0][:3]), one[1].decode(), None, 0.0)) for one in RECEIPTS)
    return next(one for one, reply in replies if isinstance(outcome_of(dialect, reply), Delivered))


def taken(kind: str, folder: Path, says: bytes = b"") -> bytes:
    """A receipt of the kind; or this answer with its status."""
    status, body = receipt(kind, folder)
    return says.replace(b"200 OK", status.encode()) if says else answer(status, body)


async def told(kind: str, url: str, folder: Path, **more: object) -> Outcome:
    """What comes of one delivery."""
    destination = opened(kind, url, folder, **more)
    try:
        return gist(await destination.deliver([DOCUMENT]))
    finally:
        await destination.close()


def told_with(text: str, kind: str) -> Document:
    """What the kind's own template makes of an event that has this text wherever others write."""
    of = kind_of_name(str(KINDS[kind]["kind"]))
    rendered = renderer(of, shipped(of)).render(event_with(text))
    return Document("event-1", rendered.body, rendered.content_type, rendered.value)
