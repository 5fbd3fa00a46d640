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

import json
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias
from urllib.parse import quote, quote_plus, urlencode

from router.destinations.document import Document, said_by
from router.rendering.values import as_json, as_text
from router.text import escape_in_json

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
_ESCAPED_FOR_HTML = str.maketrans({one: escape_in_json(one) for one in "<>&"})


def in_json(text: str) -> str:
    """A text as JSON has it within quotes."""
    return as_json(text)[1:-1].decode()


def forms(text: str) -> Sequence[str]:
    """A text, and as it may stand in a body."""
    return text, in_json(text), quote_plus(text)


def echoes(text: str) -> frozenset[str]:
    """As a receiver may repeat it: in a body, in a URL, and in JSON as other encoders write it.

    Those escape everything beyond ASCII, slashes (PHP), or what HTML must not hold (Go).
    """
    in_urls = {quote(text, safe=safe, errors="replace") for safe in ("", "/")}
    in_jsons = {json.dumps(text, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False)}
    in_jsons |= {one.replace("/", "\\/") for one in in_jsons}
    in_jsons |= {one.translate(_ESCAPED_FOR_HTML) for one in in_jsons}
    return frozenset((*forms(text), *in_urls, *in_jsons))


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
