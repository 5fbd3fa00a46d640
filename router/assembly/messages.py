"""What crosses the line between the supervisor, the gates and the keeper, beside events (`router.outbox.remote`). Pure.

Of the supervisor:
    introduce   once, before all else: what a process must know of the product
    prepare     make what this configuration asks for, and say whether you can; changes nothing
    commit      work by what was prepared last
    start       begin: listen, or forget old events now and then
    leave       each answer is its connection's last from now on
    stop        end what is in hand, and answer when nothing is
    counts      send what was observed until now, and say how many connections of each state there are
To it:
    root        of the keeper, as a notice: what a repository of a trusted root holds now
    held        of the keeper, as a notice: the certificate that is to be shown from now on (`webhook.tls: managed`)
    facts       what was observed, as a notice (and lines of the log: `router.supervision.child`)
Of a gate to the keeper:
    receipts    tell these destinations now, and say who has given a receipt
    grants      what break-glass lets in at this moment in a namespace
    watching    requests are taken here, every `WATCHING_EVERY` seconds
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from router.certificates.making import HeldCertificate
from router.pem import KeyPair
from router.replicas.identity import ReplicaIdentity
from router.settings.snapshot import Snapshot
from router.verification.repositories import Repository

INTRODUCE, PREPARE, COMMIT, START, LEAVE, STOP = "introduce", "prepare", "commit", "start", "leave", "stop"
COUNTS, FACTS, RECEIPTS, GRANTS, ROOT, HELD = "counts", "facts", "receipts", "grants", "root", "held"
WATCHING = "watching"
WATCHING_EVERY = 30.0
"""Seconds."""

_M = TypeVar("_M")


class Introduction(msgspec.Struct, frozen=True, array_like=True):
    """What a process must know of the product."""

    replica: str
    keeper: str
    """Path of the socket at which the keeper answers."""
    gates: int
    """How many gates there are."""
    is_log_readable: bool | None
    """The form of the log's lines; None: as standard error asks for."""


class Configuration(msgspec.Struct, frozen=True, array_like=True):
    """A configuration that was checked, as far as it concerns whoever gets it."""

    generation: int
    """1, 2, 3 ...: which one it is."""
    part: Snapshot
    """Of what is in force: what is read at the start only has its running value."""
    patience: float
    """Seconds that attempts to deliver get to end when it is stopped."""
    pair: KeyPair | None = None
    """What the webhook shows where the configuration names no files; nothing for the keeper."""
    is_managed: bool = False
    """Whether the keeper looks after the webhook's certificate."""
    held: HeldCertificate | None = None
    """What is shown of what it has told; nothing for gates."""
    repositories: Sequence[Repository] = ()
    """What trusted roots are renewed from; nothing for gates."""
    roots: Mapping[str, bytes] = {}
    """What those are known to hold, by their ids, as Sigstore's trusted_root JSON."""
    identity: ReplicaIdentity | None = None
    """By what other replicas know us, where one collects events; nothing where it follows from `held`."""


class RefreshedRoot(msgspec.Struct, frozen=True, array_like=True):
    """What a repository holds now."""

    repository: str
    """Its id."""
    body: bytes
    """Sigstore's trusted_root JSON."""


class UrgentReceivers(msgspec.Struct, frozen=True, array_like=True):
    """Whom to tell of an event at once."""

    generation: int
    """By which configuration the request is judged."""
    event_id: str
    body: bytes
    destinations: Sequence[str]
    until: float
    """When they must have answered, in `time.monotonic`'s time, which all processes of a machine share."""


def pack(message: object) -> bytes:
    """A message as bytes."""
    return msgspec.msgpack.encode(message)


def unpack(body: bytes, kind: type[_M]) -> _M:
    """The message that these bytes are; raises msgspec.MsgspecError, a defect: both ends are the same program."""
    return msgspec.msgpack.decode(body, type=kind)
