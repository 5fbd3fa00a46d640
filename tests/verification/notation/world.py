"""A small world of Notation: authorities, certificates, envelopes in both formats, and a clock that signs."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TypeAlias

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from router.images import Digest
from router.verification.evidence import NotationEnvelope
from router.verification.notation.envelopes import COSE_TYPE, JWS_TYPE
from router.verification.notation.settings import NotationSettings

NOW = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
DAY = 86_400.0
SCHEME, SIGNING_TIME = "io.cncf.notary.signingScheme", "io.cncf.notary.signingTime"
AUTHENTIC_TIME, EXPIRY = "io.cncf.notary.authenticSigningTime", "io.cncf.notary.expiry"
PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
TIMESTAMP = "io.cncf.notary.timestampSignature"
_COSE_NAMES: Mapping[object, int] = {"alg": 1, "crit": 2, "cty": 3}
_JWS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", 2048: "PS256", 3072: "PS384", 4096: "PS512"}
_COSE = {"ES256": -7, "ES384": -35, "ES512": -36, "PS256": -37, "PS384": -38, "PS512": -39}
_CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
_NO_USAGE = dict.fromkeys(
    (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)

Key: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
FORMS = (JWS_TYPE, COSE_TYPE)


def key(name: str, kind: str | int = "P-256") -> Key:
    """The private key of this name, made once; a number is the size of an RSA key."""
    return _key(name, kind)


@cache
def _key(name: str, kind: str | int) -> Key:
    del name
    if isinstance(kind, int):
        return rsa.generate_private_key(65537, kind)
    return ec.generate_private_key(_CURVES[kind])


def subject(name: str, organisation: str = "Supplier") -> x509.Name:
    """Country, state, organisation and common name."""
    kinds = NameOID.COUNTRY_NAME, NameOID.STATE_OR_PROVINCE_NAME, NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME
    return x509.Name(
        x509.NameAttribute(kind, value) for kind, value in zip(kinds, ("DE", "BE", organisation, name), strict=True)
    )


@dataclass(frozen=True)
class Shape:
    """What a certificate says; by default a good one of the kind."""

    ca: bool | None = None
    """None: no basic constraints."""
    path_length: int | None = None
    constraints_critical: bool = True
    usages: tuple[str, ...] | None = ("digital_signature",)
    usage_critical: bool = True
    extended: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CODE_SIGNING,)
    extended_critical: bool = False
    begin: float = NOW - 100 * DAY
    end: float = NOW + 100 * DAY
    hash: type[hashes.HashAlgorithm] = hashes.SHA256
    more: tuple[tuple[x509.ExtensionType, bool], ...] = ()


LEAF = Shape(ca=False)
CA = Shape(ca=True, usages=("key_cert_sign", "crl_sign"), extended=())
CLOCK = Shape(ca=False, extended=(ExtendedKeyUsageOID.TIME_STAMPING,), extended_critical=True)


def certificate(
    name: x509.Name,
    public: CertificatePublicKeyTypes,
    issuer: x509.Name,
    by: Key,
    shape: Shape,
    serial: int | None = None,
) -> x509.Certificate:
    """A certificate of this shape."""
    made = x509.CertificateBuilder(issuer, name, public, serial or x509.random_serial_number())
    made = made.not_valid_before(datetime.fromtimestamp(shape.begin, UTC))
    made = made.not_valid_after(datetime.fromtimestamp(shape.end, UTC))
    if shape.ca is not None:
        made = made.add_extension(x509.BasicConstraints(shape.ca, shape.path_length), shape.constraints_critical)
    if shape.usages is not None:
        usage = x509.KeyUsage(**(_NO_USAGE | dict.fromkeys(shape.usages, True)))
        made = made.add_extension(usage, shape.usage_critical)
    if shape.extended:
        made = made.add_extension(x509.ExtendedKeyUsage(shape.extended), shape.extended_critical)
    for extension, critical in shape.more:
        made = made.add_extension(extension, critical)
    return made.sign(by, shape.hash())  # type: ignore[arg-type]  # any hash, the weak ones too


def der(found: x509.Certificate) -> bytes:
    """A certificate in DER."""
    return found.public_bytes(Encoding.DER)


def root(name: str = "supplier", shape: Shape = CA) -> x509.Certificate:
    """A self-signed authority of this name, made once."""
    return _root(name, shape)


@cache
def _root(name: str, shape: Shape) -> x509.Certificate:
    own = key(f"{name} root")
    return certificate(subject(f"{name} root"), own.public_key(), subject(f"{name} root"), own, shape)


@dataclass(frozen=True)
class Signatory:
    """Who signs: a key and its chain."""

    key: Key
    chain: tuple[x509.Certificate, ...]
    algorithm: str


@cache
def signatory(
    authority: str = "supplier",
    name: str = "signer",
    *,
    shape: Shape = LEAF,
    kind: str | int = "P-256",
    between: tuple[Shape, ...] = (),
    called: x509.Name | None = None,
) -> Signatory:
    """Somebody with a certificate of an authority, with authorities of these shapes between, the lowest first."""
    chain, above, by = [root(authority)], subject(f"{authority} root"), key(f"{authority} root")
    for number, middle in reversed(list(enumerate(between))):
        own, called_so = key(f"{authority} {number}"), subject(f"{authority} intermediate {number}")
        chain.insert(0, certificate(called_so, own.public_key(), above, by, middle))
        above, by = called_so, own
    own = key(f"{authority} {name}", kind)
    chain.insert(0, certificate(called or subject(name), own.public_key(), above, by, shape))
    return Signatory(own, tuple(chain), _JWS[kind])


def payload(about: Digest, /, **more: object) -> bytes:
    """What Notation signs; `more` are members of the descriptor."""
    target = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": str(about), "size": 423} | more
    return json.dumps({"targetArtifact": target}).encode()


def header(algorithm: str = "ES256", **differing: object) -> dict[object, object]:
    """A sound protected header under `notary.x509`; times are Unix times."""
    found: dict[object, object] = {
        "alg": algorithm,
        "crit": [SCHEME],
        "cty": PAYLOAD_TYPE,
        SCHEME: "notary.x509",
        SIGNING_TIME: NOW - DAY,
    }
    return found | differing


def with_expiry(expiry: float, algorithm: str = "ES256") -> dict[object, object]:
    """A header that says when the signature ends."""
    return header(algorithm) | {"crit": [SCHEME, EXPIRY], EXPIRY: expiry}


def by_authority(moment: float, algorithm: str = "ES256") -> dict[object, object]:
    """A header of a signing authority, which says when it signed."""
    found = header(algorithm) | {SCHEME: "notary.x509.signingAuthority", AUTHENTIC_TIME: moment}
    del found[SIGNING_TIME]
    return found | {"crit": [SCHEME, AUTHENTIC_TIME]}


def url_safe(content: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def protected_of(form: str, found: Mapping[object, object]) -> bytes:
    """The bytes of a protected header in this format."""
    if form == JWS_TYPE:
        return json.dumps({name: _text_time(value) for name, value in found.items()}).encode()
    values = {_COSE_NAMES.get(name, name): _tag_time(value) for name, value in found.items()}
    if isinstance(values.get(1), str):
        values[1] = _COSE.get(values[1], values[1])  # type: ignore[call-overload]  # a text, as the line above says
    return cbor2.dumps(values)


def _text_time(value: object) -> object:
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, float) else value


def _tag_time(value: object) -> object:
    return cbor2.CBORTag(1, int(value)) if isinstance(value, float) else value


def content_of(form: str, protected: bytes, body: bytes) -> bytes:
    """What is signed in this format."""
    if form == JWS_TYPE:
        return f"{url_safe(protected)}.{url_safe(body)}".encode()
    return cbor2.dumps(["Signature1", protected, b"", body])


def sign(by: Key, content: bytes) -> bytes:
    """The key's signature, as Notation writes it."""
    match by:
        case rsa.RSAPrivateKey():
            kind: hashes.HashAlgorithm = {2048: hashes.SHA256(), 3072: hashes.SHA384()}.get(
                by.key_size, hashes.SHA512()
            )
            return by.sign(content, padding.PSS(padding.MGF1(kind), kind.digest_size), kind)
        case _:
            kinds = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
            r, s = decode_dss_signature(by.sign(content, ec.ECDSA(kinds[by.curve.key_size])))
            width = (by.curve.key_size + 7) // 8
            return r.to_bytes(width, "big") + s.to_bytes(width, "big")


@dataclass(frozen=True)
class Letter:
    """An envelope to be written; every part can be another."""

    protected: bytes
    payload: bytes
    signature: bytes
    chain: Sequence[bytes]
    timestamp: bytes | None = None
    more: Mapping[str, object] = field(default_factory=dict)

    def written(self, form: str) -> bytes:
        """The envelope in this format."""
        if form == COSE_TYPE:
            outside: dict[object, object] = {33: list(self.chain)} | dict[object, object](self.more.items())
            if self.timestamp is not None:
                outside[TIMESTAMP] = self.timestamp
            return cbor2.dumps(cbor2.CBORTag(18, [self.protected, outside, self.payload, self.signature]))
        texts: dict[str, object] = {"x5c": [base64.b64encode(one).decode() for one in self.chain], **self.more}
        if self.timestamp is not None:
            texts[TIMESTAMP] = base64.b64encode(self.timestamp).decode()
        return json.dumps(
            {
                "payload": url_safe(self.payload),
                "protected": url_safe(self.protected),
                "header": texts,
                "signature": url_safe(self.signature),
            }
        ).encode()


def letter(
    form: str,
    digest: Digest,
    by: Signatory,
    *,
    said: Mapping[object, object] | None = None,
    body: bytes | None = None,
) -> Letter:
    """What somebody signs about a digest: with another header or payload, if one is given."""
    protected = protected_of(form, header(by.algorithm) if said is None else said)
    content = payload(digest) if body is None else body
    signature = sign(by.key, content_of(form, protected, content))
    return Letter(protected, content, signature, [der(one) for one in by.chain])


def piece(form: str, body: bytes) -> NotationEnvelope:
    """An envelope as it is found."""
    return NotationEnvelope(form, Digest.of(body), body)


def signed(
    digest: Digest,
    by: Signatory | None = None,
    form: str = JWS_TYPE,
    *,
    said: Mapping[object, object] | None = None,
    body: bytes | None = None,
) -> NotationEnvelope:
    """A sound envelope about a digest, as `letter` makes it."""
    return piece(form, letter(form, digest, signatory() if by is None else by, said=said, body=body).written(form))


def pem(*found: x509.Certificate) -> str:
    """Certificates in PEM."""
    return b"".join(one.public_bytes(Encoding.PEM) for one in found).decode()


def store(name: str = "supplier", type_: str = "ca", *certificates: x509.Certificate) -> dict[str, str]:
    """A trust store as it is configured; without certificates, with the root of its name."""
    return {"name": name, "type": type_, "pem": pem(*(certificates or [root(name)]))}


def notation(*stores: Mapping[str, str], **differing: object) -> NotationSettings:
    """Settings of a verifier called `suppliers`."""
    told = {"name": "suppliers", "kind": "notation", "trust_stores": list(stores or [store()]), "identities": ["*"]}
    return NotationSettings.model_validate(told | differing)


_OID = {
    "signed data": "06092a864886f70d010702",
    "timestamp info": "060b2a864886f70d0109100104",
    "content type": "06092a864886f70d010903",
    "message digest": "06092a864886f70d010904",
    "signing certificate": "060b2a864886f70d010910022f",
    "sha256": "0609608648016503040201",
    "ecdsa with sha256": "06082a8648ce3d040302",
    "policy": "06042a030405",
}


def element(tag: int, content: bytes) -> bytes:
    """One element of DER."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _oid(name: str) -> bytes:
    return bytes.fromhex(_OID[name])


def _integer(value: int) -> bytes:
    return element(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _sequence(*parts: bytes) -> bytes:
    return element(0x30, b"".join(parts))


@dataclass(frozen=True)
class Stamp:
    """A timestamp to be made; every part can be another."""

    content: bytes
    moment: float = NOW - DAY
    accuracy: int | None = 1
    names_certificate: bool = True
    brings: tuple[bytes, ...] | None = None
    """Certificates that come along; None: the clock's chain."""

    def token(self, clock: Signatory) -> bytes:
        """The token that this clock makes."""
        leaf = clock.chain[0]
        digest = hashlib.sha256(self.content).digest()
        moment = datetime.fromtimestamp(self.moment, UTC).strftime("%Y%m%d%H%M%SZ").encode()
        parts = [
            _integer(1),
            _oid("policy"),
            _sequence(_sequence(_oid("sha256"), b"\x05\x00"), element(0x04, digest)),
            _integer(7),
            element(0x18, moment),
        ]
        if self.accuracy is not None:
            parts.append(_sequence(_integer(self.accuracy)))
        info = _sequence(*parts)
        attributes = [
            _attribute("content type", _oid("timestamp info")),
            _attribute("message digest", element(0x04, hashlib.sha256(info).digest())),
        ]
        if self.names_certificate:
            identifier = _sequence(element(0x04, hashlib.sha256(der(leaf)).digest()))
            attributes.append(_attribute("signing certificate", _sequence(_sequence(identifier))))
        signed_part = b"".join(sorted(attributes))
        assert isinstance(clock.key, ec.EllipticCurvePrivateKey)
        signer = _sequence(
            _integer(1),
            _sequence(leaf.issuer.public_bytes(), _integer(leaf.serial_number)),
            _sequence(_oid("sha256"), b"\x05\x00"),
            element(0xA0, signed_part),
            _sequence(_oid("ecdsa with sha256")),
            element(0x04, clock.key.sign(element(0x31, signed_part), ec.ECDSA(hashes.SHA256()))),
        )
        brought = [der(one) for one in clock.chain] if self.brings is None else self.brings
        data = _sequence(
            _integer(3),
            element(0x31, _sequence(_oid("sha256"), b"\x05\x00")),
            _sequence(_oid("timestamp info"), element(0xA0, element(0x04, info))),
            element(0xA0, b"".join(brought)),
            element(0x31, signer),
        )
        return _sequence(_oid("signed data"), element(0xA0, data))


def _attribute(name: str, value: bytes) -> bytes:
    return _sequence(_oid(name), element(0x31, value))


def clock(name: str = "clock", shape: Shape = CLOCK) -> Signatory:
    """Somebody who tells the time."""
    return signatory(name, "timestamps", shape=shape)


def after(days: float) -> float:
    """So many days from now."""
    return NOW + timedelta(days=days).total_seconds()
