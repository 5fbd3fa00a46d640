"""What a template makes of an event, and what of that is sent to a destination.

Order:
(1) The event: an example by its name, one in a file, or a stored one by its id; the template must be for its like.
(2) The template renders it, as in production (`rendering.renderer`); where it fails, that is the answer, and not the
    minimal payload that would go out.
(3) Where a destination is named, its own dialect makes a request of the document, and nobody sends it. What the
    settings hold by reference is replaced by `MASK` in what is shown.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from router.cli.files import may_be_file
from router.cli.supposed import event_in, event_named
from router.cli.templates.cuts import cuts, values_of
from router.cli.templates.shelf import Entry
from router.destinations.catalogue import kind_of
from router.destinations.dialect import Reply
from router.destinations.document import Document
from router.destinations.kind import HttpKind, OwnKind
from router.destinations.settings import CommonSettings
from router.destinations.words import references_of
from router.errors import MisusedError, OutboxError, TemplateError
from router.events import as_json
from router.rendering.budget import SIZE
from router.rendering.context import purpose_of
from router.rendering.examples import BY_NAME
from router.rendering.library import Templates
from router.rendering.markup import Markup
from router.rendering.renderer import Rendered, Renderer
from router.rendering.secret_places import MASK
from router.settings.templates_part import destination_of
from router.text import advice, lines_of, more, nearest, shown

_CUTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class MadePayload:
    """What becomes of an event."""

    body: bytes
    """What is sent, without secrets; empty where nothing is."""
    notes: tuple[str, ...]
    """Its size, the limits that hold, and what was cut, a line each."""
    document: bytes
    """What the template makes, before anything was made of that."""


def event_meant(name: str | None, template: Entry, config: Path | None, folder: Path = Path()) -> Mapping[str, object]:
    """The event of this name, id or file (1); the first example of what the template is for where it is None.

    Args:
        name: What it is called.
        template: What it is for.
        config: Whose stored events may be meant.
        folder: Where its file may be.

    Raises:
        MisusedError: There is none, or the template is for others.
        OutboxError: It may be a stored one, and they can't be looked at.
    """
    if name is None:
        return next(iter(BY_NAME[template.purposes[0]].values()))
    examples = {one: event for events in BY_NAME.values() for one, event in events.items()}
    event = examples.get(name) or _elsewhere(name, config, folder)
    if event is None:
        raise MisusedError(f"{shown(name)} is no example, no file and no stored event; {advice(name, examples)}")
    check_purpose(template, event, shown(name))
    return event


def check_purpose(template: Entry, event: Mapping[str, object], name: str) -> None:
    """Raise MisusedError where the template is for others than this event, which is called so."""
    if (purpose := purpose_of(event)) not in template.purposes:
        raise MisusedError(
            f"the template {template.name} is for {' and '.join(f'{one}s' for one in template.purposes)}; "
            f"{name} is about a{'n' * (purpose == 'incident')} {purpose}"
        )


def _elsewhere(name: str, config: Path | None, folder: Path) -> Mapping[str, object] | None:
    try:
        if may_be_file(folder / name):
            return event_in(folder / name)
        return None if config is None else event_named(name, config)
    except ValueError as error:
        raise MisusedError(str(error)) from error
    except OutboxError as error:
        told = f"{shown(name)} is no example and no file, and stored events can't be asked for: {error}"
        near = nearest(name, (one for events in BY_NAME.values() for one in events))
        raise OutboxError(f"{told}; did you mean the example {near}?" if near else told) from error


def rendered(
    template: Entry,
    event: Mapping[str, object],
    markup: Markup,
    name: str,
    kind: str,
    secrets: Iterable[str] | None = None,
) -> Rendered:
    """What the template makes of it for a destination with such secrets, masked; raises TemplateError if it fails."""
    parsed = template.parsed(markup)
    templates = Templates(of_decisions=parsed, of_notices=parsed, of_incidents=parsed)
    masked = None if secrets is None else dict.fromkeys(secrets, MASK)
    found = Renderer(templates, kind=kind, name=name, secrets=masked).render(as_json(event))
    if found.problem is not None:
        if found.problem.startswith("template "):
            raise TemplateError(found.problem)
        missing = " is missing" * found.problem.startswith("'")  # a key
        raise TemplateError(f"the event is not whole: {found.problem}{missing}")
    return found


def made(template: Entry, event: Mapping[str, object], destination: tuple[Path, str] | None) -> MadePayload:
    """What is sent of it, to nobody in particular or to the destination of a configuration.

    Raises:
        TemplateError: The template fails.
        MisusedError: The destination is not there.
        ConfigurationError: It can't be used.
    """
    if destination is None:
        found = rendered(template, event, template.markups[0], "example", "webhook")
        return MadePayload(found.body, (f"{len(found.body)} bytes; a document has at most {SIZE}",), found.body)
    settings = destination_of(*destination, os.environ)
    kind = kind_of(settings)
    found = rendered(template, event, kind.markup_by(settings.reads), settings.name, kind.name, settings.secrets)
    event_type, event_id = (str(event.get(key, "")) for key in ("type", "id"))
    sent = _sent(settings, Document(event_id, found.body, found.content_type, found.value, type=event_type))
    if sent is None:
        return MadePayload(b"", (f"nothing is sent: {settings.name} does not want such an event",), found.body)
    limits = "".join(f"; at most {most} {what}" for what, most in kind.limits.items())
    body, content_type = sent
    size = f"{len(body)} bytes as {settings.name} ({kind.name}) is sent them{limits}"
    out = [*values_of(body)]
    lost = [cut for made in values_of(found.body) for cut in cuts(made, out)] if "json" in content_type else []
    notes = (size, *lost[:_CUTS_SHOWN], *more(len(lost), _CUTS_SHOWN))
    return MadePayload(_masked(body, settings), notes, _masked(found.body, settings))


def _sent(settings: CommonSettings, document: Document) -> tuple[bytes, str] | None:
    """The body, and its media type."""
    match kind_of(settings):
        case HttpKind() as kind:
            exchange = kind.dialect(kind.own(settings)).exchange([document], now := time.time())
            try:
                post = next(exchange)
                while post.if_nothing:
                    post = exchange.send(Reply(200, post.if_nothing, None, now))
            except StopIteration:
                return None
            return post.body, post.headers.get("Content-Type", "")
        case OwnKind() as kind if kind.sent is not None:
            return kind.sent(kind.own(settings), document), ""
        case _:
            return document.body, document.content_type


def _masked(body: bytes, settings: CommonSettings) -> bytes:
    for secret in sorted(references_of(settings), key=len, reverse=True):
        for form in (secret, json.dumps(secret)[1:-1]):
            body = body.replace(form.encode(), MASK.encode()) if form else body
    return body


def pretty(body: bytes) -> Iterator[str]:
    """A body as lines that can be compared."""
    for value in values_of(body):
        yield from lines_of(json.dumps(value, indent=2, ensure_ascii=False))
