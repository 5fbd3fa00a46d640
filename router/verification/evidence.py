"""What was found about an image: values only, nothing proven, and nothing here can prove. Pure.

Evidence is what stands in a registry, put there by whoever can push. It is bounded, for one image and all places
together (facts of other implementations' failures: a repository flooded with referrers or layers stops the gate):

    1 MiB for a payload, a bundle or a manifest that may lead to one, 512 KiB for a list of referrers
    8 MiB for payloads, bundles and the manifests of referrers together, 24 MiB where an attestation is asked for
    500 referrers that are signatures by the list, 1000 signatures in each place
    50 of those that are none by what they say of themselves (attestations of another type than is wanted, other
    artifact types): looked at last, and never too many or too large, since scanners push some every day

Within these bounds everything is looked at, and what is added hides nothing. Where a verifier asks for an attestation,
those of its type take the place of signatures in all of this.

What exceeds a limit, can't be read, or is named and not there is a *defect*: with it an unproven image is `invalid`
(too_many, too_large, malformed, missing). Not `unverifiable`, because a rule may admit what is unverifiable, and
whoever can push could then turn a refusal into an admission by pushing more. What could not be fetched for another
reason is a *gap*: with it an unproven image is `unverifiable`, whatever else was found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from router.errors import InvalidSignatureError, UnverifiableError
from router.images import Digest
from router.reasons import EvidenceFlaw

SIGNATURE_LIMIT = 1000
"""Distinct signatures in simple signing that are looked at in one place; cosign reads no manifest with more layers."""
REFERRER_LIMIT = 500
"""Referrers that may be signatures by what a list says of them."""
ASIDE_LIMIT = 50
"""Referrers that are looked at although they are no signatures by what they say of themselves."""
MANY = 100
"""Pieces, or questions, above which it is their number that takes the time, and whoever pushes chooses it."""
ITEM_LIMIT = 2**20
"""Bytes of one payload, bundle or signature manifest: real ones have some hundred to some thousand."""
TOTAL_LIMIT = 8 * 2**20
"""Bytes of payloads, bundles and referrers' manifests together."""
ATTESTATIONS_LIMIT = 16 * 2**20
"""Bytes more where an attestation is asked for: one takes more than a signature does."""

SIMPLE_SIGNING_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE_ARTIFACT_TYPE = "application/vnd.dev.cosign.artifact.sig.v1+json"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
BUNDLE_TYPES = "application/vnd.dev.sigstore.bundle"
"""What the media types of all versions of the bundle begin with."""
ATTESTATION_LAYER_TYPE = "application/vnd.dsse.envelope.v1+json"
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
CERTIFICATE_ANNOTATION = "dev.sigstore.cosign/certificate"
CHAIN_ANNOTATION = "dev.sigstore.cosign/chain"
ENTRY_ANNOTATION = "dev.sigstore.cosign/bundle"
TIMESTAMP_ANNOTATION = "dev.sigstore.cosign/rfc3161timestamp"
PREDICATE_ANNOTATION = "dev.sigstore.bundle.predicateType"
SIGN_PREDICATE = "https://sigstore.dev/cosign/sign/v1"
NOTATION_TYPE = "application/vnd.cncf.notary.signature"
"""The artifact type of Notation's signatures, up to version 1.1 of its specification the config's media type."""


class EvidenceFamily(Enum):
    """Whose formats are looked for: each scheme looks for its own, and what is of another family is foreign to it."""

    COSIGN = auto()
    NOTATION = auto()


class EvidenceFormat(StrEnum):
    """How a piece of evidence is written."""

    SIMPLE_SIGNING = "simple_signing"
    """A payload with a signature in the annotations of its layer."""
    BUNDLE = "bundle"
    ATTESTATION = "attestation"
    """A DSSE envelope behind the `.att` tag."""
    NOTATION = "notation"
    """An envelope of JWS or COSE."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What the annotations of a layer say of who signed it and when; each as written, empty where it is absent."""

    certificate: str = ""
    chain: str = ""
    entry: str = ""
    timestamp: str = ""


NOTHING_BESIDE = Beside()


@dataclass(frozen=True, slots=True)
class SimpleSigning:
    """One layer of a legacy signature manifest."""

    media_type: str
    digest: Digest
    signature: str
    """The annotation as written: base64, or empty."""
    payload: bytes
    """The blob; empty where type or signature say already that it can't be a signature."""
    beside: Beside = NOTHING_BESIDE


@dataclass(frozen=True, slots=True)
class AttestationLayer:
    """One layer behind the `.att` tag: a DSSE envelope, as its blob holds it."""

    digest: Digest
    body: bytes
    beside: Beside = NOTHING_BESIDE


@dataclass(frozen=True, slots=True)
class SigstoreBundle:
    """One bundle, as its blob holds it."""

    digest: Digest
    body: bytes


@dataclass(frozen=True, slots=True)
class NotationEnvelope:
    """One signature of Notation, as its blob holds it."""

    media_type: str
    """What its layer says that it is."""
    digest: Digest
    body: bytes


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was found about one digest so far."""

    simple_signings: tuple[SimpleSigning, ...] = ()
    bundles: tuple[SigstoreBundle, ...] = ()
    attestation_layers: tuple[AttestationLayer, ...] = ()
    notations: tuple[NotationEnvelope, ...] = ()
    attestations: int = 0
    """What calls itself an attestation and was not looked into."""
    defects: tuple[InvalidSignatureError, ...] = ()
    gaps: tuple[UnverifiableError, ...] = ()

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(
            self.simple_signings + other.simple_signings,
            self.bundles + other.bundles,
            self.attestation_layers + other.attestation_layers,
            self.notations + other.notations,
            self.attestations + other.attestations,
            self.defects + other.defects,
            self.gaps + other.gaps,
        )

    def __len__(self) -> int:
        return len(self.simple_signings) + len(self._bodies)

    @property
    def size(self) -> int:
        """Bytes to read and to check signatures over."""
        return sum(len(entry.payload) for entry in self.simple_signings) + sum(map(len, self._bodies))

    def pieces(self) -> Iterator[Evidence]:
        """The same, one piece at a time; what was not looked into stays together."""
        yield from (Evidence(simple_signings=(entry,)) for entry in self.simple_signings)
        yield from (Evidence(bundles=(entry,)) for entry in self.bundles)
        yield from (Evidence(attestation_layers=(entry,)) for entry in self.attestation_layers)
        yield from (Evidence(notations=(entry,)) for entry in self.notations)
        if self.attestations:
            yield Evidence(attestations=self.attestations)
        yield from (Evidence(defects=(entry,)) for entry in self.defects)
        yield from (Evidence(gaps=(entry,)) for entry in self.gaps)

    @property
    def content(self) -> tuple[EvidenceFormat, Digest] | None:
        """Format and digest of the first piece that was read; None where none was."""
        for format_, pieces in (
            (EvidenceFormat.SIMPLE_SIGNING, self.simple_signings),
            (EvidenceFormat.BUNDLE, self.bundles),
            (EvidenceFormat.ATTESTATION, self.attestation_layers),
            (EvidenceFormat.NOTATION, self.notations),
        ):
            if pieces:
                return format_, pieces[0].digest
        return None

    @property
    def _bodies(self) -> list[bytes]:
        return [
            *(entry.body for entry in self.bundles),
            *(entry.body for entry in self.attestation_layers),
            *(entry.body for entry in self.notations),
        ]


def defect(flaw: EvidenceFlaw, detail: str) -> Evidence:
    """Evidence that holds nothing but what is wrong with it."""
    return Evidence(defects=(InvalidSignatureError(detail, reason=flaw),))
