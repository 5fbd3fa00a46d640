"""What a value in the configuration can be: a duration, a size, a name, a listen address, a network.

Settings of every component are made of these types, so that "8s" means the same everywhere and every mistake is
told in the same words. A validator reads nothing by itself: the file's folder, the environment and the reader of
files come in the validation context (`ReadingContext`), which the loader of the configuration gives. There is none
where a schema is generated or a test builds settings by hand.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from router.text import cut, shown

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MILLISECONDS = {unit: size * 1000 for unit, size in _UNITS.items()}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,9})(B|KiB|MiB|GiB)", re.ASCII)
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_HOST_NAME = re.compile(r"(?!.*\.?[0-9]+$)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", re.ASCII)
_HIGHEST_PORT = 65535
_SHOWN = 120
_MOST_IN_A_TIME = 100_000
_SIZES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


@dataclass(frozen=True, slots=True)
class ReadingContext:
    """What validators may know of the world: given as pydantic's validation context under the key `reading`."""

    folder: Path
    """Relative paths are relative to the folder of the configuration file."""
    environment: Mapping[str, str]
    read: Callable[[Path, int], bytes]
    """Read a whole file of at most so many bytes; raises OSError, or ValueError where it is larger."""
    is_offline: bool = False
    """Whether files and the environment are not looked at: what they hold stays unread, and is no mistake."""


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

    @classmethod
    def known_elsewhere(cls) -> Mapping[str, str]:
        """Keys that others' configurations have here, each with what to write instead."""
        return {}

    @classmethod
    def kinds_to_come(cls) -> Mapping[str, str]:
        """Kinds that nobody can choose yet beside this one, each with what to do meanwhile."""
        return {}


def _shown(value: object) -> str:
    return shown(value, _SHOWN) if isinstance(value, str) else cut(repr(value), _SHOWN)


def _seconds(value: object, info: ValidationInfo) -> object:
    if isinstance(value, float) and reading_context(info) is None:
        return value  # settings built by hand; in a file a number has no unit
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            f"{_shown(value)} is not a valid duration; write a number and a unit: ms, s, m, h, d (500ms, 8s, 30d)"
        )
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

Wait = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(ge=0, le=60),
    PlainSerializer(duration_text, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "title": "wait",
            "type": "string",
            "pattern": r"^[0-9]{1,9}(\.[0-9]{1,3})?(ms|s|m|h|d)$",
            "examples": ["200ms"],
        }
    ),
]
"""The same of a wait, which may be none: 0ms; a minute at most."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many in a time."""

    count: int
    seconds: float


def _rate(value: object, info: ValidationInfo) -> object:
    if isinstance(value, Rate) and reading_context(info) is None:
        return value  # settings built by hand
    count, _, time = value.partition("/") if isinstance(value, str) else ("", "", "")
    match = _DURATION.fullmatch(time)
    if match is None or not (count.isascii() and count.isdigit()) or not 1 <= int(count[:9]) <= _MOST_IN_A_TIME:
        raise ValueError(f"{_shown(value)} is no rate; write COUNT/TIME, such as 20/1m, with 1 to {_MOST_IN_A_TIME}")
    return Rate(int(count), _positive(float(match[1]) * _UNITS[match[2]]))


RateSetting = Annotated[
    Rate,
    PlainValidator(_rate),
    PlainSerializer(lambda rate: f"{rate.count}/{duration_text(rate.seconds)}", return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "title": "rate",
            "type": "string",
            "pattern": r"^[0-9]{1,6}/[0-9]{1,9}(\.[0-9]{1,3})?(ms|s|m|h|d)$",
            "examples": ["20/1m"],
        }
    ),
]
"""At most so many in a time: 20/1m, 1/1s."""


def _bytes(value: object, info: ValidationInfo) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and reading_context(info) is None:
        return value  # settings built by hand; in a file a number has no unit
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            f"{_shown(value)} is not a valid size; write a whole number and one of B, KiB, MiB, GiB, such as 32MiB"
        )
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
            f"{_shown(value)} is not a valid name; write lower-case letters, digits and . _ - between them, at most 63"
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
        raise ValueError(f"{_shown(value)} is not a valid address to listen on; {advice}")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if ":" in host and not is_bracketed:
        raise ValueError(f"{_shown(value)} is not a valid address to listen on; an IPv6 address stands in brackets")
    host = host[1:-1] if is_bracketed else host
    if not (_is_address(host, 6) if is_bracketed else _is_host(host)):
        raise ValueError(
            f"{_shown(value)} is not a valid address to listen on; {_shown(host)} is neither an address nor a host name"
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
        raise ValueError(
            f"{_shown(value)} is not a valid network; write ADDRESS/BITS, such as 10.0.0.0/8 ({error})"
        ) from error


Network = Annotated[
    ipaddress.IPv4Network | ipaddress.IPv6Network,
    PlainValidator(_network),
    WithJsonSchema({"title": "network", "type": "string", "examples": ["10.0.0.0/8", "fd00::/8"]}),
]
"""A network in CIDR notation."""
