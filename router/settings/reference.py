"""docs/configuration.md, made from the schema, and so from the docstrings beneath the settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from router.settings.schema import Schema, resolved, schema
from router.settings.shape import TAG

Part = Mapping[str, Schema]

_HEAD = """# Configuration

One YAML file says everything. `gatecrier config check FILE` says what is wrong with it, each mistake with line, column
and remedy: those of single values together, then what does not go together. `gatecrier serve --config FILE` runs it,
and reads it again on SIGHUP and whenever the file, or one that it names, changes. A changed file that is not right is
refused and the old configuration stays in force.

`gatecrier config schema` prints the JSON Schema (`config/schema/gatecrier.schema.json`). An editor that speaks YAML
completes and checks with it, told so by a first line such as
`# yaml-language-server: $schema=gatecrier.schema.json`. A commented example is `config/gatecrier.yaml`.

This page is made from the program itself (`gatecrier config reference`). How values are written:

| Value | Written as |
|---|---|
| duration | a number and one of `ms`, `s`, `m`, `h`, `d`: `500ms`, `8s`, `30d` |
| wait | a duration that may be none, `0ms`, and is a minute at most: `200ms` |
| rate | a number of times and a duration: `30/1h` |
| end | a date (`2026-12-31`, to the end of that day in UTC) or an RFC 3339 time (`2026-12-31T18:00:00Z`) |
| size | a whole number and one of `B`, `KiB`, `MiB`, `GiB`: `32MiB` |
| address | `HOST:PORT`, an IPv6 address in brackets; an empty host means every address of the machine |
| network | an address and its bits: `10.0.0.0/8`, `fd00::/8` |
| path | relative paths are relative to the folder of the configuration file |
| name | lower-case letters and digits, with `.`, `_` and `-` between them, at most 63 characters |
| secret | a reference, `{file: PATH}` or `{env: NAME}`, never the secret itself; white space around it is dropped |

YAML's words mean what YAML 1.2 says: `true` and `false` are the only truth values, `yes` and `on` are texts. Aliases
(`*name`) may be used; merge keys (`<<`), tags, repeated keys and keys that are no text are refused.
"""


_TYPES = {
    "array": "list",
    "object": "map",
    "boolean": "`true` or `false`",
    "integer": "whole number",
    "number": "number",
}


def reference() -> str:
    """The whole page, in Markdown."""
    whole = schema()
    lines = [_HEAD.rstrip(), "", "## The whole file", "", *_table(whole, whole)]
    written: set[str] = set()
    for key, part in _properties(whole):
        lines += _sections(f"`{key}`", 2, part, whole, written)
    return "\n".join(lines) + "\n"


def _properties(model: Part) -> Iterator[tuple[str, Part]]:
    properties = model.get("properties")
    for key, part in properties.items() if isinstance(properties, dict) else ():
        if isinstance(part, dict):
            yield key, part


def _sections(path: str, level: int, part: Part, whole: Part, written: set[str]) -> Iterator[str]:
    """A section for each map of settings that may stand at the path, and for those in it, unless it stands above."""
    for model, is_item in _models(part, whole):
        kind = _kind(model)  # two kinds may have the same keys
        name = json.dumps([kind, *sorted(key for key, _ in _properties(model))])
        if name in written or model.get("title") == "secret":
            continue
        written.add(name)
        heading = f"{path[:-1]}[]`" if is_item else path
        here = heading + (f" of kind `{kind}`" if kind else "")
        yield from (
            "",
            f"{'#' * level} {here}",
            "",
            str(model.get("description", "")).strip(),
            "",
            *_table(model, whole),
        )
        for key, inner in _properties(model):
            yield from _sections(f"{heading[:-1]}.{key}`", min(level + 1, 4), inner, whole, written)


def _kind(model: Part) -> str | None:
    for key, part in _properties(model):
        if key == TAG:
            return str(part.get("const"))
    return None


def _models(part: Part, whole: Part) -> Iterator[tuple[Part, bool]]:
    """The maps of settings that a value may be, or may be a list of."""
    part = resolved(part, whole)
    if "properties" in part:
        yield part, False
    for choice in _choices(part):
        yield from _models(choice, whole)
    if isinstance(items := part.get("items"), dict):
        yield from ((model, True) for model, _ in _models(items, whole))


def _choices(part: Part) -> list[Part]:
    """The alternatives of a value, without null."""
    for key in ("anyOf", "oneOf"):
        found = part.get(key)
        if isinstance(found, list) and "properties" not in part:
            return [choice for choice in found if isinstance(choice, dict) and choice.get("type") != "null"]
    return []


def _table(model: Part, whole: Part) -> Iterator[str]:
    required = model.get("required", [])
    yield from ("| Key | Value | Default | Meaning |", "|---|---|---|---|")
    for key, part in _properties(model):
        default = "required" if isinstance(required, list) and key in required else _default(part)
        meaning = _cell(str(resolved(part, whole).get("description", "")))
        yield f"| `{key}` | {_cell(_value(part, whole))} | {default} | {meaning} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _default(part: Part) -> str:
    match part.get("default"):
        case [*items] if items and not any(isinstance(item, list | dict) for item in items):
            return ", ".join(f"`{item}`" for item in items)
        case None | list() | dict():  # what may stand in them has its own defaults
            return ""
        case str(text):
            return f"`{text}`"
        case value:
            return f"`{json.dumps(value)}`"


def _value(part: Part, whole: Part) -> str:
    """What may stand there, in words."""
    part = resolved(part, whole)
    if choices := _choices(part):
        return " or ".join(dict.fromkeys(_value(choice, whole) for choice in choices))
    if isinstance(title := part.get("title"), str):
        return title
    allowed = [part["const"]] if "const" in part else part.get("enum")
    if isinstance(allowed, list):
        return ", ".join(f"`{value}`" for value in allowed)
    return _of_type(part, whole)


def _of_type(part: Part, whole: Part) -> str:
    if isinstance(items := part.get("items"), dict):
        return f"list of {_value(items, whole)}"
    if isinstance(values := part.get("additionalProperties"), dict):
        return f"map to {_value(values, whole)}"
    return _TYPES.get(str(part.get("type")), "text") + _bounds(part)


def _bounds(part: Part) -> str:
    least, most = part.get("minimum"), part.get("maximum")
    if least is not None and most is not None:
        return f", {least} to {most}"
    return f", at least {least}" if least is not None else ""
