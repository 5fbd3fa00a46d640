from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from router.policy import glob
from router.policy.glob import NAMES, WORDS, Glob

GLOBS = st.text("a/*", max_size=6)
TEXTS = ["".join(letters) for size in range(8) for letters in itertools.product("az/", repeat=size)]
SMALL_NAMES = [text for text in TEXTS if "/" in text and all(text.split("/"))]


def matches_by_hand(glob: str, text: str) -> bool:
    """The definition, word for word: a wildcard takes nothing, or one more character that it may take."""
    if not glob:
        return not text
    if glob.startswith("**"):
        return matches_by_hand(glob[2:], text) or (bool(text) and matches_by_hand(glob, text[1:]))
    if glob[0] == "*":
        takes_one = bool(text) and text[0] != "/" and matches_by_hand(glob, text[1:])
        return matches_by_hand(glob[1:], text) or takes_one
    return text[:1] == glob[0] and matches_by_hand(glob[1:], text[1:])


@given(st.text("ab/*", max_size=7), st.text("abc/", max_size=8))
def test_a_glob_matches_what_its_definition_says(written: str, text: str) -> None:
    assert Glob(written).matches(text) == matches_by_hand(written, text)


@given(st.text(max_size=10), st.text(max_size=10))
def test_what_is_no_wildcard_is_itself(written: str, text: str) -> None:
    """A dot is a dot, a bracket a bracket: nothing of a regular expression is left."""
    assume("*" not in written)

    assert Glob(written).matches(written)
    assert Glob(written).matches(text) == (written == text)


@pytest.mark.parametrize(
    ("written", "text", "expected"),
    [
        ("shop/*", "shop/web", True),
        ("shop/*", "shop/web/api", False),
        ("shop/*", "shop/", True),
        ("shop/*", "ashop/web", False),
        ("shop/**", "shop/web/api", True),
        ("**/web", "r.example/shop/web", True),
        ("**/web", "web", False),
        ("a*b*c", "abbbc", True),
        ("a*b*c", "ac", False),
        ("a***c", "ab/bc", True),
        ("*", "", True),
        ("web\n", "web", False),
        ("web", "web\n", False),
        ("we*", "web\n", True),
    ],
)
def test_a_glob_matches_whole_texts(written: str, text: str, expected: bool) -> None:  # noqa: FBT001 - a case
    assert Glob(written).matches(text) is expected


def test_no_text_makes_a_glob_slow() -> None:
    """A regular expression would try this in a number of ways with a hundred digits; the text is a stranger's."""
    hostile = Glob("*a" * 100 + "b")
    began = time.process_time()
    found = hostile.matches("a" * 1000)

    assert found is False
    assert time.process_time() - began < 5


@settings(max_examples=150)
@given(GLOBS, GLOBS)
def test_what_covers_another_matches_all_that_it_matches(wide: str, narrow: str) -> None:
    """Exact on small globs: a difference shows in a short name or nowhere."""
    assume("*" in narrow or narrow in SMALL_NAMES)
    one, other = Glob(wide), Glob(narrow)
    differs = [name for name in SMALL_NAMES if other.matches(name) and not one.matches(name)]

    assert one.covers(other, NAMES) == (not differs)


@pytest.mark.parametrize(
    ("wide", "narrow"), [("a/**", "a/*"), ("*/**", "**"), ("**/*", "**"), ("a/*b*", "a/b*"), ("a/x", "a/x")]
)
def test_covering_is_about_names_that_can_be(wide: str, narrow: str) -> None:
    """Every name has a registry and a repository, so `*/**` is every name."""
    assert Glob(wide).covers(Glob(narrow), NAMES)


@pytest.mark.parametrize(("wide", "narrow"), [("a/*", "a/**"), ("a/b*", "a/*b*"), ("*", "**"), ("a/x", "a/*")])
def test_what_matches_less_covers_nothing(wide: str, narrow: str) -> None:
    assert not Glob(wide).covers(Glob(narrow), NAMES)


def test_in_words_without_a_slash_both_wildcards_are_the_same() -> None:
    assert Glob("1.*").covers(Glob("1.**"), WORDS)


def test_what_is_too_dear_to_find_out_is_not_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that is called unreachable is refused: better not to say it than to say it wrongly."""
    wide, narrow = Glob("x/*a**b**"), Glob("x/*ab*")
    assert wide.covers(narrow, NAMES)
    monkeypatch.setattr(glob, "PAIRS_LIMIT", 3)

    assert not wide.covers(narrow, NAMES)
