from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from router.outbox import OutboxSettings


def test_a_file_is_named_relative_or_absolute() -> None:
    assert OutboxSettings(url="sqlite:///data/outbox.db").path == Path("data/outbox.db")
    assert OutboxSettings(url="sqlite:////var/outbox.db").path == Path("/var/outbox.db")


@pytest.mark.parametrize("url", ["postgresql://db/gatecrier", "outbox.db", "sqlite:///", "sqlite://outbox.db"])
def test_what_is_no_sqlite_file_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        OutboxSettings(url=url)

    assert "write sqlite:///PATH, such as sqlite:///outbox.db" in str(refused.value)


def test_a_refused_scheme_is_named_without_what_follows() -> None:
    """A URL of a database may hold a password."""
    with pytest.raises(ValidationError) as refused:
        OutboxSettings(url="postgresql://gatecrier:hunter2@db/events")

    assert '"postgresql" is not an outbox' in refused.value.errors(include_input=False)[0]["msg"]
    assert "hunter2" not in refused.value.errors(include_input=False)[0]["msg"]
