"""An entry of a log: that a trusted log holds it, since when, and that it is about this very signature. Pure.

Sources: sigstore client specification, "Transparency Log Entry"; sigstore/rekor openapi.yaml (signed entry timestamp);
RFC 8785 (canonical JSON: four members in order, nothing to escape); C2SP tlog-checkpoint.

Steps, for one entry of a log that the trust root knows (others say nothing):
(1) Where there is a promise (signed entry timestamp), the log has signed body, time, log id and index together, within
    the time that its word counts. Only then is the time proven.
(2) Where there is a proof, the body's hash leads to the root that a checkpoint says, and the log has signed that.
    What stands beside (root, size) must be the same, lest two readers see different trees.
(3) One of both is there. Bundles from version 0.2 on need a proof; the legacy format has the promise only.
(4) The body is about this signature (`log_bodies`).

The id of a log is only what leads to its key: an entry of another log under its name fails (1) or (2).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

from router.errors import InvalidSignatureError
from router.reasons import EvidenceFlaw
from router.steps import Steps
from router.verification.sigstore.checkpoints import read_checkpoint
from router.verification.sigstore.log_bodies import Logged, expect_body_about
from router.verification.sigstore.logs import Log
from router.verification.sigstore.merkle import leaf_hash, root_from

ENTRIES_LIMIT = 8
"""Entries of one signature that are looked at; signers make one."""


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """What is said of the place of an entry in a tree."""

    index: int
    size: int
    root: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What evidence says of a log, which nobody has checked yet."""

    log_id: bytes
    index: int
    time: int
    """When it was logged, in Unix time in seconds; proven by the promise only."""
    body: bytes
    promise: bytes
    """The signed entry timestamp; empty without one."""
    proof: InclusionProof | None


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """An entry that a trusted log holds, about the signature that was asked about."""

    log: Log
    index: int
    """Where the log holds it, as it has signed that."""
    time: float | None
    """When the log says that it was logged; None where it has not signed that."""


def proven_entry(
    entry: LogEntry, logs: Mapping[bytes, Log], logged: Logged, *, needs_proof: bool
) -> Steps[ProvenEntry | None]:
    """What a trusted log says; None where the log is nobody whom we know.

    Raises:
        InvalidSignatureError: The log does not say this, or says it of another signature (log_entry, malformed).
    """
    if (log := logs.get(entry.log_id)) is None:
        return None
    if needs_proof and entry.proof is None:
        raise _wrong("has no proof of inclusion")
    if entry.proof is None and not entry.promise:
        raise _wrong("has neither a promise nor a proof")
    expect_body_about(entry.body, logged)
    time = None
    if entry.promise:
        yield
        time = _promised_time(entry, log)
    if entry.proof is not None:
        yield
        _expect_included(entry.body, entry.proof, log)
    # Without a promise the index in the log is nobody's word; that in the proven tree is.
    index = entry.proof.index if entry.proof is not None and time is None else entry.index
    return ProvenEntry(log, index, time)


def _promised_time(entry: LogEntry, log: Log) -> float:
    said = {
        "body": base64.b64encode(entry.body).decode(),
        "integratedTime": entry.time,
        "logID": entry.log_id.hex(),
        "logIndex": entry.index,
    }
    if not log.key.has_signed(json.dumps(said, separators=(",", ":")).encode(), entry.promise):
        raise _wrong("is not what its log has promised")
    if not log.period.covers(entry.time):
        raise _wrong("was made when the word of its log did not count")
    return float(entry.time)


def _expect_included(body: bytes, proof: InclusionProof, log: Log) -> None:
    checkpoint = read_checkpoint(proof.checkpoint, log)
    if (proof.size, proof.root) != (checkpoint.size, checkpoint.root):
        raise _wrong("is said to be in another tree than its checkpoint's")
    if root_from(leaf_hash(body), proof.index, checkpoint.size, proof.hashes) != checkpoint.root:
        raise _wrong("is not in the tree of its checkpoint")


def _wrong(problem: str) -> InvalidSignatureError:
    return InvalidSignatureError(f"a log entry {problem}", reason=EvidenceFlaw.LOG_ENTRY)
