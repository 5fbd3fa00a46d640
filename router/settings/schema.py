"""The JSON Schema of the configuration, for editors and for whoever writes configurations by program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from router.fields import duration_text, size_text
from router.settings.meanings import meanings_in
from router.settings.shape import key_of
from router.settings.tree import Settings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema: TypeAlias = "dict[str, Schema] | list[Schema] | str | int | float | bool | None"
"""JSON."""


class _AsWritten(GenerateJsonSchema):
    """Meanings; defaults as an operator would write them; only titles that name a kind of value, such as "duration"."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic asks for each
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> dict[str, object]:
        made: dict[str, object] = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        meanings, properties = meanings_in(model), made.get("properties")
        for name, field in model.model_fields.items():
            found = properties.get(key_of(name, field)) if isinstance(properties, dict) else None
            if isinstance(found, dict) and name in meanings:
                found["description"] = meanings[name]
        return made

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, object]:
        made: dict[str, object] = super().default_schema(schema)
        match made:
            case {"title": "duration" | "wait", "default": int() | float() as seconds}:
                made["default"] = duration_text(seconds)
            case {"title": "size", "default": int() as size}:
                made["default"] = size_text(size)
        return made


def schema() -> dict[str, Schema]:
    """The schema; secrets are references, durations and sizes are texts."""
    made = Settings.model_json_schema(by_alias=True, mode="validation", schema_generator=_AsWritten)
    for definition in made.get("$defs", {}).values():
        if definition.get("title", "")[:1].isupper():
            del definition["title"]
    head = {"$schema": DIALECT, "title": "Gatecrier configuration"}
    return head | {key: value for key, value in made.items() if key != "title"}


def schema_text() -> str:
    """The schema as the published file holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def resolved(part: Mapping[str, Schema], whole: Mapping[str, Schema]) -> Mapping[str, Schema]:
    """The part, or what its `$ref` leads to, with what the part says beside it."""
    reference = part.get("$ref")
    definitions = whole.get("$defs")
    if not isinstance(reference, str) or not isinstance(definitions, dict):
        return part
    target = definitions[reference.rpartition("/")[2]]
    return (
        {**target, **{key: value for key, value in part.items() if key != "$ref"}} if isinstance(target, dict) else part
    )
