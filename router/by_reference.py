"""What the configuration names instead of holding it: paths, files, and secrets by reference.

A relative path is relative to the configuration file. Files are read, within limits, and variables of the environment
looked up through the reading context (`router.fields.ReadingContext`). Without one paths stay as written and secrets
stay unread; offline secrets stay unread, too.

What is named is repeated in an error only where it looks like a name (`shown_name`): people paste the
secret itself where its name belongs, and errors go to logs and tickets. Offline nobody looks whether it is
there: what looks like no name is a mistake by itself.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, ClassVar, Self

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

from router.fields import ReadingContext, SettingsModel, reading_context
from router.text import shown, why_unread

SECRET_LIMIT = 64 * 1024
"""Bytes of a secret or key file: far more than any token, far less than a mistake such as /dev/zero."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_SHOWN_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_FILE = re.compile(r"(?!.*:/)[^\s?\x00-\x1f\x7f]{1,255}")
"""What a file is called; `:/` stands for `://`, of which a path has lost a stroke."""
_TOKENS = (
    *(
        "AIza",
        "AKIA",
        "ASIA",
        "ATATT",
        "ATCTT",
        "SG.",
        "dckr_",
        "dop_v1_",
        "eyJ",
        "github_pat_",
        "gho_",
        "ghp_",
        "ghr_",
    ),
    *("ghs_", "ghu_", "glpat-", "hvb.", "hvs.", "npm_", "pypi-", "rk_live_", "rk_test_", "shpat_", "sk-", "sk_live_"),
    *("sk_test_", "sntrys_", "whsec_", "xapp-", "xoxa-", "xoxb-", "xoxe", "xoxp-", "xoxs-", "ya29."),
)
"""What the tokens of well-known services begin with."""
_SPACE, _DELETE = 0x20, 0x7F


def _path_as_written(value: object) -> object:
    if isinstance(value, str) and (not value or "\0" in value):
        raise ValueError("an empty text, or one with NUL, is not a valid path")
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


def read_reference(path: Path, info: ValidationInfo, what: str, limit: int = SECRET_LIMIT) -> bytes | None:
    """The content of a file that the configuration names, of at most `limit` bytes; None without a reading context.

    Raises:
        ValueError: The file can't be read, or, offline, has no name that a file could have; the text names it and what
            it was wanted for.
    """
    context = reading_context(info)
    if context is None:
        return None
    if context.is_offline:
        written = _as_written(path, context)
        if not _is_name(str(written).replace(" ", ""), _FILE) or written == Path():
            raise ValueError(f"{what} {shown_file(path, info)} can't be one; write the path of a file")
        return None
    try:
        return context.read(context.folder / path, limit)
    except (OSError, ValueError) as error:
        raise ValueError(f"{what} {shown_file(path, info)} can't be read: {why_unread(error)}") from error


def shown_file(path: Path, info: ValidationInfo | None = None) -> str:
    """The path as errors repeat it, in quotes and as it was written; a remark in its place where it is no such name."""
    context = None if info is None else reading_context(info)
    return shown_name(str(path if context is None else _as_written(path, context)), _FILE, "file name")


def _as_written(path: Path, context: ReadingContext) -> Path:
    """Without the folder of the configuration, which nobody has written into it and which may be called anything."""
    return path.relative_to(context.folder) if path.is_relative_to(context.folder) else path


def shown_variable(name: str) -> str:
    """The same for the name of a variable of the environment."""
    return shown_name(name, _SHOWN_VARIABLE, "name of a variable")


def shown_name(text: str, form: re.Pattern[str], what: str) -> str:
    """The text in quotes where it has this form and begins as no secret that we know; else a remark in its place."""
    if _is_name(text, form):
        return shown(text)
    return f"(a text of {len(text)} characters that is no {what})"


def _is_name(text: str, form: re.Pattern[str]) -> bool:
    return form.fullmatch(text) is not None and not text.startswith(_TOKENS)


class Secret(SettingsModel):
    """A secret by reference: `{file: PATH}` or `{env: NAME}`, never a literal. Surrounding white space is dropped."""

    model_config = ConfigDict(
        json_schema_extra={"title": "secret", "oneOf": [{"required": ["file"]}, {"required": ["env"]}]}
    )

    has_one_line: ClassVar[bool] = True
    """Whether it goes into URLs and headers, where a line break would begin something else."""

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
            self._value = self._from_environment(self.env, info)
        elif self.file is not None and (content := read_reference(self.file, info, "the secret file")) is not None:
            try:
                text = content.decode().strip()
            except UnicodeDecodeError as error:
                raise ValueError(f"the secret file {shown_file(self.file)} is not UTF-8 text") from error
            if not text:
                raise ValueError(f"the secret file {shown_file(self.file)} is empty")
            self._value = self._of_one_line(text, f"the secret file {shown_file(self.file)}")
        return self

    @property
    def is_read(self) -> bool:
        """Whether the secret is there; it is not without a reading context, and offline."""
        return bool(self._value)

    def reveal(self) -> str:
        """The secret itself: hand it to the wire, never to a log, an error or a metric."""
        return self._value.get_secret_value()

    @property
    def hidden(self) -> frozenset[str]:
        """What of it nobody may see, wherever it stands."""
        return frozenset({self.reveal()})

    @classmethod
    def _from_environment(cls, name: str, info: ValidationInfo) -> SecretStr:
        if _VARIABLE.fullmatch(name) is None:
            # It may be the secret itself, written at the wrong place: it is not repeated.
            raise ValueError(
                "env is not a valid name of an environment variable; write letters, digits and _, such as SLACK_URL"
            )
        if (context := reading_context(info)) is None:
            return SecretStr("")
        if context.is_offline:
            if name.startswith(_TOKENS):
                raise ValueError(f"the environment variable {shown_variable(name)} can't be one; write its name")
            return SecretStr("")
        if not (value := context.environment.get(name, "").strip()):
            raise ValueError(f"the environment variable {shown_variable(name)} is not set or empty")
        return cls._of_one_line(value, f"the environment variable {shown_variable(name)}")

    @classmethod
    def _of_one_line(cls, value: str, what: str) -> SecretStr:
        if cls.has_one_line and any(ord(character) < _SPACE or ord(character) == _DELETE for character in value):
            raise ValueError(f"{what} holds a control character or more than one line; a secret is one line of text")
        return SecretStr(value)
