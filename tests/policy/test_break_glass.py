"""Who may break the glass, and with which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from router.policy import BreakGlass, BreakGlassClaim, BreakGlassSettings

ALLOWED = {"users": ["oncall@example.com"], "groups": ["sre"]}
NAMES = st.sampled_from(["oncall@example.com", "sre", "oncall@example.co", "ONCALL@EXAMPLE.COM", "alice", "", "sre "])


def glass(**more: object) -> BreakGlass:
    return BreakGlass(BreakGlassSettings.model_validate({"allowed": ALLOWED, **more}))


@given(NAMES, st.lists(NAMES, max_size=4), st.text(max_size=30))
def test_nobody_else_may_and_nobody_without_words(user: str, groups: list[str], value: str) -> None:
    claim = glass().claim(user, groups, value)
    is_allowed = user == "oncall@example.com" or "sre" in groups

    assert isinstance(claim, BreakGlassClaim) == (is_allowed and len(value.strip()) >= 10)
    assert isinstance(claim, BreakGlassClaim) or "has no effect" in claim


def test_where_nothing_is_said_nobody_may() -> None:
    assert isinstance(BreakGlass(None).claim("oncall@example.com", ["sre"], "the registry is down"), str)


def test_what_was_said_stands_on_one_line_and_is_bounded() -> None:
    claim = glass().claim("oncall@example.com", [], "  the registry\nis down " + "x" * 5000)

    assert isinstance(claim, BreakGlassClaim)
    assert "\n" not in claim.justification
    assert claim.justification.startswith("the registry")
    assert len(claim.justification) <= 1100
    assert claim.lasts == 4 * 3600


@pytest.mark.parametrize(
    "mistake",
    [
        {"allowed": {}},
        {"allowed": {"users": [""]}},
        {"allowed": {"groups": ["x" * 251]}},
        {"annotation": "break-glass"},
        {"annotation": "gatecrier.dev/break glass"},
        {"min_justification": 0},
        {"for": 8 * 86400.0},
    ],
)
def test_what_would_let_in_anybody_or_for_ever_is_refused(mistake: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        glass(**mistake)


def test_programs_and_everybody_are_doubtful() -> None:
    allowed = {
        "users": ["alice", "system:serviceaccount:ci:deployer"],
        "groups": ["sre", "system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"],
    }
    settings = BreakGlassSettings.model_validate({"allowed": allowed})

    assert [(key, index) for key, index, _ in settings.allowed.doubtful] == [
        ("users", 1),
        ("groups", 1),
        ("groups", 2),
        ("groups", 3),
    ]
