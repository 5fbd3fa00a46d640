"""What an operator writes of Notation, and what he is told where it can't be meant."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from router.errors import ConfigurationError
from router.fields import ReadingContext
from router.policy import RuleSettings
from router.settings.rules import checks
from router.settings.sections import Item, JudgingItems
from router.verification.notation.settings import NotationSettings
from router.verification.notation.trust import Check
from tests.verification.notation.world import key, notation, pem, root, signatory, store
from tests.verification.world import DATA, rule

SUBJECT = "x509.subject: C=DE, ST=BE, O=Supplier"


def problem(*stores: dict[str, str], **differing: object) -> str:
    with pytest.raises(ValidationError) as refused:
        notation(*stores, **differing)
    return str(refused.value)


def test_the_contracts_example_is_read_as_it_stands() -> None:
    """Names and meanings of the published contract, files and all."""
    context = ReadingContext(DATA / "keys", {}, lambda path, limit: path.read_bytes()[: limit + 1])
    told = {
        "name": "suppliers",
        "kind": "notation",
        "trust_stores": [
            {"name": "supplier", "type": "ca", "file": "notation-ec-ca.pem"},
            {"name": "clock", "type": "tsa", "file": "notation-rsa-ca.pem"},
        ],
        "level": "strict",
        "override": {"revocation": "skip"},
        "identities": ["x509.subject: C=DE, ST=BE, O=Supplier"],
        "verify_timestamp": "after_cert_expiry",
    }
    found = NotationSettings.model_validate(told, context={"reading": context})

    assert [entry.name for entry in found.scheme().trust.material.stores] == ["supplier", "clock"]
    assert NotationSettings.model_validate(found.model_dump(), context={"reading": context}) == found


def test_a_store_may_hold_several_certificates() -> None:
    several = notation(store("all", "ca", root("supplier"), root("second")))

    assert len(several.scheme().trust.material.stores[0].certificates) == 2


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"pem": "not valid PEM"}, "can't be used"),
        ({"pem": pem(signatory().chain[0])}, "no authority's"),
        ({"pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "can't be used"),
        ({}, "exactly one of"),
        ({"pem": pem(root("supplier")), "file": "x.pem"}, "exactly one of"),
        ({"pem": pem(root("supplier")), "type": "signingAuthority"}, "signing_authority"),
    ],
)
def test_a_store_that_can_vouch_for_nobody_is_refused(written: dict[str, str], said: str) -> None:
    assert said in problem({"name": "supplier", "type": "ca", **written})


def test_a_private_key_is_refused_and_not_repeated() -> None:
    secret = key("leaked").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    told = problem({"name": "supplier", "type": "ca", "pem": pem(root("supplier")) + secret})

    assert "private key" in told
    assert secret.splitlines()[1] not in told.split("[type=")[0]


@pytest.mark.parametrize(
    ("differing", "said"),
    [
        ({"trust_stores": []}, "trust store of type ca"),
        ({"trust_stores": [store("clock", "tsa")]}, "trust store of type ca"),
        ({"trust_stores": [store(), store()]}, "same name"),
        ({"identities": []}, "name identities"),
        ({"identities": ["*", SUBJECT]}, "everybody"),
        ({"identities": ["CN=x"]}, "x509.subject:"),
        ({"identities": [SUBJECT, f"{SUBJECT}, CN=x"]}, "two identities"),
        ({"level": "lax"}, "level"),
        ({"override": {"integrity": "log"}}, "integrity"),
        ({"override": {"revocation": "ask"}}, "revocation"),
        ({"override": {"expiry": "ignore"}}, "expiry"),
        ({"level": "skip", "override": {"expiry": "log"}}, "level skip"),
        ({"verify_timestamp": "afterCertExpiry"}, "after_cert_expiry"),
    ],
)
def test_what_can_not_be_meant_is_refused(differing: dict[str, object], said: str) -> None:
    assert said in problem(**differing)


@pytest.mark.parametrize(
    ("level", "override", "binding"),
    [
        ("strict", {}, {Check.AUTHENTICITY, Check.AUTHENTIC_TIMESTAMP, Check.EXPIRY}),
        ("permissive", {}, {Check.AUTHENTICITY}),
        ("audit", {}, set()),
        ("strict", {"expiry": "log", "authentic_timestamp": "skip"}, {Check.AUTHENTICITY}),
        ("audit", {"authenticity": "enforce"}, {Check.AUTHENTICITY}),
        ("permissive", {"expiry": "enforce", "revocation": "skip"}, {Check.AUTHENTICITY, Check.EXPIRY}),
        ("permissive", {"revocation": "enforce"}, {Check.AUTHENTICITY, Check.REVOCATION}),
    ],
)
def test_levels_and_overrides_say_what_binds(level: str, override: dict[str, str], binding: set[Check]) -> None:
    assert notation(level=level, override=override).scheme().trust.material.binding == binding


def test_everything_that_a_proof_depends_on_is_part_of_the_trusts_id() -> None:
    """What was proven under another level, store or identity is not known any more."""
    variants = [
        notation(),
        notation(store("supplier", "signing_authority")),
        notation(store("other", "ca", root("supplier"))),
        notation(store("supplier", "ca", root("second"))),
        notation(store(), store("clock", "tsa")),
        notation(store(), store("clock", "tsa"), verify_timestamp="after_cert_expiry"),
        notation(level="permissive"),
        notation(level="audit"),
        notation(override={"expiry": "log"}),
        notation(identities=[SUBJECT]),
    ]
    ids = [entry.scheme().trust.id for entry in variants]

    assert len(set(ids)) == len(ids)
    assert notation().scheme().trust.id == ids[0]
    assert len(bytes.fromhex(ids[0])) == hashlib.sha256().digest_size


def test_a_file_that_nobody_has_read_makes_no_scheme() -> None:
    unread = NotationSettings.model_validate(
        {
            "name": "n",
            "kind": "notation",
            "trust_stores": [{"name": "a", "type": "ca", "file": "a.pem"}],
            "identities": ["*"],
        }
    )
    with pytest.raises(ConfigurationError, match="not read"):
        unread.scheme()


@pytest.mark.parametrize(
    ("settings", "threshold", "words"),
    [
        (notation(), None, 'a signature of Notation with a certificate issued by "supplier"'),
        (
            notation(store(), store("clock", "tsa"), store("second"), identities=[SUBJECT]),
            2,
            f'signatures of Notation by 2 signers with a certificate issued to "{SUBJECT}" by "supplier" or "second"',
        ),
        (notation(level="audit"), None, "a signature of Notation by anybody"),
    ],
)
def test_a_refusal_says_what_is_wanted(settings: NotationSettings, threshold: int | None, words: str) -> None:
    assert settings.wants(rule(threshold=threshold)) == words


@pytest.mark.parametrize(
    ("differing", "cautions"),
    [
        ({}, False),
        ({"level": "audit"}, True),
        ({"override": {"authenticity": "log"}}, True),
        ({"level": "audit", "override": {"authenticity": "enforce"}}, False),
    ],
)
def test_whoever_lets_anybody_sign_is_warned(differing: dict[str, object], *, cautions: bool) -> None:
    assert (notation(**differing).caution is not None) is cautions


def test_level_skip_says_that_it_lets_everything_pass() -> None:
    skip = NotationSettings.model_validate({"name": "n", "kind": "notation", "level": "skip"})

    assert (skip.ruling, notation().ruling) == (True, None)
    assert skip.wants(rule()) == "no signature: every image passes"


@pytest.mark.parametrize(("required", "is_told"), [("supplier", False), ("clock", True), ("suplier", True)])
def test_a_rule_that_requires_a_store_which_vouches_for_nobody_is_refused(required: str, *, is_told: bool) -> None:
    """It could never be met; the stores of clocks vouch for no signer."""
    stores: list[dict[str, str]] = [store(), store("clock", "tsa")]
    suppliers = notation(*stores)
    asking = RuleSettings.model_validate(
        {"pattern": "**", "verifier": "suppliers", "with": {"required": [required], "threshold": 2}}
    )
    judging = JudgingItems(
        [], [], [Item(0, "suppliers", suppliers, is_whole=True)], [Item(0, None, asking, is_whole=True)]
    )
    told = [finding.text for finding in checks(judging)]

    assert bool(told) is is_told
    assert all("trust store" in text for text in told)
