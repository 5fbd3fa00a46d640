"""What a value in the configuration can be: a duration, a size, a listen address, a path, a secret by reference.

Settings of every component are made of these types, so that "8s" means the same everywhere and every mistake is
told in the same words. A validator reads nothing by itself: the file's folder, the environment and the reader of
files come in the validation context (`ReadingContext`), which the loader of the configuration gives. Without a
context (a schema is generated, a test builds settings by hand) paths stay as written and secrets stay unread.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

SECRET_LIMIT = 64 * 1024
"""Bytes of a secret or key file: far more than any token, far less than a mistake such as /dev/zero."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MILLISECONDS = {unit: size * 1000 for unit, size in _UNITS.items()}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,9})(B|KiB|MiB|GiB)", re.ASCII)
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_HOST_NAME = re.compile(r"(?!.*\.?[0-9]+$)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", re.ASCII)
_HIGHEST_PORT = 65535
_SPACE, _DELETE = 0x20, 0x7F
_SHOWN = 120
_SIZES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


@dataclass(frozen=True, slots=True)
class ReadingContext:
    """What validators may know of the world: given as pydantic's validation context under the key `reading`."""

    folder: Path
    """Relative paths are relative to the folder of the configuration file."""
    environment: Mapping[str, str]
    read: Callable[[Path, int], bytes]
    """Read a whole file of at most so many bytes; raises OSError, or ValueError where it is larger."""


def reading_context(info: ValidationInfo) -> ReadingContext | None:
    """The context that the loader gave, or None."""
    context = info.context
    found = context.get("reading") if isinstance(context, Mapping) else None
    return found if isinstance(found, ReadingContext) else None


@dataclass(frozen=True, slots=True)
class OnlyAtStart:
    """Marks a setting that is read at the start only: another value counts after the next one."""


class SettingsModel(BaseModel):
    """A part of the configuration: frozen, refuses unknown keys; the text beneath a field says what it means.

    Making one is a part of every start, so it is cheap: validators are built once with the whole, and the texts are
    read by whoever shows them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _seconds(value: object, info: ValidationInfo) -> object:
    if isinstance(value, float) and reading_context(info) is None:
        return value  # settings built by hand; in a file a number has no unit
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{_shown(value)} is no duration; write a number and a unit: ms, s, m, h, d (500ms, 8s, 30d)")
    return float(match[1]) * _UNITS[match[2]]


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("a duration must be more than nothing")
    return value


def _in_largest_unit(value: float, units: Mapping[str, float]) -> str:
    unit = next(name for name, size in sorted(units.items(), key=lambda item: -item[1]) if (value / size).is_integer())
    return f"{value / units[unit]:.0f}{unit}"


def duration_text(value: float) -> str:
    """Seconds as they are written: in the largest unit that needs no fraction; less than 1 ms is lost."""
    return _in_largest_unit(round(value * 1000), _MILLISECONDS)


def size_text(value: int) -> str:
    """Bytes as they are written: in the largest unit that needs no fraction."""
    return _in_largest_unit(value, _SIZES)


Duration = Annotated[
    float,
    BeforeValidator(_seconds),
    AfterValidator(_positive),
    PlainSerializer(duration_text, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "title": "duration",
            "type": "string",
            "pattern": r"^[0-9]{1,9}(\.[0-9]{1,3})?(ms|s|m|h|d)$",
            "examples": ["8s"],
        }
    ),
]
"""Seconds, written as a number and a unit: 500ms, 8s, 5m, 4h, 30d."""


def _bytes(value: object, info: ValidationInfo) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and reading_context(info) is None:
        return value  # settings built by hand; in a file a number has no unit
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{_shown(value)} is no size; write a whole number and one of B, KiB, MiB, GiB, such as 32MiB")
    return int(match[1]) * _SIZES[match[2]]


Size = Annotated[
    int,
    BeforeValidator(_bytes),
    Field(gt=0),
    PlainSerializer(size_text, return_type=str, when_used="json"),
    WithJsonSchema(
        {"title": "size", "type": "string", "pattern": "^[0-9]{1,9}(B|KiB|MiB|GiB)$", "examples": ["32MiB"]}
    ),
]
"""Bytes, written as a whole number and a unit: 512B, 64KiB, 32MiB."""


def _name(value: str) -> str:
    if _NAME.fullmatch(value) is None:
        raise ValueError(
            f"{_shown(value)} is no name; write lower-case letters, digits and . _ - between them, at most 63"
        )
    return value


Name = Annotated[
    str, AfterValidator(_name), WithJsonSchema({"title": "name", "type": "string", "pattern": f"^{_NAME.pattern}$"})
]
"""What verifiers, keys and destinations are called: lower-case letters, digits, `.`, `_`, `-`; at most 63."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where a server listens. `host` may be empty: every address of the machine."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _listen_address(value: object) -> object:
    if isinstance(value, ListenAddress):
        return value
    host, found, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not found or _PORT.fullmatch(port) is None or not 0 < int(port) <= _HIGHEST_PORT:
        advice = 'write HOST:PORT, such as "0.0.0.0:8443" or "[::]:8443", with a port from 1 to 65535'
        raise ValueError(f"{_shown(value)} is no address to listen on; {advice}")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if ":" in host and not is_bracketed:
        raise ValueError(f"{_shown(value)} is no address to listen on; an IPv6 address stands in brackets")
    host = host[1:-1] if is_bracketed else host
    if not (_is_address(host, 6) if is_bracketed else _is_host(host)):
        raise ValueError(
            f"{_shown(value)} is no address to listen on; {_shown(host)} is neither an address nor a host name"
        )
    return ListenAddress(host, int(port))


def _is_host(text: str) -> bool:
    return not text or _is_address(text, 4) or _HOST_NAME.fullmatch(text) is not None


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


Listen = Annotated[
    ListenAddress,
    BeforeValidator(_listen_address),
    WithJsonSchema({"title": "address", "type": "string", "pattern": "^.*:[0-9]{1,5}$", "examples": ["0.0.0.0:8443"]}),
]
"""HOST:PORT; an empty host means every address."""


def _network(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return value
    try:
        if not isinstance(value, str):
            raise ValueError("expected a text")  # noqa: TRY301, TRY004 - pydantic reports ValueError, worded below
        return ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f"{_shown(value)} is no network; write ADDRESS/BITS, such as 10.0.0.0/8 ({error})") from error


Network = Annotated[
    ipaddress.IPv4Network | ipaddress.IPv6Network,
    PlainValidator(_network),
    WithJsonSchema({"title": "network", "type": "string", "examples": ["10.0.0.0/8", "fd00::/8"]}),
]
"""A network in CIDR notation."""


def _path_as_written(value: object) -> object:
    if isinstance(value, str) and (not value or "\0" in value):
        raise ValueError(f"{_shown(value)} is no path")
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
