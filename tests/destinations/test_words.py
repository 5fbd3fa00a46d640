from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.destinations.words import GRAM, REDACTED, WORDS_LIMIT, Words

SECRET = "xoxb-4711-ABCDEFGH"
TOLD = [
    ("channel_not_found", "channel_not_found"),
    ("no\r\nsuch\tchannel\0", "no such channel"),
    (f"token {SECRET} is unknown", f"token {REDACTED} is unknown"),
    (f"token {SECRET.lower()} is unknown", f"token {REDACTED} is unknown"),
    (f"token {SECRET[3:10]}... is unknown", f"token {REDACTED}... is unknown"),
    (f"İ{SECRET}İ", f"İ{REDACTED}İ"),
    (f"{SECRET}{SECRET}", REDACTED),
]


@pytest.mark.parametrize(("said", "shown"), TOLD, ids=range(len(TOLD)))
def test_words_are_shown_without_what_is_secret(said: str, shown: str) -> None:
    assert Words([SECRET]).shown(said) == shown


def test_a_secret_at_the_cut_is_none_less() -> None:
    assert SECRET[:GRAM] not in Words([SECRET]).shown("a " * (WORDS_LIMIT // 2 - 4) + SECRET)


@given(st.text(max_size=300), st.text(max_size=40), st.text(max_size=300))
def test_no_part_of_a_secret_is_ever_shown(before: str, secret: str, after: str) -> None:
    shown = Words([secret]).shown(before + secret + after)

    assert len(shown) <= WORDS_LIMIT
    assert shown.isprintable()
    grams = {secret[start : start + GRAM] for start in range(len(secret) - GRAM + 1)}
    assert not [one for one in grams if one in shown.replace(REDACTED, "")]
