"""Distinguished names: compared part by part, and written so that nothing can be mistaken."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from router.verification.notation.identities import Identities, SubjectParts
from tests.verification.notation.world import subject

BASE = "x509.subject: C=DE, ST=BE, O=Supplier"


def name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name(x509.NameAttribute(kind, value) for kind, value in parts)


@pytest.mark.parametrize(
    ("written", "matches"),
    [
        (BASE, True),
        ("x509.subject:C=DE,ST=BE,O=Supplier", True),
        ("x509.subject: O=Supplier, S=BE, c=DE", True),
        (f"{BASE}, CN=signer", True),
        (f"{BASE}, CN=Signer", False),
        (f"{BASE}, OU=builds", False),
        ("x509.subject: C=DE, ST=BE, O=Supplie", False),
        ("x509.subject: C=DE, ST=BE, O=Suppliers", False),
        ("x509.subject: C=DE, ST=BE, O=supplier", False),
        ("x509.subject: C=DE, ST=HH, O=Supplier", False),
    ],
)
def test_a_subject_matches_if_it_has_every_part_to_the_letter(written: str, *, matches: bool) -> None:
    assert SubjectParts.parse(written).matches(subject("signer")) is matches


def test_no_value_can_play_another_part() -> None:
    """Whoever gets a common name of his choice must not get another's organisation with it."""
    sly = name(
        (NameOID.COUNTRY_NAME, "DE"), (NameOID.COMMON_NAME, "x, ST=BE, O=Supplier"), (NameOID.USER_ID, "O=Supplier")
    )

    assert not SubjectParts.parse(BASE).matches(sly)


def test_a_subject_that_says_something_twice_matches_nothing() -> None:
    """Readers differ in which of the two they take."""
    parts = [
        (NameOID.COUNTRY_NAME, "DE"),
        (NameOID.STATE_OR_PROVINCE_NAME, "BE"),
        (NameOID.ORGANIZATION_NAME, "Supplier"),
    ]
    twice = name(*parts, (NameOID.ORGANIZATION_NAME, "Stranger"))
    joined = x509.Name(
        [
            *name(*parts[:2]).rdns,
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Supplier"),
                    x509.NameAttribute(NameOID.COMMON_NAME, "x"),
                ]
            ),
        ]
    )

    assert SubjectParts.parse(BASE).matches(name(*parts))
    assert not SubjectParts.parse(BASE).matches(twice)
    assert not SubjectParts.parse(BASE).matches(joined)


@pytest.mark.parametrize(
    ("value", "organisation"),
    [
        (r"Supplier\, Inc.", "Supplier, Inc."),
        (r"a\;b\+c\=d", "a;b+c=d"),
        (r"\ blank\ ", " blank "),
        (r"back\\slash", "back\\slash"),
        (r"\C3\A9t\C3\A9", "\u00e9t\u00e9"),
        ("\u00e9t\u00e9 & Co", "\u00e9t\u00e9 & Co"),
        (r"\#1", "#1"),
        ("two words  ", "two words"),
    ],
)
def test_values_are_escaped_as_rfc_4514_says(value: str, organisation: str) -> None:
    written = f"x509.subject: C=DE, O={value}, ST=BE"

    assert SubjectParts.parse(written).matches(subject("signer", organisation))


@pytest.mark.parametrize(
    "written",
    [
        "",
        "CN=signer",
        "x509.subject",
        "x509.subject:",
        "x509.san: DNS=example",
        "x509.subject: C=DE, ST=BE",
        "x509.subject: C=DE, O=Supplier",
        "x509.subject: ST=BE, O=Supplier",
        f"{BASE}, O=Other",
        f"{BASE}, S=HH",
        f"{BASE},",
        f"{BASE}, ,",
        f"{BASE}, CN",
        f"{BASE}, CN=",
        f"{BASE}, =x",
        f"{BASE}, X=y",
        f"{BASE}, 2.5.4.3=x",
        f"{BASE}, CN=#04024869",
        f"{BASE}, CN=a+UID=b",
        f"{BASE}, CN=a;OU=b",
        f"{BASE}, CN=a\\",
        f"{BASE}, CN=\\ff",
        f'{BASE}, CN="a"',
        "*",
    ],
)
def test_what_can_not_be_read_in_one_way_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r".{10}"):
        SubjectParts.parse(written)


def test_everybody_stands_alone_and_nobody_is_refused() -> None:
    assert Identities.parse(["*"]).include(subject("anybody", "Anything"))
    with pytest.raises(ValueError, match="everybody"):
        Identities.parse(["*", BASE])
    with pytest.raises(ValueError, match="nobody"):
        Identities.parse([])


@pytest.mark.parametrize("other", [BASE, f"{BASE}, OU=builds", "x509.subject: O=Supplier, C=DE, S=BE"])
def test_identities_that_one_certificate_can_match_together_are_refused(other: str) -> None:
    with pytest.raises(ValueError, match="two identities"):
        Identities.parse([other, BASE])
    with pytest.raises(ValueError, match="two identities"):
        Identities.parse([BASE, other])


def test_one_of_several_suffices() -> None:
    identities = Identities.parse([f"{BASE}, CN=a", f"{BASE}, CN=b"])

    assert [identities.include(subject(who)) for who in ("a", "b", "c")] == [True, True, False]


@given(st.text(min_size=1, max_size=20).filter(lambda text: text.strip() and "\x00" not in text))
def test_any_organisation_can_be_written_and_matches_only_itself(organisation: str) -> None:
    special = ',;+"\\<>=#'
    escaped = "".join(f"\\{letter}" if letter in special or letter.isspace() else letter for letter in organisation)
    found = SubjectParts.parse(f"x509.subject: C=DE, ST=BE, O={escaped}")

    assert found.matches(subject("signer", organisation))
    assert not found.matches(subject("signer", organisation + "x"))
