"""What is wrong with a document of the Elastic Common Schema, by its own list of fields (tests/data/schemas)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

VERSION = "9.4.0"
_FIELDS: Mapping[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data" / "schemas" / f"ecs-{VERSION}.json").read_text()
)
_IS_OF: Mapping[str, Callable[[object], bool]] = {
    "date": lambda one: isinstance(one, str) and datetime.fromisoformat(one).tzinfo is not None,
    "long": lambda one: isinstance(one, int) and not isinstance(one, bool),
    **dict.fromkeys(("keyword", "match_only_text", "wildcard"), lambda one: isinstance(one, str)),
}
"""By the types of the fields that we use."""


def mistakes(document: Mapping[str, Any], own: str = "gatecrier") -> list[str]:
    """What is wrong with it; what is beneath `own` is no part of the schema."""
    said = {name: one for name, one in document.items() if name != own}
    missing = [name for name in ("@timestamp", "ecs") if name not in said]
    return [*(f"{name}: missing" for name in missing), *_of(said, ""), *_types_of(document.get("event", {}))]


def _of(value: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, one in value.items():
        if isinstance(one, dict):
            yield from _of(one, f"{path}{name}.")
        elif (field := _FIELDS.get(f"{path}{name}")) is None:
            yield f"{path}{name}: unknown"
        elif isinstance(one, list) is not field.get("is_array", False):
            yield f"{path}{name}: a list or not"
        else:
            values = one if isinstance(one, list) else [one]
            yield from (f"{path}{name}: {each!r}" for each in values if not _is_one(each, field))


def _is_one(value: object, field: Mapping[str, Any]) -> bool:
    try:
        return _IS_OF[field["type"]](value) and value in field.get("allowed", [value])
    except ValueError:
        return False


def _types_of(event: Mapping[str, Any]) -> Iterator[str]:
    """Types of events that none of its categories expects."""
    categories = _FIELDS["event.category"]["allowed"]
    expected = {one for category in event.get("category", []) for one in categories.get(category) or ()}
    yield from (
        f"event.type: {one!r} is of none of its categories" for one in event.get("type", []) if one not in expected
    )
