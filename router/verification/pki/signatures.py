"""Signatures of signed messages (CMS) by the algorithm that the message names. Pure.

Sources: RFC 5754 (SHA-2 with CMS), RFC 5758 section 3.2 (ECDSA), RFC 8017 and RFC 4056 (RSASSA-PSS), RFC 8419
(Ed25519). The algorithm must be one of the key's own kind; where it names no hash, the digest's is meant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from router.errors import InvalidSignatureError
from router.reasons import EvidenceFlaw
from router.verification.keys import PublicKey
from router.verification.pki.der import INTEGER, OBJECT, SEQUENCE, Value

_Hash: TypeAlias = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
_WHAT = "the algorithm of a timestamp's signature"


@dataclass(frozen=True, slots=True)
class Sha2:
    """One hash function, as it is used and as a signature names it."""

    digest: Callable[[bytes], hashlib._Hash]
    algorithm: _Hash


SHA2: Mapping[bytes, Sha2] = {
    bytes.fromhex("608648016503040201"): Sha2(hashlib.sha256, hashes.SHA256()),
    bytes.fromhex("608648016503040202"): Sha2(hashlib.sha384, hashes.SHA384()),
    bytes.fromhex("608648016503040203"): Sha2(hashlib.sha512, hashes.SHA512()),
}
"""Hash functions that are accepted, by their object identifiers, encoded."""
_SHA256, _SHA384, _SHA512 = (entry.algorithm for entry in SHA2.values())
_ECDSA: Mapping[bytes, _Hash] = {
    bytes.fromhex("2a8648ce3d040302"): _SHA256,
    bytes.fromhex("2a8648ce3d040303"): _SHA384,
    bytes.fromhex("2a8648ce3d040304"): _SHA512,
}
_RSA: Mapping[bytes, _Hash] = {
    bytes.fromhex("2a864886f70d01010b"): _SHA256,
    bytes.fromhex("2a864886f70d01010c"): _SHA384,
    bytes.fromhex("2a864886f70d01010d"): _SHA512,
}
_RSA_BY_DIGEST = bytes.fromhex("2a864886f70d010101")
_PSS = bytes.fromhex("2a864886f70d01010a")
_MGF1 = bytes.fromhex("2a864886f70d010108")
_HASH_PART, _MASK_PART, _SALT_PART, _TRAILER_PART = 0xA0, 0xA1, 0xA2, 0xA3


def has_signed(key: PublicKey, signature: bytes, content: bytes, algorithm: Value, digest: Sha2) -> bool:
    """Whether the key has signed the content by the algorithm that is named.

    Args:
        key: The signer's.
        signature: Its signature.
        content: What it is over.
        algorithm: The AlgorithmIdentifier of the signature.
        digest: The hash function of the message's digest.

    Raises:
        InvalidSignatureError: The algorithm is none of the key's, or not accepted (timestamp), or can't be read.
    """
    name, parameters = _named(algorithm)
    try:
        match key.material:
            case ec.EllipticCurvePublicKey() as material if name in _ECDSA:
                material.verify(signature, content, ec.ECDSA(_ECDSA[name]))
            case rsa.RSAPublicKey() as material if name == _PSS:
                material.verify(signature, content, _pss(parameters, digest, material.key_size), digest.algorithm)
            case rsa.RSAPublicKey() as material if name in _RSA or name == _RSA_BY_DIGEST:
                material.verify(signature, content, padding.PKCS1v15(), _RSA.get(name, digest.algorithm))
            case ed25519.Ed25519PublicKey() as material:
                material.verify(signature, content)
            case _:
                raise _refused("is none that is accepted of its signer's key")
    except InvalidSignature:
        return False
    return True


def _pss(parameters: Value | None, digest: Sha2, key_size: int) -> padding.PSS:
    """RSASSA-PSS-params (RFC 4055 section 3.1), of which nothing but the trailer may be left out."""
    parts = {part.tag: part for part in parameters.children(_WHAT)} if parameters is not None else {}
    if not {_HASH_PART, _MASK_PART, _SALT_PART} <= parts.keys() <= {_HASH_PART, _MASK_PART, _SALT_PART, _TRAILER_PART}:
        raise _refused("is RSASSA-PSS by its defaults, which are SHA-1's, or with parameters that are unknown")
    name, _ = _named(parts[_HASH_PART].only(_WHAT))
    mask, inner = _named(parts[_MASK_PART].only(_WHAT))
    masked = None if inner is None or mask != _MGF1 else SHA2.get(_named(inner)[0])
    if SHA2.get(name) is not digest or masked is not digest:
        raise _refused("is RSASSA-PSS with another hash than the digest's")
    salt = _number(parts[_SALT_PART])
    if not 0 <= salt <= key_size // 8 - digest.algorithm.digest_size - 2:  # RFC 8017 section 9.1.1
        raise _refused("is RSASSA-PSS with a salt that its key has no room for")
    if _TRAILER_PART in parts and _number(parts[_TRAILER_PART]) != 1:
        raise _refused("is RSASSA-PSS with a trailer that is unknown")
    return padding.PSS(padding.MGF1(digest.algorithm), salt)


def _named(algorithm: Value) -> tuple[bytes, Value | None]:
    """An algorithm's object identifier, and its parameters."""
    parts = algorithm.children(_WHAT) if algorithm.tag == SEQUENCE else ()
    if not 1 <= len(parts) <= 2 or parts[0].tag != OBJECT:  # noqa: PLR2004 - with parameters or without
        raise _refused("can't be read")
    return parts[0].content, parts[1] if len(parts) > 1 else None


def _number(part: Value) -> int:
    value = part.only(_WHAT)
    if value.tag != INTEGER or not value.content:
        raise _refused("has a parameter that is not a number")
    return int.from_bytes(value.content, "big", signed=True)


def _refused(problem: str) -> InvalidSignatureError:
    return InvalidSignatureError(f"{_WHAT} {problem}", reason=EvidenceFlaw.TIMESTAMP)
