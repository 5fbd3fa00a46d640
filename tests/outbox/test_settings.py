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


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://gatecrier:hunter2@db/events", '"postgresql://" is not an outbox'),
        ("gatecrier:hunter2://db/events", "a text of 20 characters that is no beginning of a URL) is not an outbox"),
        ("gatecrier:hunter2@db/events", "a text of 27 characters that is no beginning of a URL) is not an outbox"),
    ],
)
def test_a_refused_scheme_is_named_without_what_may_be_a_password(url: str, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        OutboxSettings(url=url)
    (problem,) = refused.value.errors(include_input=False)

    assert said in problem["msg"]
    assert "hunter2" not in problem["msg"]
