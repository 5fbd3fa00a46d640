"""A template's skeleton: which interpolations stand inside quotes and which stand for a whole value. Pure.

The skeleton is what the author wrote between the tags. It is read by JSON's own lexical rules (RFC 8259, clause 7)
from front to back, along every branch, before anything is rendered:

(1) An interpolation inside quotes stands for text: it is escaped as the content of a JSON string.
(2) One outside stands for a whole JSON value: it becomes exactly one.
(3) So no value can end a string or begin a structure: structure comes from the skeleton alone.
(4) Every branch of a condition must leave off where the others do (inside or outside quotes), and the body of a loop
    where it began; else what an interpolation stands for would depend on values.
(5) Nothing may stand between a backslash and what it escapes.

This is contextual escaping as in Go's html/template. The tree that Jinja parsed is changed in place: expressions are
wrapped in the filter that fits their place, and what loops run over in one that counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jinja2 import nodes

from router.errors import TemplateError
from router.rendering.sandbox import refuse


@dataclass(frozen=True, slots=True)
class _At:
    """Where we are in the skeleton."""

    is_quoted: bool = False
    is_escaping: bool = False
    """Right after a backslash."""


class Skeleton:
    """Reads a template and wraps its interpolations."""

    def __init__(self) -> None:
        self.has_made_keys = False
        """Whether an object's key holds an interpolation."""
        self._is_interpolated = False
        """Whether the string that we are in, or have just left, holds one."""
        self._is_closed = False
        """Whether that string has just been left."""

    def wrap(self, template: nodes.Template) -> None:
        """Wrap everything; raises TemplateError where a rule is broken."""
        end = self._body(template.body, _At())
        if end.is_quoted:
            raise TemplateError("a quote is never closed")
        for concat in list(template.find_all(nodes.Concat)):
            concat.nodes = [nodes.Filter(nodes.List(concat.nodes, lineno=concat.lineno), "__joined", [], [], None, None,
                                         lineno=concat.lineno)]  # fmt: skip

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
            case nodes.Assign():
                return at
            case nodes.With() | nodes.Scope():
                return self._body(node.body, at)
            case _:
                return refuse(node, f"{type(node).__name__.lower()} is not for templates of payloads; there are "
                             "{{ }}, {% if %}, {% for %}, {% set %} and {% with %}")  # fmt: skip

    def _output(self, output: nodes.Output, at: _At) -> _At:
        for index, child in enumerate(output.nodes):
            if isinstance(child, nodes.TemplateData):
                at = self._text(child.data, at)
                continue
            if at.is_escaping:
                refuse(child, "an interpolation right after a backslash; write the backslash twice")
            if at.is_quoted:
                self._is_interpolated = True
            name = "__text" if at.is_quoted else "__value"
            output.nodes[index] = nodes.Filter(child, name, [], [], None, None, lineno=child.lineno)
        return at

    def _text(self, text: str, at: _At) -> _At:
        is_quoted, is_escaping = at.is_quoted, at.is_escaping
        for character in text:
            if is_escaping:
                is_escaping = False
            elif is_quoted:
                is_escaping = character == "\\"
                if character == '"':
                    is_quoted, self._is_closed = False, True
            elif character == '"':
                is_quoted, self._is_closed, self._is_interpolated = True, False, False
            elif not character.isspace():
                if character == ":" and self._is_closed and self._is_interpolated:
                    self.has_made_keys = True
                self._is_closed = False
        return _At(is_quoted, is_escaping)

    def _condition(self, node: nodes.If, at: _At) -> _At:
        ends = [self._body(node.body, at), *(self._body(branch.body, at) for branch in node.elif_)]
        ends.append(self._body(node.else_, at))
        if any(end != ends[0] for end in ends):
            refuse(node, "one branch of this condition ends inside quotes and another outside; close them in each")
        return ends[0]

    def _loop(self, node: nodes.For, at: _At) -> _At:
        if node.recursive:
            refuse(node, "recursive loops are not for templates of payloads")
        node.iter = nodes.Filter(node.iter, "__bounded", [], [], None, None, lineno=node.lineno)
        if self._body(node.body, at) != at or self._body(node.else_, at) != at:
            refuse(node, "this loop begins and ends on different sides of a quote")
        return at
