"""Settings that are read at the start only, and what holds of a configuration that has changed them. Pure.

A setting says of itself that it is one (`OnlyAtStart`). After a reload its running value stays in force, and stands in
the configuration that is in force, in its settings and in its plain data, so that nobody can read another one.
"""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from router.fields import OnlyAtStart, SettingsModel
from router.settings.loading import Loaded
from router.settings.plain import Item
from router.settings.problems import Plain
from router.settings.shape import key_of

Model = TypeVar("Model", bound=SettingsModel)


def in_force(before: Loaded, after: Loaded) -> tuple[Loaded, list[str]]:
    """The new configuration, but with the running value of what is read at the start only.

    The second part names those settings that differ, as `webhook.listen`: their new values need a restart.
    """
    settings, changes = _kept(before.settings, after.settings)
    data = after.data
    for change in changes:
        data = _with_value_of(before.data, data, change)
    return dataclasses.replace(after, settings=settings, data=data), [".".join(change) for change in changes]


def _kept(before: Model, after: Model) -> tuple[Model, list[tuple[str, ...]]]:
    kept: dict[str, object] = {}
    changes: list[tuple[str, ...]] = []
    for name, field in type(after).model_fields.items():
        key = key_of(name, field)
        old, new = getattr(before, name), getattr(after, name)
        if any(isinstance(mark, OnlyAtStart) for mark in field.metadata):
            if old != new:
                kept[name] = old
                changes.append((key,))
        elif isinstance(old, SettingsModel) and type(old) is type(new):
            inner, within = _kept(old, new)
            if within:
                kept[name] = inner
                changes += [(key, *inside) for inside in within]
    return (after.model_copy(update=kept) if kept else after), changes


def _with_value_of(before: Item, after: Item, keys: tuple[str, ...]) -> Item:
    """The data with what stands elsewhere at these keys; without them where nothing stands there."""
    key, *inner = keys
    if inner:
        return after | {key: _with_value_of(_map(before.get(key)), _map(after.get(key)), tuple(inner))}
    others = {name: value for name, value in after.items() if name != key}
    return others | ({key: before[key]} if key in before else {})


def _map(value: Plain) -> Item:
    return value if isinstance(value, dict) else {}
