"""Where a template has secrets of its destination: found when it is read, before any value is known. Pure.

Rules:
(1) `destination.secrets.NAME` stands alone in `{{ }}`: with a filter, in a condition, a loop, an assignment or beside
    anything else, it is refused. What a template can't look at, it can't show in pieces, compare or hide.
(2) It is a value, or a part of one within quotes; never a key or a part of one (`skeleton`).
(3) It makes a place (`secret_places`), of those that whoever renders has given; `MASK` where nothing is sent.

The tree that Jinja parsed is changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from jinja2 import nodes, pass_context
from jinja2.runtime import Context

from router.errors import TemplateError
from router.rendering.budget import paid
from router.rendering.checks import refuse
from router.rendering.markup import Escaped
from router.rendering.secret_places import MASK
from router.text import advice, shown

SECRETS = "__secrets"
"""Under which the places stand in a context, by the names of the secrets."""
FILTER = "__secret"
_ALONE = "a secret stands alone, {{ destination.secrets.NAME }}: no filter, no condition, and nothing else in there"


def taken(template: nodes.Template) -> Mapping[str, int]:
    """The names of the secrets that a template has, each with a line; they are places afterwards.

    Raises:
        TemplateError: Rule (1) is broken.
    """
    lines: dict[str, int] = {}
    for output in template.find_all(nodes.Output):
        for index, child in enumerate(output.nodes):
            if (name := _name(child)) is not None:
                lines.setdefault(name, child.lineno)
                place = nodes.Const(name, lineno=child.lineno)
                output.nodes[index] = nodes.Filter(place, FILTER, [], [], None, None, lineno=child.lineno)
    for node in template.find_all((nodes.Getattr, nodes.Getitem)):
        if _is_all(node):
            refuse(node, _ALONE)
    return lines


def is_place(node: nodes.Node) -> bool:
    """Whether it makes the place of a secret."""
    return isinstance(node, nodes.Filter) and node.name in {FILTER, paid(FILTER), paid(FILTER, if_long=True)}


@pass_context
def place_of(context: Context, name: str) -> str:
    """The place of a secret, which no markup changes."""
    places = cast("Mapping[str, str] | None", context.get(SECRETS))
    if places is None:
        return Escaped(MASK)
    if name not in places:
        raise TemplateError(missing(name, places))
    return Escaped(places[name])


def missing(name: str, known: Mapping[str, object]) -> str:
    """What is said where a destination has no such secret."""
    meant = f"{advice(name, known)}; or " if known else ""
    return (
        f"the destination has no secret {shown(name)}; {meant}say `secrets: {{{name}: {{file: PATH}}}}` at the "
        "destination"
    )


def _name(node: nodes.Node) -> str | None:
    """The name of the secret that an expression is, and nothing else."""
    inner, key = _step(node)
    return key if key is not None and inner is not None and _is_all(inner) else None


def _is_all(node: nodes.Node) -> bool:
    inner, key = _step(node)
    return key == "secrets" and isinstance(inner, nodes.Name) and inner.name == "destination"


def _step(node: nodes.Node) -> tuple[nodes.Node | None, str | None]:
    match node:
        case nodes.Getattr(node=inner, attr=str(key)):
            return inner, key
        case nodes.Getitem(node=inner, arg=nodes.Const(value=str(key))):
            return inner, key
        case _:
            return None, None
