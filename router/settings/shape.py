"""Which settings may stand where in the configuration, as the models say it. Pure."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from router.settings.meanings import meanings_in
from router.settings.problems import Plain

TypeAnnotation: TypeAlias = object
"""A type as the models write it: a class, Annotated, a union, a generic alias."""
TAG = "kind"
"""The key that tells the members of a union of settings apart."""


def alternatives(annotation: TypeAnnotation) -> Iterator[TypeAnnotation]:
    """The types that an annotation allows, without Annotated, unions and None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from alternatives(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from alternatives(member)
    elif annotation is not type(None):
        yield annotation


def models_in(annotation: TypeAnnotation) -> tuple[type[BaseModel], ...]:
    """The settings among the alternatives."""
    return tuple(
        found for found in alternatives(annotation) if isinstance(found, type) and issubclass(found, BaseModel)
    )


def key_of(name: str, field: FieldInfo) -> str:
    """What the field is called in the file."""
    return field.alias or name


def keys(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys that a map of these settings may have."""
    return tuple(key_of(name, field) for name, field in model.model_fields.items())


def field_at(model: type[BaseModel], key: str) -> FieldInfo | None:
    """The field that the key of the file means."""
    for name, field in model.model_fields.items():
        if key_of(name, field) == key:
            return field
    return None


def meaning_at(model: type[BaseModel], key: str) -> str:
    """What the field that the key of the file means is for; empty where there is no such field."""
    meanings = meanings_in(model)
    return next(
        (meanings.get(name, "") for name, field in model.model_fields.items() if key_of(name, field) == key), ""
    )


def tags(model: type[BaseModel]) -> tuple[str, ...]:
    """The kinds that these settings are for; none where they are no member of a tagged union."""
    field = model.model_fields.get(TAG)
    if field is None or get_origin(field.annotation) is not Literal:
        return ()
    return tuple(str(value) for value in get_args(field.annotation))


def model_for(annotation: TypeAnnotation, value: Plain) -> type[BaseModel] | None:
    """The settings that this value was meant to be, or None where that can't be said."""
    models = models_in(annotation)
    if len(models) > 1:
        tag = value.get(TAG) if isinstance(value, dict) else None
        models = tuple(model for model in models if tag in tags(model))
    return models[0] if len(models) == 1 else None


def member(annotation: TypeAnnotation, part: str | int, value: Plain) -> TypeAnnotation:
    """What may stand under a key or index of this value; None where nothing is known."""
    if isinstance(part, str) and (model := model_for(annotation, value)) is not None:
        field = field_at(model, part)
        return None if field is None else field.annotation
    for found in alternatives(annotation):
        origin, arguments = get_origin(found), get_args(found)
        if not isinstance(origin, type) or not arguments:
            continue
        if isinstance(part, int) and issubclass(origin, Sequence | frozenset | set):
            return arguments[0]
        if isinstance(part, str) and issubclass(origin, Mapping):
            return arguments[1]
    return None
