"""Chains as the Notary Project wants them: every rule has its forgery."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from router.errors import InvalidSignatureError
from router.steps import finish
from router.verification.keys import PublicKey as PinnedKey
from router.verification.notation.algorithms import SigningKey
from router.verification.notation.certificates import CHAINS_LIMIT, Chain, Chains, read_certificate
from router.verification.pki.certificates import Period, certificates_in
from tests.verification.notation.world import (
    CA,
    CLOCK,
    LEAF,
    NOW,
    Shape,
    certificate,
    clock,
    der,
    key,
    pem,
    root,
    signatory,
    subject,
)


def checked(chain: Sequence[x509.Certificate], *, is_for_code: bool = True) -> Chain:
    return finish(Chain.checked([read_certificate(der(one)) for one in chain], is_for_code=is_for_code))


def reason_of(chain: Sequence[x509.Certificate], *, is_for_code: bool = True) -> str:
    with pytest.raises(InvalidSignatureError) as refused:
        checked(chain, is_for_code=is_for_code)
    return refused.value.reason


def leaf(**differing: object) -> tuple[x509.Certificate, ...]:
    return signatory(shape=replace(LEAF, **differing)).chain  # type: ignore[arg-type]  # fields of a shape


def between(*shapes: Shape) -> tuple[x509.Certificate, ...]:
    return signatory("long", between=shapes).chain


SOUND = {
    "a signer and a root": signatory().chain,
    "intermediates": between(CA, CA),
    "a path length that suffices": between(replace(CA, path_length=0), replace(CA, path_length=1)),
    "no basic constraints": leaf(ca=None),
    "no extended key usage": leaf(extended=()),
    "another extended key usage beside": leaf(
        extended=(ExtendedKeyUsageOID.CODE_SIGNING, ObjectIdentifier("1.3.6.1.4.1.311.10.3.13"))
    ),
    "content commitment": leaf(usages=("digital_signature", "content_commitment")),
    "an unknown extension, critical even": leaf(
        more=((x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True),)
    ),
    "SHA-512": leaf(hash=hashes.SHA512),
}


@pytest.mark.parametrize("chain", SOUND.values(), ids=list(SOUND))
def test_a_chain_that_keeps_the_rules_is_one(chain: Sequence[x509.Certificate]) -> None:
    """Extensions other than three must not be honoured: the specification says so."""
    assert len(checked(chain).certificates) == len(chain)


GOOD = signatory().chain
LONG = between(CA)
STRANGER = signatory("stranger").chain
FORGED = {
    "the signer alone": GOOD[:1],
    "the root alone": GOOD[1:],
    "another's root": (GOOD[0], STRANGER[1]),
    "a root behind a stranger's chain": (*STRANGER, root("supplier")),
    "the wrong order": tuple(reversed(GOOD)),
    "one left out": (LONG[0], LONG[2]),
    "one between that has nothing to do with it": (GOOD[0], STRANGER[0], GOOD[1]),
    "the signer twice": (GOOD[0], *GOOD),
    "the root twice": (*GOOD, GOOD[1]),
    "no end": LONG[:2],
    "an authority as signer": leaf(ca=True),
    "no key usage": leaf(usages=None),
    "key usage that is not critical": leaf(usage_critical=False),
    "no digital signature": leaf(usages=("content_commitment",)),
    "encipherment": leaf(usages=("digital_signature", "key_encipherment")),
    "data encipherment": leaf(usages=("digital_signature", "data_encipherment")),
    "key agreement": leaf(usages=("digital_signature", "key_agreement")),
    "issuing": leaf(usages=("digital_signature", "key_cert_sign")),
    "revoking": leaf(usages=("digital_signature", "crl_sign")),
    "any extended key usage": leaf(extended=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)),
    "a server's": leaf(extended=(ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.SERVER_AUTH)),
    "a client's": leaf(extended=(ExtendedKeyUsageOID.CLIENT_AUTH,)),
    "mail": leaf(extended=(ExtendedKeyUsageOID.EMAIL_PROTECTION,)),
    "time stamping": leaf(extended=(ExtendedKeyUsageOID.TIME_STAMPING,)),
    "OCSP": leaf(extended=(ExtendedKeyUsageOID.OCSP_SIGNING,)),
    "an intermediate that is no authority": between(replace(CA, ca=False)),
    "an intermediate without constraints": between(replace(CA, ca=None)),
    "constraints that are not critical": between(replace(CA, constraints_critical=False)),
    "an intermediate that may not issue": between(replace(CA, usages=("digital_signature",))),
    "an intermediate without key usage": between(replace(CA, usages=None)),
    "an intermediate's usage not critical": between(replace(CA, usage_critical=False)),
    "more beneath than the path length": between(CA, replace(CA, path_length=0)),
}


@pytest.mark.parametrize("chain", FORGED.values(), ids=list(FORGED))
def test_a_chain_that_breaks_a_rule_is_none(chain: Sequence[x509.Certificate]) -> None:
    assert reason_of(chain) == "certificate"


def test_a_certificate_may_be_its_own_root_and_then_signs_as_any_signer_does() -> None:
    own = key("alone")

    def alone(shape: Shape) -> x509.Certificate:
        return certificate(subject("alone"), own.public_key(), subject("alone"), own, shape)

    assert checked([alone(LEAF)]).signer.is_self_signed
    assert reason_of([alone(CA)]) == "certificate"
    assert reason_of([certificate(subject("alone"), own.public_key(), subject("other"), own, LEAF)]) == "certificate"


def test_a_chain_is_valid_when_all_of_it_is() -> None:
    """Validity need not be nested: a signer may outlive its authority, and then counts no longer than that."""
    chain = checked(signatory("long", between=(replace(CA, begin=NOW - 5, end=NOW + 5),)).chain)

    assert chain.period == Period(NOW - 5, NOW + 5)
    assert [chain.period.covers(NOW + seconds) for seconds in (-6, -5, 5, 6)] == [False, True, True, False]


TIMES = {
    "no extended key usage": replace(CLOCK, extended=()),
    "extended key usage that is not critical": replace(CLOCK, extended_critical=False),
    "code signing, too": replace(CLOCK, extended=(ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)),
    "code signing": replace(CLOCK, extended=(ExtendedKeyUsageOID.CODE_SIGNING,)),
}


@pytest.mark.parametrize("shape", TIMES.values(), ids=list(TIMES))
def test_a_certificate_for_timestamps_is_for_nothing_else(shape: Shape) -> None:
    assert len(checked(clock().chain, is_for_code=False).certificates) == 2
    assert len(checked(clock(shape=replace(CLOCK, usage_critical=False)).chain, is_for_code=False).certificates) == 2
    assert reason_of(clock(shape=shape).chain, is_for_code=False) == "certificate"
    assert reason_of(clock().chain) == "certificate"


PublicKey: TypeAlias = CertificatePublicKeyTypes


def dear() -> PublicKey:
    """An RSA key whose every check costs as much as a hundred."""
    numbers = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    return rsa.RSAPublicNumbers(2**2000 + 1, numbers.n).public_key()


ODD_KEYS: dict[str, Callable[[], PublicKey]] = {
    "RSA of 1024 bits": lambda: rsa.generate_private_key(65537, 1024).public_key(),  # noqa: S505 - that is the claim
    "Ed25519": lambda: ed25519.Ed25519PrivateKey.generate().public_key(),
    "another curve": lambda: ec.generate_private_key(ec.SECP256K1()).public_key(),
    "an exponent that makes checks dear": dear,
}


@pytest.mark.parametrize("make", ODD_KEYS.values(), ids=list(ODD_KEYS))
def test_a_key_that_is_weak_or_dear_is_refused_as_soon_as_it_is_read(make: Callable[[], PublicKey]) -> None:
    odd = certificate(subject("odd"), make(), subject("supplier root"), key("supplier root"), LEAF)
    with pytest.raises(InvalidSignatureError) as refused:
        read_certificate(der(odd))

    assert refused.value.reason == "certificate"


def test_sha1_is_refused_in_a_certificate() -> None:
    """The library will not sign with it any more, so its name is put in by hand."""
    found = der(GOOD[0])
    name, weak = bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06072a8648ce3d0401")
    assert found.count(name) == 2

    with pytest.raises(InvalidSignatureError):
        read_certificate(found.replace(name, weak + b"\x00"))


@pytest.mark.parametrize("body", [b"", b"x", der(GOOD[0])[:-1], der(GOOD[0]) + b"\x00", b"\x30\x80"])
def test_what_is_no_certificate_is_malformed(body: bytes) -> None:
    with pytest.raises(InvalidSignatureError) as refused:
        read_certificate(body)

    assert refused.value.reason == "malformed"


@pytest.mark.parametrize("kind", range(1, 31))
def test_a_name_of_an_odd_type_of_text_is_malformed_or_read(kind: int) -> None:
    """The library has no word for some of ASN.1's types, and says so by a KeyError."""
    found = der(GOOD[0]).replace(b"\x0c\x06signer", bytes([kind]) + b"\x06signer")
    try:
        subject_of = read_certificate(found).subject
    except InvalidSignatureError:
        return
    assert subject_of.rdns


def test_a_text_holds_one_certificate_or_several() -> None:
    assert len(certificates_in(pem(root("supplier"), root("stranger")).encode(), "a store", 2)) == 2
    with pytest.raises(InvalidSignatureError):
        certificates_in(b"no PEM", "a store", 2)


@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521", 2048, 3072, 4096])
def test_the_algorithm_follows_from_the_key(kind: str | int) -> None:
    by = signatory(name=f"by {kind}", kind=kind)

    assert SigningKey.of(PinnedKey.of(by.chain[0].public_key())).algorithm.jws == by.algorithm


@pytest.mark.parametrize("size", [2560, 8192])
def test_sizes_of_rsa_that_the_specification_does_not_name_do_not_sign(size: int) -> None:
    numbers = rsa.RSAPublicNumbers(65537, 2 ** (size - 1) + 1)
    with pytest.raises(InvalidSignatureError) as refused:
        SigningKey.of(PinnedKey.of(numbers.public_key()))

    assert refused.value.reason == "key"


def test_chains_are_remembered_by_all_their_bytes_and_not_without_end() -> None:
    """One that was good must not vouch for another, and a signer with a thousand certificates costs no memory."""
    found = finish(Chain.checked([read_certificate(der(one)) for one in GOOD]))
    chains = Chains()
    for number in range(CHAINS_LIMIT + 1):
        chains.put((number,), found)

    assert chains.get((0,)) is None
    assert chains.get((CHAINS_LIMIT,)) is found
    assert chains.get(tuple(map(der, GOOD))) is None
