"""Where an object of an unknown kind may hold containers that nobody reads. Pure.

A search of the whole object, without `metadata` and `status`: a list of containers is one by that name with an object
in it that has an `image`. The search is bounded: what is too large to be searched may hold anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

NODES_LIMIT = 10_000
"""Objects and lists that are looked into."""
SHOWN = 120
"""Characters of a place that are told."""

_LISTS = frozenset({"containers", "initContainers", "ephemeralContainers"})


def hidden_containers(found: Mapping[str, object], known: Sequence[Mapping[str, object]]) -> str | None:
    """Where containers stand outside of the known Pods, in words; None if nowhere."""
    seen = {id(spec) for spec in known}
    left: list[tuple[str, object]] = [("", {key: found[key] for key in found.keys() - {"metadata", "status"}})]
    visited = 0
    while left:
        pointer, node = left.pop()
        visited += 1
        if visited > NODES_LIMIT:
            return "it is too large to be searched"
        if id(node) in seen:
            continue
        if isinstance(node, dict):
            for key, value in node.items():
                if key in _LISTS and _are_containers(value):
                    return f"there are {key} in {pointer[:SHOWN] or '/'}"
                if isinstance(value, dict | list):
                    left.append((f"{pointer[:SHOWN]}/{key[:SHOWN]}", value))
        elif isinstance(node, list):
            left.extend((f"{pointer[:SHOWN]}/{index}", item) for index, item in enumerate(node))
    return None


def _are_containers(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) and "image" in item for item in value)
