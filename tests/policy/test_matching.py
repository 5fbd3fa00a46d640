from __future__ import annotations

import random
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from router.policy.glob import Glob
from router.policy.matching import FirstMatch, expression

GLOBS = st.text("ab/.*", max_size=7)


def first(globs: list[str], text: str) -> int | None:
    """The definition: one glob after the other, each by its automaton."""
    return next((index for index, glob in enumerate(globs) if Glob(glob).matches(text)), None)


@given(st.lists(GLOBS, max_size=9), st.lists(st.text("abc/.", max_size=9), min_size=1, max_size=5))
def test_the_first_match_is_the_one_that_is_found_by_trying_one_after_the_other(
    globs: list[str], texts: list[str]
) -> None:
    found = FirstMatch([(glob, "") for glob in globs])

    assert [found.find(text) for text in texts] == [first(globs, text) for text in texts]


@given(st.text(min_size=1, max_size=12).filter(lambda text: not {" ", "*"} & {*text}))
def test_no_text_is_syntax(text: str) -> None:
    """`.` is a dot, `[` a bracket, a line end a line end."""
    found = FirstMatch([(f"{text}x", ""), (text, "")])

    assert found.find(text) == 1
    assert found.find(f"{text}x") == 0
    assert found.find(f"{text}\n") is None
    assert found.find(f"y{text}") is None


def test_an_ending_is_asked_for_after_the_glob() -> None:
    found = FirstMatch([("a*", f" :{expression('1.*')} "), ("a*", r" [^ ]* [^ ]*")])

    assert found.find("ab :1.4 ") == 0
    assert found.find("ab :1x4 ") == 1
    assert found.find("ab :1.4 @sha256:0") == 1
    assert found.find("ab") is None


def test_nothing_matches_none() -> None:
    assert FirstMatch([]).find("a") is None


@settings(max_examples=20)
@given(st.lists(st.text("ab*/", min_size=6, max_size=20), min_size=20, max_size=40), st.integers(0, 1 << 30))
def test_too_little_memory_makes_it_slower_and_not_wrong(globs: list[str], seed: int) -> None:
    """An image that seems to match no rule would be judged by another, or by none."""
    dice = random.Random(seed)  # noqa: S311 - texts, no secrets
    texts = ["".join(dice.choices("ab/", weights=(5, 5, 1), k=300)) for _ in range(20)]
    found = FirstMatch([(f"**{glob}**", "") for glob in globs], memory=1)

    assert [found.find(text) for text in texts] == [first([f"**{glob}**" for glob in globs], text) for text in texts]


def test_no_names_make_many_globs_slow() -> None:
    """A name with many of the teams in it asks for another state at each character of any one automaton for all."""
    dice = random.Random(1)  # noqa: S311 - names, no secrets
    found = FirstMatch([(f"**/team-{number}/**", "") for number in range(40)])
    texts = ["h.example" + "".join(f"/team-{dice.randrange(40)}" for _ in range(60)) for _ in range(1000)]
    began = time.process_time()
    for text in texts:
        found.find(text)

    assert time.process_time() - began < 1.5
