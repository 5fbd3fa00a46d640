"""How events become the body of a request: the HTTP binding of CloudEvents 1.0. Pure.

Source: CloudEvents, "HTTP Protocol Binding", clauses 3.1 (binary), 3.2 (structured) and 3.3 (batched).

Rules:
(1) In binary mode the data is the body, and every attribute a header, `ce-` and its name. A value is written in
    printable ASCII: blanks, quotes, percent signs and all else are percent-encoded (clause 3.1.3.2), so that no name
    can begin a header. One that is longer than `LONGEST` is shortened first: whoever deploys chooses names, and many
    receivers refuse a request with a header of 8 KiB.
(2) What can not be taken apart, as an event without data, goes out in structured mode: it is told all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias
from urllib.parse import quote

from router.destinations.document import object_in
from router.rendering.values import as_json, as_text
from router.text import shortened_into

ContentMode: TypeAlias = Literal["structured", "binary", "batch"]

STRUCTURED = "application/cloudevents+json; charset=UTF-8"
BATCHED = "application/cloudevents-batch+json; charset=UTF-8"
HEADER = "ce-"
LONGEST = 400
"""Characters of an attribute in a header: what Kubernetes calls anything is shorter. Each takes 12 bytes at most."""
_AS_IT_IS = "!#$&'()*+,/:;<=>?@[\\]^`{|}"
"""Printable, besides letters, digits and `_.-~`, which always are."""


def carried(events: Sequence[bytes], mode: ContentMode) -> tuple[bytes, Mapping[str, str]]:
    """The body that carries these encoded events, and the headers that say what it is; one event, but for a batch."""
    if mode == "batch":
        return b"[%b]" % b",".join(events), {"Content-Type": BATCHED}
    return (_apart(events[0]) if mode == "binary" else None) or (events[0], {"Content-Type": STRUCTURED})


def _apart(event: bytes) -> tuple[bytes, Mapping[str, str]] | None:
    attributes = object_in(event) or {}
    data, media_type = attributes.pop("data", None), attributes.pop("datacontenttype", "application/json")
    if data is None or media_type != "application/json":
        return None
    headers = {
        f"{HEADER}{name}": quote(shortened_into(as_text(value), LONGEST), safe=_AS_IT_IS)
        for name, value in attributes.items()
        if value is not None  # as good as absent ("JSON Event Format", clause 2.2)
    }
    return as_json(data), {"Content-Type": "application/json", **headers}
