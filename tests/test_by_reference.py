from __future__ import annotations

from pathlib import Path
from typing import Self

import pytest
from pydantic import TypeAdapter, ValidationError, ValidationInfo, model_validator

from router.by_reference import RelativePath, Secret, read_reference
from router.fields import SettingsModel
from tests.test_fields import context, refused


def test_relative_paths_are_relative_to_the_configuration() -> None:
    path = TypeAdapter(RelativePath).validate_python("tls.crt", context=context())

    assert path == Path("/etc/gatecrier/tls.crt")


def test_absolute_paths_stay_and_without_a_configuration_all_do() -> None:
    adapter = TypeAdapter(RelativePath)

    assert adapter.validate_python("/run/tls.crt", context=context()) == Path("/run/tls.crt")
    assert adapter.validate_python("tls.crt") == Path("tls.crt")


@pytest.mark.parametrize("value", ["", "a\0b"])
def test_what_can_be_no_path_is_refused(value: str) -> None:
    assert "is not a valid path" in refused(TypeAdapter(RelativePath), value)


def test_a_secret_is_read_from_a_file_beside_the_configuration() -> None:
    secret = Secret.model_validate({"file": "slack-url"}, context=context({"/etc/gatecrier/slack-url": b" top \n"}))

    assert secret.reveal() == "top"


def test_a_secret_is_read_from_the_environment() -> None:
    secret = Secret.model_validate({"env": "TOKEN"}, context=context(environment={"TOKEN": "top\n"}))

    assert secret.reveal() == "top"


def test_a_secret_is_in_no_text_about_it() -> None:
    secret = Secret.model_validate({"env": "TOKEN"}, context=context(environment={"TOKEN": "hidden"}))

    assert "hidden" not in f"{secret!r} {secret!s} {secret.model_dump()} {secret.model_dump_json()}"


@pytest.mark.parametrize(
    ("value", "files", "environment", "word"),
    [
        ("xoxb-literal", {}, {}, "never a literal"),
        ({}, {}, {}, "exactly one"),
        ({"file": "a", "env": "B"}, {}, {}, "exactly one"),
        ({"env": "TOKEN"}, {}, {}, '"TOKEN" is not set'),
        ({"env": "TOKEN"}, {}, {"TOKEN": "  "}, '"TOKEN" is not set or empty'),
        ({"env": "TOKEN"}, {}, {"TOKEN": "a\r\nX-Evil: b"}, "more than one line"),
        ({"env": "xoxb-literal"}, {}, {}, "not a valid name of an environment variable"),
        ({"file": "gone"}, {}, {}, '"gone" can\'t be read: No such file'),
        ({"file": "big"}, {"/etc/gatecrier/big": b"x" * 70_000}, {}, "more than 65536 bytes"),
        ({"file": "empty"}, {"/etc/gatecrier/empty": b"\n"}, {}, '"empty" is empty'),
        ({"file": "binary"}, {"/etc/gatecrier/binary": b"\xff"}, {}, "not UTF-8"),
        ({"file": "lines"}, {"/etc/gatecrier/lines": b"a\nb"}, {}, "more than one line"),
    ],
)
def test_a_secret_that_is_none_is_refused_without_being_repeated(
    value: object, files: dict[str, bytes], environment: dict[str, str], word: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Secret.model_validate(value, context=context(files, environment))

    assert word in str(caught.value)
    assert "literal'" not in str(caught.value).replace("never a literal'", "")
    assert "Evil" not in str(caught.value)


@pytest.mark.parametrize("value", [{"file": "a"}, {"env": "A"}])
def test_without_a_reading_context_secrets_stay_unread(value: dict[str, str]) -> None:
    """Schemas and references are made where no secret is."""
    assert Secret.model_validate(value).reveal() == ""


def test_settings_refuse_unknown_keys_and_changes() -> None:
    secret = Secret(env="A")

    with pytest.raises(ValidationError):
        Secret.model_validate({"env": "A", "enw": "B"})
    with pytest.raises(ValidationError):
        secret.env = "B"  # type: ignore[misc]  # that it is refused is the claim


def test_a_reference_is_not_looked_for_without_a_context() -> None:
    class Part(SettingsModel):
        path: RelativePath

        @model_validator(mode="after")
        def _read(self, info: ValidationInfo) -> Self:
            assert read_reference(self.path, info, "the part") is None
            return self

    assert Part(path=Path("gone")).path == Path("gone")
