"""Keys of signing certificates, and the one algorithm that each of them signs with. Pure.

Source: Notary Project signature specification, "Signature Algorithm Requirements" and "Algorithm Selection"; RFC 7518
section 3.4 for the form of ECDSA signatures, which RFC 9053 section 2.1 shares. Rules:

(1) The algorithm follows from the key, and what the envelope says must agree: RSA of 2048, 3072 and 4096 bits is PSS
    with SHA-256, -384 and -512 and a salt as long as the hash; P-256, P-384 and P-521 is ECDSA with the same hashes.
    No other size, no PKCS#1 v1.5, no Ed25519.
(2) An ECDSA signature is its two integers at full width, one after the other; never DER.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from router.errors import InvalidSignatureError
from router.reasons import EvidenceFlaw
from router.verification.keys import PublicKey

_Material: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How a key signs, and what each format of envelope calls that."""

    jws: str
    cose: int
    hash: hashes.HashAlgorithm


_RSA = {
    2048: Algorithm("PS256", -37, hashes.SHA256()),
    3072: Algorithm("PS384", -38, hashes.SHA384()),
    4096: Algorithm("PS512", -39, hashes.SHA512()),
}
_EC = {
    "secp256r1": Algorithm("ES256", -7, hashes.SHA256()),
    "secp384r1": Algorithm("ES384", -35, hashes.SHA384()),
    "secp521r1": Algorithm("ES512", -36, hashes.SHA512()),
}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key of a signing certificate, which nobody vouches for yet."""

    fingerprint: str
    """`sha256:` and the hexadecimal SHA-256 of its SubjectPublicKeyInfo in DER."""
    algorithm: Algorithm
    material: _Material

    @classmethod
    def of(cls, key: PublicKey) -> Self:
        """A certificate's key as one that signs; raises InvalidSignatureError(key) where it may not."""
        match key.material:
            case rsa.RSAPublicKey() as material if (algorithm := _RSA.get(material.key_size)) is not None:
                return cls(key.fingerprint, algorithm, material)
            case ec.EllipticCurvePublicKey() as material if (algorithm := _EC.get(material.curve.name)) is not None:
                return cls(key.fingerprint, algorithm, material)
            case _:
                raise InvalidSignatureError(
                    "a signing certificate has a key of a kind or size that the Notary Project does not allow",
                    reason=EvidenceFlaw.KEY,
                )

    def has_signed(self, content: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over `content`, by its one algorithm."""
        function = self.algorithm.hash
        try:
            match self.material:
                case rsa.RSAPublicKey() as key:
                    pss = padding.PSS(padding.MGF1(function), function.digest_size)
                    key.verify(signature, content, pss, function)
                case ec.EllipticCurvePublicKey() as key:  # pragma: no branch - the union is closed
                    width = (key.curve.key_size + 7) // 8
                    if len(signature) != 2 * width:
                        return False
                    r, s = int.from_bytes(signature[:width], "big"), int.from_bytes(signature[width:], "big")
                    key.verify(encode_dss_signature(r, s), content, ec.ECDSA(function))
        except InvalidSignature:
            return False
        return True
