"""What can't be made without a signature, and who may make it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import router.verification
from router.errors import NotVerifiedError, UntrustedSignatureError
from router.images import Digest
from router.verification.cosign.scheme import CosignKeyScheme
from router.verification.evidence import Evidence
from router.verification.keys import SignedBytes
from router.verification.scheme import Endorsement, Verified
from tests.verification.world import pen, rule, simple_signing

DIGEST, OTHER = Digest.of(b"the image"), Digest.of(b"another")
PACKAGE = Path(router.verification.__file__).parent
MAKERS = {
    "Verified": {"cosign/scheme.py"},
    "Endorsement": {"cosign/legacy.py", "cosign/bundles.py"},
    "SignedBytes": set[str](),
    "opened": {"cosign/findings.py"},
}


def endorsement(name: str, digest: Digest = DIGEST) -> Endorsement:
    payload = simple_signing(digest)
    return Endorsement(name, SignedBytes(pen(name).public, payload, pen(name).sign(payload)), digest)


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
        Verified(DIGEST, endorsements, rule(threshold=threshold))


def test_one_key_under_two_names_is_one_signer() -> None:
    """The configuration refuses it; this holds without the configuration, too."""
    one = endorsement("release")
    with pytest.raises(UntrustedSignatureError):
        Verified(DIGEST, (one, Endorsement("alias", one.signed, DIGEST)), rule(threshold=2))


def test_without_keys_there_is_no_scheme() -> None:
    with pytest.raises(ValueError, match="without keys"):
        CosignKeyScheme([])


def test_without_a_digest_nothing_is_proven() -> None:
    with pytest.raises(ValueError, match="about a digest"):
        CosignKeyScheme([("release", pen("release").public)]).prove(Evidence(), None, rule())


def test_every_refusal_is_a_kind_of_not_verified() -> None:
    with pytest.raises(NotVerifiedError):
        CosignKeyScheme([("release", pen("release").public)]).prove(Evidence(), DIGEST, rule())
