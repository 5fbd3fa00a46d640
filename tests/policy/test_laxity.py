from __future__ import annotations

import pytest

from router.images import parse_reference
from router.policy import Policy, RuleSettings, lax_tag_rules

STATICS = {"allow": True, "deny": False, "quiet": False}


def rule(pattern: str, verifier: str, **other: object) -> RuleSettings:
    return RuleSettings.model_validate({"pattern": pattern, "verifier": verifier} | other)


def lax(*rules: RuleSettings) -> list[tuple[int, int, str]]:
    return list(lax_tag_rules(rules, STATICS))


TOOLS = "r.example/tools"


@pytest.mark.parametrize(
    ("tagged", "neighbour", "how"),
    [
        (("allow", {}), ("deny", {}), "lets every image pass"),
        (("allow", {}), ("keys", {}), "lets every image pass"),
        (("allow", {}), ("allow", {}), None),
        (("allow", {}), ("deny", {"mode": "detect"}), None),
        (("keys", {}), ("deny", {}), "asks only for signatures"),
        (("keys", {}), ("quiet", {}), "asks only for signatures"),
        (("keys", {}), ("allow", {}), None),
        (("keys", {}), ("others", {}), None),
        (("deny", {}), ("keys", {}), None),
        (("deny", {}), ("deny", {}), None),
        (("deny", {"mode": "detect"}), ("keys", {}), "is only watched"),
        (("keys", {"mode": "detect"}), ("keys", {}), "is only watched"),
        (("keys", {"mode": "detect"}), ("keys", {"mode": "detect"}), None),
        (("keys", {"on_unverifiable": "admit"}), ("others", {}), "lets pass what could not be checked"),
        (("keys", {}), ("others", {"on_unverifiable": "admit"}), None),
        (("keys", {}), ("keys", {"with": {"threshold": 2}}), "asks for fewer or other signers"),
        (("keys", {"with": {"threshold": 2}}), ("keys", {}), None),
        (("keys", {}), ("keys", {"with": {"annotations": {"env": "prod"}}}), "asks for fewer or other annotations"),
        (("keys", {"with": {"annotations": {"env": "prod"}}}), ("keys", {}), None),
        (("keys", {}), ("keys", {"with": {"required": ["a"]}}), "asks for fewer or other signers"),
        (("keys", {"with": {"required": ["b", "a"]}}), ("keys", {"with": {"required": ["a"]}}), None),
        (("keys", {}), ("others", {"with": {"threshold": 2}}), None),
    ],
)
def test_a_rule_for_a_tag_is_laxer_where_it_refuses_less(
    tagged: tuple[str, dict[str, object]], neighbour: tuple[str, dict[str, object]], how: str | None
) -> None:
    found = lax(rule(f"{TOOLS}/web:debug", tagged[0], **tagged[1]), rule(f"{TOOLS}/*", neighbour[0], **neighbour[1]))

    assert found == ([] if how is None else [(0, 1, how)])


@pytest.mark.parametrize(
    ("pattern", "neighbour"),
    [
        (f"{TOOLS}/web:debug", 2),
        (f"{TOOLS}/web:debug@*", 2),
        (f"{TOOLS}/web:debug@sha256:*", 2),
        (f"{TOOLS}/*:debug", 2),
        (f"{TOOLS}/vault:debug", 1),
        ("*.example/x:debug", 3),
        ("**/x:debug", 3),
        ("**x:debug", 3),
        ("**:debug", 3),
        (f"{TOOLS}/a/b:debug", 3),
        (f"{TOOLS}/web", None),
        (f"{TOOLS}/web@sha256:*", None),
        (f"{TOOLS}/web:debug@sha256:{'ab' * 32}", None),
    ],
)
def test_its_neighbour_is_the_rule_for_the_other_tags(pattern: str, neighbour: int | None) -> None:
    rules = [rule(pattern, "allow"), rule(f"{TOOLS}/vault", "deny"), rule(f"{TOOLS}/*", "deny"), rule("**", "deny")]

    assert [found[1] for found in lax(*rules)] == ([] if neighbour is None else [neighbour])


def test_a_rule_for_a_tag_beside_no_other_rule_has_no_neighbour() -> None:
    assert not lax(rule(f"{TOOLS}/web:debug", "allow"), rule("s.example/**", "deny"))


def test_what_is_told_shows_in_what_is_decided() -> None:
    rules = [rule(f"{TOOLS}/web:debug", "allow"), rule(f"{TOOLS}/*", "deny")]
    policy = Policy(rules)
    verifiers = [
        getattr(policy.match(parse_reference(f"{TOOLS}/web{tag}")), "verifier", None) for tag in (":debug", "")
    ]

    assert verifiers == ["allow", "deny"]
    assert lax(*rules)
