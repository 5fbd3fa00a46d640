from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from router.errors import ConfigurationError
from router.pem import AUTHORITIES_LIMIT
from router.registry import RegistryClient, RegistrySettings
from tests.simulators.certificates import self_signed
from tests.simulators.registry import registry_settings


def validated(folder: Path, **values: object) -> RegistrySettings:
    return registry_settings(folder, host="a.example", **values)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ca.pem").write_bytes(self_signed().certificate * 2)
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"a.example": {"username": "u", "password": "p"}}}))
    (tmp_path / "other.json").write_text(json.dumps({"auths": {"b.example": {"username": "u", "password": "p"}}}))
    (tmp_path / "text").write_text("secret")
    (tmp_path / "key.pem").write_bytes(self_signed().key)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (tmp_path / "large").write_bytes(b" " * (AUTHORITIES_LIMIT + 1))
    return tmp_path


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("a.example", "a.example"),
        ("A.Example:5000", "a.example:5000"),
        ("index.docker.io", "docker.io"),
        ("Registry-1.docker.io:443", "docker.io"),
        ("a.example:0443", "a.example"),
        ("Shop", "shop:443"),
    ],
)
def test_a_host_stands_as_images_name_it(host: str, expected: str) -> None:
    assert RegistrySettings(host=host).host == expected


@pytest.mark.parametrize(
    "host",
    ["", "shop", "https://a.example", "a.example/team", "a_b.example", "a.example:", " a.b", "127.1", "a.example:0"],
)
def test_a_host_that_no_image_can_name_is_refused(host: str) -> None:
    with pytest.raises(ValidationError, match="without scheme and path"):
        RegistrySettings(host=host)


def test_files_are_read_while_the_configuration_is_validated(folder: Path) -> None:
    settings = validated(folder, ca="ca.pem", credentials={"file": "config.json"})
    for name in ("ca.pem", "config.json"):
        (folder / name).unlink()

    assert "BEGIN CERTIFICATE" in str(settings.authorities())
    assert settings.known_credentials().speaks_of("a.example")


@pytest.mark.parametrize(
    ("values", "because"),
    [
        ({"ca": "none.pem"}, 'the CA file .*none.pem" can'),
        ({"ca": "text"}, "holds no certificate"),
        ({"ca": "key.pem"}, "holds no certificate"),
        ({"ca": "bytes"}, "holds no certificate"),
        ({"ca": "broken.pem"}, "holds no certificate"),
        ({"ca": "large"}, "it has more than"),
        ({"ca": "ca.pem", "plain_http": True}, "no meaning"),
        ({"credentials": {"file": "none.json"}}, 'none.json" can'),
        ({"credentials": {"file": "text"}}, "not valid JSON"),
        ({"credentials": {"file": "other.json"}}, 'no entry under "auths" for "a.example"'),
        ({"credentials": "config.json"}, "CredentialsSettings"),
        ({"insecure": True}, "insecure"),
    ],
)
def test_a_mistake_is_told_with_its_place(values: dict[str, object], because: str, folder: Path) -> None:
    with pytest.raises(ValidationError, match=because) as caught:
        validated(folder, **values)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("settings", [{"ca": "ca.pem"}, {"credentials": {"file": "config.json"}}])
def test_a_client_reads_no_file(settings: dict[str, object]) -> None:
    """What was not read with the configuration was not checked with it, and another process may not have it."""
    with pytest.raises(ConfigurationError, match="was not read"):
        RegistryClient([RegistrySettings.model_validate({"host": "a.example"} | settings)])
