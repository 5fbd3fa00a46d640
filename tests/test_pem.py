from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Self

import pytest
from pydantic import PrivateAttr, ValidationError, ValidationInfo, model_validator

from router.by_reference import RelativePath
from router.errors import ConfigurationError
from router.fields import ReadingContext, SettingsModel
from router.pem import KeyPair, PairSettings, all_certificates, first_certificate, read_authorities
from router.server.certificates import self_signed
from router.settings.snapshot import read_file
from tests.simulators.versions import of_no_version

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def written(folder: Path, name: str) -> KeyPair:
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


class Trusting(SettingsModel):
    """Settings with a CA file."""

    ca: RelativePath
    _ca: str | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Self:
        self._ca = read_authorities(self.ca, info)
        return self


@pytest.mark.parametrize(
    "content", [b"", b"secret", b"\xff", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_a_certificate_is_told_by_its_name(content: bytes, tmp_path: Path) -> None:
    """A context without any would trust nobody, and the cause would show only when an alert fails."""
    (tmp_path / "ca.pem").write_bytes(content)

    with pytest.raises(ValidationError, match=r"ca\.pem\" holds no certificate that can be read"):
        Trusting.model_validate({"ca": "ca.pem"}, context={"reading": ReadingContext(tmp_path, {}, read_file)})


def test_a_file_of_cas_is_read_as_systems_ship_them(tmp_path: Path) -> None:
    """With names in any language between the certificates, a byte order mark, and the hundreds of a system."""
    pem = self_signed(["a"], NOW).certificate
    shipped = b"\xef\xbb\xbf" + pem + "# Autorit\u00e9 de certification\r\n".encode() + pem
    (tmp_path / "ca.pem").write_bytes(shipped + b"# another\n" * 20_000)

    found = Trusting.model_validate({"ca": "ca.pem"}, context={"reading": ReadingContext(tmp_path, {}, read_file)})

    assert found._ca is not None
    assert found._ca.count("BEGIN CERTIFICATE") == 2


def test_a_certificate_that_no_library_reads_is_a_wrong_value_and_no_crash() -> None:
    pem = self_signed(["a"], NOW).certificate
    unread = of_no_version(pem)

    assert first_certificate(pem + unread) == all_certificates(pem)[0]
    for read in (first_certificate, all_certificates):
        with pytest.raises(ValueError, match="version"):
            read(unread)
