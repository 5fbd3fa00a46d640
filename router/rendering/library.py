"""Where templates come from: the operator's folder first, then the shipped ones. Pure: what reads files is an argument.

A name has no path in it, so that it can lead to no other file. Files are UTF-8, at most `SOURCE_LIMIT` bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from router.errors import TemplateError
from router.rendering.markup import Markup
from router.rendering.rehearsal import OF_DECISIONS, Rehearsal
from router.rendering.template import SOURCE_LIMIT, Template
from router.text import why_unread

SUFFIX = ".json"
NOTICES = "notices/"
"""What the names of templates begin with that are for what is told of Gatecrier itself."""
_LONGEST = 255
"""Bytes that a file's name can have."""


@dataclass(frozen=True, slots=True)
class Templates:
    """What one destination's payloads are made by; None: the event itself is sent."""

    of_decisions: Template | None
    of_notices: Template | None = None
    """Of its kind, for what is told of Gatecrier itself."""
    fallback: Template | None = None
    """What is tried where the one of decisions fails; None: the kind's minimal payload goes out at once."""
    of_incidents: Template | None = None
    """For messages about incidents, where a route names no other."""
    by_name: Mapping[str, Template] = field(default_factory=dict)
    """Those that routes name for it."""


class Library:
    """Templates by name, in folders that are searched in order.

    Args:
        folders: The first that has a template of the name gives it.
        read: The whole of a file that has at most so many bytes; raises OSError, or ValueError where it has more.
        rehearsal: What its templates are for.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        read: Callable[[Path, int], bytes],
        rehearsal: Rehearsal = OF_DECISIONS,
    ) -> None:
        self._folders = folders
        self._read = read
        self._rehearsal = rehearsal

    def template(self, name: str, markup: Markup = Markup.NONE) -> Template | None:
        """The template of this name, rehearsed with the markup that it will have; None where there is none.

        Raises:
            TemplateError: It can't be read, or can't be used.
        """
        source = self.source(name)
        return None if source is None else _rehearsed(name, source, markup, self._rehearsal)

    def names(self) -> frozenset[str]:
        """Those that there are, for whoever has named none of them."""
        return frozenset(path.stem for folder in self._folders for path in folder.glob(f"*{SUFFIX}"))

    def source(self, name: str) -> str | None:
        """The text of the template of this name; None where there is none; raises TemplateError as `template` does."""
        file = f"{name}{SUFFIX}"
        if "/" in file or "\0" in file or len(file.encode(errors="replace")) > _LONGEST:
            return None
        for folder in self._folders:
            path = folder / file
            try:
                return self._read(path, SOURCE_LIMIT).decode("utf-8-sig")
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                continue
            except (OSError, ValueError) as error:
                raise TemplateError(f"the template {path} can't be read: {why_unread(error)}") from error
        return None


@functools.lru_cache(maxsize=64)
def _rehearsed(name: str, source: str, markup: Markup, rehearsal: Rehearsal) -> Template:
    """Remembered by its text: what has not changed is the same object after a reload, and was compiled once."""
    template = Template.parse(name, source, markup, known=rehearsal.known)
    rehearsal.rehearse(template)
    return template
