"""Readers that can prove something: what is accepted must be what somebody signed."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path

from router.errors import InvalidReferenceError, InvalidSignatureError, NotVerifiedError
from router.fields import ReadingContext
from router.images import Digest
from router.steps import finish
from router.verification.cosign.settings import CosignSettings
from router.verification.evidence import (
    SIMPLE_SIGNING_TYPE,
    AttestationLayer,
    Beside,
    Evidence,
    NotationEnvelope,
    SigstoreBundle,
    SimpleSigning,
)
from router.verification.notation.certificates import Chains, read_certificate
from router.verification.notation.settings import NotationSettings
from router.verification.notation.timestamps import stamped_range
from router.verification.pki.certificates import Certificate
from router.verification.scheme import AnyScheme, Findings
from router.verification.sigstore.checkpoints import read_checkpoint
from router.verification.sigstore.timestamps import proven_time
from router.verification.sigstore.trusted_root import TrustedRoot, read_trusted_root
from tests.fuzz import corpora
from tests.fuzz.target import Target, fields_of, framed
from tests.verification.notation import world as notation
from tests.verification.notation.test_cases import THEN
from tests.verification.world import DATA

_SLSA = "https://slsa.dev/provenance/v1"
_NOT_PROVEN = (NotVerifiedError, InvalidReferenceError)


def _everybody(**asked: object) -> AnyScheme:
    """Trusts every key, and everybody whom the test's Sigstore instance vouches for."""
    files = sorted(path for folder in corpora.SETS for path in (folder / "keys").glob("*.pub"))
    keys = [{"name": f"key-{number}", "pem": path.read_text()} for number, path in enumerate(files)]
    written: Mapping[str, object] = {
        "name": "everybody",
        "kind": "cosign",
        "keys": keys,
        "keyless": [{"name": "anybody", "issuer_regex": ".+", "subject_regex": ".+"}],
        "trust_root": {"file": "trusted_root.json"},
        "transparency_log": "ignore",
    }
    reading = ReadingContext(DATA / "keyless", {}, lambda path, _: Path(path).read_bytes())
    settings = CosignSettings.model_validate({**written, **asked}, context={"reading": reading})
    settings.bind(())
    return settings.scheme()


@cache
def _signatures() -> AnyScheme:
    return _everybody()


@cache
def _attestations() -> AnyScheme:
    return _everybody(attestation={"predicate_type": _SLSA, "where": "!has(predicate.forged)"})


@cache
def _suppliers() -> AnyScheme:
    stores = [
        {"name": path.stem, "type": "ca", "pem": path.read_text()} for path in sorted((DATA / "keys").glob("*-ca.pem"))
    ]
    written = {"name": "all", "kind": "notation", "trust_stores": stores, "identities": ["*"], "level": "permissive"}
    return NotationSettings.model_validate(written).scheme()


@cache
def _root() -> TrustedRoot:
    return read_trusted_root((DATA / "keyless" / "trusted_root.json").read_bytes())


def _endorsed(scheme: AnyScheme, evidence: Evidence, image: bytes) -> Iterator[Hashable]:
    """Who has signed what about the image."""
    digest = Digest.parse(image.decode(errors="replace"))
    found = Findings(digest, THEN)
    finish(scheme.examine(evidence, found, scheme.trust))
    for entry in (*found.endorsements, *found.repeated):
        yield str(entry.digest), entry.signer.who, entry.signed.content, tuple(sorted(entry.annotations.items()))


def beside(parts: tuple[bytes, ...]) -> Beside:
    """What the annotations of a layer say."""
    return Beside(*(part.decode(errors="replace") for part in parts))


def _payload(data: bytes) -> Iterator[Hashable]:
    image, signature, payload, *notes = fields_of(data, 7)
    text = signature.decode(errors="replace")
    signing = SimpleSigning(SIMPLE_SIGNING_TYPE, Digest.of(payload), text, payload, beside(tuple(notes)))
    return _endorsed(_signatures(), Evidence((signing,)), image)


def _bundle(data: bytes) -> Iterator[Hashable]:
    image, body = fields_of(data, 2)
    evidence = Evidence(bundles=(SigstoreBundle(Digest.of(body), body),))
    for scheme in (_signatures(), _attestations()):
        yield from _endorsed(scheme, evidence, image)


def _attestation(data: bytes) -> Iterator[Hashable]:
    image, body, *notes = fields_of(data, 6)
    layer = AttestationLayer(Digest.of(body), body, beside(tuple(notes)))
    return _endorsed(_attestations(), Evidence(attestation_layers=(layer,)), image)


def _notation(media_type: str, data: bytes) -> Iterator[Hashable]:
    image, body = fields_of(data, 2)
    envelope = NotationEnvelope(media_type, Digest.of(body), body)
    return _endorsed(_suppliers(), Evidence(notations=(envelope,)), image)


def _timestamp(data: bytes) -> Iterator[Hashable]:
    content, token = fields_of(data, 2)
    if (when := proven_time(token, content, _root().timestamp_authorities)) is not None:
        yield content, when


@cache
def _clocks() -> tuple[Certificate, ...]:
    return (read_certificate(notation.der(notation.root("clock"))),)


def _notation_timestamp(data: bytes) -> Iterator[Hashable]:
    content, token = fields_of(data, 2)
    yield content, finish(stamped_range(token, content, _clocks(), Chains()))


def _notation_timestamps() -> Iterator[bytes]:
    """Tokens as no recorded authority gives them, since Notation asks for more."""
    for content in (b"a signature", b"another"):
        for accuracy in (1, None):
            yield framed(content, notation.Stamp(content, accuracy=accuracy).token(notation.clock()))


def _checkpoint(data: bytes) -> Iterator[Hashable]:
    text = data.decode(errors="replace")
    for log in _root().logs.values():
        try:
            seen = read_checkpoint(text, log)
        except InvalidSignatureError:
            continue
        yield log.id, seen.size, seen.root


PROOFS = (
    Target(
        "cosign-payload", _payload, _NOT_PROVEN, corpora.payloads, True, lambda: corpora.beside_less(corpora.payloads())
    ),
    Target("bundle", _bundle, _NOT_PROVEN, corpora.bundles, True, corpora.with_less),
    Target(
        "attestation",
        _attestation,
        _NOT_PROVEN,
        corpora.attestations,
        True,
        lambda: corpora.beside_less(corpora.attestations()),
    ),
    *(
        Target(f"notation-{name}", partial(_notation, kind), _NOT_PROVEN, partial(corpora.notations, kind), proves=True)
        for name, kind in zip(("jws", "cose"), corpora.NOTATION_TYPES, strict=True)
    ),
    Target("timestamp", _timestamp, _NOT_PROVEN, corpora.timestamps, proves=True),
    Target("notation-timestamp", _notation_timestamp, _NOT_PROVEN, _notation_timestamps, proves=True),
    Target("checkpoint", _checkpoint, _NOT_PROVEN, partial(corpora.texts, "envelope"), proves=True),
)
