"""Cross-checks of routes: names, matchers, and routes that no event can reach. Pure.

Rules:
(1) The root takes every event: it has no matchers and nothing to `continue` to. One without destinations of its own
    tells nobody of what no route takes, which is a warning.
(2) A route is unreachable where a sibling before it takes all that it would take and does not `continue`: one whose
    matchers are all among its own (one without matchers takes everything), and that tells of all that it or a route
    beneath it tells of (`about`).
(3) Where nobody is told of Gatecrier itself (`about: [gatecrier]`), that is a note: a destination that fails can't say
    so itself. Whether anybody is told is asked of the tree, for every cause that there is.
(4) Whatever has the wrong type is passed over here, because the validation tells of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from router.rendering.examples import NOTICES
from router.routing import RoutingTree
from router.routing.matchers import Matcher, parse_matcher
from router.settings.plain import Item, maps, names, texts
from router.settings.problems import Finding, Path, Plain, path_text
from router.settings.tree import Settings
from router.text import advice, shown

ROOT: Path = ("routes",)
_OF_ROOT = frozenset({"decisions"})


def routes(data: Item) -> Iterator[Finding]:
    """Everything that is wrong with the tree of routes."""
    root, declared = data.get("routes"), names(data.get("destinations"))
    if declared and root is None:
        yield Finding(ROOT, "is missing; expected the destinations that are told, such as `destinations: [...]`")
    if not isinstance(root, dict):
        return
    if root.get("match"):
        yield Finding(
            (*ROOT, "match"), "the root takes every event; move its matchers to a route beneath it", at_key=True
        )
    if root.get("continue"):
        yield Finding((*ROOT, "continue"), "the root has no siblings to continue to; drop it", at_key=True)
    for path, node, about in nodes(root, ROOT):
        yield from _dangling(node, path, declared)
        yield from _matchers(node, path)
        yield from _unreachable(node, path, about)


def nodes(node: Item, path: Path, inherited: frozenset[str] = _OF_ROOT) -> Iterator[tuple[Path, Item, frozenset[str]]]:
    """The node and every node beneath it, in the order of the file, each with what it tells of."""
    about = _about(node, inherited)
    yield path, node, about
    for index, child in maps(node.get("routes")):
        yield from nodes(child, (*path, "routes", index), about)


def _dangling(node: Item, path: Path, declared: list[str]) -> Iterator[Finding]:
    for index, name in texts(node.get("destinations")):
        if name not in declared:
            text = f"{shown(name)} names no destination; {advice(name, declared)}"
            yield Finding((*path, "destinations", index), text)


def _matchers(node: Item, path: Path) -> Iterator[Finding]:
    for index, text in texts(node.get("match")):
        try:
            parse_matcher(text)
        except ValueError as error:
            yield Finding((*path, "match", index), str(error))


def _about(node: Item, inherited: frozenset[str]) -> frozenset[str]:
    return frozenset(text for _, text in texts(node.get("about"))) or inherited


def _about_within(node: Item, inherited: frozenset[str]) -> frozenset[str]:
    """What this node or any beneath it tells of."""
    own = _about(node, inherited)
    return own.union(*(_about_within(child, own) for _, child in maps(node.get("routes"))))


def _unreachable(node: Item, path: Path, about: frozenset[str]) -> Iterator[Finding]:
    taken: list[tuple[int, frozenset[Matcher], frozenset[str]]] = []
    for index, child in maps(node.get("routes")):
        wanted, told = _parsed(child.get("match", [])), _about_within(child, about)
        if wanted is None:
            continue
        winner = next((earlier for earlier, matchers, of in taken if matchers <= wanted and told <= of), None)
        if winner is not None:
            before = path_text((*path, "routes", winner))
            remedy = f"move this one before it, or let {before} `continue`"
            text = f"no event reaches this route, because {before} takes all of it; {remedy}"
            yield Finding((*path, "routes", index), text)
        if child.get("continue") is not True:
            taken.append((index, wanted, _about(child, about)))


def _parsed(match: Plain) -> frozenset[Matcher] | None:
    """The matchers, or None where one of them is none."""
    if not isinstance(match, list) or not all(isinstance(text, str) for text in match):
        return None
    try:
        return frozenset(parse_matcher(text) for _, text in texts(match))
    except ValueError:
        return None


def unused(data: Item) -> Iterator[Finding]:
    """Warnings: destinations that no route names, or none at all."""
    declared = data.get("destinations")
    if not declared:
        yield Finding(("destinations",), "there is no destination: events are only kept in the outbox")
    root = data.get("routes")
    if declared and isinstance(root, dict) and not root.get("destinations"):
        yield Finding(ROOT, "the root names no destinations: nobody is told of events that no route takes")
    told = {
        name
        for _, node, _ in (nodes(root, ROOT) if isinstance(root, dict) else ())
        for _, name in texts(node.get("destinations"))
    }
    for index, destination in maps(declared):
        name = destination.get("name")
        if isinstance(name, str) and name not in told:
            yield Finding(("destinations", index, "name"), f"no route tells the destination {shown(name)}")


def unheard(settings: Settings) -> Iterator[Finding]:
    """A note where destinations are told of decisions, and nobody of Gatecrier itself."""
    tree = RoutingTree(settings.routes)
    if settings.destinations and not any(tree.of_gatecrier(notice["data"], None) for notice in NOTICES):
        text = (
            "nobody is told of what is wrong with Gatecrier itself, such as a destination that fails: add a route that "
            "says `about: [gatecrier]` and names a destination"
        )
        yield Finding(ROOT, text, at_key=True)
