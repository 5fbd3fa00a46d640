from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from router.fields import ReadingContext
from router.policy.ends import End, end_text


def _no_file(path: Path, _limit: int) -> bytes:
    raise FileNotFoundError(path)


CONTEXT = {"reading": ReadingContext(Path("/"), {}, _no_file)}
"""As where it stands in a file."""


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-12-31", "2027-01-01T00:00:00Z"),
        ("2024-02-29", "2024-03-01T00:00:00Z"),
        ("2026-12-31T18:00:00Z", "2026-12-31T18:00:00Z"),
        ("2026-12-31t18:00:00.5z", "2026-12-31T18:00:00Z"),
        ("2026-12-31T18:00:00+02:00", "2026-12-31T16:00:00Z"),
    ],
)
def test_an_end_is_a_day_s_or_a_time(written: str, meant: str) -> None:
    assert end_text(TypeAdapter(End).validate_python(written, context=CONTEXT)) == meant


@pytest.mark.parametrize(
    "written",
    ["", "never", "2026-13-01", "2026-02-30", "9999-12-31", "2026-12-31T18:00:00", "20261231", 1.5, 20261231, None],
)
def test_what_is_no_end_is_refused_and_told(written: object) -> None:
    """A time without its zone would end at another moment on another machine."""
    with pytest.raises(ValidationError, match="write a date"):
        TypeAdapter(End).validate_python(written, context=CONTEXT)


@given(st.integers(0, 250_000_000_000))
def test_an_end_is_written_as_it_would_be_read(seconds: int) -> None:
    adapter = TypeAdapter(End)

    assert adapter.validate_python(end_text(float(seconds)), context=CONTEXT) == seconds
