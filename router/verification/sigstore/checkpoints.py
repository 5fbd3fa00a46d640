"""A log's signed statement of how large its tree is and which root it has. Pure.

Sources: C2SP tlog-checkpoint (origin, size and root in lines) and signed-note (signature lines `\u2014 NAME BASE64`,
whose first four bytes are a hint of the key).

Rules:
(1) The origin is the log's own name: another log with the same key, or a fork, is another log. Rekor v1 adds the number
    of its tree, `HOST - NUMBER`, and signs by the name of the host.
(2) One line by the log's name and key must verify. Lines by others (witnesses) are ignored.
(3) What was signed is the text before the empty line, with its last line break.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from router.errors import InvalidSignatureError
from router.reasons import EvidenceFlaw
from router.verification.documents import standard_base64
from router.verification.sigstore.logs import Log
from router.verification.sigstore.merkle import HASH_BYTES

CHECKPOINT_LIMIT = 16 * 1024
"""Bytes of a checkpoint: with a dozen witnesses it has some 2,000."""
LINES_LIMIT = 64
"""Signature lines that are looked at."""
_HINT_BYTES = 4
_NUMBERED = re.compile(r"(.+) - [0-9]{1,20}", re.ASCII)
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_WHAT = "a checkpoint"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree that a log has signed."""

    size: int
    root: bytes


def read_checkpoint(text: str, log: Log) -> Checkpoint:
    """What the log has signed; raises InvalidSignatureError(checkpoint) where it has not."""
    if len(text) > CHECKPOINT_LIMIT:
        raise _wrong("is too large")
    body, separator, lines = text.partition("\n\n")
    if not separator:
        raise _wrong("is not a valid signed note")
    origin, size, root, *_ = [*body.split("\n"), "", "", ""]
    numbered = _NUMBERED.fullmatch(origin)
    name = origin if numbered is None else numbered[1]
    if name not in log.names:
        raise _wrong("is of another log")
    content = f"{body}\n".encode()
    if not any(log.key.has_signed(content, signature) for signature in _signatures(lines, name, log)):
        raise _wrong("is not signed by its log")
    tree = standard_base64(root, _WHAT)
    if _SIZE.fullmatch(size) is None or len(tree) != HASH_BYTES:
        raise _wrong("has no size or root")
    return Checkpoint(int(size), tree)


def _signatures(lines: str, name: str, log: Log) -> list[bytes]:
    """What stands beside the log's name and the hint of its key."""
    begin, found = f"\u2014 {name} ", []
    for line in lines.split("\n", LINES_LIMIT)[:LINES_LIMIT]:
        if line.startswith(begin):
            blob = standard_base64(line.removeprefix(begin), _WHAT)
            if blob[:_HINT_BYTES] == log.id[:_HINT_BYTES]:
                found.append(blob[_HINT_BYTES:])
    return found[:1]


def _wrong(problem: str) -> InvalidSignatureError:
    return InvalidSignatureError(f"{_WHAT} {problem}", reason=EvidenceFlaw.LOG_ENTRY)
