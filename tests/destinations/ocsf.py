"""What is wrong with a document of OCSF, by its schema (tests/data/ocsf): attributes, types, enumerations and more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_SCHEMA: Mapping[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "ocsf" / "schema.json").read_text())
VERSION: str = _SCHEMA["version"]
_BY_UID = {one["uid"]: one for one in _SCHEMA["classes"].values()}
_INTEGERS = frozenset({"integer_t", "long_t", "timestamp_t"})


def mistakes(document: Mapping[str, Any]) -> list[str]:
    """What is wrong with a whole event."""
    if (found := _BY_UID.get(document.get("class_uid"))) is None:
        return ["class_uid"]
    is_of_type = document.get("type_uid") == document["class_uid"] * 100 + document.get("activity_id", 0)
    profiles = frozenset(document.get("metadata", {}).get("profiles", ()))
    return [*([] if is_of_type else ["type_uid"]), *_of(document, found, profiles, "")]


def _of(value: Mapping[str, Any], definition: Mapping[str, Any], profiles: frozenset[str], path: str) -> Iterator[str]:
    known = {name: one for name, one in definition["attributes"].items() if one.get("profile") in {None, *profiles}}
    yield from (f"{path}{name}: unknown" for name in value if name not in known)
    yield from (
        f"{path}{name}: missing"
        for name, one in known.items()
        if one["requirement"] == "required" and name not in value
    )
    if names := (definition["constraints"] or {}).get("at_least_one"):
        yield from [] if set(names) & set(value) else [f"{path}: none of {names}"]
    for name, one in value.items():
        if name in known:
            yield from _attribute(one, known[name], profiles, f"{path}{name}")


def _attribute(value: object, definition: Mapping[str, Any], profiles: frozenset[str], path: str) -> Iterator[str]:
    if definition.get("is_array", False) is not isinstance(value, list):
        yield f"{path}: is an array or not"
    for one in value if isinstance(value, list) else [value]:
        if definition["type"] == "object" or definition["type"].endswith("_t"):
            yield from [] if _is_plain(one, definition) else [f"{path}: {one!r} is no {definition['type']}"]
        elif isinstance(one, dict):
            yield from _of(one, _SCHEMA["objects"][definition["type"]], profiles, f"{path}.")
        else:
            yield f"{path}: no object"


def _is_plain(value: object, definition: Mapping[str, Any]) -> bool:
    if "enum" in definition and str(value) not in definition["enum"]:
        return False
    match definition["type"]:
        case name if name in _INTEGERS:
            return isinstance(value, int) and not isinstance(value, bool)
        case "boolean_t":
            return isinstance(value, bool)
        case "json_t" | "object":
            return True
        case _:
            return isinstance(value, str)
