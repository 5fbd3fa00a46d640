"""What a signature of Notation is about: one artifact, by its descriptor, with what else its signer said. Pure.

Source: Notary Project signature specification, "Payload"; OCI image-spec, descriptor.md and annotations.md. Read in one
way only: a name that stands twice is refused, since notation takes the last.

Media type and size must be there. They are not compared, on purpose: the digest in question is that of the very bytes
that run, so another size or type beside it could only be the signer's mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from router.errors import InvalidReferenceError
from router.images import Digest
from router.verification.documents import malformed, object_at, read_object, text_at
from router.verification.notation.envelopes import SignedStatement

_WHAT = "the payload of a signature of Notation"


@dataclass(frozen=True, slots=True)
class Target:
    """The artifact that was signed."""

    digest: Digest
    annotations: Mapping[str, str] = field(default_factory=dict)
    """What the signer said of it (`notation sign --user-metadata`)."""


def read_target(statement: SignedStatement) -> Target:
    """Read the payload of what was signed; raises InvalidSignatureError(malformed)."""
    document = read_object(statement.payload, _WHAT)
    artifact = object_at(document, "targetArtifact", _WHAT)
    size = artifact.get("size")
    if not text_at(artifact, "mediaType", _WHAT) or isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise malformed(_WHAT, "describes no artifact by type, digest and size")
    try:
        digest = Digest.parse(text_at(artifact, "digest", _WHAT))
    except InvalidReferenceError as error:
        raise malformed(_WHAT, "has no digest that is known") from error
    said = artifact.get("annotations")
    annotations = {} if said is None else object_at(artifact, "annotations", _WHAT)
    if not all(isinstance(value, str) for value in annotations.values()):
        raise malformed(_WHAT, "has annotations that are no texts")
    return Target(digest, {name: str(value) for name, value in annotations.items()})
