from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from pydantic import ValidationError

from router.errors import ConfigurationError
from router.fields import ReadingContext
from router.pem import Pair, PairSettings
from router.server.certificates import self_signed
from router.settings.snapshot import read_file

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def written(folder: Path, name: str) -> Pair:
    """A pair, and its two files."""
    pair = self_signed([name], NOW)
    (folder / f"{name}.crt").write_bytes(pair.certificate)
    (folder / f"{name}.key").write_bytes(pair.key)
    return pair


def read(folder: Path, certificate: str, key: str) -> PairSettings:
    """These files, read as with a configuration."""
    context = {"reading": ReadingContext(folder, {}, read_file)}
    return PairSettings.model_validate({"certificate": certificate, "key": key}, context=context)


def test_a_pair_is_what_its_files_were_when_they_were_read(tmp_path: Path) -> None:
    """Renewed files are another configuration: half of one and half of the other would be no pair."""
    pair = written(tmp_path, "a")
    settings = read(tmp_path, "a.crt", "a.key")
    written(tmp_path, "a")

    assert settings.pair == pair


def test_every_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as caught:
        read(tmp_path, "gone.crt", "gone.key")

    assert [error["loc"] for error in caught.value.errors()] == [("certificate",), ("key",)]


def test_a_pair_that_nobody_has_read_is_none(tmp_path: Path) -> None:
    settings = PairSettings(certificate=tmp_path / "a.crt", key=tmp_path / "a.key")

    with pytest.raises(ConfigurationError, match="were not read"):
        _ = settings.pair


def test_no_key_is_shown_to_whoever_prints_a_pair() -> None:
    pair = self_signed(["a"], NOW)

    assert "PRIVATE" not in repr(pair) + str(pair)
