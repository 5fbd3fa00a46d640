"""What a service gets of the event of tests/data, where nobody has told otherwise: for the page of destinations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

import orjson

from router.destinations.catalogue import KINDS
from router.destinations.document import Document
from router.destinations.kind import AnyKind, HttpKind
from router.rendering.renderer import Renderer
from tests.contracts.kinds import least, read, shipped, variables_of

EVENT = Path(__file__).resolve().parents[1] / "data" / "event.json"
PAGE = "docs/destinations.md"


class Make(Protocol):
    """Makes a part of a page."""

    def __call__(self) -> str:
        """The text."""


def body_of(kind: AnyKind) -> bytes:
    """The body of the request."""
    written = least(kind)
    settings = read(written, Path("/nowhere"), variables_of(written))
    assert isinstance(kind, HttpKind)
    rendered = Renderer(shipped(kind), kind=kind.name, name="it", minimal=kind.minimal).render(EVENT.read_bytes())
    event = orjson.loads(EVENT.read_bytes())
    document = Document(event["id"], rendered.body, rendered.content_type, type=event["type"])
    return next(kind.dialect(kind.own(settings)).exchange([document], 1_795_428_930.0)).body


def arriving(kind: AnyKind) -> str:
    """The body, each JSON document of it over several lines."""
    documents = [orjson.dumps(orjson.loads(line), option=orjson.OPT_INDENT_2) for line in body_of(kind).splitlines()]
    return b"\n".join([b"```json", *documents, b"```"]).decode()


def arriving_parts(page: str) -> Mapping[tuple[str, str], Make]:
    """What the page shows of it, by the names of the places: `arrives at KIND`."""
    return {
        (PAGE, f"arrives at {kind.name}"): partial(arriving, kind)
        for kind in KINDS
        if f"<!-- generated: arrives at {kind.name} -->" in page
    }
