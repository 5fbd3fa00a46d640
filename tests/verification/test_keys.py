"""Which keys can be pinned, and which signatures hold."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import (
    crypto_sign_ed25519ph_final_create,
    crypto_sign_ed25519ph_state,
    crypto_sign_ed25519ph_update,
    crypto_sign_seed_keypair,
)

from router.verification.keys import PublicKey, SignatureMismatchError, SignedBytes, UnusableKeyError
from tests.verification.world import DATA, pem_of, pen

CONTENT = b"what is signed"
PUBLIC_KEYS = sorted((DATA / "keys").glob("*.pub"))


@pytest.mark.parametrize("path", PUBLIC_KEYS, ids=lambda path: path.stem)
def test_every_key_that_cosign_makes_can_be_pinned_and_has_the_usual_fingerprint(path: object) -> None:
    pem = (DATA / "keys" / str(path)).read_bytes()
    der = load_pem_public_key(pem).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    assert PublicKey.from_pem(pem).fingerprint == "sha256:" + hashlib.sha256(der).hexdigest()


def test_the_same_key_in_two_encodings_is_one_key() -> None:
    """RSA keys can be written in two ways; a threshold must not count both."""
    private = rsa.generate_private_key(65537, 2048)
    other = private.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)

    assert PublicKey.from_pem(other) == PublicKey.from_pem(pem_of(private))
    assert len({PublicKey.from_pem(other), PublicKey.from_pem(pem_of(private))}) == 1


def pkcs8(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def unusable() -> dict[str, tuple[bytes, str]]:
    public = pem_of(pen("release").private)
    other = dsa.generate_private_key(2048).public_key()
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it must be refused
    low = rsa.generate_private_key(3, 2048)
    return {
        "nothing": (b"", "not valid PEM text"),
        "no text": (b"\xff\xfe\x00", "not valid PEM text"),
        "raw": (b"MFkwEwYHKoZIzj0CAQ", "not valid PEM text"),
        "private": (pkcs8(pen("release").private), "private key"),
        "private beside it": (public + pkcs8(pen("release").private), "private key"),
        "private of cosign": ((DATA / "keys" / "release.key").read_bytes(), "private key"),
        "certificate": ((DATA / "keys" / "notation-ec.pem").read_bytes(), "certificate"),
        "two": (public + pem_of(pen("security").private), "more than one"),
        "cut": (public.replace(b"MFkw", b"MFkwAAAA"), "decoded"),
        "of another kind": (public.replace(b"PUBLIC KEY", b"OPENSSH THING"), "not a public key"),
        "other curve": (pem_of(ec.generate_private_key(ec.SECP256K1())), "secp256k1"),
        "short": (pem_of(weak), "1024 bits"),
        "low exponent": (pem_of(low), "exponent"),
        "no signing key we use": (other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "kind"),
    }


def test_what_can_not_be_pinned_is_refused_with_what_it_is() -> None:
    for pem, words in unusable().values():
        with pytest.raises(UnusableKeyError, match=words):
            PublicKey.from_pem(pem)


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"-----BEGIN PUBLIC KEY-----{text}".encode()))
def test_any_bytes_are_a_key_or_refused(pem: bytes) -> None:
    with pytest.raises(UnusableKeyError):
        PublicKey.from_pem(pem)


CURVES = [
    (ec.SECP256R1(), [hashes.SHA256()], [hashes.SHA384(), hashes.SHA512()]),
    (ec.SECP384R1(), [hashes.SHA384(), hashes.SHA256()], [hashes.SHA512()]),
    (ec.SECP521R1(), [hashes.SHA512(), hashes.SHA256()], [hashes.SHA384()]),
]


@pytest.mark.parametrize(("curve", "good", "bad"), CURVES, ids=["p256", "p384", "p521"])
def test_ecdsa_holds_with_the_curves_own_hash_and_with_sha256_in_both_encodings(
    curve: ec.EllipticCurve, good: list[hashes.HashAlgorithm], bad: list[hashes.HashAlgorithm]
) -> None:
    private = ec.generate_private_key(curve)
    key, width = PublicKey.from_pem(pem_of(private)), (curve.key_size + 7) // 8
    for algorithm in good:
        der = private.sign(CONTENT, ec.ECDSA(algorithm))
        raw = b"".join(number.to_bytes(width, "big") for number in decode_dss_signature(der))

        assert key.has_signed(CONTENT, der)
        assert key.has_signed(CONTENT, raw)
        assert not key.has_signed(CONTENT + b".", der)
        assert not key.has_signed(CONTENT + b".", raw)
        assert not key.has_signed(CONTENT, raw[:-1])
    for algorithm in bad:
        assert not key.has_signed(CONTENT, private.sign(CONTENT, ec.ECDSA(algorithm)))


def test_a_mirrored_ecdsa_signature_is_the_same_signer() -> None:
    """Whoever has (r, s) can make (r, n-s) without the key: signatures are no measure, keys are."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    r, s = decode_dss_signature(pen("release").sign(CONTENT))
    mirrored = SignedBytes.opened(pen("release").public, CONTENT, encode_dss_signature(r, order - s))

    assert mirrored is not None
    assert mirrored.key == pen("release").public


def test_rsa_holds_with_pkcs1v15_and_sha256_only() -> None:
    private = rsa.generate_private_key(65537, 2048)
    key = PublicKey.from_pem(pem_of(private))
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)

    assert key.has_signed(CONTENT, private.sign(CONTENT, padding.PKCS1v15(), hashes.SHA256()))
    assert not key.has_signed(CONTENT, private.sign(CONTENT, padding.PKCS1v15(), hashes.SHA512()))
    assert not key.has_signed(CONTENT, private.sign(CONTENT, pss, hashes.SHA256()))


def ed25519ph(seed: bytes, content: bytes) -> bytes:
    state = crypto_sign_ed25519ph_state()
    crypto_sign_ed25519ph_update(state, content)
    return bytes(crypto_sign_ed25519ph_final_create(state, crypto_sign_seed_keypair(seed)[1]))


def test_ed25519_holds_pure_and_prehashed() -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    key = PublicKey.from_pem(pem_of(private))
    prehashed = ed25519ph(private.private_bytes_raw(), CONTENT)

    assert key.has_signed(CONTENT, private.sign(CONTENT))
    assert key.has_signed(CONTENT, prehashed)
    assert not key.has_signed(CONTENT + b".", prehashed)
    assert not key.has_signed(CONTENT, prehashed + b"\0")
    assert not key.has_signed(CONTENT, private.sign(hashlib.sha512(CONTENT).digest()))


def test_ed25519ph_agrees_with_the_vector_of_rfc_8032() -> None:
    """RFC 8032 section 7.3."""
    seed = bytes.fromhex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42")
    signature = bytes.fromhex(
        "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41"
        "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
    )

    assert PublicKey.from_pem(pem_of(ed25519.Ed25519PrivateKey.from_private_bytes(seed))).has_signed(b"abc", signature)


def test_signed_bytes_can_not_be_had_without_a_signature() -> None:
    with pytest.raises(SignatureMismatchError):
        SignedBytes(pen("release").public, CONTENT, pen("stranger").sign(CONTENT))


KEYS = [PublicKey.from_pem(path.read_bytes()) for path in PUBLIC_KEYS]


@settings(max_examples=40)
@given(st.sampled_from(KEYS), st.binary(max_size=200), st.binary(max_size=80) | st.binary(min_size=64, max_size=64))
def test_no_bytes_crash_a_check_or_pass_for_a_signature(key: PublicKey, content: bytes, signature: bytes) -> None:
    assert SignedBytes.opened(key, content, signature) is None


@pytest.mark.parametrize("width", [64, 96, 132, 256, 512])
@pytest.mark.parametrize("fill", [b"\0", b"\xff"])
def test_numbers_at_the_edge_are_no_signatures(width: int, fill: bytes) -> None:
    assert not any(key.has_signed(CONTENT, fill * width) for key in KEYS)


def test_one_payload_is_hashed_once_however_many_keys_and_signatures_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing 1 MiB takes longer than a check, and anybody may name one payload a thousand times."""
    content, made = b"a payload that nothing else has", list[str]()
    new = hashlib.new

    def noted(name: str, data: bytes) -> hashlib._Hash:
        made.append(name)
        return new(name, data)

    monkeypatch.setattr(hashlib, "new", noted)
    for signature in (b"one", b"another"):
        for key in (pen("release").public, pen("security").public):
            assert not key.has_signed(content, signature)

    assert made == ["sha256"]
