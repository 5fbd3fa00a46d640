"""How a YAML file becomes a document. Pure.

Rules:
(1) YAML's events are read one by one, so that hostile nesting ends at our limit and not at the end of the stack.
(2) One document in UTF-8, a map at its root; scalars mean what YAML 1.2's core schema says (clause 10.3): `yes`,
    `on`, `1:30` and `2026-01-01` are texts. Other tags, merge keys (`<<`) and keys that are no text are refused.
(3) A key that stands twice is a problem; the first one counts for whatever is checked after that.
(4) An alias stands for what its anchor holds. Values count as often as they are used: at most `MOST_NODES` of them
    and `MOST_CHARACTERS` in them, so that a small file can not become a large one.
(5) What does not stop us is collected; only what leaves nothing to read (syntax, size, depth) ends the reading.

Source: YAML 1.2.2; libyaml through PyYAML, which scans YAML 1.1 in every other respect.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import yaml

from router.settings.document import Document, Items, Members, Node, Scalar
from router.settings.problems import Path, Place, Problem, in_words, kind_in_words, path_text, quoted

LARGEST = 2**20
"""Bytes of a configuration file."""
MOST_NODES = 100_000
"""Values and keys, counted as often as aliases repeat them."""
MOST_CHARACTERS = 4 * LARGEST
"""Characters of all scalars, counted the same way."""
DEEPEST = 50
"""Lists and maps within each other."""

_START = Place(1, 1)
_CORE = "tag:yaml.org,2002:"
_WORDS: dict[str, bool | None] = (
    dict.fromkeys(("", "~", "null", "Null", "NULL"), None)
    | dict.fromkeys(("true", "True", "TRUE"), True)
    | dict.fromkeys(("false", "False", "FALSE"), False)
)
_WHOLE = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:[0-9]*\.[0-9]+|[0-9]+\.|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", re.ASCII)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LOADER: type[yaml.CSafeLoader | yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _EndError(Exception):
    """Nothing more can be read; the problem has been noted."""


def read_document(content: bytes) -> tuple[Document | None, list[Problem]]:
    """The document, or None where there is nothing to check further, and the problems of reading it."""
    problems: list[Problem] = []
    try:
        root = _Builder(_decoded(content, problems), problems).document()
    except _EndError:
        return None, problems
    if isinstance(root, Members):
        return Document(root), problems
    problems.append(Problem(root.place, "", _no_map(root)))
    return None, problems


def _no_map(root: Scalar | Items) -> str:
    found = "a list" if isinstance(root, Items) else kind_in_words(root.value)
    return f"the configuration is {found}; expected a map that starts with a line such as `cluster: production-eu`"


def _decoded(content: bytes, problems: list[Problem]) -> str:
    if len(content) > LARGEST:
        problems.append(Problem(_START, "", f"the file has more than {LARGEST} bytes, which no configuration needs"))
        raise _EndError
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = content[: error.start].decode(errors="replace")
        found = f"the byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        problems.append(Problem(_end_of(good), "", found))
        raise _EndError from error
    if (wrong := _UNPRINTABLE.search(text)) is not None:
        found = f'the character U+{ord(wrong[0]):04X} is not allowed in YAML; write it as an escape in "..."'
        problems.append(Problem(_end_of(text[: wrong.start()]), "", found))
        raise _EndError
    return text


def _end_of(text: str) -> Place:
    return Place(text.count("\n") + 1, len(text) - text.rfind("\n"))


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    return _START if mark is None else Place(mark.line + 1, mark.column + 1)


@dataclass(slots=True)
class _Builder:
    """Builds the nodes of one document from its events."""

    text: str
    problems: list[Problem]
    anchors: dict[str, tuple[Node, int, int] | None] = field(default_factory=dict)
    """What each anchor holds, its nodes and its characters; None while it is being read."""
    nodes: int = 0
    characters: int = 0
    last_key: tuple[Path, Place] | None = None

    def document(self) -> Node:
        events = self._events()
        next(events)  # the start of the stream
        if isinstance(next(events), yaml.StreamEndEvent):
            self._end(_START, (), "the file is empty; expected a map that starts with `cluster: NAME`")
        root = self._node(next(events), events, ())
        next(events)  # the end of the document
        if not isinstance(further := next(events), yaml.StreamEndEvent):
            self._note(_place(further), (), "a second document starts here; expected one document only")
        return root

    def _events(self) -> Iterator[yaml.Event]:
        loader = _LOADER(self.text)
        try:
            while loader.check_event():
                if (event := loader.get_event()) is not None:
                    yield event
        except yaml.MarkedYAMLError as error:
            self._refuse_syntax(error)
        finally:
            loader.dispose()

    def _refuse_syntax(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        place = _START if mark is None else Place(mark.line + 1, mark.column + 1)
        text = f"this is not valid YAML: {error.problem or error.context}"
        if error.context and error.context_mark is not None:
            began = error.context_mark
            text += f" {error.context} that starts at line {began.line + 1}, column {began.column + 1}"
        if self._at(place) == "\t":
            text += "; this is a tab: indent with spaces"
        if self.last_key is not None:
            path, key_place = self.last_key
            text += f"; the last key before it is {path_text(path)} on line {key_place.line}"
        self._end(place, (), text)

    def _at(self, place: Place) -> str:
        line = "".join(self.text.split("\n")[place.line - 1 : place.line])
        return line[place.column - 1 : place.column]

    def _note(self, place: Place, path: Path, text: str) -> None:
        self.problems.append(Problem(place, path_text(path), text))

    def _end(self, place: Place, path: Path, text: str) -> None:
        self._note(place, path, text)
        raise _EndError

    def _count(self, place: Place, path: Path, nodes: int, characters: int) -> None:
        self.nodes += nodes
        self.characters += characters
        if self.nodes > MOST_NODES or self.characters > MOST_CHARACTERS:
            limit = f"{MOST_NODES} values or {MOST_CHARACTERS} characters"
            self._end(place, path, f"with its aliases the file holds more than {limit}, which no configuration needs")

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], path: Path) -> Node:
        place = _place(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor or "", place, path)
        before = self.nodes, self.characters
        self._count(place, path, 1, 0)
        if len(path) > DEEPEST:
            self._end(place, path[:3], f"more than {DEEPEST} lists and maps stand within each other")
        anchor = event.anchor if isinstance(event, yaml.NodeEvent) else None
        if anchor is not None:
            self.anchors[anchor] = None
        node = self._fresh(event, events, path)
        if anchor is not None:
            self.anchors[anchor] = node, self.nodes - before[0], self.characters - before[1]
        return node

    def _alias(self, anchor: str, place: Place, path: Path) -> Node:
        if anchor not in self.anchors:
            self._note(place, path, f"the alias *{anchor} names no anchor before it; write &{anchor} where it is meant")
            return Scalar(None, place)
        known = self.anchors[anchor]
        if known is None:
            self._note(place, path, f"the alias *{anchor} stands within its own anchor")
            return Scalar(None, place)
        node, nodes, characters = known
        self._count(place, path, nodes, characters)
        return replace(node, place=place)

    def _fresh(self, event: yaml.Event, events: Iterator[yaml.Event], path: Path) -> Node:
        place = _place(event)
        if isinstance(event, yaml.ScalarEvent):
            is_block = event.style in ("|", ">")  # its text begins on the line after the indicator
            return Scalar(self._scalar(event, place, path), Place(place.line + 1, 1) if is_block else place)
        if isinstance(event, yaml.SequenceStartEvent):
            self._check_tag(event.tag, "seq", place, path)
            return Items(tuple(self._items(events, path)), place)
        if isinstance(event, yaml.MappingStartEvent):
            self._check_tag(event.tag, "map", place, path)
        return Members(self._members(events, path), place)

    def _items(self, events: Iterator[yaml.Event], path: Path) -> Iterator[Node]:
        index = 0
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            yield self._node(event, events, (*path, index))
            index += 1

    def _members(self, events: Iterator[yaml.Event], path: Path) -> dict[str, tuple[Place, Node]]:
        members: dict[str, tuple[Place, Node]] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            place = _place(event)
            key = self._key(event, events, path)
            self.last_key = ((*path, key), place) if key is not None else self.last_key
            node = self._node(next(events), events, (*path, "?" if key is None else key))
            if key is None:
                continue
            if key in members:
                first = members[key][0].line
                self._note(place, (*path, key), f"the key {quoted(key)} stands twice, first on line {first}; drop one")
            else:
                members[key] = place, node
        return members

    def _key(self, event: yaml.Event, events: Iterator[yaml.Event], path: Path) -> str | None:
        place = _place(event)
        node = self._node(event, events, (*path, "?"))
        if not isinstance(node, Scalar):
            found = "a list" if isinstance(node, Items) else "a map"
            advice = "quote it, if it is a text with [ or { in it"
            self._note(place, path, f"{found} can't be a key; {advice}")
            return None
        written = event.value if isinstance(event, yaml.ScalarEvent) else str(node.value)
        if written == "<<" and isinstance(event, yaml.ScalarEvent) and event.implicit[0]:
            self._note(place, path, "merge keys (<<) are not read; write the keys out, or alias whole values")
            return None
        if not isinstance(node.value, str):
            advice = f'quote it: "{written}"' if written else "write one before the colon"
            self._note(place, path, f"the key {in_words(node.value)} is not a text; {advice}")
        return written

    def _check_tag(self, tag: str | None, wanted: str, place: Place, path: Path) -> None:
        if tag not in (None, "!", _CORE + wanted):
            self._note(place, path, f"the tag {quoted(tag or '')} is not allowed here; drop it")

    def _scalar(self, event: yaml.ScalarEvent, place: Place, path: Path) -> bool | int | float | str | None:
        text: str = event.value
        self._count(place, path, 0, len(text))
        if event.tag is None and event.implicit[0]:
            return _core_value(text)
        if event.tag in (None, "!", _CORE + "str"):
            return text
        value = _core_value(text)
        kinds = {type(None): "null", bool: "bool", int: "int", float: "float", str: "str"}
        self._check_tag(event.tag, kinds[type(value)], place, path)
        return value


def _core_value(text: str) -> bool | int | float | str | None:
    """What a plain scalar means by the core schema; numbers that no setting can hold stay texts."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _WHOLE.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text) and math.isfinite(value := float(text)):
        return value
    return text
