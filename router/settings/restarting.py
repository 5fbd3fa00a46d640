"""Settings that are read at the start only, and what holds of a configuration that has changed them. Pure.

A setting says of itself that it is one (`OnlyAtStart`). After a reload its running value stays in force, and stands in
the settings that are in force, so that nobody can read another one.
"""

from __future__ import annotations

from typing import TypeVar

from router.fields import OnlyAtStart, SettingsModel
from router.settings.shape import key_of

Model = TypeVar("Model", bound=SettingsModel)


def in_force(before: Model, after: Model) -> tuple[Model, list[str]]:
    """The new settings, but with the running value of those that are read at the start only.

    The second part names those that differ, as `webhook.listen`: their new values need a restart.
    """
    kept: dict[str, object] = {}
    changes: list[str] = []
    for name, field in type(after).model_fields.items():
        key = key_of(name, field)
        old, new = getattr(before, name), getattr(after, name)
        if any(isinstance(mark, OnlyAtStart) for mark in field.metadata):
            if old != new:
                kept[name] = old
                changes.append(key)
        elif isinstance(old, SettingsModel) and type(old) is type(new):
            inner, within = in_force(old, new)
            if within:
                kept[name] = inner
                changes += [f"{key}.{inside}" for inside in within]
    return (after.model_copy(update=kept) if kept else after), changes
