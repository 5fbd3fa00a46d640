"""What the receivers of texts make of them: the parts that are markup there, without what stands between them.

For Markdown and HTML by a parser of theirs, for the others by what their makers say of them (facts of each markup stand
at `router.rendering.markup`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser

from markdown_it import MarkdownIt

from router.rendering.markup import Markup

_MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})
_TEXTS = frozenset({"text", "text_special", "softbreak", "hardbreak"})


class Elements(HTMLParser):
    """What stands in a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.found.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        """Text."""
        self.text += data


def in_markdown(text: str) -> tuple[list[str], str]:
    """What a reader of CommonMark with GitHub's tables makes of it: the elements, and the text that people see."""
    tokens = _MARKDOWN.parse(text)
    inner = [one for token in tokens for one in token.children or ()]
    targets = [str(one.attrs.get("href", "")) for one in inner if one.type == "link_open"]
    seen = [one.content if one.type in {"text", "code_inline", "text_special"} else " " for one in inner]
    return [one.type for one in (*tokens, *inner) if one.type not in _TEXTS] + targets, "".join(seen)


def _in_cef(text: str) -> list[str]:
    *header, extension = re.split(r"(?<!\\)(?:\\\\)*\|", text, maxsplit=7)
    return [str(len(header)), *re.findall(r"(?:^| )([A-Za-z0-9]+)(?<!\\)=", extension), str("\n" in text)]


def _in_leef(text: str) -> list[str]:
    *header, attributes = text.split("|", 5)
    return [str(len(header)), *(one.partition("=")[0] for one in attributes.split("\t")), str("|" in attributes)]


def _in_syslog(text: str) -> list[str]:
    whole = re.fullmatch(r'\[x((?: [a-z]+="(?:[^"\\\]]|\\["\\\]])*")*)\]', text)
    return ["no element"] if whole is None else re.findall(r'([a-z]+)="(?:[^"\\\]]|\\.)*"', whole[1])


def _tokens(pattern: str) -> Callable[[str], Sequence[str]]:
    return lambda text: re.findall(pattern, text)


READERS: Mapping[Markup, Callable[[str], Sequence[object]]] = {
    Markup.MARKDOWN: lambda text: in_markdown(text)[0],
    Markup.DISCORD: lambda text: [*in_markdown(text)[0], *re.findall(r"@everyone|@here|<[@#:/a-z]", text)],
    Markup.SLACK: _tokens(r"<[^|>]*|&(?!amp;|lt;|gt;)"),
    Markup.GOOGLE_CHAT: _tokens(r"<[^|>]*|&#?[A-Za-z0-9]+;"),
    Markup.ADAPTIVE_CARD: _tokens(r"(?i)\]\([^)]*|</?at\b|\{\{|&#?[a-z0-9]+;"),
    Markup.HTML: lambda text: [tag for tag, _ in Elements(text).found],
    Markup.CEF: _in_cef,
    Markup.LEEF: _in_leef,
    Markup.SYSLOG: _in_syslog,
}
"""What is markup in a text, for each that has any."""
