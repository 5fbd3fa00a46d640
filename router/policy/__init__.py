"""Which rule applies to which image, and whether it may block (pure)."""

from router.policy.break_glass import BreakGlass, BreakGlassClaim, BreakGlassSettings
from router.policy.enforcement import Enforcement
from router.policy.exemptions import Exemptions
from router.policy.laxity import lax_tag_rules, tolerant_anywhere
from router.policy.pattern import ImagePattern
from router.policy.rules import Policy, Rule, proof_key, unreachable_rules
from router.policy.settings import EnforcementSettings, ExemptionSettings, RuleDemands, RuleSettings

__all__ = [
    "BreakGlass",
    "BreakGlassClaim",
    "BreakGlassSettings",
    "Enforcement",
    "EnforcementSettings",
    "ExemptionSettings",
    "Exemptions",
    "ImagePattern",
    "Policy",
    "Rule",
    "RuleDemands",
    "RuleSettings",
    "lax_tag_rules",
    "proof_key",
    "tolerant_anywhere",
    "unreachable_rules",
]
