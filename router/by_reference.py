"""What the configuration names instead of holding it: paths, files, and secrets by reference.

A relative path is relative to the configuration file. Files are read, within limits, and variables of the environment
looked up through the reading context (`router.fields.ReadingContext`). Without one paths stay as written and secrets
stay unread.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from router.fields import SettingsModel, reading_context
from router.shortening import shown

SECRET_LIMIT = 64 * 1024
"""Bytes of a secret or key file: far more than any token, far less than a mistake such as /dev/zero."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_SPACE, _DELETE = 0x20, 0x7F


def _path_as_written(value: object) -> object:
    if isinstance(value, str) and (not value or "\0" in value):
        raise ValueError(f"{shown(value)} is no path")
    return value


def _resolved(value: Path, info: ValidationInfo) -> Path:
    context = reading_context(info)
    return value if context is None else context.folder / value


RelativePath = Annotated[
    Path,
    BeforeValidator(_path_as_written),
    AfterValidator(_resolved),
    WithJsonSchema({"title": "path", "type": "string", "minLength": 1}),
]
"""A path; a relative one is relative to the configuration file."""


def read_reference(path: Path, info: ValidationInfo, what: str) -> bytes | None:
    """The content of a file that the configuration names, or None without a reading context.

    Raises:
        ValueError: The file can't be read; the text names it and what it was wanted for.
    """
    context = reading_context(info)
    if context is None:
        return None
    try:
        return context.read(context.folder / path, SECRET_LIMIT)
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else str(error)
        raise ValueError(f"{what} {str(path)!r} can't be read: {cause}") from error


class Secret(SettingsModel):
    """A secret by reference: `{file: PATH}` or `{env: NAME}`, never a literal. Surrounding white space is dropped."""

    model_config = ConfigDict(
        json_schema_extra={"title": "secret", "oneOf": [{"required": ["file"]}, {"required": ["env"]}]}
    )

    file: Path | None = None
    """A file that holds the secret and nothing else; relative to the configuration file."""
    env: str | None = None
    """A variable of the environment that holds it."""
    _value: SecretStr = PrivateAttr(default=SecretStr(""))

    @model_validator(mode="before")
    @classmethod
    def _is_reference(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError("a secret is a reference, {file: PATH} or {env: NAME}, never a literal")  # noqa: TRY004 - pydantic reports ValueError
        return value

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Self:
        if (self.file is None) == (self.env is None):
            raise ValueError("name exactly one of file and env, such as {file: /run/secrets/token} or {env: TOKEN}")
        if self.env is not None:
            self._value = _from_environment(self.env, info)
        elif self.file is not None and (content := read_reference(self.file, info, "the secret file")) is not None:
            try:
                text = content.decode().strip()
            except UnicodeDecodeError as error:
                raise ValueError(f"the secret file {str(self.file)!r} is not UTF-8 text") from error
            if not text:
                raise ValueError(f"the secret file {str(self.file)!r} is empty")
            self._value = _of_one_line(text, f"the secret file {str(self.file)!r}")
        return self

    def reveal(self) -> str:
        """The secret itself: hand it to the wire, never to a log, an error or a metric."""
        return self._value.get_secret_value()


def _from_environment(name: str, info: ValidationInfo) -> SecretStr:
    if _VARIABLE.fullmatch(name) is None:
        # It may be the secret itself, written at the wrong place: it is not repeated.
        raise ValueError("env is no name of an environment variable; write letters, digits and _, such as SLACK_URL")
    if (context := reading_context(info)) is None:
        return SecretStr("")
    if not (value := context.environment.get(name, "").strip()):
        raise ValueError(f"the environment variable {name!r} is not set or empty")
    return _of_one_line(value, f"the environment variable {name!r}")


def _of_one_line(value: str, what: str) -> SecretStr:
    # A secret goes into URLs and headers, where a line break would begin something else.
    if any(ord(character) < _SPACE or ord(character) == _DELETE for character in value):
        raise ValueError(f"{what} holds a control character or more than one line; a secret is one line of text")
    return SecretStr(value)
