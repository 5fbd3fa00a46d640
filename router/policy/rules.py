"""Which rule applies to an image: the most specific one that names it. Pure.

Rules:
(1) The order of rules is specificity (`ImagePattern.specificity`), then the order of the file. The first that matches
    wins.
(2) An image that no rule matches has none: the gate denies it.
(3) A rule is unreachable if one that comes before it in that order matches every image that it matches: the same
    pattern again, `shop/web:1.*` before `shop/web:1.4`, `shop/**` before `shop/*` (they are equally specific). What is
    told is true; what is not told: a rule that only several others together hide, and one whose literal characters
    are others than those of the rule that hides it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from router.images import ImageReference
from router.policy.pattern import ImagePattern
from router.policy.ranking import Ranking
from router.policy.settings import RuleSettings
from router.verdict import Mode


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the policy."""

    pattern: str
    """As written."""
    verifier: str
    threshold: int | None
    """How many distinct signers; None: any one."""
    required: tuple[str, ...]
    """Signers that must be among them."""
    annotations: Mapping[str, str] = field(hash=False)
    """What a signature must say, by name."""
    mode: Mode
    on_unverifiable: str
    """`reject` or `admit`."""
    key: str
    """Id of what the rule demands: a proof under one key holds for every rule with the same."""

    @classmethod
    def of(cls, settings: RuleSettings) -> Rule:
        """The rule that these settings describe."""
        demands = settings.with_
        return cls(
            pattern=settings.pattern,
            verifier=settings.verifier,
            threshold=demands.threshold,
            required=demands.required,
            annotations=demands.annotations,
            mode=settings.mode,
            on_unverifiable=settings.on_unverifiable,
            key=proof_key(settings.verifier, demands.threshold, demands.required, demands.annotations),
        )


def proof_key(verifier: str, threshold: int | None, required: Sequence[str], annotations: Mapping[str, str]) -> str:
    """What a proof is remembered under: equal for rules that ask the same of the same verifier."""
    asked = [verifier, threshold or 1, sorted(required), sorted(annotations.items())]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


class Policy:
    """All rules."""

    def __init__(self, rules: Sequence[RuleSettings]) -> None:
        """Read the patterns; raises ValueError for one that is none."""
        self._rules = [Rule.of(settings) for settings in rules]
        self._ranking = Ranking([ImagePattern.parse(settings.pattern) for settings in rules])

    def match(self, image: ImageReference) -> Rule | None:
        """The rule that applies to this image, or None."""
        found = self._ranking.first(image)
        return None if found is None else self._rules[found]


def unreachable_rules(rules: Sequence[RuleSettings]) -> list[tuple[int, int]]:
    """(index of a rule that can never win, index of one that always wins over it), in the order of the file."""
    patterns = [ImagePattern.parse(settings.pattern) for settings in rules]
    order = sorted(range(len(rules)), key=lambda index: patterns[index].specificity, reverse=True)
    # A rule that covers another and outranks it has the same literal characters, slashes aside: every literal of the
    # wider one is a literal of the narrower one, and the wider one has no fewer.
    alike: dict[str, list[int]] = {}
    hidden = []
    for index in order:
        before = alike.setdefault(patterns[index].name.literals.replace("/", ""), [])
        winner = next((earlier for earlier in before if patterns[earlier].covers(patterns[index])), None)
        if winner is None:
            before.append(index)
        else:
            hidden.append((index, winner))
    return sorted(hidden)
