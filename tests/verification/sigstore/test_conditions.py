"""Conditions on attestations: true is yes, and everything else is no."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.verification.sigstore.conditions import Condition
from router.verification.sigstore.statement import InTotoStatement, read_statement

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda held: st.lists(held, max_size=4) | st.dictionaries(st.text(max_size=8), held, max_size=4),
    max_leaves=20,
)


def stated(predicate: object) -> InTotoStatement:
    body = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "web", "digest": {"sha256": "0" * 64}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": predicate,
    }
    return read_statement(json.dumps(body).encode())


SAID = stated({"ref": "refs/tags/v1", "count": 3, "list": list(range(300)), "nothing": None})


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('predicate.ref.startsWith("refs/tags/")', True),
        ('predicate.ref == "refs/heads/main"', False),
        ('predicate_type == "https://slsa.dev/provenance/v1"', True),
        ('subject.exists(one, one.name == "web")', True),
        ("predicate.count > 2", True),
        ("predicate.gone", False),
        ("predicate.gone || true", True),
        ("predicate.count", False),
        ("predicate.ref", False),
        ("predicate.nothing", False),
        ("predicate.ref > 2", False),
    ],
)
def test_only_true_is_yes(expression: str, *, expected: bool) -> None:
    """An error is no."""
    assert Condition(expression).holds_for(SAID) is expected


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("1 +", "not a valid expression"),
        ("nobody == 1", "nobody"),
        ("'text'", "not with true"),
        ("true" * 600, "at most"),
    ],
)
def test_what_is_no_question_of_yes_or_no_is_refused(expression: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Condition(expression)


@given(JSON)
def test_whatever_is_attested_there_is_an_answer(predicate: object) -> None:
    assert Condition("predicate.a.b == 1").holds_for(stated(predicate)) in {True, False}
