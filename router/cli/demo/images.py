"""Images that are made and signed on the spot, as the tools of the field would: real keys, manifests, signatures.

Two formats are made, which `cosign sign` writes by default in its versions 2 and 3: the `.sig` tag with a simple
signing payload, and the Sigstore bundle v0.3 as a referrer.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
STATEMENT = "application/vnd.in-toto+json"


def digest_of(data: bytes) -> str:
    """The sha256 digest of these bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class DemoSigner:
    """A key pair that signs."""

    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def public_pem(self) -> str:
        """The public key, as it stands in a configuration."""
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(encoding, form).decode()

    def sign(self, data: bytes) -> str:
        """An ECDSA signature with SHA-256, as base64."""
        return base64.b64encode(self.key.sign(data, ec.ECDSA(hashes.SHA256()))).decode()


@dataclass(slots=True)
class Images:
    """What a registry holds, by repository."""

    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    """(repository, tag or digest) -> (media type, body)."""
    blobs: dict[str, bytes] = field(default_factory=dict)
    """digest -> content."""

    def push(self, repository: str, tag: str) -> str:
        """Make a tiny image and tag it; returns its digest."""
        config = _json({"architecture": "amd64", "os": "linux", "config": {"Labels": {"demo": f"{repository}:{tag}"}}})
        body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": self._blob(config, CONFIG), "layers": []}
        return self._manifest(repository, body, tag)

    def sign_legacy(self, repository: str, digest: str, signer: DemoSigner, *, about: str | None = None) -> None:
        """Sign by the `.sig` tag; `about` is the digest that the payload names, where it is to be a wrong one."""
        payload = _json(
            {
                "critical": {
                    "identity": {"docker-reference": repository},
                    "image": {"docker-manifest-digest": about or digest},
                    "type": "cosign container image signature",
                },
                "optional": None,
            }
        )
        annotations = {"dev.cosignproject.cosign/signature": signer.sign(payload)}
        layer = self._blob(payload, SIMPLE_SIGNING) | {"annotations": annotations}
        body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": self._blob(b"{}", CONFIG), "layers": [layer]}
        self._manifest(repository, body, digest.replace(":", "-") + ".sig")

    def sign_bundle(self, repository: str, digest: str, signer: DemoSigner) -> None:
        """Sign by a Sigstore bundle that refers to the image."""
        statement = _json(
            {
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [{"digest": {"sha256": digest.removeprefix("sha256:")}}],
                "predicateType": "https://sigstore.dev/cosign/sign/v1",
                "predicate": {},
            }
        )
        signed = b"DSSEv1 %d %b %d %b" % (len(STATEMENT), STATEMENT.encode(), len(statement), statement)
        bundle = _json(
            {
                "mediaType": BUNDLE,
                "verificationMaterial": {"publicKey": {"hint": signer.name}},
                "dsseEnvelope": {
                    "payload": base64.b64encode(statement).decode(),
                    "payloadType": STATEMENT,
                    "signatures": [{"sig": signer.sign(signed)}],
                },
            }
        )
        subject_type, subject = self.manifests[repository, digest]
        body = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": BUNDLE,
            "config": self._blob(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [self._blob(bundle, BUNDLE)],
            "subject": {"mediaType": subject_type, "digest": digest, "size": len(subject)},
        }
        self._manifest(repository, body, None)

    def referrers(self, repository: str, digest: str) -> list[dict[str, object]]:
        """Descriptors of the manifests whose subject is this digest."""
        found = []
        for (holder, name), (media_type, body) in self.manifests.items():
            if holder != repository or ":" not in name:
                continue
            manifest = json.loads(body)
            if manifest.get("subject", {}).get("digest") == digest:
                descriptor = {"mediaType": media_type, "digest": name, "size": len(body)}
                found.append(descriptor | {"artifactType": manifest["artifactType"]})
        return found

    def _blob(self, data: bytes, media_type: str) -> dict[str, object]:
        digest = digest_of(data)
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def _manifest(self, repository: str, body: dict[str, object], tag: str | None) -> str:
        data = _json(body)
        digest = digest_of(data)
        for name in (digest, tag):
            if name is not None:
                self.manifests[repository, name] = (MANIFEST, data)
        return digest
