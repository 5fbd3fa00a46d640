"""Which parts of a template are paid for (`budget`): what takes or makes texts and lists, where that can be much. Pure.

Rules:
(1) In loops everything, since it happens often; and in `set` and `with`, since what they make is kept.
(2) `~`, lists and mappings, which make larger values of what is there, everywhere; so is what `map`, `select`,
    `reject` and theirs by attribute do with each item (`jinja_filters`), which is a loop, too.
(3) Filters, tests, comparisons and slices outside loops only where there are very many, or what they take is long.

The tree that Jinja parsed is changed in place.
"""

from __future__ import annotations

from jinja2 import nodes

from router.rendering.budget import paid

MANY = 300
"""Filters, tests, comparisons and slices outside loops that need not be counted where what they take is short."""
_WORK = (nodes.Filter, nodes.Test, nodes.Compare, nodes.Slice)


def charge(template: nodes.Template) -> None:
    """Wrap what is paid for in filters that count."""
    work = sum(1 for _ in template.find_all(_WORK))
    _charge(template, is_often=work > MANY)


def _charge(node: nodes.Node, *, is_often: bool) -> None:
    once = node.iter if isinstance(node, nodes.For) else None
    kept = [node.node] if isinstance(node, nodes.Assign) else node.values if isinstance(node, nodes.With) else []
    for child in node.iter_child_nodes():
        in_loop = once is not None and child is not once
        _charge(child, is_often=is_often or in_loop or any(child is one for one in kept))
    _weigh_lists_in(node)
    if isinstance(node, nodes.Concat):
        parts = nodes.List(node.nodes, lineno=node.lineno)
        node.nodes = [nodes.Filter(parts, "__joined", [], [], None, None, lineno=node.lineno)]
    elif is_often:
        _charge_here(node)
    elif isinstance(node, nodes.Filter):
        node.name = paid(node.name, if_long=True)


def _charge_here(node: nodes.Node) -> None:
    match node:
        case nodes.Filter() | nodes.Test():
            node.name = paid(node.name)
        case nodes.Compare():
            node.expr = _weighed(node.expr)
            for operand in node.ops:
                operand.expr = _weighed(operand.expr)
        case nodes.Getitem(arg=nodes.Slice()):
            node.node = _weighed(node.node)
        case _:
            pass


def _weigh_lists_in(node: nodes.Node) -> None:
    """Lists and mappings right beneath a node."""
    for name, value in node.iter_fields():
        if isinstance(value, nodes.Expr):
            setattr(node, name, _weighed_if_made(value))
        elif isinstance(value, list):
            setattr(node, name, [_weighed_if_made(one) if isinstance(one, nodes.Expr) else one for one in value])


def _weighed_if_made(node: nodes.Expr) -> nodes.Expr:
    """A list or mapping of what is there, paid for; constants, and targets of assignments, stay."""
    if not isinstance(node, nodes.List | nodes.Tuple | nodes.Dict):
        return node
    is_target = isinstance(node, nodes.Tuple) and node.ctx == "store"
    is_constant = all(node.find(kind) is None for kind in (nodes.Name, nodes.Call, nodes.Filter))
    return node if is_target or is_constant else _weighed(node)


def _weighed(node: nodes.Expr) -> nodes.Expr:
    if isinstance(node, nodes.Const):
        return node
    return nodes.Filter(node, "__weighed", [], [], None, None, lineno=node.lineno)
