"""Cross-checks of rules, in words: a rule names a verifier, demands what that can give, and can win. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from router.policy import unreachable_rules
from router.policy.settings import RuleDemands, RuleSettings
from router.settings.names import declared_in
from router.settings.problems import ConfigurationFinding, Path
from router.settings.sections import Item, JudgingItems
from router.text import advice, shown
from router.verification.catalogue import BUILT_IN
from router.verification.checks import Declared, demandable, looks_at_nothing
from router.verification.settings import Demandable

_BUILT_IN = frozenset(entry.name for entry in BUILT_IN)


def checks(judging: JudgingItems) -> Iterator[ConfigurationFinding]:
    """Rules that name no verifier, or demand what their verifier can't give."""
    declared = declared_in(judging)
    for item in judging.rules:
        if item.value is not None:
            yield from _of_rule(item, item.value, declared)


def _of_rule(item: Item[RuleSettings], rule: RuleSettings, declared: Declared) -> Iterator[ConfigurationFinding]:
    here, verifier, demands = ("policy", item.index), rule.verifier, rule.with_
    if looks_at_nothing(verifier, declared):
        for key in ("threshold", "required", "annotations"):
            if key in demands.model_fields_set:
                text = f"the verifier {shown(verifier)} looks at no signature; drop {key}"
                yield ConfigurationFinding((*here, "with", key), text, at_key=True)
    elif verifier not in declared:
        there = advice(verifier, sorted({*_BUILT_IN, *declared}))
        yield ConfigurationFinding((*here, "verifier"), f"{shown(verifier)} names no verifier; {there}")
    elif (who := demandable(verifier, declared)) is not None:
        yield from _unmet((*here, "with"), demands, verifier, who)


def _unmet(here: Path, demands: RuleDemands, verifier: str, who: Demandable) -> Iterator[ConfigurationFinding]:
    """What signers of all members together can never meet."""
    if not (known := who.names):
        return
    kind = "signer" if who.identities or who.authorities else "key"
    threshold, most = demands.threshold, len(known)
    if not who.authorities and threshold is not None and threshold > most:
        has = f"{most} {kind}{'s' * (most > 1)}"
        text = f"threshold {threshold} can never be met: {shown(verifier)} has {has}; expected at most {most}"
        yield ConfigurationFinding((*here, "threshold"), text)
    kind = kind if who.keys or who.identities else "trust store that vouches for signers"
    for index, name in enumerate(demands.required):
        if name not in known:
            text = f"{shown(name)} names no {kind} of {shown(verifier)}; {advice(name, known)}"
            yield ConfigurationFinding((*here, "required", index), text)


def never_winning(judging: JudgingItems) -> Iterator[ConfigurationFinding]:
    """Rules of which another one takes all that they match."""
    sound = [(item.index, item.sound) for item in judging.rules]
    rules = [(index, rule) for index, rule in sound if rule is not None]
    for loser, winner in unreachable_rules([rule for _, rule in rules]):
        index, rule = rules[winner]
        text = f"this rule can never win: policy[{index}] ({shown(rule.pattern)}) takes all that it matches; drop one"
        yield ConfigurationFinding(("policy", rules[loser][0]), text)
