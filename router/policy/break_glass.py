"""Who may break the glass: have one object let in whatever its images are, and say why. Pure.

Rules:
(1) What counts is a request that adds the annotation or changes its value: who only finds it there has said nothing.
    Anybody could plant it and wait for the next update of somebody who may.
(2) Its user, or one of the user's groups, is named in `allowed`; names are compared whole. By default nobody is.
(3) The value says why, in at least so many characters, white space at its ends not counted.
(4) Who may not, or says too little, has changed nothing, and is told so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from router.fields import Duration, SettingsModel, duration_text
from router.text import cut, one_line, shown

JUSTIFICATION_LIMIT = 1000
"""Characters of a justification that are kept and told."""
LONGEST = 7 * 86400.0
"""Seconds that a grant lasts at most."""
_ANNOTATION = re.compile(
    r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", re.ASCII
)
_SERVICE_ACCOUNTS = ("system:serviceaccount:", "system:serviceaccounts")
_EVERYBODY = frozenset({"system:authenticated", "system:unauthenticated"})


def _annotation(text: str) -> str:
    if _ANNOTATION.fullmatch(text) is None:
        raise ValueError(
            f"{shown(text, 300)} is no name of an annotation; write PREFIX/NAME, such as gatecrier.dev/break-glass"
        )
    return text


def _not_too_long(seconds: float) -> float:
    if seconds > LONGEST:
        raise ValueError(f"a grant ends within {duration_text(LONGEST)}; for longer there are exemptions")
    return seconds


class AllowedSettings(SettingsModel):
    """Who may break the glass."""

    users: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...], Field(max_length=1000)] = ()
    """Users by their names, as the API server authenticates them; compared whole."""
    groups: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=250)], ...], Field(max_length=1000)] = ()
    """Groups, the same."""

    @model_validator(mode="after")
    def _somebody_is(self) -> Self:
        if not (self.users or self.groups):
            raise ValueError("it names nobody; name users or groups, or leave out break_glass")
        return self

    @property
    def doubtful(self) -> Sequence[tuple[str, int, str]]:
        """Entries that stand for programs, or for everybody: key, index, name."""
        named = [("users", *one) for one in enumerate(self.users)] + [
            ("groups", *one) for one in enumerate(self.groups)
        ]
        return [one for one in named if one[2].startswith(_SERVICE_ACCOUNTS) or one[2] in _EVERYBODY]


class BreakGlassSettings(SettingsModel):
    """How an object is let in, in an emergency, whatever its images are."""

    annotation: Annotated[str, AfterValidator(_annotation)] = "gatecrier.dev/break-glass"
    """The annotation of the object itself whose value is the justification."""
    allowed: AllowedSettings
    """Who may."""
    min_justification: Annotated[int, Field(ge=1, le=JUSTIFICATION_LIMIT, strict=True)] = 10
    """Characters that the justification has at least."""
    for_: Annotated[Duration, AfterValidator(_not_too_long), Field(alias="for")] = 4 * 3600.0
    """How long what controllers make of the object is let in, with its images, in its namespace."""


@dataclass(frozen=True, slots=True)
class BreakGlassClaim:
    """That somebody who may has broken the glass."""

    justification: str
    """On one line."""
    by: str
    """The user."""
    lasts: float
    """Seconds."""


class BreakGlass:
    """What the configuration says about it."""

    def __init__(self, settings: BreakGlassSettings | None) -> None:
        """None: nobody may, and no annotation is looked at."""
        self._settings = settings
        self.annotation = "" if settings is None else settings.annotation
        self._users = frozenset[str]() if settings is None else frozenset(settings.allowed.users)
        self._groups = frozenset[str]() if settings is None else frozenset(settings.allowed.groups)

    def claim(self, user: str, groups: Sequence[str], value: str) -> BreakGlassClaim | str:
        """What a request by this user that sets the annotation to this value has said; or why it has said nothing."""
        settings = self._settings
        if settings is None or not (user in self._users or self._groups.intersection(groups)):
            return (
                f"the annotation {self.annotation} has no effect: this user may not break the glass; "
                "those may whom `break_glass.allowed` names"
            )
        said = one_line(cut(value.strip(), JUSTIFICATION_LIMIT))
        if len(value.strip()) < settings.min_justification:
            return (
                f"the annotation {self.annotation} has no effect: its value is the justification, and has to have at "
                f"least {settings.min_justification} characters"
            )
        return BreakGlassClaim(said, one_line(user), settings.for_)
