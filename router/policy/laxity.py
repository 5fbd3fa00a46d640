"""Rules for a tag that ask for less than is asked of the other tags of the same images. Pure.

Rules:
(1) A rule for a tag is one whose pattern has a TAG and no whole digest: whoever may push decides what it means.
(2) Its neighbour is the rule that would speak for the same names if only patterns without tag and digest were there.
    Where the name has wildcards, the neighbour is found for one such name.
(3) It is laxer than its neighbour if the neighbour can refuse an image (it is in force, and lets not every image
    pass) and the rule, by the first of these that holds, lets every image pass; is only watched (`mode: detect`);
    asks for signatures where the neighbour refuses every image; lets pass what could not be checked
    (`on_unverifiable: admit`); or asks the same verifier for fewer or other signers or annotations. Two verifiers
    that both look at signatures are not compared: nobody but the operator knows whose keys weigh more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from router.images import ImageReference
from router.policy.pattern import ImagePattern
from router.policy.ranking import Ranking
from router.policy.settings import RuleDemands, RuleSettings
from router.verdict import Mode

_SAMPLE = "x0x0x"
"""Stands for a wildcard; unlikely in a pattern."""
_DENY, _SIGNATURES, _ALLOW = 2, 1, 0


def lax_tag_rules(rules: Sequence[RuleSettings], statics: Mapping[str, bool]) -> Iterator[tuple[int, int, str]]:
    """(index of a laxer rule for a tag, index of its neighbour, in what it is laxer), in the order of the file.

    `statics` has the verifiers that look at no signature, and whether they let every image pass.
    """
    patterns = [ImagePattern.parse(settings.pattern) for settings in rules]
    plain = [index for index, pattern in enumerate(patterns) if pattern.tag is None and pattern.digest is None]
    ranking = Ranking([patterns[index] for index in plain])
    for index, pattern in enumerate(patterns):
        if pattern.tag is None or (pattern.digest is not None and pattern.digest.is_literal):
            continue
        found = ranking.first(_sample(pattern))
        if found is None or patterns[plain[found]].specificity > pattern.specificity:
            continue
        if how := _laxer(rules[index], rules[plain[found]], statics):
            yield index, plain[found], how


def _sample(pattern: ImagePattern) -> ImageReference:
    """An image that the pattern's name matches."""
    registry, _, repository = pattern.name.text.partition("/")
    if registry.startswith("**") and not repository:  # it begins anywhere, and its last part stands here
        registry, repository = f"{_SAMPLE}.invalid", registry
    registry, repository = (text.replace("**", _SAMPLE).replace("*", _SAMPLE) for text in (registry, repository))
    return ImageReference(registry, repository, None, None)


def _laxer(rule: RuleSettings, neighbour: RuleSettings, statics: Mapping[str, bool]) -> str:
    """In what the rule asks for less, in words that follow "it"; empty if in nothing."""
    asks, other = _asks(rule, statics), _asks(neighbour, statics)
    if neighbour.mode is Mode.DETECT or other == _ALLOW:
        return ""
    if asks == _ALLOW:
        return "lets every image pass"
    if rule.mode is Mode.DETECT:
        return "is only watched"
    if asks != other or asks == _DENY:
        return "asks only for signatures" if asks < other else ""
    if (rule.on_unverifiable, neighbour.on_unverifiable) == ("admit", "reject"):
        return "lets pass what could not be checked"
    return _fewer(rule.with_, neighbour.with_) if rule.verifier == neighbour.verifier else ""


def _fewer(mine: RuleDemands, theirs: RuleDemands) -> str:
    if (mine.threshold or 1) < (theirs.threshold or 1) or not {*mine.required} >= {*theirs.required}:
        return "asks for fewer or other signers"
    return "" if mine.annotations.items() >= theirs.annotations.items() else "asks for fewer or other annotations"


def _asks(rule: RuleSettings, statics: Mapping[str, bool]) -> int:
    allows = statics.get(rule.verifier)
    return _SIGNATURES if allows is None else _ALLOW if allows else _DENY


def tolerant_anywhere(rules: Sequence[RuleSettings]) -> list[int]:
    """The indexes of rules that tolerate what a registry does, and name none."""
    return [
        index
        for index, rule in enumerate(rules)
        if rule.on_unverifiable == "admit" and ImagePattern.parse(rule.pattern).registry is None
    ]
