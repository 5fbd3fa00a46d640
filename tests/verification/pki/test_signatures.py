"""Signatures of signed messages: by the algorithm that is named, if it is one of the key's, and by no other."""

from __future__ import annotations

from functools import cache

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from router.errors import InvalidSignatureError
from router.verification.keys import PublicKey
from router.verification.pki.der import read
from router.verification.pki.signatures import SHA2, has_signed

CONTENT = b"signed attributes"
SHA256_ID = "608648016503040201"
SHA384_ID = "608648016503040202"
HASH = "300d06096086480165030402010500"
MASK = f"301a06092a864886f70d010108{HASH}"
PSS = f"304106092a864886f70d01010a3034a00f{HASH}a11c{MASK}a203020120"
"""As OpenSSL writes it: SHA-256, MGF1 over SHA-256, a salt of 32 bytes, and the trailer left out."""


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def pss(salt: int = 32, kind: hashes.HashAlgorithm | None = None) -> bytes:
    function = kind or hashes.SHA256()
    return rsa_key().sign(CONTENT, padding.PSS(padding.MGF1(function), salt), function)


def holds(
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey,
    signature: bytes,
    algorithm: str,
    digest: str = SHA256_ID,
) -> bool:
    identifier = read(bytes.fromhex(algorithm), "an algorithm")
    return has_signed(PublicKey.of(key), signature, CONTENT, identifier, SHA2[bytes.fromhex(digest)])


def test_pss_with_sha2_counts() -> None:
    """Some authorities sign so, and the Notary Project allows nothing else to signers with RSA."""
    assert holds(rsa_key().public_key(), pss(), PSS)
    assert holds(rsa_key().public_key(), pss(20), PSS.replace("a203020120", "a203020114"))
    longest = PSS.replace("3041", "3042", 1).replace("3034", "3035").replace("a203020120", "a204020200de")
    assert holds(rsa_key().public_key(), pss(222), longest)
    trailed = f"304606092a864886f70d01010a3039a00f{HASH}a11c{MASK}a203020120a303020101"
    assert holds(rsa_key().public_key(), pss(), trailed)


def test_pss_of_something_else_does_not() -> None:
    assert not holds(rsa_key().public_key(), pss(31), PSS)
    assert not holds(rsa_key().public_key(), b"", PSS)
    assert not holds(rsa_key().public_key(), pss(), "300d06092a864886f70d01010b0500")


REFUSED = {
    "by its defaults, without parameters": "300b06092a864886f70d01010a",
    "by its defaults, with none": "300d06092a864886f70d01010a3000",
    "parameters that are null": "300d06092a864886f70d01010a0500",
    "another hash of the mask": PSS.replace(MASK, MASK.replace(SHA256_ID, SHA384_ID)),
    "another hash than the digest's": PSS.replace(SHA256_ID, SHA384_ID),
    "another mask": PSS.replace("06092a864886f70d010108", "06092a864886f70d010109"),
    "a salt that is longer than the key has room for": (
        PSS.replace("3041", "3042", 1).replace("3034", "3035").replace("a203020120", "a204020200df")
    ),
    "a salt below nothing": PSS.replace("a203020120", "a2030201ff"),
    "a salt that is not a number": PSS.replace("a203020120", "a203040120"),
    "an unknown trailer": f"304606092a864886f70d01010a3039a00f{HASH}a11c{MASK}a203020120a303020102",
    "an unknown part": f"304606092a864886f70d01010a3039a00f{HASH}a11c{MASK}a203020120a403020101",
}


@pytest.mark.parametrize("algorithm", REFUSED.values(), ids=list(REFUSED))
def test_pss_with_other_parameters_is_refused_with_its_reason(algorithm: str) -> None:
    with pytest.raises(InvalidSignatureError, match="the algorithm of a timestamp's signature") as refused:
        holds(rsa_key().public_key(), pss(), algorithm)

    assert refused.value.reason in {"timestamp", "malformed"}


ECDSA_SHA256 = "300a06082a8648ce3d040302"


def test_an_algorithm_of_another_kind_of_key_is_refused() -> None:
    """What is said of the key must be true, or two readers would check different things."""
    curve = ec.generate_private_key(ec.SECP256R1())
    for key, algorithm in ((rsa_key().public_key(), ECDSA_SHA256), (curve.public_key(), PSS)):
        with pytest.raises(InvalidSignatureError, match="none that is accepted"):
            holds(key, pss(), algorithm)


def test_ecdsa_pkcs1_and_ed25519_count_by_their_names() -> None:
    curve, plain = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()

    assert holds(curve.public_key(), curve.sign(CONTENT, ec.ECDSA(hashes.SHA256())), ECDSA_SHA256)
    assert not holds(curve.public_key(), curve.sign(CONTENT, ec.ECDSA(hashes.SHA384())), ECDSA_SHA256)
    assert holds(plain.public_key(), plain.sign(CONTENT), "300506032b6570")
    for kind, name in ((hashes.SHA256(), "0b"), (hashes.SHA384(), "0c"), (hashes.SHA512(), "0d")):
        signature = rsa_key().sign(CONTENT, padding.PKCS1v15(), kind)

        assert holds(rsa_key().public_key(), signature, f"300d06092a864886f70d0101{name}0500")
    signature = rsa_key().sign(CONTENT, padding.PKCS1v15(), hashes.SHA384())

    assert holds(rsa_key().public_key(), signature, "300d06092a864886f70d0101010500", SHA384_ID)
