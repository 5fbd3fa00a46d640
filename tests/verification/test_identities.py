"""Identities beside keys: what a verifier asks, and who counts as whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from router.errors import ConfigurationError, UntrustedSignatureError
from router.fields import ReadingContext
from router.images import Digest
from router.verdict import Verdict
from router.verification import Verifier
from router.verification.combination import Single
from router.verification.combination_settings import AnyOfSettings
from router.verification.cosign.scheme import CosignScheme
from router.verification.cosign.settings import CosignSettings
from router.verification.keys import PublicKey, SignedBytes
from router.verification.outside import Outside
from router.verification.pki.certificates import Certificate
from router.verification.scheme import Endorsement, Signer, Verified
from router.verification.settings import repositories_of
from router.verification.sigstore.trusted_root import TrustedRoot, read_trusted_root
from router.verification.trust import Trust
from router.verification.trust_roots import NO_ROOTS, Roots, TrustRootSettings
from tests.verification.test_keyless_cases import FOLDER
from tests.verification.world import MemorySource, image, pen, rule

FAR = float("inf")
ALICE: dict[str, Any] = {"name": "alice", "issuer": "https://accounts.shop.example", "subject": "alice@shop.example"}
WORKFLOW = {
    "name": "pipeline",
    "issuer": "https://token.actions.githubusercontent.com",
    "subject_regex": r"https://github\.com/shop/cart/.+",
}
READING = {"reading": ReadingContext(FOLDER, {}, lambda path, _: Path(path).read_bytes())}


def verifier(**members: object) -> CosignSettings:
    written = {"name": "keys", "kind": "cosign", "trust_root": {"file": "trusted_root.json"}} | members
    settings = CosignSettings.model_validate(written, context=READING)
    settings.bind(())
    return settings


def root_of(settings: CosignSettings, roots: Roots = NO_ROOTS) -> TrustedRoot | None:
    scheme = settings.scheme(Outside(roots))
    assert isinstance(scheme, CosignScheme)
    return scheme.trust.material.root


async def judged(layout: str, settings: CosignSettings, **asked: Any) -> Any:  # noqa: ANN401 - a judgement
    source = MemorySource.of_layout(FOLDER / "layouts" / layout)
    return await Verifier(source, [settings]).judge(image(), rule(**asked), FAR)


async def test_a_verified_image_tells_who_signed_by_issuer_and_subject() -> None:
    judgement = await judged("bundle-email", verifier(keyless=[ALICE]))
    (signer,) = judgement.signers

    assert (signer.name, signer.issuer, signer.identity) == ("alice", ALICE["issuer"], ALICE["subject"])
    assert signer.fingerprint is None


async def test_keys_and_identities_count_together() -> None:
    keys = [{"name": "release", "pem": (FOLDER / "keys" / "release.pub").read_text()}]
    settings = verifier(keys=keys, keyless=[ALICE, WORKFLOW])

    assert (await judged("bundle-two-signers", settings, threshold=2)).verdict is Verdict.VERIFIED
    assert (await judged("bundle-two-signers", settings, threshold=3)).reason == "too_few_signers"
    assert (await judged("bundle-two-signers", settings, required=["release"])).reason == "required_signer_missing"
    assert (await judged("bundle-two-signers", settings, required=["alice", "pipeline"])).verdict is Verdict.VERIFIED


def endorsed(name: str, subject: str, *aliases: str) -> Endorsement:
    content = b"x"
    signed = SignedBytes(pen("any").public, content, pen("any").sign(content))
    return Endorsement(Signer(name, None, subject, "https://i.example"), signed, Digest.of(b"image"), aliases)


@pytest.mark.parametrize(
    ("endorsements", "count"),
    [
        ([endorsed("team", "alice"), endorsed("team", "alice")], 1),
        ([endorsed("team", "alice"), endorsed("team", "bob")], 1),
        ([endorsed("team", "alice", "lead")], 1),
        ([endorsed("team", "alice", "lead"), endorsed("team", "bob")], 2),
        ([endorsed("a", "p1"), endorsed("a", "p2"), endorsed("a", "p3"), endorsed("a", "p4", "b", "c")], 2),
        ([endorsed("a", "p1"), endorsed("a", "p2", "b"), endorsed("b", "p3", "c")], 3),
    ],
)
def test_a_signer_is_one_name_and_one_person(endorsements: list[Endorsement], count: int) -> None:
    """One name that many match is one signer, and so is one person whom many names match."""

    def proves(threshold: int) -> bool:
        try:
            Verified(Digest.of(b"image"), tuple(endorsements), rule(threshold=threshold), Trust("id", None), 0.0)
        except UntrustedSignatureError:
            return False
        return True

    assert [proves(threshold) for threshold in range(1, 6)] == [threshold <= count for threshold in range(1, 6)]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"keyless": [{"name": "a", "issuer": "i"}]}, "exactly one of subject and subject_regex"),
        ({"keyless": [{"name": "a", "subject": "s"}]}, "exactly one of issuer and issuer_regex"),
        ({"keyless": [ALICE | {"subject_regex": "x"}]}, "exactly one of subject"),
        ({"keyless": [ALICE | {"issuer": ""}]}, "at least 1 character"),
        ({"keyless": [{"name": "a", "issuer": "i", "subject_regex": "("}]}, "not a valid regular expression"),
        ({"keyless": [{"name": "a", "issuer": "i", "subject_regex": "(?=x)"}]}, "has lookahead (?=...)"),
        ({"keyless": [{"name": "a", "issuer": "i", "subject_regex": "x" * 1001}]}, "at most 1000"),
        ({"keyless": [ALICE | {"extensions": {"build_triger": "push"}}]}, "not an extension of Fulcio's"),
        ({"keyless": [ALICE, ALICE]}, 'two signers are called "alice"'),
        ({}, "at least one key or identity"),
        ({"keys": [{"name": "a", "kms": "awskms:///alias/release"}]}, "kms is not part of this version"),
        ({"keys": [{"name": "a", "secret": {"name": "x"}}]}, "secret is not part of this version"),
        ({"keyless": [ALICE], "trust_root": {"file": "gone.json"}}, "can't be read"),
        ({"keyless": [ALICE], "trust_root": {"file": "keys/release.pub"}}, "not valid JSON"),
        ({"keyless": [ALICE], "attestation": {"predicate_type": "https://sigstore.dev/cosign/sign/v1"}}, "leave"),
        ({"keyless": [ALICE], "attestation": {"predicate_type": "x", "where": "1 +"}}, "not a valid expression in CEL"),
        ({"keyless": [ALICE], "signature_repository": "registry.example/a:v1"}, "more than a repository"),
    ],
)
def test_mistakes_are_told(members: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        verifier(**members)


def test_the_public_good_root_is_used_where_none_is_named_and_only_where_it_is_needed() -> None:
    named = CosignSettings.model_validate({"name": "a", "kind": "cosign", "keyless": [ALICE]})
    named.bind(())
    keys = [{"name": "release", "pem": (FOLDER / "keys" / "release.pub").read_text()}]
    plain = CosignSettings.model_validate({"name": "a", "kind": "cosign", "keys": keys})
    plain.bind(())
    root, none = root_of(named), root_of(plain)

    assert root is not None
    assert "rekor.sigstore.dev" in {log.origin for log in root.logs.values()}
    assert none is None


def test_a_root_by_a_name_that_nobody_gave_is_no_root() -> None:
    settings = CosignSettings.model_validate({"name": "a", "kind": "cosign", "keyless": [ALICE], "trust_root": "own"})
    settings.bind(())
    with pytest.raises(ConfigurationError, match="was not read"):
        settings.scheme()
    settings.bind([TrustRootSettings.model_validate({"name": "own", "file": "trusted_root.json"}, context=READING)])

    assert root_of(settings) is not None


def test_a_renewed_root_is_another_trust_and_a_file_is_never_renewed() -> None:
    """What was proven under the old root must not be remembered."""
    named = CosignSettings.model_validate({"name": "a", "kind": "cosign", "keyless": [ALICE]})
    named.bind(())
    source = named.root_source
    renewed = read_trusted_root((FOLDER / "trusted_root.json").read_bytes())
    assert source is not None
    assert source.repository is not None
    roots = {source.repository.id: renewed}

    assert root_of(named, roots) == renewed
    assert named.scheme(Outside(roots)).trust.id != named.scheme().trust.id
    assert root_of(verifier(keyless=[ALICE]), roots) == root_of(verifier(keyless=[ALICE]))


def with_beginning() -> dict[str, ReadingContext]:
    """Reads root metadata that is there only here."""
    beginning = json.dumps({"signed": {"_type": "root"}}).encode()

    def read(path: Path, _: int) -> bytes:
        return beginning if path.name == "root.json" else path.read_bytes()

    return {"reading": ReadingContext(FOLDER, {}, read)}


async def test_an_image_whose_root_has_not_come_yet_is_unverifiable_and_no_evidence_is_asked_for() -> None:
    tuf = {"url": "https://tuf.example/", "root": "root.json"}
    own = TrustRootSettings.model_validate({"name": "own", "tuf": tuf}, context=with_beginning())
    settings = CosignSettings.model_validate(
        {"name": "keys", "kind": "cosign", "keyless": [ALICE], "trust_root": "own"}
    )
    settings.bind([own])
    source = MemorySource.of_layout(FOLDER / "layouts" / "bundle-email")
    judgement = await Verifier(source, [settings]).judge(image(), rule(), FAR)

    assert (judgement.verdict, judgement.reason) == (Verdict.UNVERIFIABLE, "trust_missing")
    assert not judgement.is_registrys_doing
    assert source.asked == ["HEAD v1"]

    assert settings.root_source is not None
    assert settings.root_source.repository is not None
    roots = {settings.root_source.repository.id: read_trusted_root((FOLDER / "trusted_root.json").read_bytes())}
    later = await Verifier(source, [settings], outside=Outside(roots)).judge(image(), rule(), FAR)
    assert later.verdict is Verdict.VERIFIED


def test_verifiers_that_are_combined_know_renewed_roots_too() -> None:
    named = CosignSettings.model_validate({"name": "a", "kind": "cosign", "keyless": [ALICE]})
    both = AnyOfSettings.model_validate({"name": "both", "kind": "any_of", "verifiers": ["a"]})
    for settings in (named, both):
        settings.bind((), (named, both))
    (repository,) = repositories_of((named, both))
    roots = {repository.id: read_trusted_root((FOLDER / "trusted_root.json").read_bytes())}
    (member,) = both.scheme(Outside(roots)).members

    assert isinstance(member, Single)
    assert member.scheme.trust.id == named.scheme(Outside(roots)).trust.id != named.scheme().trust.id
    assert both.scheme(Outside(roots)).trust.id != both.scheme().trust.id


@pytest.mark.parametrize(
    ("root", "words"),
    [
        ({}, "exactly one of file .* and tuf"),
        ({"file": "trusted_root.json", "tuf": {"url": "https://a.example", "root": "root.json"}}, "exactly one of"),
        ({"tuf": {"url": "https://a.example", "root": "trusted_root.json"}}, "root metadata .* can't be used"),
        ({"tuf": {"url": "https://a.example", "root": "keys/release.pub"}}, "not valid JSON"),
        ({"tuf": {"url": "ftp://a.example", "root": "root.json"}}, "no address of a TUF repository"),
        ({"tuf": {"url": "https://user:secret@a.example", "root": "root.json"}}, "no address of a TUF repository"),
        ({"tuf": {"url": "https://a.example/?a=b", "root": "root.json"}}, "leave out query, fragment"),
        ({"tuf": {"url": "https://127.1/", "root": "root.json"}}, "no address of a TUF repository"),
        ({"tuf": {"url": "https://a.example", "root": "gone.json"}}, "can't be read"),
        ({"tuf": {"url": "https://a.example"}}, "Field required"),
        ({"tuf": {"url": "https://a.example", "root": "root.json", "refresh": "1s"}}, "every 1m to 30d"),
        ({"tuf": {"url": "https://a.example", "root": "root.json", "refresh": "31d"}}, "every 1m to 30d"),
        ({"tuf": {"url": "https://a.example", "root": "root.json", "ca": "trusted_root.json"}}, "no certificate"),
        ({"name": "public-good", "file": "trusted_root.json"}, "built in"),
    ],
)
def test_mistakes_in_trust_roots_are_told(root: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TrustRootSettings.model_validate({"name": "own"} | root, context=with_beginning())


@pytest.mark.parametrize(
    "differing",
    [
        {"transparency_log": "ignore"},
        {"timestamp": "required"},
        {"sct": "ignore"},
        {"trust_root": {"file": "other_trusted_root.json"}},
        {"keyless": [ALICE | {"subject": "bob@shop.example"}]},
        {"keyless": [{"name": "alice", "issuer": ALICE["issuer"], "subject_regex": ALICE["subject"]}]},
        {"keyless": [ALICE | {"extensions": {"build_trigger": "push"}}]},
        {"attestation": {"predicate_type": "x"}},
        {"signature_repository": "registry.example/signatures"},
    ],
)
def test_whoever_asks_for_something_else_trusts_somebody_else(differing: dict[str, object]) -> None:
    """What was proven when less was asked for must not be remembered."""
    usual = {"keyless": [ALICE]}

    assert verifier(**(usual | differing)).scheme().trust.id != verifier(**usual).scheme().trust.id
    assert verifier(**usual).scheme().trust.id == verifier(**usual).scheme().trust.id


async def test_an_attestation_must_say_what_is_asked() -> None:
    slsa = "https://slsa.dev/provenance/v1"
    true = {"predicate_type": slsa, "where": f'predicate_type == "{slsa}" && subject.size() == 1'}
    false = {"predicate_type": slsa, "where": "predicate.gone == 1"}

    for layout in ("bundle-attestation-only", "legacy-attestation-only"):
        assert (await judged(layout, verifier(keyless=[WORKFLOW], attestation=true))).verdict is Verdict.VERIFIED
        assert (await judged(layout, verifier(keyless=[WORKFLOW], attestation=false))).reason == "condition_not_met"
        assert (await judged(layout, verifier(keyless=[WORKFLOW]))).verdict is Verdict.UNSIGNED


async def test_signatures_may_lie_in_a_repository_of_their_own() -> None:
    source = MemorySource.of_layout(FOLDER / "layouts" / "bundle-email")
    settings = verifier(keyless=[ALICE], signature_repository="registry.example/signatures")
    await Verifier(source, [settings]).judge(image(), rule(), FAR)
    asked = {where.repository for where in source.images}

    assert asked == {"shop/web", "signatures"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"keyless": [ALICE]}, 'a signature by identity "alice"'),
        ({"keyless": [ALICE, WORKFLOW]}, "a signature by one of: alice, pipeline"),
        ({"keyless": [ALICE], "attestation": {"predicate_type": "x"}}, 'an attestation of x by identity "alice"'),
        (
            {"keyless": [ALICE], "attestation": {"predicate_type": "x", "where": "predicate.a == 1"}},
            'an attestation of x by identity "alice" where predicate.a == 1',
        ),
        (
            {
                "keyless": [ALICE],
                "transparency_log": "required",
                "timestamp": "required",
                "signature_repository": "registry.example/signatures",
            },
            'a signature by identity "alice", in a transparency log, with a timestamp, in registry.example/signatures',
        ),
    ],
)
def test_what_is_wanted_stands_in_words(settings: dict[str, object], words: str) -> None:
    assert verifier(**settings).wants(rule()) == words


def test_wanted_annotations_are_told() -> None:
    told = verifier(keyless=[ALICE]).wants(rule(annotations={"env": "prod"}))

    assert told == 'a signature by identity "alice", annotated env="prod"'


async def test_a_copy_without_its_material_hides_nothing() -> None:
    """The same signature without its certificate, pushed beside it by anybody."""
    source = MemorySource.of_layout(FOLDER / "layouts" / "legacy-email")
    tag = next(name for name in source.manifests if name.endswith(".sig"))
    kind, body = source.manifests[tag]
    manifest = json.loads(body)
    (layer,) = manifest["layers"]
    bare = dict(layer, annotations={key: layer["annotations"][key] for key in ("dev.cosignproject.cosign/signature",)})
    broken = dict(layer, annotations=layer["annotations"] | {"dev.sigstore.cosign/certificate": "x"})
    manifest["layers"] = [bare, broken, layer]
    source.manifests[tag] = (kind, json.dumps(manifest).encode())
    judgement = await Verifier(source, [verifier(keyless=[ALICE])]).judge(image(), rule(), FAR)

    assert judgement.verdict is Verdict.VERIFIED


async def test_what_strangers_sign_costs_no_signature_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the public instance anybody has a certificate; only whom it names decides whether more is looked at."""
    settings, checks = verifier(keyless=[ALICE | {"subject": "bob@shop.example"}]), 0

    def noted(*_: object) -> bool:
        nonlocal checks
        checks += 1
        return False

    monkeypatch.setattr(PublicKey, "has_signed", noted)
    monkeypatch.setattr(Certificate, "is_issued_by", noted)

    assert (await judged("bundle-email", settings)).verdict is Verdict.UNTRUSTED
    assert (await judged("legacy-email", settings)).verdict is Verdict.UNTRUSTED
    assert checks == 0
