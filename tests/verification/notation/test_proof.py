"""What an envelope proves: each check has its forgery, and each level leaves out what it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from router.errors import InvalidSignatureError, NotVerifiedError, UnreachableError
from router.images import Digest
from router.verification.evidence import Evidence, NotationEnvelope
from router.verification.notation.settings import NotationSettings
from router.verification.scheme import Exempt, Findings, Verified
from tests.verification.notation.world import (
    CA,
    CLOCK,
    DAY,
    FORMS,
    LEAF,
    NOW,
    SCHEME,
    Stamp,
    by_authority,
    clock,
    content_of,
    header,
    letter,
    notation,
    payload,
    piece,
    protected_of,
    root,
    sign,
    signatory,
    signed,
    store,
    subject,
    with_expiry,
)
from tests.verification.world import proven, rule

DIGEST, OTHER = Digest.of(b"the image"), Digest.of(b"another image")
SUBJECT = "x509.subject: C=DE, ST=BE, O=Supplier"


def outcome(*pieces: NotationEnvelope, by: NotationSettings | None = None, now: float = NOW, **demands: object) -> str:
    """`verified`, or the reason of the refusal."""
    try:
        asked = rule(**demands)  # type: ignore[arg-type]  # what the tests below demand
        found = proven((by or notation()).scheme(), Evidence(notations=pieces), DIGEST, asked, now)
    except NotVerifiedError as error:
        return str(error.reason)
    return "verified" if isinstance(found, Verified) else "exempt"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521", 2048, 3072, 4096])
def test_every_algorithm_of_the_specification_is_verified_in_both_formats(form: str, kind: str | int) -> None:
    assert outcome(signed(DIGEST, signatory(name=f"by {kind}", kind=kind), form)) == "verified"


@pytest.mark.parametrize("form", FORMS)
def test_an_event_names_store_subject_and_issuer(form: str) -> None:
    found = proven(notation().scheme(), Evidence(notations=(signed(DIGEST, form=form),)), DIGEST, rule(), NOW)
    assert isinstance(found, Verified)
    (who,) = found.signers

    assert (who.name, who.fingerprint) == ("supplier", None)
    assert (who.identity, who.issuer) == (
        "CN=signer,O=Supplier,ST=BE,C=DE",
        "CN=supplier root,O=Supplier,ST=BE,C=DE",
    )


@pytest.mark.parametrize("form", FORMS)
def test_what_is_about_another_digest_proves_nothing(form: str) -> None:
    assert outcome(signed(OTHER, form=form)) == "digest_mismatch"


def test_bytes_that_are_not_the_layers_are_refused() -> None:
    one = signed(DIGEST)

    assert outcome(replace(one, digest=OTHER)) == "digest_mismatch"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("part", ["payload", "protected", "signature", "chain"])
def test_no_part_can_be_taken_from_another_envelope(form: str, part: str) -> None:
    mine = letter(form, DIGEST, signatory())
    other = letter(form, OTHER, signatory(name="other"), said=header() | {"com.example.x": 1})
    mixed = replace(mine, **{part: getattr(other, part)})

    assert outcome(piece(form, mixed.written(form))) == "signature"


@pytest.mark.parametrize("form", FORMS)
def test_a_signature_of_one_format_is_none_of_the_other(form: str) -> None:
    other = next(one for one in FORMS if one != form)
    body = letter(form, DIGEST, signatory()).written(form)

    assert outcome(NotationEnvelope(other, Digest.of(body), body)) == "malformed"


def test_an_authority_of_ours_in_a_strangers_chain_is_no_chain() -> None:
    """Certificates are public: whoever pushes can bring ours along."""
    stranger = signatory("stranger")
    for chain in ((stranger.chain[0], root("supplier")), (*stranger.chain, root("supplier"))):
        assert outcome(signed(DIGEST, replace(stranger, chain=chain))) == "certificate"


def test_a_strangers_signature_is_untrusted_and_costs_no_check() -> None:
    """Even a broken one: anybody can push it, and nothing more is done for it."""
    form = FORMS[0]
    broken = replace(letter(form, DIGEST, signatory("stranger")), signature=b"x")

    assert outcome(signed(DIGEST, signatory("stranger"))) == "untrusted_signer"
    assert outcome(piece(form, broken.written(form))) == "untrusted_signer"


def test_an_intermediate_can_be_the_anchor() -> None:
    long = signatory("long", between=(CA,))

    assert outcome(signed(DIGEST, long), by=notation(store("middle", "ca", long.chain[1]))) == "verified"
    assert outcome(signed(DIGEST, long), by=notation(store("long"))) == "verified"


@pytest.mark.parametrize(
    ("identities", "expected"),
    [
        ([SUBJECT], "verified"),
        ([f"{SUBJECT}, CN=signer"], "verified"),
        ([f"{SUBJECT}, CN=other", f"{SUBJECT}, CN=signer"], "verified"),
        ([f"{SUBJECT}, CN=other"], "untrusted_signer"),
        (["x509.subject: C=DE, ST=BE, O=Somebody else"], "untrusted_signer"),
    ],
)
def test_the_signers_subject_is_one_of_the_identities(identities: list[str], expected: str) -> None:
    assert outcome(signed(DIGEST), by=notation(identities=identities)) == expected


def test_an_attackers_suffix_makes_no_identity() -> None:
    sly = signatory(called=subject("x, O=Supplier", "Supplier attacker"))

    assert outcome(signed(DIGEST, sly), by=notation(identities=[SUBJECT])) == "untrusted_signer"


@pytest.mark.parametrize("form", FORMS)
def test_what_is_critical_and_unknown_is_refused(form: str) -> None:
    said = header() | {"crit": [SCHEME, "com.example.x"], "com.example.x": 1}

    assert outcome(signed(DIGEST, form=form, said=said)) == "critical_attribute"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("expiry", "expected"), [(NOW + 1, "verified"), (NOW, "expired"), (NOW - DAY, "expired")])
def test_a_signature_counts_until_its_expiry(form: str, expiry: float, expected: str) -> None:
    one = signed(DIGEST, form=form, said=with_expiry(expiry))

    assert outcome(one) == expected
    assert outcome(one, by=notation(level="permissive")) == "verified"
    assert outcome(one, by=notation(override={"expiry": "log"})) == "verified"
    assert outcome(one, by=notation(level="permissive", override={"expiry": "enforce"})) == expected


def test_a_proof_is_good_no_longer_than_what_it_depends_on() -> None:
    """What is remembered must be forgotten when the signature or a certificate ends."""

    def until(one: NotationEnvelope, by: NotationSettings) -> float | None:
        found = proven(by.scheme(), Evidence(notations=(one,)), DIGEST, rule(), NOW)
        assert isinstance(found, Verified)
        return found.valid_until

    assert until(signed(DIGEST), notation()) == NOW + 100 * DAY
    assert until(signed(DIGEST, said=with_expiry(NOW + DAY)), notation()) == NOW + DAY
    assert until(signed(DIGEST, said=with_expiry(NOW + DAY)), notation(level="permissive")) is None


ENDED = signatory(name="ended", shape=replace(LEAF, end=NOW - DAY))
EARLY = signatory(name="early", shape=replace(LEAF, begin=NOW + DAY))


@pytest.mark.parametrize("by", [ENDED, EARLY], ids=["ended", "not begun"])
def test_without_a_timestamp_certificates_must_be_valid_now(by: object) -> None:
    one = signed(DIGEST, by)  # type: ignore[arg-type]  # a signatory

    assert outcome(one) == "time"
    assert outcome(one, by=notation(level="permissive")) == "verified"
    assert outcome(one, by=notation(override={"authentic_timestamp": "skip"})) == "verified"


def with_timestamp(who: object, moment: float, form: str = FORMS[0], **how: object) -> NotationEnvelope:
    one = letter(form, DIGEST, who)  # type: ignore[arg-type]  # a signatory
    stamp = Stamp(one.signature, moment, **how)  # type: ignore[arg-type]  # parts of a stamp
    return piece(form, replace(one, timestamp=stamp.token(clock())).written(form))


CLOCKED = (store(), store("clock", "tsa"))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("when", ["always", "after_cert_expiry"])
def test_a_timestamp_outlives_the_certificates(form: str, when: str) -> None:
    by = notation(*CLOCKED, verify_timestamp=when)

    assert outcome(with_timestamp(ENDED, NOW - 2 * DAY, form), by=by) == "verified"
    assert outcome(with_timestamp(ENDED, NOW - DAY / 2, form), by=by) == "time"
    assert outcome(with_timestamp(ENDED, NOW - 101 * DAY, form), by=by) in {"time", "timestamp"}
    assert outcome(signed(DIGEST, ENDED, form), by=by) == "timestamp"


def test_the_range_of_a_timestamp_lies_in_the_validity_wholly() -> None:
    by, end = notation(*CLOCKED), NOW - DAY

    assert outcome(with_timestamp(ENDED, end - 1), by=by) == "verified"
    assert outcome(with_timestamp(ENDED, end), by=by) == "time"
    assert outcome(with_timestamp(ENDED, end, accuracy=None), by=by) == "verified"


def test_always_means_of_every_signature_and_otherwise_it_is_not_looked_at() -> None:
    """A broken timestamp of a valid certificate is nobody's business where none is asked for."""
    form = FORMS[0]
    broken = piece(form, replace(letter(form, DIGEST, signatory()), timestamp=b"x").written(form))
    later = notation(*CLOCKED, verify_timestamp="after_cert_expiry")

    assert outcome(signed(DIGEST), by=notation(*CLOCKED)) == "timestamp"
    assert outcome(broken, by=notation(*CLOCKED)) == "malformed"
    assert outcome(signed(DIGEST), by=later) == outcome(broken, by=later) == "verified"
    assert outcome(broken, by=notation()) == "verified"


def test_a_timestamp_of_another_signature_is_none() -> None:
    form = FORMS[0]
    token = Stamp(letter(form, OTHER, ENDED).signature, NOW - 2 * DAY).token(clock())
    one = replace(letter(form, DIGEST, ENDED), timestamp=token)

    assert outcome(piece(form, one.written(form)), by=notation(*CLOCKED)) == "timestamp"


def test_stores_do_not_stand_in_for_each_other() -> None:
    """Who issues certificates does not tell the time, who tells the time vouches for nobody."""
    wrong_clock = notation(store(), store("other", "tsa"), store("clock", "ca"))
    as_clock = signatory("clock", "codes")

    assert outcome(with_timestamp(ENDED, NOW - 2 * DAY), by=wrong_clock) == "timestamp"
    assert outcome(signed(DIGEST, as_clock), by=notation(*CLOCKED)) == "untrusted_signer"


@pytest.mark.parametrize("form", FORMS)
def test_a_signing_authority_says_when_it_signed(form: str) -> None:
    authority = notation(store("supplier", "signing_authority"))
    one = signed(DIGEST, ENDED, form, said=by_authority(NOW - 2 * DAY))

    assert outcome(one, by=authority) == "verified"
    assert outcome(signed(DIGEST, ENDED, form, said=by_authority(NOW)), by=authority) == "time"
    assert outcome(one, by=notation()) == "untrusted_signer"
    assert outcome(signed(DIGEST, form=form), by=authority) == "untrusted_signer"


def test_a_signing_authoritys_time_needs_no_timestamp() -> None:
    both = notation(store("supplier", "signing_authority"), store("clock", "tsa"))

    assert outcome(signed(DIGEST, ENDED, said=by_authority(NOW - 2 * DAY)), by=both) == "verified"


def test_who_signed_when_is_told_where_somebody_trusted_has_said_so() -> None:
    """The time that a signer writes down himself is nobody's word."""

    def times(one: NotationEnvelope, by: NotationSettings) -> tuple[float, ...]:
        found = proven(by.scheme(), Evidence(notations=(one,)), DIGEST, rule(), NOW)
        assert isinstance(found, Verified)
        return found.endorsements[0].witnesses.times

    moment = NOW - 2 * DAY
    (stamped,) = times(with_timestamp(ENDED, moment), notation(*CLOCKED))

    assert moment <= stamped <= moment + 60
    assert times(
        signed(DIGEST, ENDED, said=by_authority(moment)), notation(store("supplier", "signing_authority"))
    ) == (moment,)
    assert times(signed(DIGEST), notation()) == ()


def test_audit_asks_for_integrity_alone_and_skip_for_nothing() -> None:
    stranger = signed(DIGEST, signatory("stranger"))
    audit = notation(level="audit")

    assert outcome(stranger, by=audit) == "verified"
    assert outcome(signed(OTHER, signatory("stranger")), by=audit) == "digest_mismatch"
    assert outcome(by=audit) == "no_signature"
    assert outcome(stranger, by=notation(level="audit", override={"authenticity": "enforce"})) == "untrusted_signer"
    assert outcome(by=NotationSettings.model_validate({"name": "n", "kind": "notation", "level": "skip"})) == "exempt"


def test_what_is_exempt_is_never_verified() -> None:
    skip = NotationSettings.model_validate({"name": "n", "kind": "notation", "level": "skip"}).scheme()

    assert isinstance(skip.prove(Findings(None), rule(), skip.trust, NOW), Exempt)
    assert not skip.needs_evidence


def test_what_a_signer_said_is_demanded_of_one_signature() -> None:
    said = signed(DIGEST, body=payload(DIGEST, annotations={"env": "prod", "build": "7"}))
    half = signed(DIGEST, body=payload(DIGEST, annotations={"env": "prod"}))
    rest = signed(DIGEST, body=payload(DIGEST, annotations={"build": "7"}))

    assert outcome(said, annotations={"env": "prod"}) == "verified"
    assert outcome(said, annotations={"env": "test"}) == "annotation_missing"
    assert outcome(half, rest, annotations={"env": "prod", "build": "7"}) == "annotation_missing"
    assert outcome(signed(DIGEST), annotations={"env": "prod"}) == "annotation_missing"


def test_signers_are_counted_by_who_they_are() -> None:
    """Another key of the same subject, another format and another time are the same signer."""
    two = notation(store(), store("second"))
    again = signatory(kind="P-384")
    assert again.chain[0].subject == signatory().chain[0].subject

    assert outcome(signed(DIGEST), signed(DIGEST, again), signed(DIGEST, form=FORMS[1]), by=two, threshold=2) == (
        "too_few_signers"
    )
    assert outcome(signed(DIGEST), signed(DIGEST, signatory("second")), by=two, threshold=2) == "verified"
    assert outcome(signed(DIGEST), by=two, required=["second"]) == "required_signer_missing"
    assert outcome(signed(DIGEST, signatory("second")), by=two, required=["second"]) == "verified"


def test_a_name_that_is_long_is_told_shortly_and_differs_from_others() -> None:
    """Whoever makes a certificate chooses it, and an event has only so much room."""
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, who)] * 100) for who in ("a" * 60, "b" * 60)]
    pieces = tuple(signed(DIGEST, signatory(name=f"long {index}", called=one)) for index, one in enumerate(names))
    found = proven(notation().scheme(), Evidence(notations=pieces), DIGEST, rule(threshold=2), NOW)
    assert isinstance(found, Verified)

    assert all(len(str(signer.identity)) < 500 for signer in found.signers)


def test_two_subjects_of_one_store_are_two_signers() -> None:
    one, other = signed(DIGEST), signed(DIGEST, signatory(name="second signer"))

    assert outcome(one, other, threshold=2) == "verified"
    assert outcome(one, other, threshold=2, required=["supplier"]) == "verified"
    assert outcome(one, other, threshold=3) == "too_few_signers"


def test_what_others_push_takes_nothing_from_a_proof() -> None:
    good = signed(DIGEST)
    form = FORMS[0]
    bad = [
        piece(form, b"{"),
        signed(OTHER),
        signed(DIGEST, signatory("stranger")),
        signed(DIGEST, ENDED),
        piece(form, replace(letter(form, DIGEST, signatory()), signature=b"x").written(form)),
    ]

    assert outcome(*bad, good) == outcome(good, *bad) == "verified"


def test_what_could_not_be_fetched_or_read_is_no_absence() -> None:
    scheme = notation().scheme()
    for evidence, reason in (
        (Evidence(gaps=(UnreachableError("down"),), notations=(signed(OTHER),)), "unreachable"),
        (Evidence(defects=(InvalidSignatureError("x"),), notations=(signed(OTHER),)), "digest_mismatch"),
        (Evidence(defects=(InvalidSignatureError("x"),)), "malformed"),
        (Evidence(), "no_signature"),
    ):
        with pytest.raises(NotVerifiedError) as refused:
            proven(scheme, evidence, DIGEST, rule(), NOW)

        assert refused.value.reason == reason


TWO_MEANINGS = {
    "the artifact twice": payload(OTHER)[:-1] + b"," + payload(DIGEST)[1:],
    "the digest twice": payload(DIGEST).replace(b'"size"', b'"digest": "%s", "size"' % str(DIGEST).encode()),
    "no artifact": b"{}",
    "no type": json.dumps({"targetArtifact": {"digest": str(DIGEST), "size": 1}}).encode(),
    "no size": json.dumps({"targetArtifact": {"digest": str(DIGEST), "mediaType": "x"}}).encode(),
    "a negative size": payload(DIGEST, size=-1),
    "a size that is true": payload(DIGEST, size=True),
    "no digest": payload(DIGEST, digest="sha256:x"),
    "annotations that are no texts": payload(DIGEST, annotations={"env": 1}),
    "annotations that are a list": payload(DIGEST, annotations=["env"]),
    "no JSON": b"x",
    "UTF-16": payload(DIGEST).decode().encode("utf-16"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("body", TWO_MEANINGS.values(), ids=list(TWO_MEANINGS))
def test_a_payload_with_two_meanings_is_refused_though_a_trusted_key_signed_it(form: str, body: bytes) -> None:
    assert outcome(signed(DIGEST, form=form, body=body)) == "malformed"


def test_pkcs1_signatures_and_der_are_none() -> None:
    """The algorithm follows from the key, and its form from the specification."""
    for by in (signatory(), signatory(name="by 2048", kind=2048)):
        protected = protected_of(FORMS[0], header(by.algorithm))
        content = content_of(FORMS[0], protected, payload(DIGEST))
        if isinstance(by.key, rsa.RSAPrivateKey):
            wrong = by.key.sign(content, padding.PKCS1v15(), hashes.SHA256())
        else:
            wrong = by.key.sign(content, ec.ECDSA(hashes.SHA256()))
        sound = letter(FORMS[0], DIGEST, by)
        right = replace(sound, protected=protected, signature=sign(by.key, content))

        assert outcome(piece(FORMS[0], replace(right, signature=wrong).written(FORMS[0]))) == "signature"
        assert outcome(piece(FORMS[0], right.written(FORMS[0]))) == "verified"


def test_an_unsigned_hint_changes_nothing() -> None:
    form = FORMS[0]
    hints: Mapping[str, object] = {"io.cncf.notary.signingAgent": ["odd"], "com.example.x": {"deep": [1]}}

    assert outcome(piece(form, replace(letter(form, DIGEST, signatory()), more=hints).written(form))) == "verified"


def test_a_clock_is_asked_for_no_more_than_it_says() -> None:
    assert outcome(with_timestamp(signatory(), NOW - DAY), by=notation(*CLOCKED)) == "verified"
    assert clock(shape=CLOCK).chain[0].subject == subject("timestamps")


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace(b'"header":', b'"payload": "e30", "header":'),
        lambda body: body.replace(b'"x5c":', b'"x5c": [], "x5c":'),
        lambda body: body.replace(b'"x5c":', b'"\xff": 1, "x5c":'),
    ],
    ids=["payload twice", "chain twice", "no UTF-8"],
)
def test_an_envelope_with_two_meanings_does_not_count(change: Callable[[bytes], bytes]) -> None:
    """The last of equal names is what was signed, and another reader may take the first."""
    body = letter(FORMS[0], DIGEST, signatory()).written(FORMS[0])
    changed = change(body)

    assert changed != body
    assert outcome(piece(FORMS[0], changed)) in {"malformed", "signature"}
