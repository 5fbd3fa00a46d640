"""Simple signing: a payload, and beside it, as annotation of its layer, a signature over its bytes. Pure.

Sources: sigstore/cosign specs/SIGNATURE_SPEC.md; cosign 3.1 `pkg/cosign/verify.go`, `pkg/cosign/verifiers.go`;
containers/image docs/containers-signature.5.md for the payload. Steps, in this order:

(1) The layer is of simple signing's media type. cosign takes any type; what calls itself something else may be
    meant, and was perhaps signed, as something else.
(2) The bytes of the blob are those that the manifest names (its size is bounded where it is fetched).
(3) There is a signature, in base64 of the standard alphabet with padding; line breaks are allowed (Go skips them),
    the URL-safe alphabet is not.
(4) Somebody who is trusted has signed the raw bytes, by key or by certificate, and what the annotations beside say
    (`certificate`, `chain`, `bundle`, `rfc3161timestamp`) proves what is asked of the signature. Only then are they
    parsed: until here nobody vouches for them.
(5) They are JSON with one meaning: cosign's reader folds the case of names and takes the last of equal ones, so equal
    names after folding are refused, and names beyond ASCII, too.
(6) `critical.type` says that it is cosign's signature. cosign itself does not check this.
(7) `critical.image.docker-manifest-digest` is the digest in question, wholly.

Not checked, on purpose: `critical.identity.docker-reference` (signatures are copied along with images, and the digest
binds them; real signatures name other repositories). The texts in `optional` are the signature's annotations, which a
rule may ask for. Names in it are as the signer wrote them, since nobody folds the names of a map.
"""

from __future__ import annotations

from functools import partial

from router.errors import InvalidReferenceError, InvalidSignatureError
from router.images import Digest
from router.reasons import EvidenceFlaw
from router.steps import Steps
from router.verification.cosign.findings import CosignFinding, Unendorsed, endorsed
from router.verification.cosign.signatories import Signatories
from router.verification.cosign.signers import OpenedSignature, opened_by
from router.verification.documents import folded, malformed, object_at, read_object, standard_base64, text_at
from router.verification.evidence import NOTHING_BESIDE, SIMPLE_SIGNING_TYPE, SimpleSigning
from router.verification.scheme import Endorsement
from router.verification.sigstore.material import material_beside, signer_beside
from router.verification.sigstore.proof import SignatureClaim

CRITICAL_TYPE = "cosign container image signature"
_WHAT = "the payload of a legacy signature"


def examine(signing: SimpleSigning, who: Signatories, digest: Digest) -> Steps[CosignFinding]:
    """Say what one layer of a signature manifest is; raises InvalidSignatureError, UntrustedSignatureError."""
    # (1) Media type.
    if signing.media_type != SIMPLE_SIGNING_TYPE:
        raise InvalidSignatureError(
            "a layer of the signature manifest is of another media type", reason=EvidenceFlaw.MEDIA_TYPE
        )
    # (3) A signature stands there. Before (2): without one the blob is not even fetched.
    if not signing.signature:
        raise malformed("a layer of the signature manifest", "has no signature")
    signature = standard_base64(signing.signature, "a legacy signature")
    # (2) These are the bytes that the manifest names.
    if not signing.digest.matches(signing.payload):
        raise InvalidSignatureError(f"{_WHAT} has another digest than its layer", reason=EvidenceFlaw.DIGEST_MISMATCH)
    # (4) Somebody who is trusted has signed them ...
    yield
    beside = NOTHING_BESIDE if not who.identities else signing.beside  # nobody else needs a certificate
    claim, material = SignatureClaim(signature, signing.payload), partial(material_beside, signing.beside)
    opened = yield from opened_by(who, claim, signer_beside(beside), material)
    if opened is None:
        return Unendorsed.STRANGER
    # ... so now, and only now, they are safe to parse.
    return _endorsement(opened, digest)


def _endorsement(by: OpenedSignature, digest: Digest) -> Endorsement:
    # (5) JSON with one meaning, at every level that is read.
    document = folded(read_object(by.signed.content, _WHAT), _WHAT)
    critical = folded(object_at(document, "critical", _WHAT), _WHAT)
    image = folded(object_at(critical, "image", _WHAT), _WHAT)
    # (6) It says that it is a signature.
    if text_at(critical, "type", _WHAT) != CRITICAL_TYPE:
        raise InvalidSignatureError(
            f"{by.by} signed a payload that is not a signature of cosign", reason=EvidenceFlaw.CRITICAL_TYPE
        )
    # (7) It is about this digest.
    claimed = text_at(image, "docker-manifest-digest", _WHAT)
    if claimed != str(digest):
        raise InvalidSignatureError(
            f"{by.by} signed another digest{_shown(claimed)}", reason=EvidenceFlaw.DIGEST_MISMATCH
        )
    optional = document.get("optional")
    notes = optional.items() if isinstance(optional, dict) else ()
    return endorsed(by, digest, {name: value for name, value in notes if isinstance(value, str)})


def _shown(claimed: str) -> str:
    try:
        return f", {Digest.parse(claimed)}"
    except InvalidReferenceError:
        return ""
