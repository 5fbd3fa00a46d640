"""How the documents that templates make become the body of a request, where an operator may choose that. Pure.

Rules:
(1) `json`: the document as it is; several in one array.
(2) `ndjson`: each document a line that ends with a newline; of an array each item.
(3) `form` (`application/x-www-form-urlencoded`, WHATWG URL, clause 5): each member of the document a field, whose value
    is text as a template shows it within quotes: null is nothing, lists and objects are compact JSON. What is no object
    is the field `payload`.
(4) `text`: a text as it is, without quotes; anything else as compact JSON.
(5) None fails, whatever a template has made: an alert in an unexpected form is better than none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias
from urllib.parse import quote_plus, urlencode

from router.destinations.document import Document, said_by
from router.rendering.values import as_json, as_text

Encoding: TypeAlias = Literal["json", "ndjson", "form", "text"]

CONTENT_TYPES: Mapping[Encoding, str] = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "form": "application/x-www-form-urlencoded",
    "text": "text/plain; charset=utf-8",
}
"""The media type of each, where no other is said."""
PAYLOAD = "payload"
"""The field of a form for what is no object."""


def in_json(text: str) -> str:
    """A text as JSON has it within quotes."""
    return as_json(text)[1:-1].decode()


def forms(text: str) -> Sequence[str]:
    """A text, and as it may stand in a body."""
    return text, in_json(text), quote_plus(text)


def encoded(documents: Sequence[Document], encoding: Encoding) -> bytes:
    """The body that carries these documents; one, where the encoding is of one."""
    match encoding:
        case "json":
            bodies = [one.body for one in documents]
            return bodies[0] if len(bodies) == 1 else b"[%b]" % b",".join(bodies)
        case "ndjson":
            return b"".join(b"%b\n" % line for one in documents for line in _lines(one))
        case "form":
            value = said_by(documents[0].body)
            fields = value if isinstance(value, dict) else {PAYLOAD: value}
            return urlencode([(name, as_text(item)) for name, item in fields.items()], errors="replace").encode()
        case "text":
            return as_text(said_by(documents[0].body)).encode(errors="replace")


def _lines(document: Document) -> Sequence[bytes]:
    value = said_by(document.body)
    return [as_json(one) for one in value] if isinstance(value, list) and value else [document.body]
