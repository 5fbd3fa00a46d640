"""What a conversion has to say: gaps, which somebody must close by hand, and notes, which nobody must.

Rules:
(1) Each is said twice: as a comment where it belongs in what is written, and on standard error.
(2) Nothing that is said repeats a value of the source, only its path: values may be secrets.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class ImportAccount:
    """What was said so far, in order."""

    gaps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def gap(self, path: str, text: str) -> str:
        """Something that has no counterpart or needs a hand; returns the comment for its place."""
        self.gaps.append(f"{path}: {text}")
        return f"GAP, {path}: {text}"

    def note(self, path: str, text: str) -> str:
        """Something that is otherwise here, and right as it is; returns the comment for its place."""
        self.notes.append(f"{path}: {text}")
        return f"{path}: {text}"
