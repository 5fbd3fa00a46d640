from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.policy import Enforcement, EnforcementSettings
from router.policy.enforcement import REMEMBERED
from router.verdict import Mode


def enforcement(**settings: object) -> Enforcement:
    return Enforcement(EnforcementSettings.model_validate(settings))


@given(st.text(max_size=20))
def test_without_a_word_nothing_blocks(namespace: str) -> None:
    """Installing Gatecrier must break nothing."""
    made = enforcement()

    assert made.mode(namespace) is Mode.DETECT
    assert not made.never_blocks(namespace)


@pytest.mark.parametrize(
    ("namespace", "mode"),
    [
        ("payments", Mode.ENFORCE),
        ("payments2", Mode.DETECT),
        ("team-a", Mode.ENFORCE),
        ("team-", Mode.ENFORCE),
        ("my-team-a", Mode.DETECT),
        ("team-red-x", Mode.DETECT),
        ("team-red-xx", Mode.ENFORCE),
        ("", Mode.DETECT),
    ],
)
def test_the_most_specific_namespace_pattern_wins(namespace: str, mode: Mode) -> None:
    namespaces = {"team-*": "enforce", "payments": "enforce", "team-red-x": "detect"}

    assert enforcement(namespaces=namespaces).mode(namespace) is mode


def test_of_equally_specific_patterns_the_first_wins() -> None:
    assert enforcement(namespaces={"a*": "enforce", "*a": "detect"}).mode("aa") is Mode.ENFORCE
    assert enforcement(namespaces={"*a": "detect", "a*": "enforce"}).mode("aa") is Mode.DETECT


def test_a_star_alone_is_every_namespace_and_what_has_none() -> None:
    made = enforcement(default="detect", namespaces={"*": "enforce"})

    assert made.mode("anything") is Mode.ENFORCE
    assert made.mode("") is Mode.ENFORCE


def test_never_block_takes_names_and_patterns() -> None:
    made = enforcement(default="enforce", never_block=["kube-system", "gate-*"])

    assert [made.never_blocks(name) for name in ("kube-system", "kube-systemx", "gate-1", "shop")] == [
        True,
        False,
        True,
        False,
    ]
    assert made.mode("kube-system") is Mode.ENFORCE


def test_what_was_found_is_remembered_within_a_bound() -> None:
    """A tenant may make namespaces without end."""
    made = enforcement(namespaces={"team-*": "enforce"})
    for number in range(REMEMBERED + 10):
        made.mode(f"team-{number}")

    assert len(made._remembered) <= REMEMBERED
    assert made.mode("team-1") is Mode.ENFORCE
