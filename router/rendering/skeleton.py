r"""Where each interpolation of a template stands, known before any value is: what keeps structure the author's. Pure.

Rules:
(1) An interpolation inside quotes stands for text: it is escaped as the content of a JSON string.
(2) One outside stands for a whole JSON value: it becomes exactly one, and is no key. A secret is in no key, either.
(3) So no value can end a string or begin a structure: structure comes from the skeleton alone.
(4) Every branch of a condition must leave off where the others do (inside or outside quotes), and the body of a loop
    where it began; else what an interpolation stands for would depend on values.
(5) Nothing may stand between a backslash and what it escapes, or within the digits of `\u0041`.
(6) Where keys are made (from values, by loops, or under a condition), two could become equal, and one would hide the
    other: `has_made_keys` asks for a check of each document.
(7) Space outside quotes means nothing and is dropped, except where it keeps two literals apart.
(8) Where it is asked for (`is_marked`), each piece of the document says from which line of the template it comes: by a
    mark that no value can make, since JSON has no control characters.

This is contextual escaping as in Go's html/template. The tree that Jinja parsed is changed in place: expressions are
wrapped in the filter that fits their place, and what costs time in ones that count (`budget`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from jinja2 import nodes

from router.rendering.budget import price
from router.rendering.charging import charge
from router.rendering.checks import refuse
from router.rendering.positions import mark
from router.rendering.secrets import is_place

_JINJA_S = {
    "AssignBlock": "{% set %} with a body",
    "CallBlock": "call",
    "FilterBlock": "filter",
    "FromImport": "import",
    "Scope": "autoescape",
}
_SPACE = " \t\r\n"
_STRUCTURE = '{}[],:"'
_PIECES = re.compile(rf"[{_SPACE}]+|.", re.DOTALL)
_AFTER_BACKSLASH = -1
_HEX_DIGITS = 4
_FIRST_PRINTABLE = " "


@dataclass(frozen=True, slots=True)
class _At:
    """Where we are in the skeleton."""

    is_quoted: bool = False
    pending: int = 0
    """What an escape still lacks: hexadecimal digits, or everything right after a backslash."""
    after_bare: bool = False
    """Whether what was last can have been a value without quotes."""
    after_string: bool = False
    """Whether what was last can have been a string."""
    after_made: bool = False
    """Whether that string can hold an interpolation, or parts that depend on a condition."""
    after_secret: bool = False
    """Whether that string can hold a secret."""

    @property
    def side(self) -> tuple[bool, int]:
        """What must not depend on values."""
        return self.is_quoted, self.pending

    def or_at(self, other: _At) -> _At:
        """Either of both, which are on the same side."""
        return replace(
            self,
            after_bare=self.after_bare or other.after_bare,
            after_string=self.after_string or other.after_string,
            after_made=self.after_made or other.after_made,
            after_secret=self.after_secret or other.after_secret,
        )


class Skeleton:
    """Reads a template and wraps its interpolations."""

    def __init__(self, *, is_marked: bool = False) -> None:
        self._is_marked = is_marked
        self.has_made_keys = False
        """Whether keys of an object can become equal only when values are known."""
        self._depth = 0
        """Braces and brackets that are open."""
        self._floor = 0
        """How many of them the innermost condition or loop found open."""

    def wrap(self, template: nodes.Template) -> None:
        """Wrap everything; raises TemplateError where a rule is broken."""
        charge(template)
        end = self._body(template.body, _At())
        if end.is_quoted:
            refuse(template.body[-1], "a quote is never closed")

    def _body(self, body: Iterable[nodes.Node], at: _At) -> _At:
        for node in body:
            at = self._node(node, at)
        return at

    def _node(self, node: nodes.Node, at: _At) -> _At:
        match node:
            case nodes.Output():
                return self._output(node, at)
            case nodes.If():
                return self._condition(node, at)
            case nodes.For():
                return self._loop(node, at)
            case nodes.With():
                return self._body(node.body, at)
            case nodes.Assign():
                return at
            case _:
                known = "there are {{ }}, {% if %}, {% for %}, {% set %} and {% with %}"
                name = _JINJA_S.get(type(node).__name__, type(node).__name__.lower())
                return refuse(node, f"{name} is not for templates of payloads; {known}")

    def _output(self, output: nodes.Output, at: _At) -> _At:
        parts: list[nodes.Expr] = []
        for child in output.nodes:
            if isinstance(child, nodes.TemplateData):
                child.data, at = self._literal(child, at)
                parts.append(child)
                continue
            if at.pending:
                refuse(child, "an interpolation within an escape; for a backslash, write it twice")
            name = "__text" if at.is_quoted else "__value"
            if self._is_marked:
                parts.append(nodes.TemplateData(mark(child.lineno)))
            parts.append(nodes.Filter(child, name, [], [], None, None, lineno=child.lineno))
            has_secret = at.after_secret or is_place(child)
            at = replace(at, after_made=True, after_secret=has_secret) if at.is_quoted else _At(after_bare=True)
        output.nodes = parts
        return at

    def _literal(self, data: nodes.TemplateData, at: _At) -> tuple[str, _At]:
        """What the author wrote between interpolations, without what means nothing; and where it ends."""
        kept: list[str] = []
        marks: dict[int, str] = {}
        pieces = _PIECES.findall(data.data)
        line, marked = data.lineno, 0
        for index, piece in enumerate(pieces):
            place = nodes.TemplateData(lineno=line)
            if self._is_marked and line != marked and (at.is_quoted or piece[0] not in _SPACE):
                marks[len(kept)], marked = mark(line), line
            line += piece.count("\n")
            if at.is_quoted:
                kept.append(piece)
                for character in piece:
                    at = self._in_string(place, character, at)
            elif piece[0] not in _SPACE:
                kept.append(piece)
                at = self._outside(place, piece, at)
            elif all(near not in _STRUCTURE for near in (*kept[-1:], *pieces[index + 1 : index + 2])):
                kept.append(" ")
        return "".join(marks.get(index, "") + piece for index, piece in enumerate(kept)), at

    def _in_string(self, place: nodes.Node, character: str, at: _At) -> _At:
        if character < _FIRST_PRINTABLE:
            refuse(
                place, "a line break or tab inside quotes is not valid JSON; write \\n or \\t, or strip it with {%- -%}"
            )
        if at.pending == _AFTER_BACKSLASH:
            return replace(at, pending=_HEX_DIGITS if character == "u" else 0)
        if at.pending:
            return replace(at, pending=at.pending - 1)
        if character == "\\":
            return replace(at, pending=_AFTER_BACKSLASH)
        if character == '"':
            return replace(at, is_quoted=False, after_string=True)
        return at

    def _outside(self, place: nodes.Node, character: str, at: _At) -> _At:
        match character:
            case '"':
                return _At(is_quoted=True)
            case "{" | "[":
                self._depth += 1
            case "}" | "]":
                self._depth -= 1
            case ":" if at.after_bare:
                refuse(place, "a key that is a value without quotes; keys are texts: put quotes around it")
            case ":" if at.after_string and at.after_secret:
                refuse(place, "a key that holds a secret; only a value can hold one")
            case ":" if at.after_string:
                self.has_made_keys |= at.after_made or (self._floor > 0 and self._depth <= self._floor)
            case _:
                pass
        return _At()

    def _condition(self, node: nodes.If, at: _At) -> _At:
        before = self._depth, self._floor
        ends, depths = [], set()
        for body in (node.body, *(branch.body for branch in node.elif_), node.else_):
            self._depth = self._floor = before[0]
            ends.append(self._body(body, at))
            depths.add(self._depth)
        self._floor = before[1]
        self.has_made_keys |= len(depths) > 1
        end = ends[0]
        for other in ends[1:]:
            if other.side != end.side:
                refuse(node, "one branch of this condition ends inside quotes and another outside; close them in each")
            end = end.or_at(other)
        return replace(end, after_made=True)

    def _loop(self, node: nodes.For, at: _At) -> _At:
        if node.recursive:
            refuse(node, "recursive loops are not for templates of payloads")
        condition = [] if node.test is None else [node.test]
        steps = nodes.Const(price(_parts([*node.body, *condition])), lineno=node.lineno)
        node.iter = nodes.Filter(node.iter, "__bounded", [steps], [], None, None, lineno=node.lineno)
        before = self._depth, self._floor
        end = at
        for body in (node.body, node.else_):
            self._depth = self._floor = before[0]
            after = self._body(body, at)
            if after.side != at.side:
                refuse(node, "this loop begins and ends on different sides of a quote; close quotes where they began")
            end = end.or_at(after)
            self.has_made_keys |= self._depth != before[0]
        self._depth, self._floor = before
        return replace(end, after_made=True)


def _parts(body: Iterable[nodes.Node]) -> int:
    return sum(1 + sum(1 for _ in node.find_all(nodes.Node)) for node in body)
