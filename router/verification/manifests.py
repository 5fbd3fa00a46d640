"""Manifests that may lead to signatures: what they are and which blobs they name. Pure.

Rules:
(1) Only the members that are used here are made into values, so that a manifest costs what it is long, not what fills
    it. Nothing in a manifest is proof: a name that stands twice, a size or a type that lies can't make one.
(2) What an artifact is, is decided by its own types, never by the list that led to it.
(3) Each layer behind the `.sig` tag is read by itself: it may be somebody else's than the others, so one that can't be
    read is a defect beside them, whatever is wrong with it. A referrer is its pusher's alone: it is read as a whole or
    not at all.
(4) A signature is worth a fetch if its layer says that it is one. Layers that say the same are one;
    one that says something else beside the same signature may lack what proves it, or be the one that has it.

Source: OCI image-spec 1.1 "Image Manifest" (manifest.md); Docker image manifest v2 schema 2 has the same fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct, field

from router.entries import UncutListError, cut_entries
from router.errors import InvalidReferenceError, InvalidSignatureError
from router.images import Digest
from router.reasons import EvidenceFlaw
from router.verification.documents import malformed
from router.verification.evidence import (
    ATTESTATION_LAYER_TYPE,
    BUNDLE_TYPES,
    CERTIFICATE_ANNOTATION,
    CHAIN_ANNOTATION,
    ENTRY_ANNOTATION,
    NOTATION_TYPE,
    PREDICATE_ANNOTATION,
    SIGNATURE_ANNOTATION,
    SIGNATURE_ARTIFACT_TYPE,
    SIMPLE_SIGNING_TYPE,
    TIMESTAMP_ANNOTATION,
    Beside,
    EvidenceFamily,
)

_LAYERS_LIMIT = 5000
"""Layers that are read at all. What a layer must have takes 200 bytes: no honest manifest within its limit has more."""
_T = TypeVar("_T")


class _Annotations(Struct, gc=False, frozen=True):
    signature: str | None = field(default=None, name=SIGNATURE_ANNOTATION)
    predicate: str | None = field(default=None, name=PREDICATE_ANNOTATION)
    certificate: str | None = field(default=None, name=CERTIFICATE_ANNOTATION)
    chain: str | None = field(default=None, name=CHAIN_ANNOTATION)
    entry: str | None = field(default=None, name=ENTRY_ANNOTATION)
    timestamp: str | None = field(default=None, name=TIMESTAMP_ANNOTATION)


_NOTHING_SAID = _Annotations()


class _Config(Struct, gc=False, frozen=True, rename="camel"):
    media_type: str | None = None
    artifact_type: str | None = None


class _Layer(Struct, gc=False, frozen=True, rename="camel"):
    digest: str
    size: int
    media_type: str | None = None
    annotations: _Annotations | None = None


class _Manifest(Struct, gc=False, frozen=True, rename="camel"):
    artifact_type: str | None = None
    config: _Config | None = None
    layers: list[_Layer] | None = None
    annotations: _Annotations | None = None


class _SignatureManifest(Struct, gc=False, frozen=True):
    layers: list[Raw]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of an artifact's manifest, as the manifest describes it."""

    media_type: str
    digest: Digest
    size: int
    """A claim: believed only where it says that the layer is beyond a limit."""
    signature: str
    """The annotation that holds a legacy signature; empty without one."""
    beside: Beside

    @property
    def said(self) -> tuple[Digest, str, Beside]:
        """What it says: layers that say the same are one."""
        return self.digest, self.signature, self.beside

    @property
    def is_envelope(self) -> bool:
        """Whether it says that it is an attestation behind the `.att` tag."""
        return self.media_type == ATTESTATION_LAYER_TYPE

    @property
    def is_worth_fetching(self) -> bool:
        """Whether it says that it is a signature in simple signing."""
        return self.media_type == SIMPLE_SIGNING_TYPE and bool(self.signature)


class ArtifactKind(Enum):
    """Whose format an artifact is in."""

    SIMPLE_SIGNING = auto()
    ATTESTATIONS = auto()
    BUNDLE = auto()
    NOTATION = auto()
    FOREIGN = auto()


@dataclass(frozen=True, slots=True)
class ArtifactManifest:
    """The parts of an OCI or Docker v2s2 manifest that lead to signatures."""

    kind: ArtifactKind
    layers: tuple[Layer, ...]
    predicate: str = ""
    """What its annotations say that it is about: unsigned, so they only decide what is looked at last."""
    defects: tuple[InvalidSignatureError, ...] = ()
    """Of layers that can't be read."""


def read_manifest(body: bytes, family: EvidenceFamily) -> ArtifactManifest:
    """Read the manifest of a referrer; what is of another family is foreign.

    Its `subject` is not compared: nobody signed it, and what is signed names the image itself.

    Raises:
        InvalidSignatureError: It is no manifest, or the one layer that it is to have is none (malformed, media_type).
    """
    what = "a signature manifest"
    manifest = _decoded(body, _Manifest, what)
    layers = manifest.layers or []
    config = manifest.config or _Config()
    types = {manifest.artifact_type, config.media_type, config.artifact_type}
    match _kind(types | {layer.media_type for layer in layers}, family):
        case ArtifactKind.FOREIGN:
            return ArtifactManifest(ArtifactKind.FOREIGN, ())
        case ArtifactKind.SIMPLE_SIGNING:
            return ArtifactManifest(ArtifactKind.SIMPLE_SIGNING, _distinct([_layer(layer) for layer in layers]))
        case ArtifactKind.NOTATION:
            return ArtifactManifest(ArtifactKind.NOTATION, (_layer(_only(layers)),))
        case kind:
            hint = manifest.annotations.predicate if manifest.annotations is not None else None
            return ArtifactManifest(kind, (_bundle(layers),), hint or "")


def read_signature_manifest(body: bytes) -> ArtifactManifest:
    """Read what stands behind the `.sig` tag: signatures, whatever its types say; raises as `_tagged` does."""
    return _tagged(body, ArtifactKind.SIMPLE_SIGNING, "the manifest behind the .sig tag")


def read_attestation_manifest(body: bytes) -> ArtifactManifest:
    """Read what stands behind the `.att` tag: envelopes, whatever its types say; raises as `_tagged` does."""
    return _tagged(body, ArtifactKind.ATTESTATIONS, "the manifest behind the .att tag")


def _tagged(body: bytes, kind: ArtifactKind, what: str) -> ArtifactManifest:
    """Read a manifest that a tag leads to.

    Raises:
        InvalidSignatureError: It is no manifest (malformed), or has more layers than are read (too_many).
    """
    entries = _entries(body, what)
    if len(entries) > _LAYERS_LIMIT:
        raise InvalidSignatureError(f"{what} has more than {_LAYERS_LIMIT} layers", reason=EvidenceFlaw.TOO_MANY)
    layers: list[Layer] = []
    defects: list[InvalidSignatureError] = []
    for entry in entries:
        try:
            layers.append(_layer(_decoded(entry, _Layer, "a layer of a signature manifest")))
        except InvalidSignatureError as error:
            defects.append(error)
    return ArtifactManifest(kind, _distinct(layers), defects=tuple(defects[:1]))


def _entries(body: bytes, what: str) -> Sequence[Raw]:
    """The layers of a manifest, unread."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(body, type=_SignatureManifest).layers
    try:
        found = cut_entries(body, "layers", _LAYERS_LIMIT)
    except UncutListError as error:
        raise malformed(what, "is not a manifest that can be read") from error
    if found is None:
        raise malformed(what, "has no list of layers")
    return found


def may_be_signature(artifact_type: str) -> bool:
    """Whether an artifact type is one of cosign's formats."""
    return artifact_type.startswith(BUNDLE_TYPES) or artifact_type == SIGNATURE_ARTIFACT_TYPE


def says_other(predicate: str, wanted: str) -> bool:
    """Whether the annotation with the predicate's type is there and names something else than what is wanted."""
    return predicate not in ("", wanted)


def _kind(types: set[str | None], family: EvidenceFamily) -> ArtifactKind:
    known = {name for name in types if name}
    if family is EvidenceFamily.NOTATION:
        return ArtifactKind.NOTATION if NOTATION_TYPE in known else ArtifactKind.FOREIGN
    if any(name.startswith(BUNDLE_TYPES) for name in known):
        return ArtifactKind.BUNDLE
    if known & {SIGNATURE_ARTIFACT_TYPE, SIMPLE_SIGNING_TYPE}:
        return ArtifactKind.SIMPLE_SIGNING
    return ArtifactKind.FOREIGN


def _only(layers: Sequence[_Layer]) -> _Layer:
    if len(layers) != 1:
        raise malformed("the manifest of a signature", f"has {len(layers)} layers instead of one")
    return layers[0]


def _bundle(layers: Sequence[_Layer]) -> Layer:
    layer = _only(layers)
    if not (layer.media_type or "").startswith(BUNDLE_TYPES):
        raise InvalidSignatureError("the layer of a bundle is of another media type", reason=EvidenceFlaw.MEDIA_TYPE)
    return _layer(layer)


def _layer(entry: _Layer) -> Layer:
    if entry.size < 0:
        raise malformed("a layer of a signature manifest", "has a negative size")
    try:
        digest = Digest.parse(entry.digest)
    except InvalidReferenceError as error:
        raise malformed("a layer of a signature manifest", "has no digest that we know") from error
    said = entry.annotations or _NOTHING_SAID
    beside = Beside(said.certificate or "", said.chain or "", said.entry or "", said.timestamp or "")
    return Layer(entry.media_type or "", digest, entry.size, said.signature or "", beside)


def _distinct(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Each signature once (4), with the smallest size that anybody says: any claim within the limit counts."""
    found: dict[tuple[object, ...], Layer] = {}
    for layer in layers:
        says_all = layer.is_worth_fetching or layer.is_envelope
        key: tuple[object, ...] = layer.said if says_all else (layer.media_type, bool(layer.signature))
        known = found.get(key)
        if known is None or layer.size < known.size:
            found[key] = layer
    return tuple(found.values())


def _decoded(body: bytes | Raw, shape: type[_T], what: str) -> _T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(what, "is not a manifest that can be read") from error
