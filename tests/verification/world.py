"""A small world for proof: a source of evidence in memory, keys that sign, and time that passes only when awaited."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from router.errors import NotFoundError, TimedOutError, UnverifiableError
from router.images import Digest, ImageReference, parse_reference
from router.policy import Rule
from router.policy.settings import RuleSettings
from router.registry import BodyLimit, BodyRoom, Descriptor, Manifest, ReferrerList, RegistryClient
from router.registry.client import MANIFEST_LIMIT
from router.registry.referrers import fallback_tag
from router.steps import finish
from router.verification.cosign.settings import CosignSettings
from router.verification.evidence import (
    BUNDLE_TYPE,
    SIGN_PREDICATE,
    SIGNATURE_ANNOTATION,
    SIMPLE_SIGNING_TYPE,
    Evidence,
)
from router.verification.keys import PublicKey
from router.verification.scheme import AnyScheme, Demands, Findings, Ruling
from router.verification.sigstore.dsse import IN_TOTO_TYPE, pae
from router.verification.sigstore.statement import STATEMENT_TYPE
from router.verification.static import StaticSettings

DATA = Path(__file__).parent.parent / "data"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
NAME = "registry.example/shop/web"
_REF_NAME = "org.opencontainers.image.ref.name"
T = TypeVar("T")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer as soon as there is nothing else to do."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__()

    def time(self) -> float:
        """Seconds since the loop was made, as if nothing took any time but sleep."""
        return self._now

    def _run_once(self) -> None:
        ready: Sequence[object] = self._ready  # type: ignore[attr-defined]  # asyncio's own, and stable since 3.4
        scheduled: Sequence[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]  # the same
        if not ready and scheduled:
            self._now = max(self._now, scheduled[0].when())
        super()._run_once()  # type: ignore[misc]  # the same


def in_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    """Run the work in a loop whose time is virtual and begins at 0."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)


def _texts(value: object) -> Mapping[str, str]:
    return value if isinstance(value, dict) else {}


@dataclass
class MemorySource(RegistryClient):
    """A registry in memory, with or without the referrers API; notes what it is asked."""

    has_api: bool = True
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    images: list[ImageReference] = field(default_factory=list)
    brought: int = 0
    """Bytes of manifests and blobs."""
    faults: dict[str, UnverifiableError] = field(default_factory=dict)
    """What is raised for a question that begins so."""
    delays: dict[str, float] = field(default_factory=dict)
    """Seconds before the answer to a question that begins so."""
    lists: dict[Digest, ReferrerList] = field(default_factory=dict)
    """What the API lists instead of what is there."""

    async def resolve(self, image: ImageReference, deadline: float) -> Digest:
        """By tag."""
        await self._note(f"HEAD {image.tag}", image, deadline)
        return Digest.of(self._held(str(image.tag))[1])

    async def manifest(
        self,
        image: ImageReference,
        reference: Digest | str,
        deadline: float,
        limit: BodyLimit = MANIFEST_LIMIT,
    ) -> Manifest:
        """Any manifest, whatever the image: there is one repository."""
        await self._note(f"GET {reference}", image, deadline)
        media_type, body = self._held(str(reference))
        return Manifest(Digest.of(body), media_type, self._bring(body, limit))

    async def blob(self, image: ImageReference, digest: Digest, deadline: float, limit: BodyLimit) -> bytes:
        """Any blob."""
        await self._note(f"BLOB {digest}", image, deadline)
        if digest not in self.blobs:
            raise NotFoundError("no such blob")
        return self._bring(self.blobs[digest], limit)

    def _bring(self, body: bytes, limit: BodyLimit) -> bytes:
        with (limit if isinstance(limit, BodyRoom) else BodyRoom(limit)).taking("it") as take:
            take(len(body))
        self.brought += len(body)
        return body

    async def referrers(self, image: ImageReference, digest: Digest, deadline: float) -> ReferrerList:
        """By subject."""
        await self._note("REFERRERS", image, deadline)
        if not self.has_api:
            raise NotFoundError("there is no API")
        return self.lists.get(digest) or self.listed(digest)

    def listed(self, digest: Digest) -> ReferrerList:
        """What refers to it."""
        return ReferrerList(tuple(self._referring(digest)))

    def _referring(self, digest: Digest) -> Sequence[Descriptor]:
        found = []
        for reference, (media_type, body) in self.manifests.items():
            try:
                document = json.loads(body)
            except ValueError:
                continue
            subject = document.get("subject") if isinstance(document, dict) else None
            if ":" in reference and isinstance(subject, dict) and subject.get("digest") == str(digest):
                kind = document.get("artifactType") or (document.get("config") or {}).get("mediaType") or ""
                listed = Digest.parse(reference)
                found.append(Descriptor(media_type, listed, len(body), kind, _texts(document.get("annotations"))))
        return found

    def _held(self, reference: str) -> tuple[str, bytes]:
        if reference not in self.manifests:
            raise NotFoundError(f"{reference} is not there")
        return self.manifests[reference]

    async def _note(self, question: str, image: ImageReference, deadline: float) -> None:
        self.asked.append(question)
        self.images.append(image)
        for beginning, seconds in self.delays.items():
            if question.startswith(beginning):
                await self._wait(seconds, deadline)
        for beginning, error in self.faults.items():
            if question.startswith(beginning):
                raise error

    async def _wait(self, seconds: float, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.sleep(seconds)
        except TimeoutError as error:
            raise TimedOutError("no answer within the deadline") from error

    def add(self, body: bytes, *, media_type: str = OCI_MANIFEST, tag: str | None = None) -> Digest:
        """Put a manifest in, by digest and, where one is given, by tag."""
        digest = Digest.of(body)
        self.manifests[str(digest)] = (media_type, body)
        if tag is not None:
            self.manifests[tag] = (media_type, body)
        return digest

    def add_blob(self, body: bytes) -> Digest:
        """Put a blob in."""
        digest = Digest.of(body)
        self.blobs[digest] = body
        return digest

    def add_image(self, tag: str = "v1", text: str = "an image") -> Digest:
        """Put an unsigned image in."""
        return self.add(json.dumps({"schemaVersion": 2, "layers": [], "comment": text}).encode(), tag=tag)

    def add_legacy(self, digest: Digest, *layers: Mapping[str, object]) -> Digest:
        """Put a signature manifest behind the `.sig` tag of an image."""
        body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": list(layers)}
        return self.add(json.dumps(body).encode(), tag=f"{digest.algorithm}-{digest.hex}.sig")

    def layer(self, payload: bytes, signature: bytes | str, media_type: str = SIMPLE_SIGNING_TYPE) -> dict[str, object]:
        """Put a payload in; gives the layer that describes it, with its signature."""
        text = signature if isinstance(signature, str) else base64.b64encode(signature).decode()
        digest = str(self.add_blob(payload))
        annotations = {SIGNATURE_ANNOTATION: text}
        return {"mediaType": media_type, "digest": digest, "size": len(payload), "annotations": annotations}

    def add_bundle(self, subject: Digest, bundle: bytes, **differing: object) -> Digest:
        """Put a bundle in that refers to an image; `differing` replaces fields of its manifest."""
        layer = {"mediaType": BUNDLE_TYPE, "digest": str(self.add_blob(bundle)), "size": len(bundle)}
        body = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": BUNDLE_TYPE,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": "sha256:" + "4" * 64, "size": 2},
            "layers": [layer],
            "subject": {"mediaType": OCI_MANIFEST, "digest": str(subject), "size": 1},
        } | differing
        digest = self.add(json.dumps(body).encode())
        self._list_in_fallback(subject, digest, str(body["artifactType"]))
        return digest

    def _list_in_fallback(self, subject: Digest, digest: Digest, artifact_type: str) -> None:
        tag = fallback_tag(subject)
        listed = json.loads(self.manifests[tag][1])["manifests"] if tag in self.manifests else []
        listed.append({"mediaType": OCI_MANIFEST, "digest": str(digest), "size": 1, "artifactType": artifact_type})
        self.manifests[tag] = (OCI_INDEX, json.dumps({"schemaVersion": 2, "manifests": listed}).encode())

    @classmethod
    def of_layout(cls, layout: Path, *, has_api: bool = True) -> MemorySource:
        """The repository that an OCI image layout holds."""
        source = cls(has_api)
        for entry in json.loads((layout / "index.json").read_bytes())["manifests"]:
            algorithm, value = entry["digest"].split(":")
            body = (layout / "blobs" / algorithm / value).read_bytes()
            source.manifests[entry["digest"]] = (entry["mediaType"], body)
            if tag := (entry.get("annotations") or {}).get(_REF_NAME):
                source.manifests[tag] = (entry["mediaType"], body)
        for path in (layout / "blobs").glob("*/*"):
            source.blobs[Digest(path.parent.name, path.name)] = path.read_bytes()
        return source


@dataclass(frozen=True)
class Pen:
    """A private key that signs as cosign does: EC with SHA-256."""

    name: str
    private: ec.EllipticCurvePrivateKey

    @property
    def public(self) -> PublicKey:
        """What can be pinned."""
        return PublicKey.from_pem(pem_of(self.private))

    def sign(self, content: bytes) -> bytes:
        """Sign with ECDSA and SHA-256."""
        return self.private.sign(content, ec.ECDSA(hashes.SHA256()))

    def sign_legacy(self, source: MemorySource, payload: bytes) -> dict[str, object]:
        """A layer that holds the payload and its signature."""
        return source.layer(payload, self.sign(payload))

    def bundle(self, payload: bytes, **differing: object) -> bytes:
        """A bundle around this payload; `differing` replaces fields of the bundle."""
        envelope = {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": IN_TOTO_TYPE,
            "signatures": [{"sig": base64.b64encode(self.sign(pae(IN_TOTO_TYPE, payload))).decode()}],
        }
        body = {"mediaType": BUNDLE_TYPE, "verificationMaterial": {"publicKey": {}}, "dsseEnvelope": envelope}
        return json.dumps(body | differing).encode()


@cache
def pen(name: str) -> Pen:
    """The private key of this name, made once."""
    return Pen(name, ec.generate_private_key(ec.SECP256R1()))


def pem_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    """The public part of a private key, in PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def simple_signing(digest: Digest | str, kind: str = "cosign container image signature") -> bytes:
    """The payload of a legacy signature."""
    critical = {
        "identity": {"docker-reference": NAME},
        "image": {"docker-manifest-digest": str(digest)},
        "type": kind,
    }
    return json.dumps({"critical": critical, "optional": None}).encode()


def statement(digest: Digest, predicate_type: str = SIGN_PREDICATE, **differing: object) -> bytes:
    """The statement of a bundle; `differing` replaces its fields."""
    body = {
        "_type": STATEMENT_TYPE,
        "subject": [{"digest": {digest.algorithm: digest.hex}}],
        "predicateType": predicate_type,
        "predicate": {},
    }
    return json.dumps(body | differing).encode()


def cosign(*names: str, verifier: str = "keys", predicate: str = "") -> CosignSettings:
    """Settings that trust the pens of these names; to sign, or to attest what is of this type."""
    keys = [{"name": name, "pem": pem_of(pen(name).private).decode()} for name in names]
    attestation = {"attestation": {"predicate_type": predicate}} if predicate else {}
    return CosignSettings.model_validate({"name": verifier, "kind": "cosign", "keys": keys, **attestation})


def static(*, allow: bool, message: str | None = None) -> StaticSettings:
    """A static verifier called `fixed`."""
    return StaticSettings(name="fixed", kind="static", allow=allow, message=message)


def rule(
    verifier: str = "keys",
    threshold: int | None = None,
    required: Sequence[str] = (),
    annotations: Mapping[str, str] | None = None,
) -> Rule:
    """A rule for every image."""
    demands = {"threshold": threshold, "required": list(required), "annotations": dict(annotations or {})}
    return Rule.of(RuleSettings.model_validate({"pattern": "**", "verifier": verifier, "with": demands}))


def image(tag: str = "v1", digest: Digest | None = None) -> ImageReference:
    """The image of this world, by tag or by digest."""
    return parse_reference(f"{NAME}:{tag}" if digest is None else f"{NAME}@{digest}")


def proven(scheme: AnyScheme, evidence: Evidence, digest: Digest | None, demands: Demands, now: float = 0.0) -> Ruling:
    """What the evidence proves about the digest, examined at once; raises NotVerifiedError."""
    trust, found = scheme.trust, Findings(digest, now)
    finish(scheme.examine(evidence, found, trust))
    return scheme.prove(found, demands, trust, now)
