"""What conditions may cost is known before they are asked, and what is dear is not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import InvalidSignatureError
from router.verification.sigstore.condition_costs import COST_LIMIT, Cost
from router.verification.sigstore.conditions import Condition
from tests.verification.sigstore.test_conditions import JSON, stated

TEXT = "a" * 500_000
NUMBERS = list(range(9000))
WORDS = [f"word-{number}" for number in range(9000)]
SBOM = [
    {"name": f"package-{number}", "license": "MIT", "hashes": [{"alg": "SHA-256", "content": f"{number:064}"}]}
    for number in range(3000)
]
LARGE = {"list": NUMBERS, "words": WORDS, "text": TEXT, "part": "a" * 250_000 + "b", "deep": [SBOM]}


@pytest.mark.parametrize(
    "expression",
    [
        "predicate.list.all(x, predicate.list.all(y, x != y || x == y))",
        "predicate.list.all(x, predicate.list.exists(y, predicate.list.exists(z, z == -1)))",
        "predicate.list.all(x, (predicate.text + predicate.text) != '')",
        "predicate.list.all(x, size(predicate.text) > 1)",
        "predicate.list.all(x, size(.predicate.text) > 1)",
        "predicate.list.all(x, size(predicate['text']) > 1)",
        "predicate.list. // a comment\n all ( x, predicate.list == predicate.list)",
        "predicate.list.all(x, predicate.list == predicate.list)",
        "r'\\d' == '' || predicate.list.all(x, predicate.list == predicate.list) || '' == ''",
        "predicate.list.map(x, predicate.list).size() > 0",
        "predicate.deep.all(x, x.all(y, x == x))",
        "predicate.text.contains(predicate.part)",
        "predicate.list.all(x, predicate.text.matches('(a|b)*c'))",
        "(" + " + ".join(["predicate.text"] * 30) + ") != ''",
    ],
)
def test_what_is_dear_is_not_asked_and_is_a_defect(expression: str) -> None:
    """Some of these take half a minute, in which the gate would do nothing else."""
    begin = time.process_time()
    with pytest.raises(InvalidSignatureError, match="says too much for what is asked") as refused:
        Condition(expression).holds_for(stated(LARGE))

    assert refused.value.reason == "condition_cost"
    assert time.process_time() - begin < 2


@pytest.mark.parametrize(
    "expression",
    [
        "predicate.components.all(c, c.license in ['MIT', 'Apache-2.0'])",
        "predicate.components.all(c, c.license in predicate.allowed)",
        "predicate.components.exists(c, c.name.startsWith('package-29') && c.name.matches('.*9'))",
        "predicate.components.filter(c, c.name.contains('7')).size() > 10",
        "predicate.components.all(c, c.hashes.all(h, h.alg == 'SHA-256' && h.content.size() == 64))",
        "predicate.allowed.exists(a, predicate.allowed.exists(b, a != b))",
        "predicate.components.size() == 3000 && !has(predicate.gone)",
        "predicate.text.contains('predicate.list.all(x, predicate)') == false",
    ],
)
def test_what_people_ask_of_large_attestations_is_cheap(expression: str) -> None:
    said = stated({"components": SBOM, "allowed": ["MIT", "Apache-2.0", "BSD-3-Clause"], "text": TEXT})
    begin = time.process_time()

    assert Condition(expression).holds_for(said)
    assert time.process_time() - begin < 2


def test_loops_that_the_implementation_gives_up_are_a_defect_too() -> None:
    said = stated({"list": list(range(200))})
    with pytest.raises(InvalidSignatureError, match="ten thousand steps"):
        Condition("predicate.list.all(x, predicate.list.all(y, x >= 0))").holds_for(said)


@pytest.mark.parametrize(
    "expression",
    ["predicate.a.matches(predicate.b)", "predicate.a.matches('a' + predicate.b)", "matches(predicate.a, 'b')"],
)
def test_whoever_attests_chooses_no_expression_that_is_compiled(expression: str) -> None:
    with pytest.raises(ValueError, match="not written out"):
        Condition(expression)


@given(JSON)
def test_a_bound_is_there_for_whatever_is_attested(predicate: object) -> None:
    """Small data are never dear."""
    data = {"predicate": {"a": predicate}, "predicate_type": "x", "subject": []}

    assert 0 < Cost.of("predicate.a.all(x, predicate.a.all(y, x == y))").about(data) < COST_LIMIT


@given(st.text(alphabet="predicate.all(x,')\"\\r/+ \n", max_size=60))
def test_no_text_of_an_expression_breaks_what_bounds_it(written: str) -> None:
    try:
        cost = Cost.of(written)
    except ValueError:
        return
    assert cost.about({"predicate": {}, "predicate_type": "", "subject": []}) > 0


def test_depth_costs_no_stack() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    data = {"predicate": {"a": deep}, "predicate_type": "x", "subject": []}

    assert Cost.of("predicate.a.all(x, x == 1)").about(data) > 1_000_000
    while deep:  # taken apart here, since the interpreter would do it by recursion
        deep = deep.pop()  # type: ignore[assignment]  # lists all the way down
