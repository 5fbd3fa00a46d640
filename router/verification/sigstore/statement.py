"""The in-toto statement: what is said, and about which digests. Pure.

Source: in-toto attestation framework, spec/v1/statement.md. Names are matched exactly, as it writes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from router.images import Digest
from router.verification.documents import malformed, object_at, objects_at, read_members, read_object, text_at

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
OLD_STATEMENT_TYPE = "https://in-toto.io/Statement/v0.1"
"""What cosign 2 and many builders attest with; the same members as version 1."""


@dataclass(frozen=True, slots=True)
class InTotoStatement:
    """What is spoken of; what is said of it, a signature says by its type alone."""

    type: str
    subjects: frozenset[tuple[str, str]]
    """Algorithm and hexadecimal value of every digest of every subject."""
    predicate_type: str
    predicate: Mapping[str, object]
    annotations: Mapping[tuple[str, str], Mapping[str, object]]
    """What the only subject with a digest is annotated with; nothing where several have it, however many."""
    subject: Sequence[Mapping[str, object]] = ()
    """All subjects, as they are written."""

    def is_about(self, digest: Digest) -> bool:
        """Whether any of its subjects has this digest, by the name of the algorithm."""
        return (digest.algorithm, digest.hex) in self.subjects

    def annotated(self, digest: Digest) -> Mapping[str, str]:
        """The texts that the subject with this digest is annotated with; none where several subjects have it."""
        only = self.annotations.get((digest.algorithm, digest.hex), {})
        return {name: value for name, value in only.items() if isinstance(value, str)}


class _Written(msgspec.Struct, rename="camel"):
    predicate_type: str | None = None


_MEMBERS = msgspec.json.Decoder(_Written)


def predicate_type_of(payload: bytes) -> str:
    """What kind of statement it is, whoever made it; empty where it does not say.

    Raises:
        InvalidSignatureError: It is no statement (malformed).
    """
    return read_members(_MEMBERS, payload, "an in-toto statement").predicate_type or ""


def read_statement(payload: bytes) -> InTotoStatement:
    """Read a statement that a trusted key has signed; raises InvalidSignatureError(malformed)."""
    what = "an in-toto statement"
    document = read_object(payload, what)
    subjects: dict[tuple[str, str], Mapping[str, object]] = {}
    for subject in (all_subjects := objects_at(document, "subject", what)):
        for algorithm, value in object_at(subject, "digest", what).items():
            if not isinstance(value, str):
                raise malformed(what, "has a digest that is not a text")
            notes = subject.get("annotations")
            is_new = (algorithm, value) not in subjects
            subjects[algorithm, value] = notes if is_new and isinstance(notes, dict) else {}
    predicate = document.get("predicate")
    return InTotoStatement(
        text_at(document, "_type", what),
        frozenset(subjects),
        text_at(document, "predicateType", what),
        predicate if isinstance(predicate, dict) else {},
        subjects,
        all_subjects,
    )
