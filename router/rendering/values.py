"""What a value looks like in a document: as text, and as JSON. Pure.

Values are what JSON can hold; asking for one that is not there raises Jinja's `UndefinedError`. In text, null is
nothing, booleans are `true` and `false`, lists and mappings are compact JSON. What UTF-8 can't hold (lone surrogates)
becomes U+FFFD, everywhere.
"""

from __future__ import annotations

import re

import orjson
from jinja2 import Undefined

from router.errors import TemplateError
from router.rendering.failures import kind_in_words
from router.rendering.secret_places import nested

_SURROGATE = re.compile("[\ud800-\udfff]")


class JsonText(str):
    """JSON text that knows its value: where a value stands without quotes it is that value, in quotes it is text."""

    __slots__ = ("value",)

    value: object

    @classmethod
    def of(cls, value: object) -> JsonText:
        """The value as compact JSON text."""
        made = cls(as_json(value).decode())
        made.value = value
        return made


def as_text(value: object) -> str:
    """The value as people read it; raises TemplateError where it is none of JSON's."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case dict() | list() | tuple() | range():
            return nested(as_json(value).decode())
        case Undefined():
            return str(value)  # raises, and says what is missing
        case _:
            raise TemplateError(f"{kind_in_words(value)} can't be shown; values are texts, numbers, lists, mappings")


def as_json(value: object) -> bytes:
    """The value as compact JSON; raises TemplateError where it is none of JSON's."""
    try:
        return orjson.dumps(value)
    except TypeError:
        try:
            return orjson.dumps(_plain(value))
        except TypeError as error:
            raise TemplateError(f"a value is not valid JSON: {error}") from error


def _plain(value: object) -> object:
    match value:
        case str():
            return without_surrogates(value)
        case dict():
            return {without_surrogates(as_text(key)): _plain(item) for key, item in value.items()}
        case list() | tuple() | range():
            return [_plain(item) for item in value]
        case Undefined():
            return str(value)  # raises, and says what is missing
        case _:
            return value


def without_surrogates(text: str) -> str:
    """The text with lone surrogates replaced by U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)
