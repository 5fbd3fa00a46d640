"""What an operator may write beneath `verifiers`, and what is said where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from router.errors import ConfigurationError
from router.fields import ReadingContext, SettingsModel
from router.settings.meanings import meanings_in
from router.verification import Verifier, VerifierSettings
from router.verification.catalogue import BUILT_IN, SCHEMES
from router.verification.cosign.settings import CosignSettings, KeySettings
from tests.verification.world import DATA, MemorySource, cosign, pem_of, pen, rule

ADAPTER: TypeAdapter[VerifierSettings] = TypeAdapter(VerifierSettings)
PEM = pem_of(pen("release").private).decode()


def context(folder: Path = DATA / "keys") -> dict[str, object]:
    return {"reading": ReadingContext(folder, {}, lambda path, limit: path.read_bytes()[: limit + 1])}


def verifier(**differing: object) -> dict[str, object]:
    return {"name": "shop-keys", "kind": "cosign", "keys": [{"name": "release", "pem": PEM}]} | differing


def test_keys_stand_inline_or_in_files_relative_to_the_configuration() -> None:
    keys = [{"name": "release", "file": "release.pub"}, {"name": "own", "pem": PEM}]
    settings = ADAPTER.validate_python(verifier(keys=keys), context=context())

    assert isinstance(settings, CosignSettings)
    assert [entry.loaded().fingerprint[:7] for entry in settings.keys] == ["sha256:"] * 2
    assert settings.model_dump(mode="json")["keys"][0] == {"name": "release", "pem": None, "file": "release.pub"}


def test_without_a_reading_context_a_file_stays_unread_and_nothing_can_be_proven_with_it() -> None:
    settings = CosignSettings.model_validate(verifier(keys=[{"name": "release", "file": "release.pub"}]))
    with pytest.raises(ConfigurationError, match='"release" stands in a file that was not read'):
        Verifier(MemorySource(), [settings])


REFUSED: list[tuple[dict[str, object], tuple[object, ...], str]] = [
    (verifier(keys=[]), ("cosign", "keys"), "at least one key"),
    (verifier(keys=[{"name": "a", "pem": "MFkw"}]), ("cosign", "keys", 0, "pem"), "not valid PEM text"),
    (verifier(keys=[{"name": "a", "pem": 1}]), ("cosign", "keys", 0, "pem"), "a key is a PEM text"),
    (
        verifier(keys=[{"name": "a", "file": "release.key"}]),
        ("cosign", "keys", 0, "file"),
        '"release.key" is a private',
    ),
    (verifier(keys=[{"name": "a", "file": "gone.pub"}]), ("cosign", "keys", 0, "file"), "gone.pub.*can't be read"),
    (verifier(keys=[{"name": "a", "file": ""}]), ("cosign", "keys", 0, "file"), "name the file"),
    (verifier(keys=[{"name": "a"}]), ("cosign", "keys", 0), "exactly one of pem"),
    (verifier(keys=[{"name": "a", "pem": PEM, "file": "release.pub"}]), ("cosign", "keys", 0), "exactly one of pem"),
    (verifier(keys=[{"name": "A b", "pem": PEM}]), ("cosign", "keys", 0, "name"), "name"),
    (
        verifier(keys=[{"name": "a", "pem": PEM}, {"name": "a", "file": "release.pub"}]),
        ("cosign",),
        'two signers are called "a"',
    ),
    (verifier(name="allow"), ("cosign", "name"), '"allow" is built in'),
    (verifier(threshold=2), ("cosign", "threshold"), "Extra inputs"),
    (verifier(kind="notary_v1"), (), "does not match"),
    ({"name": "deny", "kind": "static", "allow": True}, ("static", "name"), '"deny" is built in'),
    ({"name": "x", "kind": "static"}, ("static", "allow"), "required"),
]


@pytest.mark.parametrize(("written", "place", "words"), REFUSED, ids=range(len(REFUSED)))
def test_mistakes_are_told_at_their_place(written: object, place: tuple[object, ...], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as refused:
        ADAPTER.validate_python(written, context=context())

    assert [error["loc"] for error in refused.value.errors()] == [place]


def test_a_key_that_was_read_stays_itself() -> None:
    settings = cosign("release", "security")

    assert CosignSettings.model_validate(settings.model_dump()) == settings
    assert KeySettings(name="a", pem=settings.keys[0].pem).loaded() == pen("release").public
    assert KeySettings(name="a", file=settings.keys[0].pem).loaded() == pen("release").public


def test_the_schema_tells_editors_what_a_verifier_is() -> None:
    assert ADAPTER.json_schema()["discriminator"]["propertyName"] == "kind"
    assert meanings_in(KeySettings)["pem"] == "The key itself, in PEM."
    kinds: tuple[type[SettingsModel], ...] = (*SCHEMES, KeySettings)

    assert all(meanings_in(kind).keys() == kind.model_fields.keys() for kind in kinds)


@pytest.mark.parametrize(
    ("threshold", "required", "words"),
    [
        (None, (), "a signature by one of: release, security, auditor"),
        (1, (), "a signature by one of: release, security, auditor"),
        (2, (), "signatures by 2 of: release, security, auditor"),
        (3, (), "signatures by all of: release, security, auditor"),
        (None, ("security",), 'a signature by key "security"'),
        (2, ("security",), "signatures by 2 of: release, security, auditor, including security"),
        (None, ("auditor", "release"), "signatures by all of: release, auditor"),
        (3, ("auditor", "release"), "signatures by all of: release, security, auditor"),
    ],
)
def test_what_a_rule_wants_is_told_in_words(threshold: int | None, required: tuple[str, ...], words: str) -> None:
    settings = cosign("release", "security", "auditor")

    assert settings.wants(rule(threshold=threshold, required=required)) == words


def test_one_key_and_none_are_told_in_words_too() -> None:
    assert cosign("release").wants(rule()) == 'a signature by key "release"'
    assert [entry.wants(rule()) for entry in BUILT_IN] == [
        "no signature: every image passes",
        "no image here at all",
    ]


def test_whoever_wants_to_know_more_of_a_scheme_asks_its_settings() -> None:
    """Nobody else needs to list the schemes."""
    assert [entry.ruling for entry in (cosign("release"), *BUILT_IN)] == [None, True, False]
    (signer,) = cosign("release").signers

    assert (signer.name, signer.who, signer.kind) == ("release", pen("release").public.fingerprint, "key")
    assert not BUILT_IN[0].signers
