"""Public keys that an operator pins: which are accepted, and what it means that one of them has signed some bytes.

Rules:
(1) A key is one PEM block, `PUBLIC KEY` (RFC 5280 SubjectPublicKeyInfo) or `RSA PUBLIC KEY` (RFC 8017). Private
    keys, certificates and a second block are refused: what is ignored silently would be trusted or missed silently.
(2) Accepted are EC keys on P-256, P-384 and P-521, RSA of 2048 to 8192 bits with an exponent of at least 65537
    and less than 2^32 (one as long as the modulus makes a check cost as much as a hundred), and Ed25519. Nothing else
    can be pinned, so a weak key is an error at start and not at the gate.
(3) The algorithm follows from the key, never from the evidence:
    - EC: ECDSA with the curve's own hash, which cosign 3 signs with, then SHA-256, which cosign 2 verifies with.
      ASN.1 DER; where that fails and the length is right, the two raw integers (IEEE P1363), as sigstore accepts.
    - RSA: PKCS#1 v1.5 with SHA-256. PSS is left out: cosign makes it with keys of some clouds only.
    - Ed25519: pure (RFC 8032), then Ed25519ph with an empty context, which `cosign sign` makes.
(4) `SignedBytes` are made by checking a signature and in no other way: who holds one holds bytes that a key has
    signed, by that key's own algorithms. Whatever reads the content of evidence as a claim takes `SignedBytes`, not
    bytes.
(5) Two signatures of one key are one signer. ECDSA signatures can be mirrored (s, n-s) by anybody: count keys, never
    signatures. The fingerprint, SHA-256 over the DER of SubjectPublicKeyInfo, is what makes two keys the same.
(6) One key under several names is one signer: a rule may require it by each of them, and counts it once.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, Self, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

_BLOCK = re.compile(r"-----BEGIN ([^-\n]{0,80})-----")
_PUBLIC_LABELS = frozenset({"PUBLIC KEY", "RSA PUBLIC KEY"})
_RSA_LEAST_BITS = 2048
_RSA_MOST_BITS = 8192
_RSA_EXPONENTS = range(65537, 2**32)
_ED25519_SIGNATURE_BYTES = 64
_PREHASHED_SHA256 = Prehashed(hashes.SHA256())
_SHA256 = "sha256", ec.ECDSA(_PREHASHED_SHA256)
_SHA384 = "sha384", ec.ECDSA(Prehashed(hashes.SHA384()))
_SHA512 = "sha512", ec.ECDSA(Prehashed(hashes.SHA512()))
_ECDSA = {"secp256r1": (_SHA256,), "secp384r1": (_SHA384, _SHA256), "secp521r1": (_SHA512, _SHA256)}
"""By curve, with which hash functions its keys sign, each made once: that takes as long as a sixth of a check."""

_Material: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class UnusableKeyError(ValueError):
    """A text is no public key that can be pinned; the message says what it is and what to do."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One pinned key. Equal by fingerprint."""

    fingerprint: str
    """`sha256:` and the hexadecimal SHA-256 of the key's SubjectPublicKeyInfo in DER."""
    material: _Material
    der: bytes
    """Its SubjectPublicKeyInfo."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read one public key.

        Raises:
            UnusableKeyError: It is none that can be pinned.
        """
        return cls.of(_parsed(pem))

    @classmethod
    def of(cls, parsed: object) -> Self:
        """One public key that somebody else has read.

        Raises:
            UnusableKeyError: It is none that can be pinned.
        """
        material = _accepted(parsed)
        der = material.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls("sha256:" + hashlib.sha256(der).hexdigest(), material, der)

    def has_signed(self, content: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over `content`, in one of the ways of rule 3."""
        match self.material:
            case ec.EllipticCurvePublicKey() as key:
                return _ecdsa_holds(key, content, signature)
            case rsa.RSAPublicKey() as key:
                return _rsa_holds(key, content, signature)
            case ed25519.Ed25519PublicKey() as key:  # pragma: no branch - the union is closed
                return _ed25519_holds(key, content, signature)


class SignatureMismatchError(Exception):
    """A key has not made this signature over these bytes. Never leaves the code that tries keys."""


class Signing(Protocol):
    """A key that knows its own algorithms: a pinned one, or that of a certificate."""

    @property
    def fingerprint(self) -> str:
        """`sha256:` and the hexadecimal SHA-256 of its SubjectPublicKeyInfo in DER."""

    def has_signed(self, content: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over `content`."""


@dataclass(frozen=True, slots=True)
class SignedBytes:
    """Bytes that a key has signed: making one checks the signature, so that it can't be had otherwise.

    Raises:
        SignatureMismatchError: The key has not signed these bytes.
    """

    key: Signing
    content: bytes
    signature: bytes

    def __post_init__(self) -> None:
        if not self.key.has_signed(self.content, self.signature):
            raise SignatureMismatchError

    @classmethod
    def opened(cls, key: Signing, content: bytes, signature: bytes) -> Self | None:
        """The bytes as signed by this key, or None where it has not signed them."""
        try:
            return cls(key, content, signature)
        except SignatureMismatchError:
            return None


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One pinned key."""

    key: PublicKey
    names: tuple[str, ...]
    """What the operator calls it: at least one name, in the order of the configuration."""


TrustedKeys: TypeAlias = tuple[TrustedKey, ...]
"""Distinct keys."""


def distinct_keys(named: Iterable[tuple[str, PublicKey]]) -> TrustedKeys:
    """Pinned keys, each once with all its names (rule 6)."""
    names: dict[PublicKey, tuple[str, ...]] = {}
    for name, key in named:
        names[key] = (*names.get(key, ()), name)
    return tuple(TrustedKey(key, called) for key, called in names.items())


def _parsed(pem: bytes) -> object:
    try:
        text = pem.decode("ascii")
    except UnicodeDecodeError as error:
        raise UnusableKeyError('is not valid PEM text; a key begins with "-----BEGIN PUBLIC KEY-----"') from error
    labels = _BLOCK.findall(text)
    if not labels:
        raise UnusableKeyError('is not valid PEM text; a key begins with "-----BEGIN PUBLIC KEY-----"')
    if any("PRIVATE" in label for label in labels):
        raise UnusableKeyError(
            "is a private key, which does not belong here; give its public part (cosign public-key --key ...) "
            "and consider the private one as leaked"
        )
    if "CERTIFICATE" in labels[0]:
        raise UnusableKeyError("is a certificate, not a public key; openssl x509 -pubkey -noout -in FILE takes it out")
    if len(labels) > 1:
        raise UnusableKeyError("holds more than one PEM block; give every key a name and an entry of its own")
    if labels[0] not in _PUBLIC_LABELS:
        raise UnusableKeyError('is not a public key; the PEM block must be named "PUBLIC KEY"')
    try:
        return load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKeyError("is not a public key: the PEM block can't be decoded; was it cut or changed?") from error


def _accepted(key: object) -> _Material:
    match key:
        case ec.EllipticCurvePublicKey() if key.curve.name in _ECDSA:
            return key
        case ec.EllipticCurvePublicKey():
            raise UnusableKeyError(f"is a key on the curve {key.curve.name}; use P-256, P-384 or P-521")
        case rsa.RSAPublicKey():
            if not _RSA_LEAST_BITS <= key.key_size <= _RSA_MOST_BITS:
                raise UnusableKeyError(
                    f"is an RSA key of {key.key_size} bits; use {_RSA_LEAST_BITS} to {_RSA_MOST_BITS} bits"
                )
            if key.public_numbers().e not in _RSA_EXPONENTS:
                raise UnusableKeyError("is an RSA key with a public exponent that is not from 65537 to 4294967295")
            return key
        case ed25519.Ed25519PublicKey():
            return key
        case _:
            raise UnusableKeyError("is a public key of a kind that can't be used; use ECDSA, RSA or Ed25519")


@functools.lru_cache(maxsize=4)
def _hashed(function: str, content: bytes) -> bytes:
    """The digest: once for a payload that many signatures name, and for all keys that may have made them.

    What was hashed last is kept for that, at most four times 1 MiB.
    """
    return hashlib.new(function, content).digest()


def _ecdsa_holds(key: ec.EllipticCurvePublicKey, content: bytes, signature: bytes) -> bool:
    hashed = [(_hashed(function, content), algorithm) for function, algorithm in _ECDSA[key.curve.name]]
    if any(_ecdsa_holds_over(key, digest, signature, algorithm) for digest, algorithm in hashed):
        return True
    width = (key.curve.key_size + 7) // 8
    if len(signature) != 2 * width:
        return False
    r, s = int.from_bytes(signature[:width], "big"), int.from_bytes(signature[width:], "big")
    der = encode_dss_signature(r, s)
    return any(_ecdsa_holds_over(key, digest, der, algorithm) for digest, algorithm in hashed)


def _ecdsa_holds_over(key: ec.EllipticCurvePublicKey, digest: bytes, der: bytes, algorithm: ec.ECDSA) -> bool:
    try:
        key.verify(der, digest, algorithm)
    except InvalidSignature:
        return False
    return True


def _rsa_holds(key: rsa.RSAPublicKey, content: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, _hashed("sha256", content), padding.PKCS1v15(), _PREHASHED_SHA256)
    except InvalidSignature:
        return False
    return True


def _ed25519_holds(key: ed25519.Ed25519PublicKey, content: bytes, signature: bytes) -> bool:
    if len(signature) != _ED25519_SIGNATURE_BYTES:
        return False
    try:
        key.verify(signature, content)
    except InvalidSignature:
        return _ed25519ph_holds(key.public_bytes_raw(), content, signature)
    return True


def _ed25519ph_holds(key: bytes, content: bytes, signature: bytes) -> bool:
    from nacl import bindings  # noqa: PLC0415 - few keys need it, and every start would load it
    from nacl.exceptions import CryptoError  # noqa: PLC0415 - the same

    state = bindings.crypto_sign_ed25519ph_state()
    bindings.crypto_sign_ed25519ph_update(state, content)
    try:
        return bool(bindings.crypto_sign_ed25519ph_final_verify(state, signature, key))
    except CryptoError:
        return False
