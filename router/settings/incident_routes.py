"""Cross-checks of what routes say about incidents: names that lead nowhere, and what could never be. Pure.

Rules:
(1) `active` and `mute` name `time_intervals`; `templates` name destinations.
(2) A destination whose receipt an admission waits for (`must_deliver`) must be told of events by themselves: nobody can
    wait for a message about an incident, which may never come.
(3) `templates` stand where there is something to render by them: in the incidents lane, or above it.
(4) A link has its scheme and host written out, so that nobody who names an image chooses where people are led.

Whatever has the wrong type is passed over here, because the validation tells of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from router.settings.plain import Item, maps, names, texts
from router.settings.problems import Finding, Path, inside
from router.text import advice, shown

_LINK = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/.*|\?.*)?", re.ASCII | re.DOTALL)


class _Node(NamedTuple):
    path: Path
    node: Item
    lane: str
    destinations: tuple[str, ...]


def incidents(data: Item) -> Iterator[Finding]:
    """Everything that is wrong with it."""
    yield from _links(data)
    root, declared, intervals = data.get("routes"), names(data.get("destinations")), names(data.get("time_intervals"))
    if not isinstance(root, dict):
        return
    found = list(_nodes(root, ("routes",), "events", ()))
    for path, node, *_ in found:
        for key in ("active", "mute"):
            for index, name in texts(node.get(key)):
                if name not in intervals:
                    text = f"{shown(name)} names none of time_intervals; {advice(name, intervals)}"
                    yield Finding((*path, key, index), text)
        templates = node.get("templates")
        for name in templates if isinstance(templates, dict) else ():
            if name not in declared:
                text = f"{shown(name)} names no destination; {advice(name, declared)}"
                yield Finding((*path, "templates", name), text, at_key=True)
        if templates and not any(other.lane == "incidents" for other in found if other.path[: len(path)] == path):
            text = "is for messages about incidents; say `lane: incidents`, or name the template at the destination"
            yield Finding((*path, "templates"), text, at_key=True)
    yield from _never_told_alone(data, found)


def _nodes(node: Item, path: Path, lane: str, destinations: tuple[str, ...]) -> Iterator[_Node]:
    own = node.get("lane")
    lane = own if isinstance(own, str) else lane
    destinations = tuple(name for _, name in texts(node.get("destinations"))) or destinations
    yield _Node(path, node, lane, destinations)
    for index, child in maps(node.get("routes")):
        yield from _nodes(child, (*path, "routes", index), lane, destinations)


def _never_told_alone(data: Item, nodes: list[_Node]) -> Iterator[Finding]:
    told = {
        lane: {name for one in nodes if one.lane == lane for name in one.destinations}
        for lane in ("events", "incidents")
    }
    for index, destination in maps(data.get("destinations")):
        name = destination.get("name")
        if destination.get("must_deliver") is True and name in told["incidents"] - told["events"]:
            text = (
                "only routes of the incidents lane tell it, so that there is no receipt to wait for; "
                "drop it, or add a route of the events lane"
            )
            yield Finding(("destinations", index, "must_deliver"), text)


def _links(data: Item) -> Iterator[Finding]:
    links = inside(data.get("incidents"), "links")
    for name, link in links.items() if isinstance(links, dict) else ():
        if isinstance(link, str) and _LINK.fullmatch(link) is None:
            text = "is no link; write https://HOST/PATH with the host written out, and {{ incident.NAME }} in the path"
            yield Finding(("incidents", "links", name), text)
