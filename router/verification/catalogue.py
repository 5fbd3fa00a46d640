"""The union of what can stand beneath `verifiers`: one settings class per scheme, and the one line that you add."""

from __future__ import annotations

from typing import Annotated, TypeAlias, get_args

from pydantic import Field

from router.verification.combination_settings import AllOfSettings, AnyOfSettings
from router.verification.cosign.settings import CosignSettings
from router.verification.notation.settings import NotationSettings
from router.verification.settings import SchemeSettings
from router.verification.static import BUILT_IN, StaticSettings

AnySettings: TypeAlias = CosignSettings | NotationSettings | StaticSettings | AllOfSettings | AnyOfSettings
VerifierSettings: TypeAlias = Annotated[AnySettings, Field(discriminator="kind")]
"""What can stand beneath `verifiers`. A new scheme adds its settings class to the line above."""

SCHEMES: tuple[type[SchemeSettings], ...] = get_args(AnySettings)
"""The settings of every scheme."""

__all__ = ["BUILT_IN", "SCHEMES", "AnySettings", "VerifierSettings"]
