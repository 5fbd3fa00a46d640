"""Every kind of verifier: the one line that a new scheme adds, and what follows from the list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, Union

from pydantic import Field

from router.verification.combination_settings import AllOfSettings, AnyOfSettings
from router.verification.cosign.settings import CosignSettings
from router.verification.notation.settings import NotationSettings
from router.verification.settings import SchemeSettings
from router.verification.static import BUILT_IN, StaticSettings

SCHEMES: Final[tuple[type[SchemeSettings], ...]] = (
    CosignSettings,
    NotationSettings,
    StaticSettings,
    AllOfSettings,
    AnyOfSettings,
)
"""The settings of every scheme, in the order in which they are documented."""

if TYPE_CHECKING:  # a checker of types can't know what the list makes of it at run time
    VerifierSettings: TypeAlias = SchemeSettings
else:
    VerifierSettings = Annotated[Union[SCHEMES], Field(discriminator="kind")]  # noqa: UP007 - of a list

__all__ = ["BUILT_IN", "SCHEMES", "VerifierSettings"]
