"""What a certificate's signature needs to count: every condition has its forgery by a willing instance."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from router.errors import NotVerifiedError
from router.steps import finish
from router.verification.pki.certificates import Certificate, Period
from router.verification.sigstore.certificates import CODE_SIGNING, read_certificate
from router.verification.sigstore.identities import IdentityPattern, WantedIdentity, identity_of
from router.verification.sigstore.material import Material
from router.verification.sigstore.proof import Requirements, SignatureClaim, Witnesses, certified, witnessed
from router.verification.sigstore.trusted_root import TrustedRoot
from tests.simulators.sigstore import (
    ALICE,
    AUTHORITY,
    ISSUER,
    NOW,
    SERVER_AUTH,
    USUAL,
    Extension,
    Instance,
    Issuer,
    certify,
    fulcio,
    hashed,
    hashed_2,
    key_usage,
    new_issuer,
)

CONTENT = b"what was signed"
EVERYTHING = Requirements(log=True, timestamp=False, sct=True)
WORLD = Instance()


def signature_by(key: ec.EllipticCurvePrivateKey, content: bytes = CONTENT) -> SignatureClaim:
    return SignatureClaim(key.sign(content, ec.ECDSA(hashes.SHA256())), content)


def outcome(
    leaf: tuple[ec.EllipticCurvePrivateKey, bytes],
    *,
    asked: Requirements = EVERYTHING,
    root: TrustedRoot | None = None,
    between: tuple[bytes, ...] = (),
    time: int = NOW,
) -> str:
    """`proven`, or the reason why not, of a signature that the older log has promised to hold."""
    key, der = leaf
    claim = signature_by(key)
    material = Material((der, *between), (WORLD.entry(hashed(claim, der), time=time),), (), needs_proof=True)
    return reason(claim, der, material, asked, root or WORLD.root)


def reason(claim: SignatureClaim, der: bytes, material: Material, asked: Requirements, root: TrustedRoot) -> str:
    try:
        finish(certified(claim, read_certificate(der), material, root, asked))
    except NotVerifiedError as error:
        return str(error.reason)
    return "proven"


def without(kind: type[x509.ExtensionType], *more: Extension) -> list[Extension]:
    return [*(entry for entry in USUAL if not isinstance(entry[0], kind)), *more]


def test_a_sound_signature_is_proven_with_its_time_and_entry() -> None:
    key, der = WORLD.leaf()
    claim = signature_by(key)
    material = Material((der,), (WORLD.entry(hashed(claim, der), index=7),))
    signed, witnesses = finish(certified(claim, read_certificate(der), material, WORLD.root, EVERYTHING))

    assert signed.content == CONTENT
    assert (witnesses.times, [entry.index for entry in witnesses.entries]) == ((float(NOW),), [7])


LEAVES: dict[str, tuple[list[Extension], str]] = {
    "as it should be": (list(USUAL), "proven"),
    "without key usage": (without(x509.KeyUsage), "certificate"),
    "may not sign": (without(x509.KeyUsage, (key_usage(certifies=True), True)), "certificate"),
    "without extended key usage": (without(x509.ExtendedKeyUsage), "certificate"),
    "for servers": (without(x509.ExtendedKeyUsage, (x509.ExtendedKeyUsage([SERVER_AUTH]), False)), "certificate"),
    "an authority": ([*USUAL, (x509.BasicConstraints(ca=True, path_length=None), True)], "certificate"),
    "no authority, it says": ([*USUAL, (x509.BasicConstraints(ca=False, path_length=None), True)], "proven"),
    "with a critical extension that nobody knows": (
        [*USUAL, (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)],
        "certificate",
    ),
    "with an extension that nobody knows": (
        [*USUAL, (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False)],
        "proven",
    ),
}


@pytest.mark.parametrize(("extensions", "expected"), LEAVES.values(), ids=list(LEAVES))
def test_a_leaf_is_for_signing_code_and_for_nothing_that_is_not_understood(
    extensions: list[Extension], expected: str
) -> None:
    """Cosign takes leaves without usages, and authorities."""
    assert outcome(WORLD.leaf(extensions)) == expected


def test_another_authority_of_the_same_name_is_another() -> None:
    assert outcome(Instance().leaf()) == "untrusted_certificate"


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [(NOW - 1, NOW + 1, "proven"), (NOW, NOW, "proven"), (NOW + 1, NOW + 9, "time"), (NOW - 9, NOW - 1, "time")],
)
def test_a_certificate_counts_only_at_times_within_its_validity(begin: int, end: int, expected: str) -> None:
    """Both ends belong to it (RFC 5280 section 4.1.2.5)."""
    assert outcome(WORLD.leaf(begin=begin, end=end)) == expected


def test_an_authority_that_the_root_trusts_for_another_time_proves_nothing() -> None:
    (authority,) = WORLD.root.authorities
    issuers = tuple(replace(entry, period=Period(NOW + 1, math.inf)) for entry in authority.issuers)
    later = replace(WORLD.root, authorities=(replace(authority, issuers=issuers),))

    assert outcome(WORLD.leaf(), root=later) == "time"


def test_a_certificate_that_no_log_has_promised_to_hold_counts_only_where_none_is_asked() -> None:
    unlogged = WORLD.leaf(is_logged=False)

    assert outcome(unlogged) == "sct_missing"
    assert outcome(unlogged, asked=replace(EVERYTHING, sct=False)) == "proven"
    assert outcome(WORLD.leaf(), root=replace(WORLD.root, certificate_logs={})) == "sct_missing"


def test_a_promise_of_a_certificate_log_outside_its_time_is_none() -> None:
    logs = {key: replace(log, period=Period(NOW + 1, math.inf)) for key, log in WORLD.root.certificate_logs.items()}

    assert outcome(WORLD.leaf(), root=replace(WORLD.root, certificate_logs=logs)) == "sct_missing"


def test_without_a_proven_time_no_certificate_counts() -> None:
    """The newer log says that it holds a signature, never since when."""
    key, der = WORLD.leaf()
    claim = signature_by(key)
    entry = WORLD.tile_entry(hashed_2(claim, der))

    assert reason(claim, der, Material((der,), (entry,)), EVERYTHING, WORLD.root) == "time_not_proven"


def test_every_proven_time_lies_within_the_validity() -> None:
    """One good time beside a late one would let whoever stole an old key choose."""
    key, der = WORLD.leaf()
    claim = signature_by(key)
    entries = tuple(WORLD.entry(hashed(claim, der), time=time) for time in (NOW, NOW + 301))

    assert reason(claim, der, Material((der,), entries), EVERYTHING, WORLD.root) == "time"


def test_a_signature_by_another_key_is_none() -> None:
    _, der = WORLD.leaf()
    claim = signature_by(ec.generate_private_key(ec.SECP256R1()))
    material = Material((der,), (WORLD.entry(hashed(claim, der)),))

    assert reason(claim, der, material, EVERYTHING, WORLD.root) == "signature"


def test_a_log_entry_is_about_this_signature_and_nothing_else() -> None:
    key, der = WORLD.leaf()
    other_key, other = WORLD.leaf()
    claim, another = signature_by(key), signature_by(key)
    bodies = {
        "another signature over the same": hashed(another, der),
        "another certificate": hashed(claim, other),
        "other content": hashed(replace(claim, content=b"other"), der),
        "a public key in the certificate's place": hashed(claim, read_certificate(der).key.der, "PUBLIC KEY"),
        "another signer": hashed(signature_by(other_key), other),
        "of a kind that is not a signature": b'{"apiVersion":"0.0.1","kind":"rpm","spec":{}}',
    }
    said = {
        name: reason(claim, der, Material((der,), (WORLD.entry(body),)), EVERYTHING, WORLD.root)
        for name, body in bodies.items()
    }

    assert said == dict.fromkeys(bodies, "log_entry")


def test_an_entry_of_another_log_under_our_logs_id_is_refused() -> None:
    key, der = WORLD.leaf()
    claim = signature_by(key)
    ours = WORLD.entry(hashed(claim, der))
    theirs = Instance().entry(hashed(claim, der))
    forged = replace(theirs, log_id=ours.log_id)

    assert reason(claim, der, Material((der,), (forged,)), EVERYTHING, WORLD.root) == "log_entry"
    assert reason(claim, der, Material((der,), (theirs,)), EVERYTHING, WORLD.root) == "not_logged"
    assert reason(claim, der, Material((der,), (theirs, ours)), EVERYTHING, WORLD.root) == "proven"


def test_whoever_is_asked_for_a_timestamp_must_have_one() -> None:
    asked = replace(EVERYTHING, timestamp=True)

    assert outcome(WORLD.leaf(), asked=asked) == "not_timestamped"


def test_a_log_whose_word_has_an_end_counts_only_with_a_proven_time_before_it() -> None:
    """A pinned key needs no time, but a retired log's key may have been stolen since."""
    key = ec.generate_private_key(ec.SECP256R1())
    claim = signature_by(key)
    public = WORLD.log_of(key, "").key
    logged = claim.as_logged(public.der, is_certificate=False)
    entry = WORLD.tile_entry(hashed_2(claim, public.der, "publicKey"))
    ended = {key: replace(log, period=Period(0, NOW + 1)) for key, log in WORLD.root.logs.items()}
    asked = Requirements(log=True, timestamp=False, sct=False)

    assert finish(witnessed(claim, logged, Material((), (entry,)), WORLD.root, asked)).entries
    with pytest.raises(NotVerifiedError, match="in no log"):
        finish(witnessed(claim, logged, Material((), (entry,)), replace(WORLD.root, logs=ended), asked))


def test_nobody_is_asked_beyond_what_came_along() -> None:
    claim = signature_by(ec.generate_private_key(ec.SECP256R1()))
    logged = claim.as_logged(b"", is_certificate=False)
    nothing = Requirements(log=False, timestamp=False, sct=False)

    assert finish(witnessed(claim, logged, Material(), WORLD.root, nothing)) == Witnesses()


def chain_of(*limits: int | None) -> list[Issuer]:
    """Intermediates beneath the trusted issuer, each with its path length."""
    found: list[Issuer] = []
    for number, limit in enumerate(limits):
        extensions = ((x509.BasicConstraints(ca=True, path_length=limit), True), AUTHORITY[1])
        found.append(new_issuer(f"own-{number}", found[-1] if found else WORLD.issuer, extensions))
    return found


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((), "proven"),
        ((None,), "proven"),
        ((0,), "proven"),
        ((None, None), "proven"),
        ((0, None), "untrusted_certificate"),
        ((1, 0), "proven"),
        ((None, None, None, None), "untrusted_certificate"),
    ],
)
def test_private_authorities_may_bring_intermediates_within_their_path_lengths(
    limits: tuple[int | None, ...], expected: str
) -> None:
    own = chain_of(*limits)
    leaf = WORLD.leaf(by=own[-1] if own else None)
    between = tuple(issuer.read.der for issuer in reversed(own))

    assert outcome(leaf, between=between) == expected


def test_a_leaf_is_no_authority_for_another() -> None:
    """Whoever has a certificate of their own could otherwise issue for anybody."""
    key, der = WORLD.leaf()
    own = Issuer("", key, x509.load_der_x509_certificate(der))
    forged = WORLD.leaf(by=own)

    assert outcome(forged, between=(der,)) == "untrusted_certificate"


def test_an_authority_for_other_uses_is_none_for_code() -> None:
    servers = new_issuer("servers", WORLD.issuer, [*AUTHORITY, (x509.ExtendedKeyUsage([SERVER_AUTH]), False)])

    assert outcome(WORLD.leaf(by=servers), between=(servers.read.der,)) == "untrusted_certificate"


def test_a_weaker_hash_certifies_nobody() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = certify(WORLD.issuer, key, "x", USUAL, algorithm=hashes.SHA224())
    with pytest.raises(NotVerifiedError, match="not accepted"):
        read_certificate(made.public_bytes(Encoding.DER))


def named(*names: x509.GeneralName, issuers: tuple[Extension, ...] = ((fulcio(8, ISSUER), False),)) -> Certificate:
    extensions = [USUAL[0], USUAL[1], *issuers]
    if names:
        extensions.append((x509.SubjectAlternativeName(names), True))
    return read_certificate(WORLD.leaf(extensions)[1])


WANTED = WantedIdentity(
    "alice", IdentityPattern(ISSUER, is_expression=False), IdentityPattern("alice@shop.example", is_expression=False)
)


def is_wanted(certificate: Certificate) -> bool | str:
    try:
        identity = identity_of(certificate)
    except NotVerifiedError as error:
        return str(error.reason)
    return identity is not None and WANTED.is_met_by(identity)


OTHER_NAME = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7"), b"\x0c\x12alice@shop.example")
CERTIFICATES: dict[str, tuple[Certificate, bool | str]] = {
    "her address": (named(ALICE), True),
    "her name by the older issuer": (named(ALICE, issuers=((fulcio(1, ISSUER), False),)), True),
    "both forms of the issuer": (named(ALICE, issuers=((fulcio(1, ISSUER), False), (fulcio(8, ISSUER), False))), True),
    "her name as another name": (named(OTHER_NAME), True),
    "two issuers": (named(ALICE, issuers=((fulcio(1, "other"), False), (fulcio(8, ISSUER), False))), "identity"),
    "two names": (named(ALICE, x509.RFC822Name("bob@shop.example")), "identity"),
    "no name": (named(), False),
    "no issuer": (named(ALICE, issuers=()), False),
    "her name by another issuer": (named(ALICE, issuers=((fulcio(8, f"{ISSUER}/"), False),)), False),
    "a host of her name": (named(x509.DNSName("alice@shop.example")), False),
    "a line break after it": (named(x509.UniformResourceIdentifier("alice@shop.example\n")), False),
    "a name of great length": (named(x509.UniformResourceIdentifier("https://" + "a" * 2000)), "identity"),
    "a suffix": (named(x509.RFC822Name("alice@shop.example.evil.example")), False),
    "other capitals": (named(x509.RFC822Name("Alice@shop.example")), False),
    "text that is none": (
        named(ALICE, issuers=((x509.UnrecognizedExtension(fulcio(8, "").oid, b"\x0c\x05abc"), False),)),
        "identity",
    ),
}


@pytest.mark.parametrize(("certificate", "expected"), CERTIFICATES.values(), ids=list(CERTIFICATES))
def test_an_identity_is_one_subject_by_one_issuer(certificate: Certificate, expected: bool | str) -> None:  # noqa: FBT001 - a table's column
    assert is_wanted(certificate) == expected


@pytest.mark.parametrize(
    ("expression", "text", "expected"),
    [
        ("alice@shop\\.example", "alice@shop.example", True),
        ("alice@shop\\.example", "alice@shop.example.evil.example", False),
        ("alice@shop\\.example", "malice@shop.example", False),
        ("alice@shop\\.example$", "alice@shop.example\n", False),
        ("a|alice", "alice", True),
        ("a|alice", "ab", False),
        (".*", "alice\nbob", True),
        ("(?i)ALICE", "alice", True),
        ("(a*)*b", "a" * 5000, False),
    ],
)
def test_an_expression_matches_in_full_or_not_at_all(expression: str, text: str, *, expected: bool) -> None:
    assert IdentityPattern(expression, is_expression=True).matches(text) is expected


def test_extensions_are_wanted_all_and_equal() -> None:
    extensions = [*USUAL, (fulcio(20, "push"), False), (fulcio(12, "https://github.com/shop/cart"), False)]
    identity = identity_of(read_certificate(WORLD.leaf(extensions)[1]))
    assert identity is not None

    assert replace(WANTED, extensions=(("build_trigger", "push"),)).is_met_by(identity)
    assert not replace(WANTED, extensions=(("build_trigger", "push"), ("build_config_uri", "x"))).is_met_by(identity)
    assert not replace(WANTED, extensions=(("source_repository_uri", "https://github.com/shop/"),)).is_met_by(identity)


def test_usages_of_the_chain_are_those_of_code_signing() -> None:
    assert CODE_SIGNING.dotted_string == "1.3.6.1.5.5.7.3.3"


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # of serial numbers below 1
def test_no_changed_bit_of_what_a_certificate_says_is_vouched_for() -> None:
    """Whatever is raised must be our own refusal.

    How many bits of a signature's last byte are unused can be written in several ways where they are zero: that is the
    same signature of the same content.
    """
    _, der = WORLD.leaf()
    true = read_certificate(der).parsed
    (authority,) = WORLD.root.authorities
    vouched = []
    for place in range(8 * len(der)):
        changed = bytearray(der)
        changed[place // 8] ^= 1 << place % 8
        with contextlib.suppress(NotVerifiedError):
            leaf = read_certificate(bytes(changed))
            identity_of(leaf)
            is_same = leaf.parsed.tbs_certificate_bytes == true.tbs_certificate_bytes
            if authority.path_to(leaf, ()) is not None and not (is_same and leaf.parsed.signature == true.signature):
                vouched.append(place)

    assert vouched == []
