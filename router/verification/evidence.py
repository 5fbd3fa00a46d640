"""What was found about an image: values only, nothing proven, and nothing here can prove. Pure.

Evidence is what stands in a registry, put there by whoever can push. It is bounded, for one image and all places
together (facts of other implementations' failures: a repository flooded with referrers or layers stops the gate):

    1 MiB for a payload, a bundle or a manifest that may lead to one, 512 KiB for a list of referrers
    8 MiB for payloads, bundles and the manifests of referrers together
    500 referrers that are signatures by the list, 1000 signatures
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

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from router.errors import InvalidSignatureError, UnverifiableError
from router.images import Digest

SIGNATURE_LIMIT = 1000
"""Distinct signatures in simple signing that are looked at; cosign itself reads no manifest with more layers."""
REFERRER_LIMIT = 500
"""Referrers that may be signatures by what a list says of them."""
ASIDE_LIMIT = 50
"""Referrers that are looked at although they are no signatures by what they say of themselves."""
ITEM_LIMIT = 2**20
"""Bytes of one payload, bundle or signature manifest: real ones have some hundred to some thousand."""
TOTAL_LIMIT = 8 * 2**20
"""Bytes of payloads, bundles and referrers' manifests together."""

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


class Family(Enum):
    """Whose formats are looked for: each scheme looks for its own, and what is of another family is foreign to it."""

    COSIGN = auto()
    NOTATION = auto()


class Flaw(StrEnum):
    """Why a signature is `invalid`: public reason codes of docs/concepts.md."""

    MALFORMED = "malformed"
    """It can't be read, or in more than one way."""
    DIGEST_MISMATCH = "digest_mismatch"
    """A trusted key signed another digest, or the bytes are not those that the manifest names."""
    MEDIA_TYPE = "media_type"
    """A layer or bundle of a type that holds no signature."""
    PAYLOAD_TYPE = "payload_type"
    """A DSSE envelope around something else than an in-toto statement."""
    STATEMENT_TYPE = "statement_type"
    """A signature whose in-toto statement is of another version."""
    CRITICAL_TYPE = "critical_type"
    """A trusted key signed a payload that does not say that it is cosign's signature."""
    SIGNATURE_COUNT = "signature_count"
    """A DSSE envelope with none or several signatures."""
    MESSAGE_SIGNATURE = "message_signature"
    """A bundle around a bare signature: it does not say what it is about."""
    SIGNATURE = "signature"
    """The key of the certificate that came along has not signed this."""
    CERTIFICATE = "certificate"
    """A certificate that must not sign this, that says so in a way that is not understood, or a chain that is none."""
    KEY = "key"
    """A certificate whose key is of a kind or size that must not sign."""
    ALGORITHM = "algorithm"
    """A signature that says another algorithm than its key has."""
    CRITICAL_ATTRIBUTE = "critical_attribute"
    """A signature that must not be used by whoever does not understand all that it says."""
    EXPIRED = "expired"
    """A signature that its signer has given an end, which has passed."""
    IDENTITY = "identity"
    """A certificate that names several subjects, or contradicts itself."""
    TIME = "time"
    """A certificate was used outside its validity, as far as anybody trusted says when that was."""
    LOG_ENTRY = "log_entry"
    """A trusted log has not signed what is said of it, or holds another signature there."""
    TIMESTAMP = "timestamp"
    """A timestamp that is wanted and not there, of another signature, or by no authority that signed it."""
    CONDITION_COST = "condition_cost"
    """An attestation that says so much that what is asked of it would take too long."""
    MISSING = "missing"
    """A manifest or blob that a list or manifest names and the registry does not give: not there, or refused (4xx)."""
    TOO_MANY = "too_many"
    """More layers or referrers than are looked at."""
    TOO_LARGE = "too_large"
    """More bytes than are looked at."""


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

    @property
    def _bodies(self) -> list[bytes]:
        return [
            *(entry.body for entry in self.bundles),
            *(entry.body for entry in self.attestation_layers),
            *(entry.body for entry in self.notations),
        ]


def defect(flaw: Flaw, detail: str) -> Evidence:
    """Evidence that holds nothing but what is wrong with it."""
    return Evidence(defects=(InvalidSignatureError(detail, reason=flaw),))
