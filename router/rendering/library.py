"""Where templates come from: the operator's folder first, then the shipped ones. Pure but for reading files."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from router.errors import TemplateError
from router.rendering.markup import Markup
from router.rendering.template import SOURCE_LIMIT, Template

SUFFIX = ".json"


class Library:
    """Templates by name, in folders that are searched in order."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders

    def names(self) -> frozenset[str]:
        """Every template that is there."""
        return frozenset(path.stem for folder in self._folders for path in folder.glob(f"*{SUFFIX}"))

    def template(self, name: str, markup: Markup = Markup.NONE) -> Template:
        """The template of this name.

        Raises:
            TemplateError: There is none, or it can't be used.
        """
        for folder in self._folders:
            path = folder / f"{name}{SUFFIX}"
            if "/" not in name and path.is_file():
                return Template.parse(name, _read(path), markup)
        near = get_close_matches(name, self.names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there is: {', '.join(sorted(self.names()))}"
        raise TemplateError(f"there is no template {name!r}; {hint}")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(4 * SOURCE_LIMIT + 1)
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"the template {path} can't be read: {error}") from error
