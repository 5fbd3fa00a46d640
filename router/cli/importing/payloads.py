"""Templates as receivers need them: unchanged, or with what a receiver says of its own. Pure.

Rules:
(1) Where a receiver says nothing, the template is taken over as it stands, byte by byte.
(2) `priority` of a receiver is a constant there: it stands in place of `{{ priority }}`.
(3) `payloadFields` replace members at the top, as constants. What may be a secret is left out, and said; so are all
    of them where the template is no JSON before it is rendered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from router.settings.problems import Plain

_PRIORITY = re.compile(r"\{\{\s*priority\s*\}\}")
_SECRET_KEY = re.compile(r"auth|cred|key|pass|pwd|secret|sign|token", re.IGNORECASE)
_SECRET_TEXT = re.compile(r"\S*://\S+|(?=\S*[0-9])\S*[A-Za-z0-9_+/=-]{16,}\S*|\S{32,}")
_OPENING = re.compile(r"\{(?=[{%#])")


class NotMergedError(Exception):
    """A template that has to be changed by hand."""


def with_priority(template: str, priority: int) -> str:
    """The template with a constant in place of the priority."""
    return _PRIORITY.sub(str(priority), template)


def with_fields(template: str, fields: dict[str, Plain]) -> str:
    """The template with these members in place of its own.

    Raises:
        NotMergedError: It is no JSON object as it stands.
    """
    try:
        document = json.loads(template)
    except (ValueError, RecursionError) as error:
        raise NotMergedError from error
    if not isinstance(document, dict):
        raise NotMergedError
    theirs = {_json(name): _json(value) for name, value in document.items()}
    members = theirs | {_constant(name): _constant(value) for name, value in fields.items()}
    body = ",\n".join(f"  {name}: {text}" for name, text in members.items())
    return f"{{\n{body}\n}}\n"


def may_be_secret(name: str, value: Plain) -> bool:
    """Whether a field, or anything in it, looks as secrets do: by its name, or as a long word that nobody speaks."""
    return any(_SECRET_KEY.search(key) or _SECRET_TEXT.search(text) for key, text in _texts(name, value))


def _texts(name: str, value: Plain) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for key, inner in value.items():
                yield from _texts(key, inner)
        case list():
            for inner in value:
                yield from _texts(name, inner)
        case str():
            yield name, value
        case _:
            yield name, ""


def _constant(value: Plain) -> str:
    """As JSON in which nothing is a template's own: `{` before `{`, `%` or `#` is an escape."""
    return _OPENING.sub(r"\\u007b", _json(value))


def _json(value: Plain) -> str:
    return json.dumps(value, ensure_ascii=False)
