"""What answers of the API server mean. Pure.

Source: Kubernetes, "API Concepts" and "API Conventions" (kind Status: `code`, `reason`, `message`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct

from router.errors import ClusterCause, ClusterError
from router.text import SHOWN, shown

SERVER_FAILED = 500
_CAUSES: dict[int, ClusterCause] = {
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    408: "unreachable",
    409: "conflict",
    410: "gone",
    413: "too_large",
    429: "rate_limited",
}

T = TypeVar("T")


class Status(Struct, frozen=True):
    """The object that stands for a failure."""

    code: int | None = None
    message: str | None = None
    reason: str | None = None


def decoded(body: bytes | bytearray | msgspec.Raw, shape: type[T], what: str) -> T:
    """What an answer says, as far as it is used; raises ClusterError where it is not of this shape."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ClusterError(f"what the API server says of {what} can't be read: {error}", cause="malformed") from error


def decoded_all(body: bytes | bytearray | msgspec.Raw, shape: type[T], what: str) -> Sequence[T]:
    """What a list says of each; Go writes null for none. Raises as `decoded`."""
    shapes: type[Sequence[T] | None] = list[shape] | None  # type: ignore[valid-type,assignment]  # made at run time
    return decoded(body, shapes, what) or ()


def failure(status: int, body: bytes | bytearray | msgspec.Raw, what: str, after: float | None = None) -> ClusterError:
    """The error that an answer stands for.

    Args:
        status: Of HTTP; 0 where there is only a Status object.
        body: A Status object; anything else is not looked at.
        what: What was asked for.
        after: Seconds that it asks us to wait.
    """
    try:
        found = msgspec.json.decode(body, type=Status)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = Status()
    code = status or found.code or SERVER_FAILED
    cause: ClusterCause = "unreachable" if code >= SERVER_FAILED else _CAUSES.get(code, "refused")
    text = shown(found.message, SHOWN) if found.message else f"HTTP {code}"
    return ClusterError(f"{what}: {text}", cause=cause, after=after)
