"""A Sigstore instance in memory: an authority, a certificate log and two logs of signatures, which say anything.

Unlike the real tools, which made the evidence in `tests/data/keyless`, it certifies and logs anything: what nobody
sound would issue must be refused as well.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from router.verification.keys import PublicKey
from router.verification.pki.certificates import Certificate, Period
from router.verification.sigstore.certificates import CODE_SIGNING, Authority, read_certificate
from router.verification.sigstore.log_entries import InclusionProof, LogEntry
from router.verification.sigstore.logs import Log
from router.verification.sigstore.merkle import leaf_hash
from router.verification.sigstore.proof import SignatureClaim
from router.verification.sigstore.trusted_root import TrustedRoot

NOW = 1_800_000_000
"""When everything happens, in Unix time."""
ALWAYS = Period(0.0, math.inf)
ISSUER = "https://accounts.shop.example"
ALICE = x509.RFC822Name("alice@shop.example")
_FULCIO = "1.3.6.1.4.1.57264.1."
_SCTS = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")


def moment(seconds: float) -> dt.datetime:
    """Unix time as certificates want it."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def key_usage(*, signs: bool = False, certifies: bool = False) -> x509.KeyUsage:
    """A key usage with one or both of two bits."""
    return x509.KeyUsage(signs, False, False, False, False, certifies, certifies, False, False)


def fulcio(number: int, text: str) -> x509.UnrecognizedExtension:
    """One of Fulcio's extensions: raw up to 6, a UTF8String from 8 on."""
    content = text.encode()
    der = content if number <= 6 else b"\x0c" + _der_length(len(content)) + content
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(f"{_FULCIO}{number}"), der)


def _der_length(size: int) -> bytes:
    return bytes([size]) if size < 128 else b"\x81" + bytes([size]) if size < 256 else b"\x82" + size.to_bytes(2, "big")


Extension = tuple[x509.ExtensionType, bool]
"""With whether it is critical."""

USUAL: tuple[Extension, ...] = (
    (key_usage(signs=True), True),
    (x509.ExtendedKeyUsage([CODE_SIGNING]), False),
    (x509.SubjectAlternativeName([ALICE]), True),
    (fulcio(8, ISSUER), False),
)
"""What a leaf has."""
AUTHORITY: tuple[Extension, ...] = (
    (x509.BasicConstraints(ca=True, path_length=None), True),
    (key_usage(certifies=True), True),
)


@dataclass
class Issuer:
    """Somebody with a certificate that issues others."""

    name: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def read(self) -> Certificate:
        """The certificate, as the verifier reads it."""
        return read_certificate(self.certificate.public_bytes(Encoding.DER))


def new_issuer(
    name: str,
    by: Issuer | None = None,
    extensions: Sequence[Extension] = AUTHORITY,
    begin: float = NOW - 10_000,
    end: float = NOW + 10_000,
) -> Issuer:
    """An authority, its own anchor where nobody has issued it."""
    key = ec.generate_private_key(ec.SECP256R1())
    own = Issuer(name, key, None) if by is None else by  # type: ignore[arg-type]  # has none until it is made
    return Issuer(name, key, certify(own, key, name, extensions, begin, end))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else [])


def certify(  # noqa: PLR0913 - a certificate is that much
    by: Issuer,
    key: ec.EllipticCurvePrivateKey,
    name: str,
    extensions: Sequence[Extension],
    begin: float = NOW - 300,
    end: float = NOW + 300,
    *,
    algorithm: hashes.SHA256 | hashes.SHA224 | None = None,
) -> x509.Certificate:
    """Issue a certificate for a key."""
    builder = (
        x509.CertificateBuilder(_name(by.name), _name(name))
        .public_key(key.public_key())
        .serial_number(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") or 1)
        .not_valid_before(moment(begin))
        .not_valid_after(moment(end))
    )
    for value, is_critical in extensions:
        builder = builder.add_extension(value, is_critical)
    return builder.sign(by.key, algorithm or hashes.SHA256())


@dataclass
class Instance:
    """The whole of it; `root` is what a verifier trusts."""

    anchor: Issuer = field(default_factory=lambda: new_issuer("anchor"))
    ct: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    rekor: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    tiles: ed25519.Ed25519PrivateKey = field(default_factory=ed25519.Ed25519PrivateKey.generate)

    def __post_init__(self) -> None:
        self.issuer = new_issuer("issuer", self.anchor)

    @property
    def root(self) -> TrustedRoot:
        """What is trusted."""
        logs = [self.log_of(self.rekor, "rekor.example"), self.log_of(self.tiles, "tiles.example")]
        ct = self.log_of(self.ct, "ct.example")
        chain = [self.issuer.read, self.anchor.read]
        authority = Authority.of(chain, ALWAYS, CODE_SIGNING)
        return TrustedRoot("id", (authority,), {ct.id: ct}, {log.id: log for log in logs}, ())

    def log_of(self, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, origin: str) -> Log:
        """A log with this key."""
        public = PublicKey.of(key.public_key())
        return Log(hashlib.sha256(public.der).digest(), public, ALWAYS, origin)

    def leaf(
        self,
        extensions: Sequence[Extension] = USUAL,
        *,
        by: Issuer | None = None,
        is_logged: bool = True,
        begin: float = NOW - 300,
        end: float = NOW + 300,
    ) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
        """A key and its certificate in DER."""
        key, issuer = ec.generate_private_key(ec.SECP256R1()), by or self.issuer
        made = certify(issuer, key, "", extensions, begin, end)
        if is_logged:
            scts = (x509.UnrecognizedExtension(_SCTS, self._promised(made, issuer)), False)
            made = certify(issuer, key, "", [*extensions, scts], begin, end)
        return key, made.public_bytes(Encoding.DER)

    def _promised(self, precertificate: x509.Certificate, issuer: Issuer) -> bytes:
        body = precertificate.tbs_certificate_bytes
        spki = issuer.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        signed = struct.pack(">BBQH", 0, 0, NOW * 1000, 1) + hashlib.sha256(spki).digest()
        signed += len(body).to_bytes(3, "big") + body + b"\x00\x00"
        signature = self.ct.sign(signed, ec.ECDSA(hashes.SHA256()))
        log_id = self.log_of(self.ct, "").id
        sct = b"\x00" + log_id + struct.pack(">QH", NOW * 1000, 0) + b"\x04\x03" + struct.pack(">H", len(signature))
        sct += signature
        listed = struct.pack(">H", len(sct)) + sct
        whole = struct.pack(">H", len(listed)) + listed
        return b"\x04" + _der_length(len(whole)) + whole

    def entry(self, body: bytes, *, index: int = 0, time: int = NOW) -> LogEntry:
        """An entry of the older log: promised, and included in a tree of two."""
        log = self.log_of(self.rekor, "rekor.example")
        said = {
            "body": base64.b64encode(body).decode(),
            "integratedTime": time,
            "logID": log.id.hex(),
            "logIndex": index,
        }
        promise = self.rekor.sign(json.dumps(said, separators=(",", ":")).encode(), ec.ECDSA(hashes.SHA256()))
        proof = self._proof(body, "rekor.example - 1", "rekor.example", log)
        return LogEntry(log.id, index, time, body, promise, proof)

    def tile_entry(self, body: bytes) -> LogEntry:
        """An entry of the newer log, which promises nothing."""
        log = self.log_of(self.tiles, "tiles.example")
        return LogEntry(log.id, 0, 0, body, b"", self._proof(body, "tiles.example", "tiles.example", log))

    def _proof(self, body: bytes, origin: str, name: str, log: Log) -> InclusionProof:
        sibling = leaf_hash(b"another entry")
        root = hashlib.sha256(b"\x01" + leaf_hash(body) + sibling).digest()
        note = f"{origin}\n2\n{base64.b64encode(root).decode()}\n"
        if name == "rekor.example":
            signature = self.rekor.sign(note.encode(), ec.ECDSA(hashes.SHA256()))
        else:
            signature = self.tiles.sign(note.encode())
        line = f"\u2014 {name} {base64.b64encode(log.id[:4] + signature).decode()}\n"
        return InclusionProof(0, 2, root, (sibling,), f"{note}\n{line}")


def pem(der: bytes, label: str = "CERTIFICATE") -> bytes:
    """DER as PEM."""
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n".encode()


def hashed(claim: SignatureClaim, verifier: bytes, label: str = "CERTIFICATE") -> bytes:
    """The body of a `hashedrekord` 0.0.1 about this signature."""
    digest = hashlib.sha256(claim.content).hexdigest()
    signature = {
        "content": base64.b64encode(claim.signature).decode(),
        "publicKey": {"content": base64.b64encode(pem(verifier, label)).decode()},
    }
    spec = {"data": {"hash": {"algorithm": "sha256", "value": digest}}, "signature": signature}
    return json.dumps({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec}).encode()


def hashed_2(claim: SignatureClaim, verifier: bytes, kind: str = "x509Certificate") -> bytes:
    """The body of a `hashedrekord` 0.0.2."""
    digest = base64.b64encode(hashlib.sha256(claim.content).digest()).decode()
    held = {kind: {"rawBytes": base64.b64encode(verifier).decode()}, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}
    signature = {"content": base64.b64encode(claim.signature).decode(), "verifier": held}
    spec = {"hashedRekordV002": {"data": {"algorithm": "SHA2_256", "digest": digest}, "signature": signature}}
    return json.dumps({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": spec}).encode()


SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
