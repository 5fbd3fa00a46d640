from __future__ import annotations

import pytest
from pydantic import ValidationError

from router.policy import EnforcementSettings, RuleDemands, RuleSettings
from router.verdict import Mode


def test_a_rule_enforces_and_rejects_unless_it_says_otherwise() -> None:
    """The namespace decides; a rule can only narrow."""
    rule = RuleSettings(pattern="**", verifier="deny")

    assert rule.mode is Mode.ENFORCE
    assert rule.on_unverifiable == "reject"
    assert rule.with_ == RuleDemands(threshold=None, required=(), transparency_log="ignore")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pattern": "UPPER"}, "lower case"),
        ({"with": {"threshold": 0}}, "greater than or equal to 1"),
        ({"with": {"threshold": True}}, "valid integer"),
        ({"with": {"threshold": "2"}}, "valid integer"),
        ({"with": {"required": ["a", "a"]}}, "stands twice"),
        ({"with": {"transparency_log": "required"}}, "keyless"),
        ({"with": {"treshold": 2}}, "not permitted"),
        ({"on_unverifiable": "ignore"}, "reject"),
        ({"mode": "block"}, "enforce"),
    ],
)
def test_a_mistake_in_a_rule_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        RuleSettings.model_validate({"pattern": "**", "verifier": "deny"} | changes)

    assert words in str(raised.value)


@pytest.mark.parametrize("namespace", ["UPPER", "a b", "", "a" * 64, "-a", "a\n", "a.b"])
def test_what_is_no_namespace_is_refused(namespace: str) -> None:
    with pytest.raises(ValidationError):
        EnforcementSettings.model_validate({"namespaces": {namespace: "enforce"}})
    with pytest.raises(ValidationError):
        EnforcementSettings.model_validate({"never_block": [namespace]})
