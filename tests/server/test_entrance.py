"""Client certificates, through real handshakes on both loops."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID

from router.errors import ConfigurationError
from router.server.certificates import new_context
from router.server.entrance import Clients, asking
from tests.server.stage import Play, Stage, entrance, listening
from tests.simulators.authorities import CLIENT, SERVER, Authority, Pair, client_context
from tests.simulators.versions import of_no_version

OURS, STRANGER = Authority("clients"), Authority("clients")


async def status(stage: Stage, folder: Path, pair: Pair | None, *, version: ssl.TLSVersion | None = None) -> int | str:
    """The status that this client gets, or why it gets none."""
    context = client_context(folder, pair)
    if version is not None:
        context.maximum_version = version
    try:
        client = await stage.connect(context)
        return (await client.ask())[0]
    except (OSError, EOFError):
        return "refused"


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (OURS.issue("api-server"), 200),
        (OURS.issue("api-server", usage=()), 200),
        (OURS.issue("api-server", usage=(SERVER, CLIENT)), 200),
        (None, "refused"),
        (STRANGER.issue("api-server"), "refused"),
        (OURS.issue("api-server", usage=(SERVER,)), "refused"),
        (OURS.issue("api-server", expired=True), "refused"),
    ],
    ids=["ours", "any usage", "both usages", "none", "another CA", "a server's", "expired"],
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_only_a_valid_client_certificate_of_the_ca_is_let_in(
    play: Play, tmp_path: Path, pair: Pair | None, expected: int | str, version: ssl.TLSVersion
) -> None:
    """The other CA has the same name: what counts is its key."""

    async def story() -> tuple[int | str, float]:
        async with listening() as stage:
            stage.door = entrance(Clients(OURS.pem.decode()))
            found = await status(stage, tmp_path, pair, version=version)
            await stage.until(lambda: stage.listener.connections.counts()["handshake"] == 0)
            return found, stage.facts.handshakes_failed

    assert play(story()) == (expected, float(expected == "refused"))


@pytest.mark.parametrize(
    ("common", "dns", "expected"),
    [
        (["api-server"], [], 200),
        ([], ["API-server"], 200),
        (["other"], ["x.example", "api-server"], 200),
        (["API-server"], [], 403),
        (["api-server2"], [], 403),
        (["api"], ["*"], 403),
        (["other", "api-server"], [], 403),
        ([], [], 403),
    ],
)
def test_a_name_is_equal_or_it_is_not(
    play: Play, tmp_path: Path, common: list[str], dns: list[str], expected: int
) -> None:
    async def story() -> tuple[int | str, float]:
        async with listening() as stage:
            stage.door = entrance(Clients(OURS.pem.decode(), frozenset({"api-server"})))
            found = await status(stage, tmp_path, OURS.issue(*common, dns=dns))
            return found, stage.facts.clients_refused

    assert play(story()) == (expected, float(expected == 403))


def test_a_certificate_that_no_library_reads_is_refused_in_words() -> None:
    unread = ssl.PEM_cert_to_DER_cert(of_no_version(OURS.pem).decode())

    assert Clients(OURS.pem.decode()).refusal(unread, dt.datetime.now(dt.UTC)) == "the client certificate can't be read"


def test_a_certificate_whose_names_no_library_reads_is_refused_in_words() -> None:
    """An X.400 address among the subject alternative names (RFC 5280, clause 4.2.1.6): an exception of its own."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api-server")])
    odd = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x04\xa3\x02\x30\x00")
    made = x509.CertificateBuilder(
        name, name, key.public_key(), 1, now - dt.timedelta(hours=1), now + dt.timedelta(hours=1)
    )
    read = made.add_extension(odd, critical=False).sign(key, hashes.SHA256())

    assert Clients(OURS.pem.decode(), frozenset({"a"})).refusal(read.public_bytes(Encoding.DER), now) == (
        "the client certificate can't be read"
    )


def test_a_refused_name_is_logged_once_a_minute(play: Play, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def story() -> float:
        async with listening() as stage:
            stage.door = entrance(Clients(OURS.pem.decode(), frozenset({"api-server"})))
            for _ in range(10):
                await status(stage, tmp_path, OURS.issue("evil\nname"))
            return stage.facts.clients_refused

    assert play(story()) == 10
    told = "".join(capfd.readouterr())
    assert told.count("client_refused") == 1
    assert "evil\nname" not in told


def test_other_clients_hold_for_new_connections_and_end_the_old(play: Play, tmp_path: Path) -> None:
    """Trust that was taken away must not live on in a connection that is kept."""

    async def story() -> list[int | str | bytes]:
        async with listening() as stage:
            first = await stage.connect(client_context(tmp_path))
            await first.ask()
            stage.door = entrance(Clients(OURS.pem.decode()))
            stage.listener.renew()
            ended = await first.end()
            return [ended, *[await status(stage, tmp_path, pair) for pair in (None, OURS.issue("a"))]]

    assert play(story()) == [b"", "refused", 200]


def test_a_handshake_that_began_under_other_clients_ends_with_them(play: Play) -> None:
    """It would be checked against a CA that is trusted no more, and its connection be kept for as long as it asks."""

    async def story() -> bytes:
        async with listening(handshake=60.0) as stage:
            late = await stage.come()
            await stage.until(lambda: stage.listener.connections.counts()["handshake"] == 1)
            stage.listener.renew()
            try:
                return await late.end()
            finally:
                await late.close()

    assert play(story()) == b""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_session_is_resumed_by_another_context(play: Play, tmp_path: Path, version: ssl.TLSVersion) -> None:
    """TLS 1.3 resumes none at all; TLS 1.2 does in the same context, which has asked for the same certificates."""

    async def story() -> tuple[bool, bool, int | str]:
        async with listening() as stage:
            context = client_context(tmp_path)
            context.maximum_version = version
            client = await stage.connect(context)
            await client.ask()
            session = client.writer.get_extra_info("ssl_object").session
            same = await _resumed(stage, context, session)
            stage.door = entrance(Clients(OURS.pem.decode()))
            other = await _resumed(stage, context, session)
            return same, other, await status(stage, tmp_path, None, version=version)

    assert play(story()) == (version is ssl.TLSVersion.TLSv1_2, False, "refused")


async def _resumed(stage: Stage, context: ssl.SSLContext, session: ssl.SSLSession | None) -> bool:
    """Whether the session is taken up; asked by hand, since asyncio gives no session to its clients."""
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(coming, going, session=session)
    plain = await stage.come()
    try:
        while True:
            try:
                client.do_handshake()
            except ssl.SSLWantReadError:
                plain.writer.write(going.read())
                if not (data := await plain.reader.read(2**16)):
                    return False
                coming.write(data)
            else:
                return bool(client.session_reused)
    except (ssl.SSLError, OSError):
        return False


def test_a_time_that_is_over_counts_where_a_session_is_resumed() -> None:
    """TLS 1.2 resumes without looking at the certificate again."""
    now = dt.datetime.now(dt.UTC)
    clients = Clients(OURS.pem.decode())

    assert clients.refusal(OURS.issue("a").der, now) == ""
    assert "not valid" in clients.refusal(OURS.issue("a").der, now + dt.timedelta(days=2))
    assert "can't be read" in clients.refusal(b"\x30\x03abc", now)
    assert "no client certificate" in clients.refusal(None, now)


@pytest.mark.parametrize("pem", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_ca_that_is_none_lets_nobody_in(pem: str) -> None:
    with pytest.raises(ConfigurationError, match=r"webhook\.clients\.ca"):
        asking(new_context(), Clients(pem))


def test_nobody_is_asked_unless_told_so() -> None:
    assert asking(new_context(), None).context.verify_mode is ssl.CERT_NONE
    assert asking(new_context(), Clients(OURS.pem.decode())).context.verify_mode is ssl.CERT_REQUIRED
