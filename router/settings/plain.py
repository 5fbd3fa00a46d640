"""Walks through plain data of the configuration, passing over whatever has the wrong type. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from router.settings.problems import Plain

Item = dict[str, Plain]


def maps(value: Plain) -> Iterator[tuple[int, Item]]:
    """The items of a list that are maps, with their indexes; none of anything else."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield index, item


def names(value: Plain) -> list[str]:
    """The names of a list's items, as they stand."""
    return [name for _, item in maps(value) if isinstance(name := item.get("name"), str)]
