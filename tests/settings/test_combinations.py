"""Mistakes in combined verifiers are told at their place, in words that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.settings.parts import for_gate, gate_part
from router.verification import Verifier, checks
from router.verification.combination_settings import AllOfSettings
from tests.settings.configurations import SMALL, loaded, refused
from tests.verification.world import MemorySource

ALIASES = """
  - {name: again, kind: cosign, keys: [{name: other, file: release.pub}]}"""


THREE_LEVELS = """\
  - {name: both, kind: any_of, verifiers: [x]}
  - {name: x, kind: all_of, verifiers: [y]}
  - {name: y, kind: all_of, verifiers: [keys]}"""
NESTED = """\
  - {name: both, kind: any_of, verifiers: [keys, any]}
  - {name: any, kind: any_of, verifiers: [one, keys]}"""


def configuration(combined: str, rule: str = "{pattern: '**', verifier: both}", more: str = "") -> str:
    """The least configuration, with single verifiers `keys`, `one` and `stores` and a combined one."""
    return SMALL.replace('policy: [{pattern: "**", verifier: deny}]', f"policy: [{rule}]") + (
        "verifiers:\n"
        "  - {name: keys, kind: cosign, keys: [{name: release, file: release.pub}]}\n"
        "  - {name: one, kind: cosign, keys: [{name: security, file: security.pub}]}\n"
        "  - {name: fixed, kind: static, allow: true}\n"
        "  - {name: skipped, kind: notation, level: skip}\n"
        f"{combined}{more}\n"
    )


def test_combinations_are_read_and_reach_the_gate(tmp_path: Path) -> None:
    text = configuration(
        "  - {name: both, kind: all_of, verifiers: [keys, any]}\n  - {name: any, kind: any_of, verifiers: [one, keys]}",
        "{pattern: '**', verifier: both, with: {threshold: 2, required: [security]}}",
    )
    result = loaded(tmp_path, text)
    gate = gate_part(for_gate(result)).settings
    first, second = (Verifier(MemorySource(), settings.verifiers) for settings in (result.settings, gate))

    assert result.warnings == loaded(tmp_path, text).warnings
    assert not any("one" in warning or "keys" in warning for warning in result.warnings)
    assert first._schemes["both"].trust.id == second._schemes["both"].trust.id


@pytest.mark.parametrize(
    ("combined", "words"),
    [
        (
            "  - {name: both, kind: all_of, verifiers: [keys, kyes]}",
            ["verifiers[4].verifiers[1] (both)", '"kyes" names no verifier', 'did you mean "keys"'],
        ),
        (
            "  - {name: both, kind: all_of, verifiers: [keys, keys]}",
            ["verifiers[4].verifiers[1] (both)", "stands twice"],
        ),
        ("  - {name: both, kind: any_of, verifiers: [allow]}", ['"allow" looks at no signature']),
        ("  - {name: both, kind: any_of, verifiers: [fixed]}", ['"fixed" looks at no signature']),
        ("  - {name: both, kind: any_of, verifiers: [skipped]}", ['"skipped" looks at no signature']),
        ("  - {name: both, kind: any_of, verifiers: [both]}", ['is a cycle: "both" -> "both"']),
        (
            "  - {name: both, kind: any_of, verifiers: [keys, x]}\n  - {name: x, kind: all_of, verifiers: [both]}",
            ["verifiers[4].verifiers[1] (both)", 'is a cycle: "both" -> "x" -> "both"', 'cycle: "x" -> "both" -> "x"'],
        ),
        (
            THREE_LEVELS,
            ["verifiers[4].verifiers[0] (both)", '"x" is combined of combinations itself', "at most 2 levels"],
        ),
        ("  - {name: both, kind: any_of, verifiers: []}", ["verifiers[4].verifiers (both)", "1 item"]),
        (
            f"  - {{name: both, kind: any_of, verifiers: [{', '.join(f'v{number}' for number in range(9))}]}}",
            ["verifiers[4].verifiers (both)", "at most 8"],
        ),
        ("  - {name: both, kind: any_of}", ["verifiers[4].verifiers (both)", "is missing"]),
        ("  - {name: both, kind: any-of, verifiers: [keys, kyes]}", ['"any_of"', '"any-of"']),
    ],
)
def test_members_that_can_not_be_ones_are_told_at_their_place(tmp_path: Path, combined: str, words: list[str]) -> None:
    told = refused(tmp_path, configuration(combined))

    assert [word for word in words if word not in told] == []


@pytest.mark.parametrize(
    ("demands", "words"),
    [
        ("threshold: 3", ["policy[0].with.threshold", "threshold 3 can never be met", "2 keys", "at most 2"]),
        ("required: [securty]", ["policy[0].with.required[0]", 'did you mean "security"']),
    ],
)
def test_demands_that_the_members_can_never_meet_are_told(tmp_path: Path, demands: str, words: list[str]) -> None:
    rule = f"{{pattern: '**', verifier: both, with: {{{demands}}}}}"
    told = refused(tmp_path, configuration(NESTED, rule))

    assert [word for word in words if word not in told] == []


def test_one_signer_under_two_names_in_two_members_is_a_warning(tmp_path: Path) -> None:
    combined = "  - {name: both, kind: any_of, verifiers: [keys, again]}"
    rule = "{pattern: '**', verifier: both, with: {threshold: 2}}"
    warnings = "\n".join(loaded(tmp_path, configuration(combined, rule, ALIASES)).warnings)

    assert 'threshold 2 can never be met: "both" has 1 distinct key' in warnings
    assert 'verifiers[4].verifiers[1] (both): is the same key as "release"' in warnings


def combined(name: str, *members: str) -> AllOfSettings:
    """As it stands, however many members there are."""
    return AllOfSettings.model_construct(name=name, kind="all_of", verifiers=members)


def test_a_member_of_a_combination_that_no_rule_uses_is_unused_too() -> None:
    declared = {"both": combined("both", "a", "both"), "idle": combined("idle", "b")}

    assert checks.used(["both"], declared) == {"both", "a"}


def test_many_combinations_of_each_other_are_told_in_no_time() -> None:
    """Ways through them are countless; levels are few."""
    names = [f"v{number}" for number in range(60)]
    declared = {name: combined(name, *names) for name in names}
    found = [unfit for one in declared.values() for unfit in checks.unfit_members(one, declared)]

    assert len(found) == 3600
    assert all(unfit.why is checks.Why.CYCLE for unfit in found)
