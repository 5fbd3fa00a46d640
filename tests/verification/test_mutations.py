"""Two thousand changes to what real tools signed: none proves anything that the original did not.

Whether a change left the proof what it was is decided here without our readers: by plain `json`, `base64` and
`cryptography`.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from router.errors import NotVerifiedError
from router.images import Digest
from router.verification.cosign.scheme import CosignScheme
from router.verification.cosign.signatories import trust_in
from router.verification.evidence import BUNDLE_TYPE, SIGNATURE_ANNOTATION, SigstoreBundle, SimpleSigning
from router.verification.keys import PublicKey
from router.verification.scheme import Findings, Verified
from tests.verification.mutations import Members, Mutator, Piece, evidence_of, members_of, parsed
from tests.verification.world import DATA, proven, rule

MUTANTS = 200
"""Of each original."""
SIGN = "https://sigstore.dev/cosign/sign/v1"
STATEMENT = "application/vnd.in-toto+json"
ORIGINALS = {
    "legacy by P-256": (DATA / "layouts" / "legacy-release", "release"),
    "legacy by P-384": (DATA / "layouts" / "legacy-v2-p384", "p384"),
    "legacy by RSA": (DATA / "layouts" / "legacy-rsa2048", "rsa2048"),
    "legacy by Ed25519": (DATA / "layouts" / "legacy-ed25519", "ed25519"),
    "legacy of an index": (DATA / "layouts" / "legacy-index", "release"),
    "bundle by P-256": (DATA / "layouts" / "bundle-release", "release"),
    "bundle by P-521": (DATA / "layouts" / "bundle-p521", "p521"),
    "bundle by RSA": (DATA / "layouts" / "bundle-rsa2048", "rsa2048"),
    "bundle by Ed25519": (DATA / "layouts" / "bundle-ed25519", "ed25519"),
    "bundle with a log entry": (DATA / "keyless" / "layouts" / "bundle-key-logged", "logged"),
}


@dataclass(frozen=True)
class Original:
    """Sound evidence by a real tool."""

    piece: Piece
    digest: Digest
    pem: bytes

    @property
    def scheme(self) -> CosignScheme:
        """Trusts the key that signed it, and another."""
        other = (DATA / "keys" / "security.pub").read_bytes()
        return CosignScheme(trust_in([("other", PublicKey.from_pem(other)), ("own", PublicKey.from_pem(self.pem))]))


def pieces_in(layout: Path) -> Iterator[tuple[Piece, Digest]]:
    """Every signature in an OCI layout with the digest that it is about, found without our search."""

    def blob(text: str) -> bytes:
        return (layout / "blobs" / text.replace(":", "/")).read_bytes()

    for entry in json.loads((layout / "index.json").read_bytes())["manifests"]:
        manifest = json.loads(blob(entry["digest"]))
        tag = (entry.get("annotations") or {}).get("org.opencontainers.image.ref.name", "")
        for layer in manifest.get("layers", ()):
            digest, body = Digest.parse(layer["digest"]), blob(layer["digest"])
            if tag.endswith(".sig"):
                signature = layer["annotations"][SIGNATURE_ANNOTATION]
                about = Digest.parse(tag.removesuffix(".sig").replace("-", ":"))
                yield SimpleSigning(layer["mediaType"], digest, signature, body), about
            elif layer["mediaType"] == BUNDLE_TYPE:
                yield SigstoreBundle(digest, body), Digest.parse(manifest["subject"]["digest"])


def original(name: str) -> Original:
    layout, key = ORIGINALS[name]
    piece, digest = next(pieces_in(layout))
    pem = DATA / "keyless" / "keys" / "release.pub" if key == "logged" else DATA / "keys" / f"{key}.pub"
    return Original(piece, digest, pem.read_bytes())


def others() -> list[Piece]:
    """About other images by a trusted key, and about this by none."""
    names = ("legacy-release", "legacy-stranger", "legacy-index", "bundle-release", "bundle-stranger", "bundle-index")
    return [piece for name in names for piece, _ in pieces_in(DATA / "layouts" / name)]


def is_same_proof(mutant: Piece, true: Original) -> bool:
    """Whether the mutant still holds the original's signature of the original's claim, in one meaning."""
    try:
        if isinstance(mutant, SimpleSigning):
            return _is_same_legacy(mutant, true)
        return _is_same_bundle(mutant.body, true)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return False


def _is_same_legacy(mutant: SimpleSigning, true: Original) -> bool:
    assert isinstance(true.piece, SimpleSigning)
    critical = json.loads(mutant.payload)["critical"]
    return (
        mutant.payload == true.piece.payload
        and mutant.media_type == true.piece.media_type
        and critical["image"]["docker-manifest-digest"] == str(true.digest)
        and critical["type"] == "cosign container image signature"
        and _has_signed(true.pem, mutant.payload, _decoded(mutant.signature), _decoded(true.piece.signature))
    )


def _is_same_bundle(body: bytes, true: Original) -> bool:
    assert isinstance(true.piece, SigstoreBundle)
    if any(len(dict(members)) < len(members) for members in members_of(parsed(body))):
        return False
    document, sound = json.loads(body.decode()), json.loads(true.piece.body)["dsseEnvelope"]
    envelope = document["dsseEnvelope"]
    payload = _decoded(envelope["payload"])
    statement = json.loads(payload)
    (signature,) = envelope["signatures"]
    content = b"DSSEv1 %d %s %d %s" % (len(STATEMENT), STATEMENT.encode(), len(payload), payload)
    return (
        payload == _decoded(sound["payload"])
        and envelope["payloadType"] == STATEMENT
        and document["mediaType"] in {BUNDLE_TYPE, "application/vnd.dev.sigstore.bundle+json;version=0.3"}
        and document.get("messageSignature") is None
        and statement["predicateType"] == SIGN
        and {true.digest.algorithm: true.digest.hex} in [subject["digest"] for subject in statement["subject"]]
        and _has_signed(true.pem, content, _decoded(signature["sig"]), _decoded(sound["signatures"][0]["sig"]))
    )


def _decoded(text: str) -> bytes:
    plain = text.replace("\r", "").replace("\n", "").replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _has_signed(pem: bytes, content: bytes, signature: bytes, known: bytes) -> bool:
    """By the key; an Ed25519 signature, which has one form only, by being the known one."""
    match load_pem_public_key(pem):
        case ec.EllipticCurvePublicKey() as key:
            width = (key.curve.key_size + 7) // 8
            forms = [signature]
            if len(signature) == 2 * width:
                numbers = int.from_bytes(signature[:width], "big"), int.from_bytes(signature[width:], "big")
                forms.append(encode_dss_signature(*numbers))
            own = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[key.curve.key_size]
            return any(
                _verifies(key, form, content, ec.ECDSA(kind)) for form in forms for kind in (own, hashes.SHA256())
            )
        case rsa.RSAPublicKey() as key:
            return _verifies(key, signature, content, padding.PKCS1v15(), hashes.SHA256())
        case _:
            return signature == known


def _verifies(key: object, *arguments: object) -> bool:
    try:
        key.verify(*arguments)  # type: ignore[attr-defined]  # EC and RSA keys differ in what they take
    except InvalidSignature:
        return False
    return True


def is_accepted(true: Original, *pieces: Piece) -> bool:
    try:
        return isinstance(proven(true.scheme, evidence_of(*pieces), true.digest, rule()), Verified)
    except NotVerifiedError:
        return False


def mutants(name: str) -> Iterator[tuple[int, Piece]]:
    """The same ones each time."""
    mutator, true = Mutator(others()), original(name)
    for number in range(MUTANTS):
        dice = random.Random(f"{name} {number}")  # noqa: S311 - dice for tests, the same each time
        yield number, mutator.mutant(true.piece, dice)


@pytest.mark.parametrize("name", ORIGINALS)
def test_no_change_proves_anything_unless_it_left_the_proof_what_it_was(name: str) -> None:
    """Whatever else comes out must be one of our own refusals: anything else ends the test."""
    true = original(name)
    wrong = [
        number for number, mutant in mutants(name) if is_accepted(true, mutant) and not is_same_proof(mutant, true)
    ]

    assert is_accepted(true, true.piece)
    assert not wrong


@pytest.mark.parametrize("name", ORIGINALS)
def test_no_changed_copy_takes_anything_from_the_original(name: str) -> None:
    """Whoever can push puts it first."""
    true = original(name)

    assert all(is_accepted(true, mutant, true.piece) for _, mutant in mutants(name))


@pytest.mark.parametrize("name", ORIGINALS)
def test_no_change_is_more_work_than_ten_times_the_original(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is counted in steps and in signatures that are checked, which no busy machine makes more."""
    true, work = original(name), 0
    holds = PublicKey.has_signed

    def noted(key: PublicKey, content: bytes, signature: bytes) -> bool:
        nonlocal work
        work += 1
        return holds(key, content, signature)

    def measured(piece: Piece) -> int:
        nonlocal work
        work, scheme = 0, true.scheme
        for _ in scheme.examine(evidence_of(piece), Findings(true.digest), scheme.trust):
            work += 1
        return work

    monkeypatch.setattr(PublicKey, "has_signed", noted)
    usual = measured(true.piece)

    assert max(measured(mutant) for _, mutant in mutants(name)) <= 10 * usual


def test_the_changes_are_of_both_kinds() -> None:
    """A suite whose mutants are all alike would show nothing: some keep the proof, most do not."""
    kept = {name: sum(is_same_proof(mutant, original(name)) for _, mutant in mutants(name)) for name in ORIGINALS}

    assert sum(kept.values()) >= 100
    assert all(count <= MUTANTS / 2 for count in kept.values())
    assert sum(1 for name in ORIGINALS for _ in mutants(name)) == 2000


def test_two_meanings_are_no_same_proof() -> None:
    """The oracle itself: a name that stands twice is none, however it is read."""
    true = original("bundle by P-256")
    assert isinstance(true.piece, SigstoreBundle)
    twice = Members([("mediaType", BUNDLE_TYPE), *members(true.piece.body)])

    assert is_same_proof(true.piece, true)
    assert not _is_same_bundle(
        json.dumps(dict(twice)).encode()[:-1] + b',"mediaType":"' + BUNDLE_TYPE.encode() + b'"}', true
    )


def members(body: bytes) -> Members:
    found = parsed(body)
    assert isinstance(found, Members)
    return found
