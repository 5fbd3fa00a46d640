"""Manifests that may lead to signatures, and the plan of what to fetch for them. Pure.

A plan names each blob once, the smallest first, until one place has had its share: signatures have some hundred
bytes, so that large ones that somebody pushed beside them keep nobody from reading the small ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from router.errors import InvalidReferenceError
from router.images import Digest
from router.verification.documents import malformed, object_at, objects_at, read_object, text_at
from router.verification.evidence import (
    ATTESTATION_LAYER_TYPE,
    BUNDLE_TYPES,
    CERTIFICATE_ANNOTATION,
    CHAIN_ANNOTATION,
    ENTRY_ANNOTATION,
    ITEM_LIMIT,
    PREDICATE_ANNOTATION,
    SIGN_PREDICATE,
    SIGNATURE_ANNOTATION,
    SIGNATURE_ARTIFACT_TYPE,
    SIGNATURE_LIMIT,
    SIMPLE_SIGNING_TYPE,
    TIMESTAMP_ANNOTATION,
    TOTAL_LIMIT,
    AttestationLayer,
    Beside,
    Evidence,
    Flaw,
    SigstoreBundle,
    SimpleSigning,
    defect,
)

_BESIDE = (CERTIFICATE_ANNOTATION, CHAIN_ANNOTATION, ENTRY_ANNOTATION, TIMESTAMP_ANNOTATION)
"""In the order of the fields of `Beside`."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of an artifact's manifest, as the manifest describes it."""

    media_type: str
    digest: Digest
    size: int
    signature: str
    """The annotation that holds a legacy signature; empty without one."""
    beside: Beside


class ArtifactKind(Enum):
    """Whose format an artifact is in."""

    SIMPLE_SIGNING = auto()
    ATTESTATIONS = auto()
    BUNDLE = auto()
    FOREIGN = auto()


@dataclass(frozen=True, slots=True)
class ArtifactManifest:
    """The parts of an OCI or Docker v2s2 manifest that lead to signatures."""

    kind: ArtifactKind
    layers: tuple[Layer, ...]
    is_attestation: bool
    """Whether its annotations say so: unsigned, so they only decide what is not worth a fetch."""


def read_manifest(body: bytes) -> ArtifactManifest:
    """Read the manifest of a possible signature.

    What it is, is decided by its own types, never by the list that led here: registries list other types, or none.
    Its `subject` is not compared: nobody signed it, and what is signed names the image itself.

    Source: OCI image-spec 1.1 "Image Manifest" (manifest.md); Docker image manifest v2 schema 2 has the same fields.

    Raises:
        InvalidSignatureError: It is no manifest (malformed).
    """
    what = "a signature manifest"
    document = read_object(body, what)
    layers = objects_at(document, "layers", what)
    config = document.get("config")
    types = {text_at(document, "artifactType", what)} | {text_at(layer, "mediaType", what) for layer in layers}
    if isinstance(config, dict):
        types |= {text_at(config, "mediaType", what), text_at(config, "artifactType", what)}
    kind = _kind(types)
    if kind is ArtifactKind.FOREIGN:
        return ArtifactManifest(kind, (), is_attestation=False)
    hint = _annotation(document, PREDICATE_ANNOTATION, what)
    return ArtifactManifest(kind, tuple(map(_layer, layers)), is_attestation=hint not in ("", SIGN_PREDICATE))


def read_signature_manifest(body: bytes) -> ArtifactManifest:
    """Read what stands behind the `.sig` tag: signatures, whatever its types say; raises InvalidSignatureError."""
    what = "the manifest behind the .sig tag"
    document = read_object(body, what)
    if not isinstance(document.get("layers"), list):
        raise malformed(what, "has no layers")
    layers = tuple(map(_layer, objects_at(document, "layers", what)))
    return ArtifactManifest(ArtifactKind.SIMPLE_SIGNING, layers, is_attestation=False)


def read_attestation_manifest(body: bytes) -> ArtifactManifest:
    """Read what stands behind the `.att` tag: envelopes, whatever its types say; raises InvalidSignatureError."""
    what = "the manifest behind the .att tag"
    layers = tuple(map(_layer, objects_at(read_object(body, what), "layers", what)))
    return ArtifactManifest(ArtifactKind.ATTESTATIONS, layers, is_attestation=True)


def _kind(types: set[str]) -> ArtifactKind:
    if any(name.startswith(BUNDLE_TYPES) for name in types):
        return ArtifactKind.BUNDLE
    if types & {SIGNATURE_ARTIFACT_TYPE, SIMPLE_SIGNING_TYPE}:
        return ArtifactKind.SIMPLE_SIGNING
    return ArtifactKind.FOREIGN


def _layer(entry: Mapping[str, object]) -> Layer:
    what = "a layer of a signature manifest"
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise malformed(what, "has no size")
    try:
        digest = Digest.parse(text_at(entry, "digest", what))
    except InvalidReferenceError as error:
        raise malformed(what, "has no digest") from error
    signature, *beside = (_annotation(entry, name, what) for name in (SIGNATURE_ANNOTATION, *_BESIDE))
    return Layer(text_at(entry, "mediaType", what), digest, size, signature, Beside(*beside))


def _annotation(entry: Mapping[str, object], name: str, what: str) -> str:
    if entry.get("annotations") is None:
        return ""
    return text_at(object_at(entry, "annotations", what), name, what)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to fetch for the manifests of one place, and what is known without it."""

    blobs: tuple[Layer, ...]
    """Each digest once."""
    known: Evidence
    simple_signings: tuple[Layer, ...]
    bundles: tuple[Layer, ...]
    attestations: tuple[Layer, ...]

    def evidence(self, bodies: Mapping[Digest, bytes | Evidence]) -> Evidence:
        """All that was found, given the blobs that could be fetched."""
        signings = []
        for layer in self.simple_signings:
            body = bodies.get(layer.digest) if _is_worth_fetching(layer) else b""
            if isinstance(body, bytes):
                signings.append(SimpleSigning(layer.media_type, layer.digest, layer.signature, body, layer.beside))
        found = [(layer.digest, bodies.get(layer.digest)) for layer in self.bundles]
        bundles = [SigstoreBundle(digest, body) for digest, body in found if isinstance(body, bytes)]
        layers = [(layer, bodies.get(layer.digest)) for layer in self.attestations]
        envelopes = [
            AttestationLayer(layer.digest, body, layer.beside) for layer, body in layers if isinstance(body, bytes)
        ]
        return self.known + Evidence(tuple(signings), tuple(bundles), tuple(envelopes))


def plan_of(manifests: Sequence[ArtifactManifest]) -> Plan:
    """What to fetch for these manifests, within the limits of one place."""
    known = Evidence()
    signings: list[Layer] = []
    bundles: list[Layer] = []
    attestations: list[Layer] = []
    for manifest in manifests:
        match manifest.kind:
            case ArtifactKind.SIMPLE_SIGNING:
                signings += manifest.layers
            case ArtifactKind.ATTESTATIONS:
                attestations += [layer for layer in manifest.layers if layer.media_type == ATTESTATION_LAYER_TYPE]
            case ArtifactKind.BUNDLE:
                news = _bundle_of(manifest)
                if isinstance(news, Layer):
                    bundles.append(news)
                else:
                    known += news
            case ArtifactKind.FOREIGN:
                pass
    if max(len(signings), len(attestations)) > SIGNATURE_LIMIT:
        known += defect(Flaw.TOO_MANY, f"more than {SIGNATURE_LIMIT} signatures")
        del signings[SIGNATURE_LIMIT:], attestations[SIGNATURE_LIMIT:]
    wanted = _distinct([*filter(_is_worth_fetching, signings), *bundles, *attestations])
    blobs = _within_limits(wanted)
    if len(blobs) < len(wanted):
        known += defect(Flaw.TOO_LARGE, "payloads or bundles are too large, each by itself or together")
    return Plan(tuple(blobs), known, tuple(signings), tuple(bundles), tuple(attestations))


def _bundle_of(manifest: ArtifactManifest) -> Layer | Evidence:
    if len(manifest.layers) != 1:
        return defect(Flaw.MALFORMED, f"the manifest of a bundle has {len(manifest.layers)} layers instead of one")
    (layer,) = manifest.layers
    if not layer.media_type.startswith(BUNDLE_TYPES):
        return defect(Flaw.MEDIA_TYPE, "the layer of a bundle is of another media type")
    if manifest.is_attestation and layer.size > ITEM_LIMIT:
        return Evidence(attestations=1)  # a large SBOM is no reason to call an unsigned image invalid
    return layer


def _distinct(layers: Sequence[Layer]) -> Sequence[Layer]:
    """Each digest once, with the largest size that anybody says, lest a lie in one manifest cuts another's blob."""
    found: dict[Digest, Layer] = {}
    for layer in layers:
        known = found.setdefault(layer.digest, layer)
        if known.size < layer.size:
            found[layer.digest] = layer
    return list(found.values())


def _within_limits(layers: Sequence[Layer]) -> list[Layer]:
    taken, left = [], TOTAL_LIMIT
    for layer in sorted(layers, key=lambda layer: layer.size):
        if layer.size <= min(ITEM_LIMIT, left):
            taken.append(layer)
            left -= layer.size
    return taken


def _is_worth_fetching(layer: Layer) -> bool:
    return layer.media_type == SIMPLE_SIGNING_TYPE and bool(layer.signature)
