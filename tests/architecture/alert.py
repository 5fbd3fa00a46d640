"""The alert of the README: the shipped template for Slack, rendered for an event of tests/data, as people see it."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from router.rendering.library import Library, Templates
from router.rendering.markup import Markup
from router.rendering.renderer import Renderer
from router.rendering.shipped import shipped_folder
from router.settings.snapshot import read_file

EVENT = Path(__file__).resolve().parents[1] / "data" / "event.json"
WIDTH = 96


def rendered_alert() -> str:
    """The message, a line for each that Slack shows."""
    template = Library([shipped_folder()], read_file).template("slack", Markup.SLACK)
    rendered = Renderer(Templates(template), kind="slack", name="soc-slack").render(EVENT.read_bytes())
    assert not rendered.is_fallback
    lines = [line for block in orjson.loads(rendered.body)["blocks"] for line in (*_shown(block), "")]
    return "\n".join(["```text", *lines[:-1], "```"])


def _shown(block: Mapping[str, Any]) -> Iterator[str]:
    match block:
        case {"type": "header", "text": {"text": str(text)}}:
            yield html.unescape(text)
            yield "=" * len(html.unescape(text))
        case {"fields": [*fields]}:
            yield "   ".join(html.unescape(field["text"]).replace("*", "").replace("\n", ": ") for field in fields)
        case {"elements": [*elements]}:
            yield from (html.unescape(element["text"]) for element in elements)
        case {"text": {"text": str(text)}}:
            yield from textwrap.wrap(html.unescape(text), WIDTH, break_long_words=False, break_on_hyphens=False)
        case _:
            raise ValueError(f"a block that nobody here can show: {block.get('type')}")
