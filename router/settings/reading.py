"""How a YAML file becomes a document. Pure.

Rules:
(1) YAML's events are read one by one, so that hostile nesting ends at our limit and not at the end of the stack.
(2) UTF-8; scalars mean what YAML 1.2's core schema says (clause 10.3): `yes`, `on`, `1:30` and `2026-01-01` are
    texts. Other tags are refused.
(3) A key that stands twice is a problem; the first one counts for whatever is checked after that.
(4) An alias stands for what its anchor holds. Values and their characters count as often as they are used, within
    `Bounds`, so that a small file can not become a large one.
(5) A configuration is one document with a map at its root; merge keys (`<<`) and keys that are no text are refused.
    What others write for others (`Bounds.is_strict` is false) may have any number of documents, merge keys, whose map
    gives what is not written beside it, and keys that are numbers or words, which are taken as texts.
(6) What does not stop us is collected; only what leaves nothing to read (syntax, size, depth) ends the reading.

Source: YAML 1.2.2; libyaml through PyYAML, which scans YAML 1.1 in every other respect.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

import yaml

from router.settings.bounds import Bounds
from router.settings.document import ConfigurationDocument, DocumentNode, Items, Members, Scalar
from router.settings.problems import FilePosition, Path, Problem, in_words, kind_in_words, path_text
from router.settings.scalars import core_value
from router.text import shown, why_unread

LARGEST = 2**20
"""Bytes of a configuration file."""
MOST_NODES = 100_000
"""Values and keys, counted as often as aliases repeat them."""
MOST_CHARACTERS = 4 * LARGEST
"""Characters of all scalars, counted the same way."""
DEEPEST = 50
"""Lists and maps within each other."""
CONFIGURATION = Bounds("configuration", LARGEST, MOST_NODES, MOST_CHARACTERS, is_strict=True)

_START = FilePosition(1, 1)
_CORE = "tag:yaml.org,2002:"
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LOADER: type[yaml.CSafeLoader | yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


_Merge = Enum("_Merge", ["KEY"])
"""A merge key, which is no text."""


class _EndError(Exception):
    """Nothing more can be read; the problem has been noted."""


def read_document(content: bytes) -> tuple[ConfigurationDocument | None, list[Problem]]:
    """The document, or None where there is nothing to check further, and the problems of reading it."""
    problems: list[Problem] = []
    try:
        root = _Builder(_decoded(content, problems, CONFIGURATION), problems, CONFIGURATION).document()
    except _EndError:
        return None, problems
    if isinstance(root, Members):
        return ConfigurationDocument(root), problems
    problems.append(Problem(root.place, "", _no_map(root)))
    return None, problems


def read_documents(content: bytes, bounds: Bounds) -> tuple[list[tuple[DocumentNode, list[Problem]]], list[Problem]]:
    """Each document with its problems, and those that ended the reading before its end."""
    problems: list[Problem] = []
    documents: list[tuple[DocumentNode, list[Problem]]] = []
    with contextlib.suppress(_EndError):
        for node in _Builder(_decoded(content, problems, bounds), problems, bounds).documents():
            documents.append((node, problems.copy()))
            problems.clear()
    return documents, problems


def _no_map(root: Scalar | Items) -> str:
    found = "a list" if isinstance(root, Items) else kind_in_words(root.value)
    return f"the configuration is {found}; expected a map that starts with a line such as `cluster: production-eu`"


def _decoded(content: bytes, problems: list[Problem], bounds: Bounds) -> str:
    if len(content) > bounds.size:
        found = f"the file has more than {bounds.size} bytes, which no {bounds.noun} needs"
        problems.append(Problem(_START, "", found))
        raise _EndError
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = content[: error.start].decode(errors="replace")
        problems.append(Problem(_end_of(good), "", why_unread(error)))
        raise _EndError from error
    if (wrong := _UNPRINTABLE.search(text)) is not None:
        found = f'the character U+{ord(wrong[0]):04X} is not allowed in YAML; write it as an escape in "..."'
        problems.append(Problem(_end_of(text[: wrong.start()]), "", found))
        raise _EndError
    return text


def _end_of(text: str) -> FilePosition:
    return FilePosition(text.count("\n") + 1, len(text) - text.rfind("\n"))


def _place(event: yaml.Event) -> FilePosition:
    mark = event.start_mark
    return _START if mark is None else FilePosition(mark.line + 1, mark.column + 1)


@dataclass(slots=True)
class _Builder:
    """Builds the nodes of documents from their events."""

    text: str
    problems: list[Problem]
    bounds: Bounds
    anchors: dict[str, tuple[DocumentNode, int, int] | None] = field(default_factory=dict)
    """What each anchor holds, its nodes and its characters; None while it is being read."""
    nodes: int = 0
    characters: int = 0
    last_key: tuple[Path, FilePosition] | None = None

    def document(self) -> DocumentNode:
        events = self._events()
        next(events)  # the start of the stream
        if isinstance(next(events), yaml.StreamEndEvent):
            self._end(_START, (), "the file is empty; expected a map that starts with `cluster: NAME`")
        root = self._node(next(events), events, ())
        next(events)  # the end of the document
        if not isinstance(further := next(events), yaml.StreamEndEvent):
            self._note(_place(further), (), "a second document starts here; expected one document only")
        return root

    def documents(self) -> Iterator[DocumentNode]:
        events = self._events()
        next(events)  # the start of the stream
        while not isinstance(next(events), yaml.StreamEndEvent):  # the start of a document
            self.anchors = {}
            yield self._node(next(events), events, ())
            next(events)  # the end of the document

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
        place = _START if mark is None else FilePosition(mark.line + 1, mark.column + 1)
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

    def _at(self, place: FilePosition) -> str:
        line = "".join(self.text.split("\n")[place.line - 1 : place.line])
        return line[place.column - 1 : place.column]

    def _note(self, place: FilePosition, path: Path, text: str) -> None:
        self.problems.append(Problem(place, path_text(path), text))

    def _end(self, place: FilePosition, path: Path, text: str) -> None:
        self._note(place, path, text)
        raise _EndError

    def _count(self, place: FilePosition, path: Path, nodes: int, characters: int) -> None:
        self.nodes += nodes
        self.characters += characters
        bounds = self.bounds
        if self.nodes > bounds.nodes or self.characters > bounds.characters:
            limit = f"{bounds.nodes} values or {bounds.characters} characters"
            self._end(place, path, f"with its aliases the file holds more than {limit}, which no {bounds.noun} needs")

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], path: Path) -> DocumentNode:
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

    def _alias(self, anchor: str, place: FilePosition, path: Path) -> DocumentNode:
        if anchor not in self.anchors:
            self._note(place, path, f"the alias *{anchor} names no anchor before it; write &{anchor} where it is meant")
            return Scalar(None, place)
        if (known := self.anchors[anchor]) is None:
            self._note(place, path, f"the alias *{anchor} stands within its own anchor")
            return Scalar(None, place)
        node, nodes, characters = known
        self._count(place, path, nodes, characters)
        return replace(node, place=place)

    def _fresh(self, event: yaml.Event, events: Iterator[yaml.Event], path: Path) -> DocumentNode:
        place = _place(event)
        if isinstance(event, yaml.ScalarEvent):
            is_block = event.style in ("|", ">")  # its text begins on the line after the indicator
            return Scalar(self._scalar(event, place, path), FilePosition(place.line + 1, 1) if is_block else place)
        if isinstance(event, yaml.SequenceStartEvent):
            self._check_tag(event.tag, "seq", place, path)
            return Items(tuple(self._items(events, path)), place)
        if isinstance(event, yaml.MappingStartEvent):
            self._check_tag(event.tag, "map", place, path)
        return Members(self._members(events, path), place)

    def _items(self, events: Iterator[yaml.Event], path: Path) -> Iterator[DocumentNode]:
        index = 0
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            yield self._node(event, events, (*path, index))
            index += 1

    def _members(self, events: Iterator[yaml.Event], path: Path) -> dict[str, tuple[FilePosition, DocumentNode]]:
        members: dict[str, tuple[FilePosition, DocumentNode]] = {}
        merged: list[DocumentNode] = []
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            place = _place(event)
            key = self._key(event, events, path)
            self.last_key = ((*path, key), place) if isinstance(key, str) else self.last_key
            node = self._node(next(events), events, (*path, key if isinstance(key, str) else "?"))
            if key is None:
                continue
            if isinstance(key, _Merge):
                merged.append(node)
            elif key in members:
                first = members[key][0].line
                self._note(place, (*path, key), f"the key {shown(key)} stands twice, first on line {first}; drop one")
            else:
                members[key] = place, node
        for node in merged:
            self._merge(members, node, path)
        return members

    def _merge(self, members: dict[str, tuple[FilePosition, DocumentNode]], merged: DocumentNode, path: Path) -> None:
        """Take what is not written beside a merge key (YAML 1.1)."""
        for node in merged.nodes if isinstance(merged, Items) else (merged,):
            if not isinstance(node, Members):
                self._note(node.place, path, "a merge key (<<) takes a map, or a list of maps")
                continue
            for key, value in node.nodes.items():
                members.setdefault(key, value)

    def _key(self, event: yaml.Event, events: Iterator[yaml.Event], path: Path) -> str | _Merge | None:
        place = _place(event)
        node = self._node(event, events, (*path, "?"))
        if not isinstance(node, Scalar):
            found = "a list" if isinstance(node, Items) else "a map"
            advice = "quote it, if it is a text with [ or { in it"
            self._note(place, path, f"{found} can't be a key; {advice}")
            return None
        written = event.value if isinstance(event, yaml.ScalarEvent) else str(node.value)
        if written == "<<" and isinstance(event, yaml.ScalarEvent) and event.implicit[0]:
            if not self.bounds.is_strict:
                return _Merge.KEY
            self._note(place, path, "merge keys (<<) are not read; write the keys out, or alias whole values")
            return None
        if not isinstance(node.value, str) and (self.bounds.is_strict or not written):
            advice = f'quote it: "{written}"' if written else "write one before the colon"
            self._note(place, path, f"the key {in_words(node.value)} is not a text; {advice}")
        return written

    def _check_tag(self, tag: str | None, wanted: str, place: FilePosition, path: Path) -> None:
        if tag not in (None, "!", _CORE + wanted):
            self._note(place, path, f"the tag {shown(tag or '')} is not allowed here; drop it")

    def _scalar(self, event: yaml.ScalarEvent, place: FilePosition, path: Path) -> bool | int | float | str | None:
        text: str = event.value
        self._count(place, path, 0, len(text))
        if event.tag is None and event.implicit[0]:
            return core_value(text)
        if event.tag in (None, "!", _CORE + "str"):
            return text
        value = core_value(text)
        kinds = {type(None): "null", bool: "bool", int: "int", float: "float", str: "str"}
        self._check_tag(event.tag, kinds[type(value)], place, path)
        return value
