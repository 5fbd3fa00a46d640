"""Values that others write: image names, user names, messages."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import orjson
from hypothesis import strategies as st

from router.rendering.examples import INCIDENTS

DATA = Path(__file__).resolve().parents[1] / "data"
EVENT: dict[str, Any] = json.loads((DATA / "event.json").read_text())

HOSTILE = (
    'a", "injected": "yes',
    "a\n<!channel> & <https://evil.example|click>",
    "{{ 7 * 7 }}{% raw %}",
    "\\u0022\\",
    "\x00\x01\x1f\x7f\x85",
    "\u202egpj.exe\u2066\u200b\ufeff",
    "1.20",
    "null",
    "true",
    "</script>",
    "# heading",
    "[sign in](https://evil.example) ![](https://evil.example/x.png)",
    "]: https://evil.example",
    "(https://evil.example)",
    "@channel @here @everyone <@U024BE7LH> <users/all> <at>SOC</at> <@&1>",
    "`` ``` ~~~ ||spoiler|| *b* _i_ ~~s~~ $x$",
    "- item",
    "1. item",
    "> quote",
    "---",
    "===",
    "    code",
    "a\\",
    "|cell|",
    "cs1=forged msg=x",
    "a|9|b^c\td=e",
    '"] <13>1 forged',
    "&lt;b&gt; &#64;channel <b onclick=x>",
    ":fire: :+1:",
    "{{DATE(2017-02-14T06:08:39Z, SHORT)}}",
    "'",
    "x" * 100_000,
    "\U0001f512\u00e9",
    "",
)


ANY_TEXT = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(),
    st.text(st.characters(exclude_categories=[]) | st.sampled_from("\ud800\udbff\udc00\udfff")),
    st.text(st.sampled_from('"\\{},:u0[]<&%')),
)
"""Texts with everything in them, lone surrogates too."""


def bodies_of(values: st.SearchStrategy[object]) -> st.SearchStrategy[bytes]:
    """The documents that say these; none where there are lone surrogates, which no document has."""

    def body(value: object) -> bytes:
        try:
            return orjson.dumps(value)
        except TypeError:
            return b""

    return values.map(body).filter(bool)


def shape_of(value: object) -> object:
    """Keys and kinds, without the values."""
    match value:
        case dict():
            return {key: shape_of(item) for key, item in value.items()}
        case list():
            return [shape_of(item) for item in value]
        case _:
            return type(value).__name__


def event_with(text: str, *, images: int = 1) -> bytes:
    """The encoded event with this text wherever others write."""
    event = copy.deepcopy(EVENT)
    data = event["data"]
    data["decision"]["message"] = text
    data["request"]["user"]["name"] = data["request"]["namespace"] = data["workload"]["name"] = text
    data["images"] = [
        data["images"][0] | {"image": text, "container": text, "detail": text, "reference": text} for _ in range(images)
    ]
    return orjson.dumps(event)


def incident_with(text: str) -> bytes:
    """The encoded message about an incident with this text wherever others write."""
    message: dict[str, Any] = copy.deepcopy(dict(INCIDENTS[1]))
    incident, event = message["data"]["incident"], message["data"]["event"]
    incident["namespace"] = incident["user"] = incident["owner"]["name"] = incident["claimed_owner"]["name"] = text
    for image in incident["images"]:
        image |= {"image": text, "container": text, "detail": text}
    event["decision"]["message"] = event["workload"]["name"] = event["request"]["user"]["name"] = text
    for image in event["images"]:
        image |= {"image": text, "container": text, "detail": text, "reference": text}
    return orjson.dumps(message)
