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


@pytest.mark.parametrize("label", ["mode", "gatecrier.dev/mode", "a.b-c.d/" + "x" * 63, "Mode_1.x"])
def test_a_label_is_named_by_its_key(label: str) -> None:
    assert EnforcementSettings.model_validate({"label": label, "label_may_lower": ["batch-*"]}).label == label


@pytest.mark.parametrize(
    "label", ["", "/mode", "a/", "a/b/c", "Gatecrier.dev/mode", "mode=enforce", "x" * 64, "mode\n", "-a"]
)
def test_what_is_no_key_of_a_label_is_refused(label: str) -> None:
    """The API server would refuse the selector, and with it the webhook."""
    with pytest.raises(ValidationError, match="no key of a label"):
        EnforcementSettings.model_validate({"label": label})
