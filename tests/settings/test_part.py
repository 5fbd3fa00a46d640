from __future__ import annotations

from pathlib import Path

import pytest

from router.errors import ConfigurationError
from router.settings.part import outbox_settings
from tests.settings.configurations import SMALL, example, written


def test_the_outbox_is_known_without_any_secret(tmp_path: Path) -> None:
    """Whoever lists deliveries in a shell has none of the secrets of the running router."""
    settings = outbox_settings(written(tmp_path, example()))

    assert settings.keep == 30 * 86400


@pytest.mark.parametrize(
    ("text", "word"),
    [("", "the file is empty"), (SMALL.replace("sqlite", "oracle"), "oracle"), ("cluster: a\n", "outbox")],
)
def test_what_says_nothing_of_use_about_the_outbox_is_refused(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        outbox_settings(written(tmp_path, text))


@pytest.mark.parametrize("text", ["cluster: a\n", "outbox: {url: 'mysql://u:hush-4711@db.example/x'}\n", "outbox: 7\n"])
def test_what_is_wrong_is_told_in_our_words(tmp_path: Path, text: str) -> None:
    """On one line, and without what stands there: it may hold a password."""
    with pytest.raises(ConfigurationError) as raised:
        outbox_settings(written(tmp_path, text))

    told = str(raised.value)
    assert not [one for one in ("pydantic", "\n", "input_value", "hush-4711") if one in told], told
    assert "outbox" in told


def test_a_configuration_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        outbox_settings(tmp_path / "gone.yaml")
