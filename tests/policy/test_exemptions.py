"""Exemptions: what they speak for, where, and until when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.images import parse_reference
from router.policy import Exemptions, ExemptionSettings, ImagePattern
from router.policy.glob import Glob

NOW = 1_790_000_000.0
IMAGE = "registry.example/legacy/app:1"


def exemption(pattern: str = "registry.example/legacy/*", *namespaces: str, **more: object) -> ExemptionSettings:
    given = {"pattern": pattern, "namespaces": namespaces or ("batch-*",), "until": NOW + 60, "reason": "SEC-1"}
    return ExemptionSettings.model_validate({**given, **more})


def found(
    *settings: ExemptionSettings,
    image: str = IMAGE,
    namespace: str = "batch-1",
    now: float = NOW,
    invalid: bool = False,
) -> ExemptionSettings | None:
    return Exemptions(settings, lambda: now).find(parse_reference(image), namespace, is_invalid=invalid)


@pytest.mark.parametrize(
    ("image", "namespace", "is_found"),
    [
        (IMAGE, "batch-1", True),
        (IMAGE, "batch-", True),
        (f"{IMAGE}@sha256:{'ab' * 32}", "batch-1", True),
        ("registry.example:443/legacy/app", "batch-1", True),
        (IMAGE, "shop", False),
        (IMAGE, "xbatch-1", False),
        (IMAGE, "", False),
        (IMAGE, "batch-1 batch-2", False),
        (IMAGE, "batch-A", False),
        (IMAGE, "batch-" + "a" * 300, False),
        ("registry.example/legacy/deep/app:1", "batch-1", False),
        ("other.example/legacy/app:1", "batch-1", False),
    ],
)
def test_it_speaks_for_its_images_in_its_namespaces(image: str, namespace: str, *, is_found: bool) -> None:
    assert (found(exemption(), image=image, namespace=namespace) is not None) == is_found


def test_a_pattern_with_a_tag_speaks_for_that_tag_without_a_digest() -> None:
    """As a rule's pattern does: the tag beside a digest decides nothing."""
    tagged = exemption("registry.example/legacy/app:1")

    assert found(tagged) is tagged
    assert found(tagged, image="registry.example/legacy/app:2") is None
    assert found(tagged, image=f"{IMAGE}@sha256:{'ab' * 32}") is None


@pytest.mark.parametrize(("seconds", "is_found"), [(59.999, True), (60, False), (61, False)])
def test_nothing_is_let_in_from_its_end_on(seconds: float, *, is_found: bool) -> None:
    assert (found(exemption(), now=NOW + seconds) is not None) == is_found


def test_an_invalid_signature_is_let_in_only_where_that_is_said() -> None:
    lasting, even = exemption(until=NOW + 600), exemption(even_invalid=True)

    assert found(lasting, invalid=True) is None
    assert found(lasting, even, invalid=True) is even
    assert found(lasting, even) is lasting


def test_of_several_the_one_that_ends_last_counts() -> None:
    early, late = exemption(reason="early"), exemption("**", "*", until=NOW + 90, reason="late")

    assert found(early, late) is late
    assert found(late, early, now=NOW + 70) is late


def test_it_is_about_namespaces_whether_it_has_ended_or_not() -> None:
    exemptions = Exemptions([exemption()], lambda: NOW + 1e9)

    assert exemptions.concern("batch-1")
    assert not exemptions.concern("shop")
    assert not Exemptions([], lambda: NOW).concern("batch-1")


PATTERNS = st.sampled_from(["**", "r.example/**", "r.example/a/*", "r.example/a/b:1", "r.example/a/b:1@*", "nginx"])
GLOBS = st.sampled_from(["*", "a", "a-*", "*-b", "a-*-b"])
MANY = st.lists(
    st.builds(
        lambda pattern, namespaces, seconds, even: exemption(
            pattern, *namespaces, until=NOW + seconds, even_invalid=even
        ),
        PATTERNS,
        st.lists(GLOBS, min_size=1, max_size=3),
        st.integers(-2, 2).map(float),
        st.booleans(),
    ),
    max_size=6,
)


@given(
    MANY,
    st.sampled_from(["r.example/a/b:1", "r.example/a/b", f"r.example/a/b:1@sha256:{'ab' * 32}", "nginx", "x.test/y"]),
    st.sampled_from(["a", "a-b", "a-x-b", "b", ""]),
    st.booleans(),
)
def test_it_finds_what_the_definition_says(
    settings: list[ExemptionSettings],
    image: str,
    namespace: str,
    invalid: bool,  # noqa: FBT001 - drawn
) -> None:
    """All are asked at once; asked one by one they say the same."""
    reference = parse_reference(image)
    speaking = [
        one
        for one in settings
        if ImagePattern.parse(one.pattern).matches(reference)
        and any(Glob(glob).matches(namespace) for glob in one.namespaces)
        and (one.even_invalid or not invalid)
        and one.until > NOW
    ]
    last = max((one.until for one in speaking), default=None)
    one = found(*settings, image=image, namespace=namespace, invalid=invalid)

    assert (None if one is None else one.until) == last
    assert one is None or one in speaking
