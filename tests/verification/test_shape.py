"""What can't be made without a signature, and who may make it."""

from __future__ import annotations

import ast
import base64
from pathlib import Path

import pytest

import router.verification
from router.errors import NotVerifiedError, TrustEndedError, UntrustedSignatureError
from router.images import Digest
from router.steps import finish
from router.verification.cosign.scheme import CosignScheme
from router.verification.cosign.signatories import trust_in
from router.verification.evidence import SIMPLE_SIGNING_TYPE, Evidence, SimpleSigning
from router.verification.keys import PublicKey, SignedBytes
from router.verification.scheme import Endorsement, Findings, Signer, Verified
from router.verification.trust import Trust
from tests.verification.world import pen, proven, rule, simple_signing

DIGEST, OTHER = Digest.of(b"the image"), Digest.of(b"another")
PACKAGE = Path(router.verification.__file__).parent
MAKERS = {
    "Verified": {"combination.py", "proving.py"},
    "Endorsement": {"cosign/findings.py", "notation/proof.py"},
    "endorsed": {"cosign/legacy.py", "cosign/bundles.py"},
    "OpenedSignature": {"cosign/signers.py"},
    "certified": {"cosign/signers.py"},
    "SignedBytes": set[str](),
    "opened": {"cosign/signers.py", "notation/proof.py", "sigstore/proof.py"},
    "SignedStatement": {"notation/envelopes.py"},
    "InTotoStatement": {"sigstore/statement.py"},
}


def endorsement(name: str, digest: Digest = DIGEST) -> Endorsement:
    payload = simple_signing(digest)
    key = pen(name).public
    return by_key(key, name, SignedBytes(key, payload, pen(name).sign(payload)), digest)


def by_key(key: PublicKey, name: str, signed: SignedBytes, digest: Digest = DIGEST) -> Endorsement:
    return Endorsement(Signer(name, key.fingerprint, None, None), signed, digest)


def verified(*endorsements: Endorsement, threshold: int | None = None, until: float | None = None) -> Verified:
    return Verified(DIGEST, endorsements, rule(threshold=threshold), Trust("id", None, until), 100.0)


def called_in(path: Path) -> set[str]:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {
        call.id if isinstance(call, ast.Name) else call.attr
        for call in calls
        if isinstance(call, ast.Name | ast.Attribute)
    }


@pytest.mark.parametrize("what", MAKERS)
def test_only_code_that_checked_a_signature_makes_proof(what: str) -> None:
    """Search, memory and shell never do; a new scheme is added here knowingly."""
    makers = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if what in called_in(path)}

    assert makers == MAKERS[what]


@pytest.mark.parametrize(
    ("endorsements", "threshold"),
    [
        ((), None),
        ((endorsement("release", OTHER),), None),
        ((endorsement("release"), endorsement("release")), 2),
        ((endorsement("release"), endorsement("security", OTHER)), 2),
    ],
)
def test_too_little_makes_no_proof(endorsements: tuple[Endorsement, ...], threshold: int | None) -> None:
    with pytest.raises(UntrustedSignatureError):
        verified(*endorsements, threshold=threshold)


def test_one_key_under_two_names_is_one_signer() -> None:
    """The configuration warns of it; this holds without the configuration, too."""
    one = endorsement("release")
    other = by_key(pen("release").public, "alias", one.signed)
    with pytest.raises(UntrustedSignatureError):
        verified(one, other, threshold=2)

    assert [signer.name for signer in verified(one, other).signers] == ["release"]


def test_one_identity_that_signed_twice_is_one_signer() -> None:
    """Whoever has no fixed key signs with another one each time."""
    signer = Signer("builds", None, "https://ci.example/build", "https://ci.example")
    twice = [Endorsement(signer, endorsement(name).signed, DIGEST) for name in ("release", "security")]
    with pytest.raises(UntrustedSignatureError):
        verified(*twice, threshold=2)

    assert verified(*twice).signers == (signer,)


def test_a_key_may_be_required_by_each_of_its_names_and_counts_once() -> None:
    scheme = CosignScheme(trust_in([("release", pen("release").public), ("alias", pen("release").public)]))
    payload = simple_signing(DIGEST)
    signature = base64.b64encode(pen("release").sign(payload)).decode()
    evidence = Evidence((SimpleSigning(SIMPLE_SIGNING_TYPE, Digest.of(payload), signature, payload),))
    with pytest.raises(UntrustedSignatureError):
        proven(scheme, evidence, DIGEST, rule(threshold=2))

    assert isinstance(proven(scheme, evidence, DIGEST, rule(required=["alias", "release"])), Verified)


def test_nobody_endorses_with_the_key_of_another() -> None:
    one = endorsement("release")
    with pytest.raises(ValueError, match="fixed key"):
        by_key(pen("security").public, "security", one.signed)


def test_nothing_is_proven_under_a_trust_that_has_ended() -> None:
    """And what is proven before says until when it is good."""
    with pytest.raises(TrustEndedError):
        verified(endorsement("release"), until=100.0)

    assert verified(endorsement("release"), until=100.5).valid_until == 100.5


def test_without_keys_there_is_no_trust() -> None:
    with pytest.raises(ValueError, match="without keys"):
        trust_in([])


def test_whom_one_trusts_is_named_by_keys_and_names() -> None:
    """A proof tells the name; under another one it would tell the wrong one."""
    release, security = pen("release").public, pen("security").public
    ids = {
        trust_in(named).id
        for named in (
            [("a", release)],
            [("b", release)],
            [("a", security)],
            [("a", release), ("b", security)],
            [("a", release), ("b", release)],
        )
    }

    assert len(ids) == 5
    assert trust_in([("a", release)]) == trust_in([("a", release)])


def test_without_a_digest_nothing_is_proven() -> None:
    scheme = CosignScheme(trust_in([("release", pen("release").public)]))
    with pytest.raises(ValueError, match="about a digest"):
        finish(scheme.examine(Evidence(), Findings(None), scheme.trust))
    with pytest.raises(ValueError, match="about a digest"):
        scheme.prove(Findings(None), rule(), scheme.trust, 0.0)


def test_every_refusal_is_a_kind_of_not_verified() -> None:
    with pytest.raises(NotVerifiedError):
        proven(CosignScheme(trust_in([("release", pen("release").public)])), Evidence(), DIGEST, rule())
