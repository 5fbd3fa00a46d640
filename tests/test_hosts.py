from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import InvalidReferenceError
from router.hosts import canonical_registry, is_registry
from router.images import parse_reference
from tests.test_images import HOST

SPELLINGS = st.sampled_from(["registry.example", "docker.io", "localhost", "127.0.0.1", "[2001:db8::1]", "a.b-c.d"])


@given(SPELLINGS, st.sampled_from([None, 443, 80, 5000]), st.integers(0, 3), st.randoms(use_true_random=False))
def test_case_zeros_and_the_default_port_change_no_name(host: str, port: int | None, zeros: int, dice: Random) -> None:
    spelt = "".join(dice.choice((letter.lower(), letter.upper())) for letter in host)
    end = "" if port is None else f":{'0' * zeros}{port}"

    assert canonical_registry(spelt + end) == host + ("" if port in {None, 443} else f":{port}")


@given(st.from_regex(rf"{HOST}(:[0-9]{{1,5}})?", fullmatch=True))
def test_a_canonical_registry_is_its_own_canonical_form(text: str) -> None:
    try:
        once = canonical_registry(text)
    except InvalidReferenceError:
        return

    assert canonical_registry(once) == once
    assert is_registry(once)
    assert parse_reference(f"{once}/a/b").name == f"{once}/a/b"


@pytest.mark.parametrize("text", ["reg.example", "a:5000", "localhost", "[::1]:1", "UP"])
def test_a_registry_is_what_a_reference_could_start_with(text: str) -> None:
    assert is_registry(text)


@pytest.mark.parametrize("text", ["shop", "", "a.b/c", "a_b.c", "https://a.b", "a.b\n"])
def test_what_no_reference_could_start_with_is_no_registry(text: str) -> None:
    assert not is_registry(text)
