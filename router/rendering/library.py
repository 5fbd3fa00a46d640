"""Where templates come from: the operator's folder first, then the shipped ones. Pure but for reading files.

A name has no path in it, so that it can lead to no other file. Files are UTF-8, at most `SOURCE_LIMIT` bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from router.errors import TemplateError
from router.rendering.markup import Markup
from router.rendering.rehearsal import KNOWN, rehearse
from router.rendering.sandbox import hint
from router.rendering.template import SOURCE_LIMIT, Template

SUFFIX = ".json"


class Library:
    """Templates by name, in folders that are searched in order."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders

    def names(self) -> frozenset[str]:
        """Every template that is there."""
        return frozenset(path.stem for folder in self._folders for path in folder.glob(f"*{SUFFIX}"))

    def source(self, name: str) -> str:
        """The text of this template; raises TemplateError where there is none or it can't be read."""
        for folder in self._folders:
            path = folder / f"{name}{SUFFIX}"
            if path.parent == folder and _is_there(path):
                return _read(path)
        raise TemplateError(f"there is no template {name!r}; {hint(name, self.names())}")

    def template(self, name: str, markup: Markup = Markup.NONE) -> Template:
        """The template of this name, rehearsed.

        Raises:
            TemplateError: There is none, or it can't be used.
        """
        return _rehearsed(name, self.source(name), markup)


@functools.lru_cache(maxsize=64)
def _rehearsed(name: str, source: str, markup: Markup) -> Template:
    """Remembered by its text: whoever checks a configuration and then runs it, or reads it again, compiles it once."""
    template = Template.parse(name, source, markup, known=KNOWN)
    rehearse(template)
    return template


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(SOURCE_LIMIT + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"the template {path} can't be read: {error}") from error
    if len(data) > SOURCE_LIMIT:
        raise TemplateError(f"the template {path} is larger than {SOURCE_LIMIT // 1024} KiB")
    return text
