"""What of a document that a template made is not in what is sent. Pure.

A dialect wraps a document, cuts its texts and leaves parts out, wherever it likes. So texts are compared, not places:
one of which the beginning is sent, with an ellipsis, was cut; one that is nowhere was left out, or is something else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

_ELLIPSIS = "…"


def values_of(body: bytes) -> Iterator[object]:
    """Every JSON value of a body, which stand after each other; ends where there is no more JSON."""
    text, start, decoder = body.decode(errors="replace"), 0, json.JSONDecoder()
    while start < len(text):
        if text[start].isspace():
            start += 1
            continue
        try:
            value, start = decoder.raw_decode(text, start)
        except ValueError:
            return
        yield value


def cuts(made: object, sent: object) -> Iterator[str]:
    """A sentence for each text of the document that is not sent whole, with its JSON Pointer (RFC 6901)."""
    texts = {text for _, text in _texts(sent)}
    cut_ones = [text[:-1] for text in texts if text.endswith(_ELLIPSIS) and text != _ELLIPSIS]
    for path, text in _texts(made):
        if text and text not in texts:
            kept = max((len(one) for one in cut_ones if text.startswith(one)), default=0)
            gone = f"cut from {len(text)} to {kept + 1} characters" if kept else "left out, or sent as something else"
            yield f"{path or 'the document'}: {gone}"


def _texts(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield path, value
        case dict():
            for key, one in value.items():
                yield from _texts(one, f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}")
        case list():
            for index, one in enumerate(value):
                yield from _texts(one, f"{path}/{index}")
        case _:
            pass
