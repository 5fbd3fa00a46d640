"""What pydantic's errors mean to an operator: what was found, and what was expected. Pure.

A found value is repeated unless a secret may stand there (`may_be_secret`); texts of our own validators
(`value_error`) are complete as they are and know themselves what they may repeat.
"""

from __future__ import annotations

import re

from pydantic import SecretStr
from pydantic_core import ErrorDetails

from router.by_reference import Secret
from router.settings import shape
from router.settings.problems import Path, Plain, in_words, kind_in_words
from router.text import advice, listed

_EXPECTED = {
    "string_type": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "path_type": "a path",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a map",
    "mapping_type": "a map",
}
_NO_MAP = frozenset({"model_type", "model_attributes_type", "dict_type", "mapping_type"})
_BOUNDS = {
    "greater_than": ("gt", "more than {}"),
    "greater_than_equal": ("ge", "{} or more"),
    "less_than": ("lt", "less than {}"),
    "less_than_equal": ("le", "at most {}"),
    "string_too_short": ("min_length", "a text of at least {} characters"),
    "string_too_long": ("max_length", "a text of at most {} characters"),
    "too_short": ("min_length", "at least {} item"),
    "too_long": ("max_length", "at most {} items"),
    "string_pattern_mismatch": ("pattern", "a text of the form {}"),
}
_OPEN_MAPS = frozenset({"headers"})
"""Maps whose values are the operator's own and may be secrets although they are written out."""
_NAMING = frozenset({"file", "env", "host", "certificate", "key", "ca"})
"""Keys whose values name something, and where people paste the thing itself."""
_WORD = re.compile(r"[A-Za-z][A-Za-z_-]{0,29}")
"""What may be meant as a word of the configuration."""


def may_be_secret(annotation: shape.TypeAnnotation, path: Path) -> bool:
    """Whether the value at the path must not be repeated in a text."""
    found = tuple(shape.alternatives(annotation))
    return Secret in found or SecretStr in found or not _OPEN_MAPS.isdisjoint(path) or not _NAMING.isdisjoint(path[-1:])


def _stands_for_a_map(annotation: shape.TypeAnnotation, value: Plain) -> bool:
    """Whether a text that is no plain word stands where a map should: people paste the secret that it would name."""
    return isinstance(value, str) and bool(shape.models_in(annotation)) and not _WORD.fullmatch(value)


def worded(error: ErrorDetails, annotation: shape.TypeAnnotation, value: Plain, path: Path) -> str:
    """Found; expected."""
    kind, context = error["type"], error.get("ctx", {})
    is_hidden = may_be_secret(annotation, path) or _stands_for_a_map(annotation, value)
    found = kind_in_words(value) if is_hidden else in_words(value)
    if kind in ("value_error", "assertion_error"):
        return str(context.get("error", error["msg"]))
    if kind in ("literal_error", "enum"):
        return _of_a_closed_set(str(context.get("expected", "")), annotation, value, found)
    if kind in _NO_MAP and shape.models_in(annotation):
        expected = a_map(annotation)
    elif kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        expected = words.format(context.get(name))
    elif kind in _EXPECTED:
        expected = _EXPECTED[kind] + _or_a_map(annotation)
    else:
        return f"found {found}; {error['msg'][:1].lower()}{error['msg'][1:]}"
    return f"found {found}; expected {expected}"


def a_map(annotation: shape.TypeAnnotation) -> str:
    """`a map with listen, tls`, or with the tag where the annotation is a union of settings."""
    models = shape.models_in(annotation)
    if len(models) == 1:
        return f"a map with {listed(shape.keys(models[0]))}"
    kinds = [tag for model in models for tag in shape.tags(model)]
    return f"a map with {shape.TAG} ({listed(kinds)}) and more" if kinds else "a map"


def _or_a_map(annotation: shape.TypeAnnotation) -> str:
    return f", or {a_map(annotation)}" if shape.models_in(annotation) else ""


def _of_a_closed_set(expected: str, annotation: shape.TypeAnnotation, value: Plain, found: str) -> str:
    allowed = re.findall(r"'([^']*)'", expected)
    if isinstance(value, str) and allowed:
        return f"found {found}; {advice(value, allowed)}{_or_a_map(annotation)}"
    return f"found {found}; expected {' or '.join(allowed) or expected}{_or_a_map(annotation)}"
