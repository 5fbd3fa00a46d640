"""What one replica sends another over HTTPS, as MessagePack. Pure.

    POST /events    `HandedOver`: the next stored events, in their order, and with the last of them what was watched
                    until then; answered 200 when it is durable there
    POST /grants    `GrantsQuestion`: what break-glass lets in there at this moment; answered with `Granted`
    POST /command   `Command`: a command line about what the collector keeps; answered with `Printed`
    POST /scan      `ScanOffered`: may what was scanned there be handed in; answered with `TimeOfDay`, by which it is
    POST /findings  `FindingsPortion`: a portion of what a scan has found; answered with `PortionCount` when it is
                    durable there: how many findings are left out
    POST /scanned   `ScanEnded`: that a scan was full; answered with `PortionCount`: how many portions are not there,
                    and when that is none, when it is durable

Anything else than 200 has a short text that says why. Both ends may be of different releases while one is replaced by
another: `FORMAT` is counted up where one could not read the other, and then waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from router.decision import Grant
from router.errors import ReplicaError
from router.outbox.collected import Collected
from router.readiness.watching import Watch
from router.scanning.recording import Portion, ScanClosing

FORMAT = 1
EVENTS, GRANTS, COMMAND = "/events", "/grants", "/command"
SCAN, FINDINGS, SCANNED = "/scan", "/findings", "/scanned"
CONTENT_TYPE = "application/msgpack"
LARGEST = 8 * 2**20
"""Bytes of anything that is sent."""

_M = TypeVar("_M", bound=msgspec.Struct)


class HandedOver(msgspec.Struct, frozen=True):
    """Events of one replica."""

    replica: str
    events: Sequence[Collected]
    watched: Watch | None = None
    """What it has watched, in seconds before now; absent while not all is handed over that it has decided since."""
    format: int = FORMAT


class GrantsQuestion(msgspec.Struct, frozen=True):
    """A namespace."""

    namespace: str
    format: int = FORMAT


class Granted(msgspec.Struct, frozen=True):
    """What break-glass lets in."""

    grants: Sequence[Grant]


class Command(msgspec.Struct, frozen=True):
    """A command line, without the program and without `--config`."""

    arguments: Sequence[str]
    format: int = FORMAT


class Printed(msgspec.Struct, frozen=True):
    """What a command has answered."""

    exit_code: int
    output: bytes
    errors: bytes


class ScanOffered(msgspec.Struct, frozen=True):
    """That something was scanned, in this cluster."""

    cluster: str
    format: int = FORMAT


class TimeOfDay(msgspec.Struct, frozen=True):
    """What a clock says."""

    now: float
    """Seconds since 1970."""


class FindingsPortion(msgspec.Struct, frozen=True):
    """Some of what a scan has found."""

    portion: Portion
    format: int = FORMAT


class ScanEnded(msgspec.Struct, frozen=True):
    """That a scan was full."""

    ended: ScanClosing
    format: int = FORMAT


class PortionCount(msgspec.Struct, frozen=True):
    """How many."""

    count: int


def packed(message: msgspec.Struct) -> bytes:
    """A message as bytes."""
    return msgspec.msgpack.encode(message)


def unpacked(body: bytes, kind: type[_M]) -> _M:
    """The message that these bytes are; raises ReplicaError where they are none."""
    try:
        found = msgspec.msgpack.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise ReplicaError(f"the other replica is of another release, or no replica: {error}") from error
    if getattr(found, "format", FORMAT) != FORMAT:
        raise ReplicaError("the other replica is of another release; it waits until both are of the same")
    return found
