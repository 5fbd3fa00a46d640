"""What the first certificate and the next are made of, and how they stand in a Secret."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from router.certificates.making import AUTHORITY, SERVING, SKEW, HeldCertificate, make
from router.certificates.planning import RENEWED_AFTER, Mark, StoredCertificates, is_due
from router.certificates.stored import (
    ClientConfig,
    Hook,
    StoredSecret,
    WebhookConfiguration,
    bundle_patch,
    bundles_in,
    encoded,
    kept_in,
    mark_patch,
    secret_patch,
)
from router.issuing import begun, common_name, signed_authority, signed_leaf, written
from router.kubernetes.resources import ResourceMetadata
from router.outbound.authorities import client_context
from router.pem import KeyPair
from router.server.certificates import new_context, validity
from router.tls import show
from tests.simulators.kubernetes import merged
from tests.simulators.versions import of_no_version

NAME = "gatecrier.gatecrier.svc"
NOW = 1_800_000_000.0


def test_a_certificate_is_for_ninety_days_and_its_ca_for_a_year() -> None:
    held = make([NAME], NOW)
    leaf, authority = (x509.load_pem_x509_certificate(pem) for pem in (held.pair.certificate, held.authority))

    assert leaf.not_valid_after_utc.timestamp() - NOW == SERVING == 90 * 86400
    assert authority.not_valid_after_utc.timestamp() - NOW == AUTHORITY == 365 * 86400
    assert held.validity == (NOW - SKEW, NOW + SERVING)


@pytest.mark.parametrize(("days", "due"), [(0, False), (59.9, False), (60.1, True), (91, True)])
def test_it_is_renewed_after_two_thirds_of_its_life(days: float, due: bool) -> None:  # noqa: FBT001 - a case
    assert RENEWED_AFTER == 2 / 3
    assert is_due(make([NAME], NOW), NOW + days * 86400) is due


def test_who_believes_the_ca_believes_the_certificate_and_nothing_else_of_it() -> None:
    """As the API server does: by name, with every check that OpenSSL has."""
    import time

    held, other = make([NAME], time.time()), make([NAME], time.time())
    ours = new_context()
    show(ours, held.pair)
    believing, doubting = client_context(held.authority.decode()), client_context(other.authority.decode())
    believing.verify_flags |= ssl.VERIFY_X509_STRICT

    assert _handshake(believing, ours, NAME) == ""
    assert "self-signed" in _handshake(doubting, ours, NAME) or "unable to get" in _handshake(doubting, ours, NAME)
    assert "mismatch" in _handshake(believing, ours, "other.gatecrier.svc")


def _handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> str:
    """What goes wrong between the two, in memory; empty where nothing does."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(there, back, server_hostname=name)
    answering = server.wrap_bio(back, there, server_side=True)
    for _ in range(4):
        for one in (asking, answering):
            try:
                one.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                return str(error)
    return ""


def as_secret(kept: StoredCertificates, before: StoredSecret) -> StoredSecret:
    """A Secret once a patch was made to it."""
    patch = secret_patch(before, kept)
    assert isinstance(patch, dict)
    data = merged({"data": dict(before.data or {})}, {"data": patch["data"]})["data"]
    return StoredSecret(metadata=before.metadata, data=data)


EMPTY = StoredSecret(metadata=ResourceMetadata(name="gatecrier-tls", resource_version="7"))


@pytest.mark.parametrize(("has_next", "has_previous"), [(False, False), (True, False), (False, True), (True, True)])
def test_what_is_written_is_what_is_read(has_next: bool, has_previous: bool) -> None:  # noqa: FBT001 - cases
    kept = StoredCertificates(
        make([NAME], NOW),
        make([NAME], NOW) if has_next else None,
        make([NAME], NOW).authority if has_previous else None,
    )
    full = as_secret(StoredCertificates(make([NAME], NOW), make([NAME], NOW), make([NAME], NOW).authority), EMPTY)

    for before in (EMPTY, full):
        assert kept_in(as_secret(kept, before)) == kept
    assert kept.bundle().count(b"BEGIN CERTIFICATE") == 1 + has_next + has_previous


@pytest.mark.parametrize("part", ["certificate", "key", "authority"])
def test_parts_of_different_certificates_are_none(part: str) -> None:
    held, other = make([NAME], NOW), make([NAME], NOW)
    mixed = {
        "certificate": HeldCertificate(KeyPair(other.pair.certificate, held.pair.key), held.authority),
        "key": HeldCertificate(KeyPair(held.pair.certificate, other.pair.key), held.authority),
        "authority": HeldCertificate(held.pair, other.authority),
    }[part]

    assert kept_in(as_secret(StoredCertificates(mixed), EMPTY)).current is None


BROKEN = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
OF_NO_VERSION = of_no_version(make([NAME], NOW).authority)


@pytest.mark.parametrize("has_good_part", [True, False])
@pytest.mark.parametrize("spoilt", [b"?", BROKEN, OF_NO_VERSION])
def test_nothing_stands_in_a_bundle_that_is_no_certificate(spoilt: bytes, has_good_part: bool) -> None:  # noqa: FBT001 - cases
    """The API server refuses a bundle with such a part, and would be asked for ever."""
    held = make([NAME], NOW)
    previous = (make([NAME], NOW).authority if has_good_part else b"") + spoilt
    found = kept_in(as_secret(StoredCertificates(held, previous=previous), EMPTY))

    assert spoilt == b"?" or spoilt.strip() not in found.bundle()
    assert (found.previous is None) == (spoilt != b"?" or not has_good_part)
    assert (
        kept_in(as_secret(StoredCertificates(HeldCertificate(held.pair, held.authority + BROKEN)), EMPTY)).current
        is None
    )


def test_a_certificate_of_no_version_is_none() -> None:
    held = make([NAME], NOW)
    spoilt = HeldCertificate(KeyPair(of_no_version(held.pair.certificate), held.pair.key), held.authority)

    assert kept_in(as_secret(StoredCertificates(spoilt), EMPTY)).current is None
    with pytest.raises(ValueError, match="version"):
        validity(spoilt.pair.certificate)


def test_marks_are_read_and_those_that_count_no_more_go() -> None:
    body = mark_patch(EMPTY, "gatecrier-0", "abc", NOW)
    assert isinstance(body, dict)
    metadata = body["metadata"]
    assert isinstance(metadata, dict)
    annotations = dict(metadata["annotations"])
    annotations |= {
        "shown-by.gatecrier.dev/x": "no time",
        "shown-by.gatecrier.dev/y": "abc 9999999999999",
        "other": "a",
    }
    secret = StoredSecret(metadata=ResourceMetadata(resource_version="8", annotations=annotations))

    assert kept_in(secret).marks == {"gatecrier-0": Mark("abc", NOW)}
    patch = secret_patch(secret, StoredCertificates())
    assert isinstance(patch, dict)
    assert patch["metadata"] == {"resourceVersion": "8", "annotations": {"shown-by.gatecrier.dev/gatecrier-0": None}}


@pytest.mark.parametrize("found", [None, "", "not base64", encoded(b"other")])
def test_only_bundles_that_differ_are_written(found: str | None) -> None:
    right, wrong = Hook(ClientConfig(encoded(b"ours"))), Hook(ClientConfig(found))
    hooks = WebhookConfiguration(metadata=ResourceMetadata(resource_version="9"), webhooks=[right, wrong, right])

    assert bundles_in(hooks)[0] == b"ours"
    assert bundle_patch(hooks, b"ours") == [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "9"},
        {"op": "add", "path": "/webhooks/1/clientConfig/caBundle", "value": encoded(b"ours")},
    ]


def test_no_key_of_a_ca_is_kept() -> None:
    """Two keys stand in what is written: that of the certificate, and the CA's public one."""
    held = make([NAME], NOW)

    assert b"".join([*held.pair, held.authority]).count(b"PRIVATE KEY-----") == 2  # the beginning and the end of one


def of_unknown_curve(now: float) -> HeldCertificate:
    """A certificate that its CA has signed, for a key of a curve that OpenSSL names and `cryptography` does not."""
    signer, key = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    begins, ends = (dt.datetime.fromtimestamp(now + seconds, dt.UTC) for seconds in (0, SERVING))
    authority = signed_authority(begun(common_name("ca"), signer, common_name("ca"), begins, ends), signer)
    leaf = signed_leaf(begun(common_name(NAME), key, common_name("ca"), begins, ends), signer)
    whole, signed = ssl.PEM_cert_to_DER_cert(leaf.decode()), x509.load_pem_x509_certificate(leaf).tbs_certificate_bytes
    changed = signed.replace(bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d030105"))
    pem = ssl.DER_cert_to_PEM_cert(whole.replace(signed, changed)[:-64] + signer.sign(changed))
    return HeldCertificate(KeyPair(pem.encode(), written(key)), authority)


def weak(now: float) -> HeldCertificate:
    """A certificate that its CA has signed, of a key that OpenSSL does not show."""
    signer, key = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 1024)  # noqa: S505 - so that it is refused
    begins, ends = (dt.datetime.fromtimestamp(now + seconds, dt.UTC) for seconds in (0, SERVING))
    leaf = begun(common_name(NAME), key, common_name("ca"), begins, ends)
    named = leaf.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
    authority = signed_authority(begun(common_name("ca"), signer, common_name("ca"), begins, ends), signer)
    return HeldCertificate(KeyPair(signed_leaf(named, signer), written(key)), authority)


@pytest.mark.parametrize("make_spoilt", [of_unknown_curve, weak])
def test_what_no_server_can_show_is_none(make_spoilt: Callable[[float], HeldCertificate]) -> None:
    """A curve that nobody knows ended every keeper, at each start again."""
    held = make([NAME], NOW)
    found = kept_in(as_secret(StoredCertificates(held, make_spoilt(NOW)), EMPTY), [NAME])

    assert (found.current, found.next) == (held, None)


@pytest.mark.parametrize(
    ("names", "is_for"),
    [
        ([NAME], True),
        (["localhost", NAME.upper()], True),
        (["*.gatecrier.svc"], True),
        (["*.svc"], False),
        (["gatecrier.other.svc"], False),
    ],
)
def test_it_is_there_for_who_calls_the_service_by_its_name(names: list[str], is_for: bool) -> None:  # noqa: FBT001 - a case
    held = make(names, NOW)

    assert kept_in(as_secret(StoredCertificates(held), EMPTY), [NAME]).current == (held if is_for else None)
