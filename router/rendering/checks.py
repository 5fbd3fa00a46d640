"""What can be said against a template before it is rendered: names, fields, filters and tests that are not there. Pure.

Rules:
(1) Every name is one of the context's, or set by the template; none starts with an underscore.
(2) Fields of `event`, `cloudevent` and `destination` are those that an event can have; so are those of what a loop over
    one of their lists names.
(3) Whoever asks first (`is defined`, `default`) may ask for anything: the template may be meant for other versions.
(4) Filters and tests are those of the sandbox.
(5) Numbers are such as JSON has.

Fields are read off an example that has all of them (`examples`), so that a mistake in a branch that is rarely taken
shows before it is taken.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NoReturn

from jinja2 import nodes

from router.errors import TemplateError
from router.rendering.sandbox import Sandbox, hint
from router.text import shown

_ALWAYS = frozenset({"range", "loop"})
_ASKING_FILTERS = frozenset({"default", "d"})
_ASKING_TESTS = frozenset({"defined", "undefined"})
_UNKNOWN = object()


def refuse(node: nodes.Node, what: str) -> NoReturn:
    """Say what is wrong with a part of the template."""
    place = f"line {node.lineno}: " if node.lineno else ""  # Jinja gives none to what it makes up itself
    raise TemplateError(f"{place}{what}")


def check_lists(template: nodes.Template, sandbox: Sandbox) -> None:
    """Rules (4) and (5), and that no name starts with an underscore; raises TemplateError for the first mistake."""
    for constant in template.find_all(nodes.Const):
        if isinstance(constant.value, float) and not math.isfinite(constant.value):
            refuse(constant, "a number is too large")
    for filter_ in template.find_all(nodes.Filter):
        _listed(filter_, "filter", filter_.name, sandbox.filters)
    for test in template.find_all(nodes.Test):
        _listed(test, "test", test.name, sandbox.tests)
    for name in template.find_all(nodes.Name):
        if name.name.startswith("_"):
            refuse(name, f"{shown(name.name)}: no name starts with an underscore")


def check_names(template: nodes.Template, known: Mapping[str, object]) -> None:
    """Rules (1) to (3); `known` is an example of a context that has everything. Raises TemplateError."""
    asked = _asked(template)
    stored = _names(template, known, asked)
    shapes = {name: value for name, value in known.items() if name not in stored}
    for loop in template.find_all(nodes.For):
        if isinstance(loop.target, nodes.Name) and stored.count(loop.target.name) == 1:
            match _shape(loop.iter, shapes, asked):
                case [first, *_]:
                    shapes[loop.target.name] = first
                case _:
                    pass
    for node in template.find_all((nodes.Getattr, nodes.Getitem)):
        _shape(node, shapes, asked)


def _names(template: nodes.Template, context: Mapping[str, object], asked: Collection[int]) -> Sequence[str]:
    """The names that the template sets itself."""
    names = list(template.find_all(nodes.Name))
    stored = [name.name for name in names if name.ctx == "store"]
    known = {*context, *_ALWAYS, *stored}
    for name in names:
        if name.name not in known and id(name) not in asked:
            refuse(name, f"there is no {shown(name.name)}; {hint(name.name, known)}")
    return stored


def _listed(node: nodes.Node, kind: str, name: str, known: Collection[str]) -> None:
    if name not in known or name.startswith("_"):
        refuse(node, f"there is no {kind} {shown(name)}; {hint(name, known)}")


def _asked(template: nodes.Template) -> frozenset[int]:
    """Those parts whose absence the template expects, by identity."""
    asked: set[int] = set()
    asking = [node.node for node in template.find_all(nodes.Filter) if node.name in _ASKING_FILTERS]
    asking += [node.node for node in template.find_all(nodes.Test) if node.name in _ASKING_TESTS]
    for outer in asking:
        node: nodes.Node | None = outer
        while node is not None:
            asked.add(id(node))
            node = node.node if isinstance(node, nodes.Getattr | nodes.Getitem) else None
    return frozenset(asked)


def _shape(node: nodes.Node, shapes: Mapping[str, object], asked: Collection[int]) -> object:
    """An example of what the expression gives, as far as that is known."""
    match node:
        case nodes.Name():
            return shapes.get(node.name, _UNKNOWN)
        case nodes.Getattr():
            return _part(node, node.attr, _shape(node.node, shapes, asked), asked)
        case nodes.Getitem(arg=nodes.Const(value=key)):
            return _part(node, key, _shape(node.node, shapes, asked), asked)
        case nodes.Getitem(arg=nodes.Slice()):
            return _shape(node.node, shapes, asked)
        case _:
            return _UNKNOWN


def _part(node: nodes.Node, key: object, whole: object, asked: Collection[int]) -> object:
    match whole, key:
        case dict() as mapping, str():
            if key in mapping:
                return mapping[key]
            return _UNKNOWN if id(node) in asked else refuse(node, f"there is no {shown(key)}; {hint(key, mapping)}")
        case [first, *_], int():
            return first
        case _:
            return _UNKNOWN
