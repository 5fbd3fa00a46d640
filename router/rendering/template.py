"""A payload template: JSON whose values are Jinja2, and whose structure no value can change. Pure.

Order:
(1) Parse, once: Jinja's grammar, then filters, secrets (`secrets`) and names (`checks`), then where interpolations
    stand (`skeleton`); mistakes are told with template, line and remedy.
(2) Render: every interpolation makes either the content of a JSON string or exactly one JSON value (`values`), each
    text in it escaped for the service's markup (`markup`). Numbers and literals get space around them, so that
    neither neighbours nor the author's own digits can grow together with them.
(3) Check: the result is parsed, so that nothing that is no JSON is ever sent (stray commas of the author's).
    Where keys are made, equal ones are refused: one would hide the other. Where it is refused, the template is
    rendered once more with marks, to say from which of its lines that comes (`positions`).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import orjson
from jinja2 import Template as Compiled
from jinja2 import TemplateError as JinjaError
from jinja2 import TemplateSyntaxError, nodes, pass_context
from jinja2.runtime import Context

from router.errors import TemplateError
from router.rendering.budget import BUDGET, SIZE, within
from router.rendering.checks import check_lists, check_names
from router.rendering.failures import failure_in_words
from router.rendering.filters import all_filters
from router.rendering.markup import Markup, escape
from router.rendering.positions import line_at, repeated_key
from router.rendering.sandbox import Sandbox
from router.rendering.secret_places import has_place
from router.rendering.secrets import FILTER, place_of, taken
from router.rendering.skeleton import Skeleton
from router.rendering.values import JsonText, as_json, as_text, without_surrogates
from router.text import shown

_ADVICE = {
    "\\": "; inside {{ }} write single quotes",
    "end of print statement": "; two braces begin a value: write a blank between those of JSON",
}
"""What to do about what Jinja says, by what stands in that."""
_LONG_NUMBER = re.compile(r"[0-9][0-9A-Fa-f_xob]{3500,}")
"""One that may have more digits than Python reads or writes: 4,300 decimal ones, or 3,571 hexadecimal ones."""
SOURCE_LIMIT = 256 * 1024
"""Characters of a template, and bytes of its file."""


@dataclass(frozen=True, slots=True)
class CheckedDocument:
    """A document that was checked."""

    body: bytes
    """As JSON."""
    value: object
    """What that says."""


def _escaped(value: object, markup: Markup) -> object:
    match value:
        case str():
            return escape(value, markup)
        case dict():
            return {_escaped(key, markup): _escaped(item, markup) for key, item in value.items()}
        case list() | tuple():
            return [_escaped(item, markup) for item in value]
        case _:
            return value


@functools.cache  # made where it is wanted: each takes a quarter of a MiB
def _environment(markup: Markup) -> Sandbox:
    @pass_context  # so that Jinja makes nothing of constants when it reads a template: that is not paid for
    def text(_: Context, value: object) -> str:
        shown = value if type(value) is str else as_text(value)
        if len(shown) > SIZE:
            raise TemplateError(f"a text is larger than {SIZE} characters; truncate it")
        if markup is not Markup.NONE:
            shown = escape(shown, markup)
        try:
            return orjson.dumps(shown)[1:-1].decode()
        except TypeError:  # a lone surrogate
            return orjson.dumps(without_surrogates(shown))[1:-1].decode()

    @pass_context
    def whole(context: Context, value: object) -> str:
        if isinstance(value, JsonText):
            value = value.value
        within(context[BUDGET], value)  # before it is written: one text may stand in it a thousand times
        made = as_json(value if markup is Markup.NONE else _escaped(value, markup)).decode()
        return made if made[0] in '{["' else f" {made} "

    return Sandbox(all_filters(markup) | {FILTER: place_of, "__text": text, "__value": whole})


class Template:
    """A template that can be rendered."""

    def __init__(self, name: str, source: str, markup: Markup, parsed: _Parsed) -> None:
        """Use `parse`."""
        self.name = name
        self.markup = markup
        self.is_event_itself = parsed.is_event_itself
        """Whether it is `{{ cloudevent }}` and nothing else."""
        self.has_made_keys = parsed.has_made_keys
        self.secrets = parsed.secrets
        """Names of the secrets of the destination that it has, each with a line of the template."""
        self._source = source
        self._sandbox = _environment(markup)
        self._compiled = parsed.compiled

    @classmethod
    def parse(
        cls,
        name: str,
        source: str,
        markup: Markup = Markup.NONE,
        *,
        known: Mapping[str, object] | None = None,
    ) -> Self:
        """Read a template; what it names is compared with `known`, an example of a context, where that is given.

        Raises:
            TemplateError: It is none; the text names template, line and remedy.
        """
        if len(source) > SOURCE_LIMIT:
            raise TemplateError(f"template {name}: more than {SOURCE_LIMIT} characters")
        try:
            parsed = _parsed(name, source, _environment(markup), known)
        except TemplateSyntaxError as error:
            advice = next((advice for sign, advice in _ADVICE.items() if sign in str(error.message)), "")
            raise TemplateError(f"template {name}: line {error.lineno}: {error.message}{advice}") from error
        except TemplateError as error:
            raise TemplateError(f"template {name}: {error}") from error
        except (RecursionError, MemoryError, SyntaxError) as error:  # Python's own limits of nesting
            raise TemplateError(f"template {name}: nested too deep") from error
        except ValueError as error:  # Python's own limit of digits, which Jinja does not know
            if (found := _LONG_NUMBER.search(source)) is None:
                raise
            line = source.count("\n", 0, found.start()) + 1
            cause = "a number has too many digits; write it as a text"
            raise TemplateError(f"template {name}: line {line}: {cause}") from error
        return cls(name, source, markup, parsed)

    def render(self, context: Mapping[str, object]) -> CheckedDocument:
        """The document as JSON, and as the value that it was parsed to in order to be checked.

        Raises:
            TemplateError: The template asks for what is not there or takes too long, or its skeleton is no JSON.
        """
        return self.check(self.text(context), context, keys=self.has_made_keys)

    def text(self, context: Mapping[str, object]) -> str:
        """What the template makes, unchecked; raises TemplateError where it can't."""
        compiled = self._compiled
        try:
            return self._sandbox.concat(compiled.root_render_func(self._sandbox.context(context)))
        except Exception as error:  # operators' expressions raise anything; whoever renders reacts to one kind of error
            line = _line(compiled, error.__traceback__)
            is_told = isinstance(error, TemplateError | JinjaError)
            cause = str(error) if is_told else failure_in_words(error)
            raise TemplateError(f"template {self.name}: {line}{cause}") from error

    def check(self, text: str, context: Mapping[str, object], *, keys: bool) -> CheckedDocument:
        """What it made of the context, if that is JSON and small enough, and if `keys`, has no equal ones."""
        try:
            body = text.encode()
            value: object = orjson.loads(body)
            if keys:
                json.loads(text, object_pairs_hook=_with_different_keys)
        except _EqualKeysError as error:
            position, key = repeated_key(text) or (0, "")
            line = self._line_of(position, context)
            told = f"template {self.name}: {line}two keys of an object are {shown(key, 100)}; make keys that differ"
            raise TemplateError(told) from error
        except orjson.JSONDecodeError as error:
            line = self._line_of(error.pos, context)
            near = "" if line or has_place(text) else f", near {shown(text[max(0, error.pos - 40) : error.pos + 1])}"
            told = f"template {self.name}: {line}what it makes is not valid JSON: {error.msg}{near}"
            raise TemplateError(told) from error
        except (ValueError, RecursionError) as error:
            raise TemplateError(f"template {self.name}: what it makes is not valid JSON: {error}") from error
        if len(body) > SIZE:
            raise TemplateError(f"template {self.name}: the document is larger than {SIZE} bytes; truncate its texts")
        return CheckedDocument(body, value)

    def _line_of(self, position: int, context: Mapping[str, object]) -> str:
        """The line that made this character of the document, as errors begin; nothing where that can't be told."""
        compiled = self._marked
        try:
            marked = self._sandbox.concat(compiled.root_render_func(self._sandbox.context(context)))
        except TemplateError:  # with its marks it is larger than a document may be
            return ""
        line = line_at(marked, position)
        return "" if line is None else f"line {line}: "

    @functools.cached_property
    def _marked(self) -> Compiled:
        return _parsed(self.name, self._source, self._sandbox, None, is_marked=True).compiled


@dataclass(frozen=True, slots=True)
class _Parsed:
    compiled: Compiled
    has_made_keys: bool
    is_event_itself: bool
    secrets: Mapping[str, int]


def _parsed(
    name: str, source: str, environment: Sandbox, known: Mapping[str, object] | None, *, is_marked: bool = False
) -> _Parsed:
    """Steps of (1); raises what Jinja and Python raise, and TemplateError."""
    parsed = environment.parse(source, name)
    check_lists(parsed, environment)
    secrets = taken(parsed)
    if known is not None:
        check_names(parsed, known)
    is_event_itself = _is_event_itself(parsed)
    skeleton = Skeleton(is_marked=is_marked)
    skeleton.wrap(parsed)
    return _Parsed(environment.from_string(parsed), skeleton.has_made_keys, is_event_itself, secrets)


def _is_event_itself(parsed: nodes.Template) -> bool:
    match parsed.body:
        case [nodes.Output(nodes=children)]:
            rest = [node for node in children if not (isinstance(node, nodes.TemplateData) and node.data.isspace())]
            return len(rest) == 1 and isinstance(rest[0], nodes.Name) and rest[0].name == "cloudevent"
        case _:
            return False


def _line(compiled: Compiled, traceback: TracebackType | None) -> str:
    """Where in the template it happened."""
    line = ""
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__jinja_template__") is compiled:
            line = f"line {compiled.get_corresponding_lineno(traceback.tb_lineno)}: "
        traceback = traceback.tb_next
    return line


class _EqualKeysError(Exception):
    """An object has two equal keys."""


def _with_different_keys(pairs: Sequence[tuple[str, object]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise _EqualKeysError
