"""A payload template: JSON whose values are Jinja2, and whose structure no value can change. Pure.

Order:
(1) Parse: Jinja's grammar, then the skeleton (`skeleton`), once; mistakes are told with template and line.
(2) Render: every interpolation makes either the content of a JSON string or exactly one JSON value.
    In text, null is nothing, booleans are `true` and `false`, lists and mappings are compact JSON.
(3) Check: the result is parsed, so that nothing that is no JSON is ever sent (stray commas of the author's).
    Where keys are made from values, equal ones are refused: one would hide the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Self

import orjson
from jinja2 import Template as Compiled
from jinja2 import TemplateError as JinjaError
from jinja2 import TemplateSyntaxError, nodes

from router.errors import TemplateError
from router.rendering.filters import all_filters
from router.rendering.markup import Markup, escape
from router.rendering.sandbox import BUDGET, Budget, Sandbox
from router.rendering.skeleton import Skeleton

SOURCE_LIMIT = 256 * 1024
"""Characters of a template."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """The text with what UTF-8 can't hold replaced by U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def _json_text(text: str) -> str:
    try:
        return orjson.dumps(text)[1:-1].decode()
    except TypeError:  # a subclass of str, or a lone surrogate
        return orjson.dumps(without_surrogates(str(text)))[1:-1].decode()


def _as_text(value: object) -> str:
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict() | list() | tuple():
            return _dumped(value).decode()
        case _:
            return str(value)


def _dumped(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as error:
        try:
            return orjson.dumps(_plain(value))
        except TypeError:
            raise TemplateError(f"a value is no JSON: {error}") from error


def _plain(value: object) -> object:
    match value:
        case str():
            return without_surrogates(str(value))
        case dict():
            return {without_surrogates(str(key)): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case range():
            return list(value)
        case _:
            return value


def _escaped(value: object, markup: Markup) -> object:
    match value:
        case str():
            return str(escape(value, markup))
        case dict():
            return {_escaped(key, markup): _escaped(item, markup) for key, item in value.items()}
        case list() | tuple():
            return [_escaped(item, markup) for item in value]
        case _:
            return value


def _environment(markup: Markup) -> Sandbox:
    environment = Sandbox(all_filters())

    def text(value: object) -> str:
        return _json_text(escape(_as_text(value), markup))

    def whole(value: object) -> str:
        return _dumped(value if markup is Markup.NONE else _escaped(value, markup)).decode()

    environment.filters["__text"] = text
    environment.filters["__value"] = whole
    return environment


_ENVIRONMENTS = {markup: _environment(markup) for markup in Markup}


class Template:
    """A template that can be rendered."""

    def __init__(self, name: str, compiled: Compiled, *, has_made_keys: bool) -> None:
        """Use `parse`."""
        self.name = name
        self._compiled = compiled
        self._has_made_keys = has_made_keys

    @classmethod
    def parse(cls, name: str, source: str, markup: Markup = Markup.NONE) -> Self:
        """Read a template.

        Raises:
            TemplateError: It is none; the text names template, line and remedy.
        """
        if len(source) > SOURCE_LIMIT:
            raise TemplateError(f"template {name}: more than {SOURCE_LIMIT} characters")
        environment = _ENVIRONMENTS[markup]
        try:
            parsed = environment.parse(source, name)
            _check_filters(parsed, environment)
            skeleton = Skeleton()
            skeleton.wrap(parsed)
            compiled = environment.from_string(parsed)
        except TemplateSyntaxError as error:
            raise TemplateError(f"template {name}, line {error.lineno}: {error.message}") from error
        except JinjaError as error:
            raise TemplateError(f"template {name}: {error}") from error
        except TemplateError as error:
            raise TemplateError(f"template {name}: {error}") from error
        except RecursionError as error:
            raise TemplateError(f"template {name}: nested too deep") from error
        return cls(name, compiled, has_made_keys=skeleton.has_made_keys)

    def render(self, context: Mapping[str, object]) -> bytes:
        """The document as JSON.

        Raises:
            TemplateError: The template asks for what is not there or takes too long, or its skeleton is no JSON.
        """
        try:
            text = self._compiled.render(context, **{BUDGET: Budget()})
            body = text.encode()
            if self._has_made_keys:
                json.loads(text, object_pairs_hook=_without_equal_keys)
            orjson.loads(body)
        except TemplateError as error:
            raise TemplateError(f"template {self.name}: {error}") from error
        except orjson.JSONDecodeError as error:
            raise TemplateError(f"template {self.name}: what it makes is no JSON: {error}") from error
        except JinjaError as error:
            raise TemplateError(f"template {self.name}: {error}") from error
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
            raise TemplateError(f"template {self.name}: {type(error).__name__}: {error}") from error
        return body


def _check_filters(parsed: nodes.Template, environment: Sandbox) -> None:
    for node in parsed.find_all(nodes.Filter):
        if node.name not in environment.filters or node.name.startswith("__"):
            known = ", ".join(sorted(name for name in environment.filters if not name.startswith("__")))
            raise TemplateError(f"line {node.lineno}: there is no filter {node.name!r}; there is: {known}")


def _without_equal_keys(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise TemplateError("two keys of an object became equal; make keys that differ")
    return made
