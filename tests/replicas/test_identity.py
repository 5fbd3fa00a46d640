"""Replicas know each other by the key that they share, and nobody else."""

from __future__ import annotations

import datetime as dt
import ssl
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from router.errors import ConfigurationError, ReplicaError
from router.pem import KeyPair
from router.replicas.identity import NAME, ReplicaIdentity, identity, keep, kept
from router.server.certificates import self_signed
from router.tls import show

NOW = dt.datetime.now(dt.UTC)
PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
KEYS: dict[str, Callable[[], Key]] = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


def webhook(key: Key, days: int = 90, begins: dt.datetime | None = None) -> KeyPair:
    """A certificate as cert-manager makes it for a webhook: for servers only, under the service's name."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gatecrier.gatecrier.svc")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins or NOW - dt.timedelta(days=1 + abs(days)))
        .not_valid_after(NOW + dt.timedelta(days=days))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    made = builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return KeyPair(made.public_bytes(PEM), key.private_bytes(PEM, PKCS8, serialization.NoEncryption()))


def shake_hands(serving: ssl.SSLContext, asking: ssl.SSLContext) -> ssl.SSLObject:
    """What the server sees of the client; raises SSLError where either refuses the other."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    client = asking.wrap_bio(to_client, to_server, server_hostname=NAME)
    waiting = {server, client}
    for _ in range(10):
        for side in (client, server):
            try:
                side.do_handshake()
                waiting.discard(side)
            except ssl.SSLWantReadError:
                pass
        if not waiting:
            return server
    raise AssertionError("it never ends")


@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
def test_who_shares_the_key_is_known(make: Callable[[], Key]) -> None:
    shared = webhook(make())
    one, other = identity(shared), identity(shared)

    server = shake_hands(one.serving(), other.asking())

    assert server.version() == "TLSv1.3"
    assert (
        x509.load_der_x509_certificate(server.getpeercert(binary_form=True) or b"").subject.rfc4514_string()
        == f"CN={NAME}"
    )
    assert one.pair.key != other.pair.key


def test_who_has_another_key_is_not(subtests: pytest.Subtests) -> None:
    one, other = identity(webhook(KEYS["p256"]())), identity(webhook(KEYS["p256"]()))

    with subtests.test("as a client"), pytest.raises(ssl.SSLError):
        shake_hands(one.serving(), other.asking())
    with subtests.test("as a server"), pytest.raises(ssl.SSLError):
        shake_hands(other.serving(), one.asking())


def test_whoever_shows_the_certificate_of_the_webhook_itself_is_not_known() -> None:
    """It is shown to everybody who connects to the webhook, and for servers only."""
    shared = webhook(KEYS["p256"]())
    own = identity(shared)
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.load_verify_locations(cadata=own.authority)
    show(asking, shared)

    with pytest.raises(ssl.SSLError):
        shake_hands(own.serving(), asking)


def test_whoever_shows_nothing_is_not_known() -> None:
    own = identity(webhook(KEYS["p256"]()))
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.load_verify_locations(cadata=own.authority)

    with pytest.raises(ssl.SSLError):
        shake_hands(own.serving(), asking)


def test_it_ends_with_the_certificate_of_the_webhook() -> None:
    ended = identity(webhook(KEYS["p256"](), days=-1))

    with pytest.raises(ssl.SSLError, match="expired"):
        shake_hands(ended.serving(), ended.asking())


def test_it_begins_with_the_certificate_of_the_webhook_whatever_our_clock_says() -> None:
    """A clock that was two hours ahead made what no other replica took, for an hour."""
    shared = webhook(KEYS["p256"]())
    own, known = identity(shared), x509.load_pem_x509_certificate(shared.certificate)
    for pem in (own.authority.encode(), own.pair.certificate):
        made = x509.load_pem_x509_certificate(pem)

        assert known.not_valid_before_utc - made.not_valid_before_utc == dt.timedelta(hours=1)
        assert made.not_valid_after_utc == known.not_valid_after_utc


def test_a_certificate_from_before_all_clocks_will_do() -> None:
    made = identity(webhook(KEYS["p256"](), begins=dt.datetime(1950, 1, 1, tzinfo=dt.UTC)))

    shake_hands(made.serving(), made.asking())


def test_a_self_signed_authority_of_somebody_else_vouches_for_nobody() -> None:
    own = identity(webhook(KEYS["p256"]()))
    stranger = self_signed([NAME], NOW)
    forged = ReplicaIdentity(own.authority, stranger)

    with pytest.raises(ssl.SSLError):
        shake_hands(own.serving(), forged.asking())


@pytest.mark.parametrize(
    "pair",
    [
        KeyPair(b"", b""),
        KeyPair(webhook(KEYS["p256"]()).certificate, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        KeyPair(
            webhook(KEYS["p256"]()).certificate,
            x25519.X25519PrivateKey.generate().private_bytes(PEM, PKCS8, serialization.NoEncryption()),
        ),
    ],
    ids=["empty", "no key", "a key that signs nothing"],
)
def test_what_can_sign_nothing_is_told(pair: KeyPair) -> None:
    with pytest.raises(ConfigurationError, match=r"webhook\.tls"):
        identity(pair)


def test_what_is_kept_for_commands_is_for_our_user_alone(tmp_path: Path) -> None:
    path, first, second = tmp_path / "outbox.db.replica", *(identity(webhook(KEYS["p256"]())) for _ in range(2))
    keep(first, path)
    keep(second, path)

    assert kept(path) == second
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["outbox.db.replica"]


@pytest.mark.parametrize("content", [None, b"", b"no identity"])
def test_where_nothing_is_kept_it_is_said_where_to_ask(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "outbox.db.replica"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ReplicaError, match="at the collector itself"):
        kept(path)
