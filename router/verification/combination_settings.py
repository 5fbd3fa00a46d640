"""What stands beneath verifiers of kind `all_of` and `any_of`: which others they are combined of. Pure.

Rules:
(1) Members are verifiers that look at evidence, by name: at most eight, each once. A combination may be a member, if
    its own members are none: that is two levels, and so no verifier can be a member of itself.
(2) Members are looked up when the whole configuration is there. What does not fit stays unknown here, since
    `router.verification.checks` tells of it with its place; nothing can be proven with it.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PrivateAttr

from router.errors import ConfigurationError
from router.fields import Name
from router.text import shown
from router.verification.combination import LEVEL_LIMIT, MEMBER_LIMIT, Combination, Quantifier, Single
from router.verification.outside import NOTHING_KNOWN, Outside
from router.verification.scheme import Demands
from router.verification.settings import ANY_SIGNER, DeclaredSigner, SchemeSettings, annotated
from router.verification.trust_roots import TrustRootSettings


class CombinationSettings(SchemeSettings, ABC):
    """Verifiers that count as one."""

    how: ClassVar[Quantifier]
    """How many of the members must prove an image."""

    verifiers: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MEMBER_LIMIT)]
    """Names of its members, at most eight. A combination may be a member if all of its own members are single ones.
    What a rule demands (`with`) is asked of the signers of all members that are proven, together."""
    _members: tuple[SchemeSettings, ...] | None = PrivateAttr(default=None)

    def bind(self, roots: Sequence[TrustRootSettings], verifiers: Sequence[SchemeSettings] = ()) -> None:  # noqa: ARG002 - members look up their own roots
        """Look up the members."""
        by_name = {entry.name: entry for entry in verifiers}
        if len(set(self.verifiers)) == len(self.verifiers) and _is_sound(self, by_name, LEVEL_LIMIT):
            self._members = tuple(by_name[name] for name in self.verifiers)

    @property
    def members(self) -> tuple[SchemeSettings, ...]:
        """The settings of the members; raises ConfigurationError where they don't fit."""
        if self._members is None:
            raise ConfigurationError(f"the members of the verifier {shown(self.name)} are not known")
        return self._members

    def scheme(self, outside: Outside = NOTHING_KNOWN) -> Combination:
        """The schemes of the members, combined."""
        made = [(entry.name, entry.scheme(outside)) for entry in self.members]
        parts = (scheme if isinstance(scheme, Combination) else Single(name, scheme) for name, scheme in made)
        return Combination(self.name, self.how, tuple(parts))

    def wants(self, demands: Demands) -> str:
        """What each member wants, and what is asked of all their signers."""
        word = " and " if self.how is Quantifier.ALL_OF else " or "
        words = [entry.wants(ANY_SIGNER) for entry in self.members]
        said = word.join(f"({part})" for part in words) if len(words) > 1 else words[0]
        if (demands.threshold or 1) > 1:
            said += f", by {demands.threshold} different signers together"
        if demands.required:
            said += f", including {' and '.join(demands.required)}"
        return said + annotated(demands)

    @property
    def signers(self) -> tuple[DeclaredSigner, ...]:
        """Those of all members, at the member's place; none where those of one are known by its authorities only."""
        found: list[DeclaredSigner] = []
        for index, entry in enumerate(self.members):
            if not entry.signers:
                return ()
            found += (DeclaredSigner(one.name, one.who, one.kind, ("verifiers", index)) for one in entry.signers)
        return tuple(found)


class AllOfSettings(CombinationSettings):
    """Images that every one of several verifiers proves; what fails definitely wins over what could not be checked."""

    how: ClassVar[Quantifier] = Quantifier.ALL_OF

    kind: Literal["all_of"]
    """The scheme."""


class AnyOfSettings(CombinationSettings):
    """Images that one of several verifiers proves; what none proves gets the verdict that is nearest to proof."""

    how: ClassVar[Quantifier] = Quantifier.ANY_OF

    kind: Literal["any_of"]
    """The scheme."""


def _is_sound(settings: SchemeSettings, known: Mapping[str, SchemeSettings], levels: int) -> bool:
    """Whether the verifier looks at evidence, and has no more levels of combinations in it than these."""
    if not isinstance(settings, CombinationSettings):
        return settings.ruling is None
    members = [known.get(name) for name in settings.verifiers]
    return levels > 0 and all(entry is not None and _is_sound(entry, known, levels - 1) for entry in members)
