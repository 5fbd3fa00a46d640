"""The codes of why an image has its verdict are public, closed, and documented."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import router
from router.decision.wording import next_step
from router.reasons import REASONS, TARGET, Reason
from router.verdict import Verdict
from tests.findings import UNSIGNED, like

EVERY = [pytest.param(verdict, code, id=f"{verdict}-{code}") for verdict, codes in REASONS.items() for code in codes]


def test_every_verdict_has_codes_but_the_one_that_is_not_given_yet() -> None:
    assert set(Verdict) - set(REASONS) == {Verdict.INHERITED}
    assert all(len(codes) for codes in REASONS.values())


@pytest.mark.parametrize(("verdict", "code"), EVERY)
def test_a_code_is_a_text_with_a_meaning_and_a_remedy(verdict: Verdict, code: Reason) -> None:
    assert code == str(code) == f"{code}"
    assert str(code).replace("_", "").isalpha()
    assert code.meaning.endswith(".")
    assert code.remedy.endswith((".", TARGET, "..."))
    assert REASONS[verdict](str(code)) is code  # type: ignore[call-arg]  # looked up by value, as any enum


def test_messages_take_the_remedy_from_the_code() -> None:
    """One place: what documentation says is what the person at the terminal reads."""
    for verdict, codes in REASONS.items():
        for code in codes:
            finding = like(UNSIGNED, verdict=verdict, reason=code)

            assert next_step(finding) == code.remedy.replace(TARGET, f"registry.example/shop/web@{UNSIGNED.digest}")


def test_nobody_writes_a_code_of_his_own() -> None:
    """A reason that is a text in the code would be in no list."""
    own = []
    for path in Path(router.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("Error"):
                own += [
                    path.name for word in node.keywords if word.arg == "reason" and isinstance(word.value, ast.Constant)
                ]

    assert own == []
