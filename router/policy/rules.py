"""Which rule applies to an image: the most specific one that names it. Pure.

Rules:
(1) The order of rules is specificity (`Pattern.specificity`), then the order of the file. The first that matches wins.
(2) An image that no rule matches has none: the gate denies it.
(3) A rule whose pattern is another's of the same file can never win; the second of the two is unreachable.

What was found for a name is remembered for the last ones: the same few images come again and again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from router.images import ImageReference
from router.policy.pattern import Pattern
from router.policy.settings import RuleSettings
from router.verdict import Mode

REMEMBERED = 4096
"""Images whose rule is remembered."""


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
    mode: Mode
    on_unverifiable: str
    """`reject` or `admit`."""
    key: str
    """Id of what the rule demands: a proof under one key holds for every rule with the same."""

    @classmethod
    def of(cls, settings: RuleSettings) -> Rule:
        """The rule that these settings describe."""
        demands = settings.with_
        content = json.dumps([settings.verifier, demands.threshold or 1, sorted(demands.required)])
        return cls(
            pattern=settings.pattern,
            verifier=settings.verifier,
            threshold=demands.threshold,
            required=demands.required,
            mode=settings.mode,
            on_unverifiable=settings.on_unverifiable,
            key=hashlib.sha256(content.encode()).hexdigest(),
        )


class Policy:
    """All rules, most specific first."""

    def __init__(self, rules: Sequence[RuleSettings]) -> None:
        patterns = [(Pattern.parse(settings.pattern), Rule.of(settings)) for settings in rules]
        self._rules = sorted(patterns, key=lambda entry: entry[0].specificity, reverse=True)
        self._remembered: dict[ImageReference, Rule | None] = {}

    def match(self, image: ImageReference) -> Rule | None:
        """The rule that applies to this image, or None."""
        try:
            return self._remembered[image]
        except KeyError:
            pass
        found = next((rule for pattern, rule in self._rules if pattern.matches(image)), None)
        if len(self._remembered) >= REMEMBERED:
            self._remembered.clear()
        self._remembered[image] = found
        return found


def unreachable_rules(rules: Sequence[RuleSettings]) -> list[tuple[int, int]]:
    """(index of a rule that can never win, index of the one that always wins over it)."""
    seen: dict[tuple[str, str | None, str | None], int] = {}
    hidden = []
    for index, settings in enumerate(rules):
        first = seen.setdefault(Pattern.parse(settings.pattern).key, index)
        if first != index:
            hidden.append((index, first))
    return hidden
