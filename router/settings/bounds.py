"""How much a YAML file may hold, and for whom it is written. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a file may hold."""

    noun: str
    """What it is."""
    size: int
    """Bytes."""
    nodes: int
    """Values and keys, counted as often as aliases repeat them."""
    characters: int
    """Characters of all scalars, counted the same way."""
    is_strict: bool
    """Whether it is written for us (`router.settings.reading`, rule 5)."""
