from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.policy import Enforcement, EnforcementSettings
from router.policy.glob import Glob
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


NOT_A_NAMESPACE = ["a" * 254, "team-" + "a" * 1_000_000, "team-\ud800", "team-a/b", "team-A", "team-a ", "team-a\n"]


@pytest.mark.parametrize("namespace", NOT_A_NAMESPACE)
def test_what_is_no_namespace_is_in_nobodys_list(namespace: str) -> None:
    """Only what is said of everything holds for it: no pattern that it was made for turns blocking on or off."""
    listed = enforcement(namespaces={"team-*": "enforce", "*a": "enforce"}, never_block=["team-*"])
    spared = enforcement(default="enforce", namespaces={"team-*": "detect", "a*": "detect"}, never_block=["team-*"])
    everywhere = enforcement(namespaces={"*": "enforce", "a*": "detect"}, never_block=["**"])

    assert (listed.mode(namespace), listed.never_blocks(namespace)) == (Mode.DETECT, False)
    assert (spared.mode(namespace), spared.never_blocks(namespace)) == (Mode.ENFORCE, False)
    assert (everywhere.mode(namespace), everywhere.never_blocks(namespace)) == (Mode.ENFORCE, True)


NAMESPACES = st.from_regex(r"[a-c0-9]([a-c-]{0,6}[a-c])?", fullmatch=True)
PATTERNS = st.from_regex(r"[a-c*]([a-c*-]{0,4}[a-c*])?", fullmatch=True)


@given(st.dictionaries(PATTERNS, st.sampled_from(["enforce", "detect"]), max_size=6), st.lists(NAMESPACES, min_size=1))
def test_the_mode_is_that_of_the_first_pattern_in_order_of_specificity(
    patterns: dict[str, str], names: list[str]
) -> None:
    made = enforcement(namespaces=patterns, never_block=list(patterns)[:2])
    order = sorted(patterns, key=lambda pattern: -len(pattern.replace("*", "")))

    for name in names:
        matching = [pattern for pattern in order if Glob(pattern).matches(name)]
        assert made.mode(name).value == (patterns[matching[0]] if matching else "detect")
        assert made.never_blocks(name) == bool({*matching} & {*list(patterns)[:2]})


def test_no_namespace_is_slow_or_stays_in_memory() -> None:
    """Whoever reaches the port writes it: a text of millions of characters must not hold everybody else up."""
    made = enforcement(namespaces={"team-*": "enforce", "*-x-*": "enforce"}, never_block=["gate-*"])
    texts = ["team-" + "a" * 14_000_000, *(f"{'a-' * 120}{number}" for number in range(2000))]
    tracemalloc.start()
    try:
        before, began = tracemalloc.get_traced_memory()[0], time.process_time()
        for text in texts:
            made.mode(text)
            made.never_blocks(text)
        took, grown = time.process_time() - began, tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert took < 1
    assert grown < 100_000


MODES = st.sampled_from(list(Mode))
STRICTNESS = [Mode.DETECT, Mode.ENFORCE]


@given(st.dictionaries(PATTERNS, MODES, max_size=4), MODES, NAMESPACES, MODES)
def test_a_label_only_raises(patterns: dict[str, Mode], default: Mode, name: str, label: Mode) -> None:
    """Who may label a namespace may be somebody else than who wrote the file."""
    made = enforcement(default=default.value, namespaces=patterns, label="a/b")

    assert made.mode(name, label) is max(made.mode(name), label, key=STRICTNESS.index)


@given(st.dictionaries(PATTERNS, MODES, max_size=4), NAMESPACES, st.lists(PATTERNS, max_size=3), MODES)
def test_where_a_label_may_lower_it_decides_alone(
    patterns: dict[str, Mode], name: str, lowered: list[str], label: Mode
) -> None:
    made = enforcement(default="enforce", namespaces=patterns, label="a/b", label_may_lower=lowered)

    if any(Glob(pattern).matches(name) for pattern in lowered):
        assert made.mode(name, label) is label
    else:
        assert made.mode(name, label) is max(made.mode(name), label, key=STRICTNESS.index)


@pytest.mark.parametrize("label", Mode)
@pytest.mark.parametrize("said", Mode)
def test_what_is_in_no_namespace_bears_no_label(said: Mode, label: Mode) -> None:
    """A `namespaceSelector` lets every cluster-scoped object through: both webhooks are called about it."""
    made = enforcement(default=said.value, label="a/b", label_may_lower=["*"])

    assert made.mode("", label) is said


@pytest.mark.parametrize("label", Mode)
@pytest.mark.parametrize("namespace", NOT_A_NAMESPACE)
def test_no_pattern_lowers_what_is_no_namespace(namespace: str, label: Mode) -> None:
    listed = enforcement(default="enforce", label="a/b", label_may_lower=["team-*", "a*"])
    everywhere = enforcement(default="enforce", label="a/b", label_may_lower=["*"])

    assert listed.mode(namespace, label) is Mode.ENFORCE
    assert everywhere.mode(namespace, label) is label
