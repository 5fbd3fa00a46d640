"""What is true of every dialect: connections, TLS, proxies."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from yarl import URL

from router import __version__
from router.destinations.catalogue import open_destination
from router.destinations.dialect import Exchange, OneRequest, Post, Reply, UnansweredError
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.destinations.kinds.webhook import WebhookKindSettings
from router.destinations.outcome import Delivered, Outcome, TryAgain, gist
from router.destinations.over_http import HttpDestination
from router.errors import ConfigurationError
from router.fields import ReadingContext
from router.settings.snapshot import read_file
from tests.patience import PATIENCE
from tests.simulators.certificates import self_signed, stored
from tests.simulators.names import know
from tests.simulators.sinks import OK, Sink, answer

LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
DOCUMENT = Document("event-1", b"{}")


def settings(url: str, **more: object) -> WebhookKindSettings:
    reading = ReadingContext(Path("/"), {}, read_file)
    return WebhookKindSettings.model_validate(
        {"name": "siem", "kind": "webhook", "url": url, "plain_http": True, "timeout": "30s", **more},
        context={"reading": reading},
    )


async def told(url: str, egress: EgressSettings = LOOPBACK, **more: object) -> Outcome:
    destination = open_destination(settings(url, **more), egress)
    outcome = gist(await destination.deliver([DOCUMENT]))
    await destination.close()
    return outcome


async def test_a_connection_is_used_again() -> None:
    async with Sink().running() as sink:
        destination = open_destination(settings(sink.url()), LOOPBACK)
        for _ in range(5):
            await destination.deliver([DOCUMENT])
        await destination.close()

    assert (len(sink.got), sink.connections) == (5, 1)


async def test_a_receiver_learns_who_we_are_and_nothing_is_compressed() -> None:
    async with Sink().running() as sink:
        await told(sink.url(), headers={"X-Tenant": "4711"})

    headers = sink.got[0].headers
    assert headers["user-agent"] == f"gatecrier/{__version__}"
    assert headers["accept-encoding"] == "identity"
    assert headers["x-tenant"] == "4711"
    assert "cookie" not in headers


async def test_a_cookie_is_not_kept() -> None:
    async with Sink(answer("200 OK", Set_Cookie="a=b")).running() as sink:
        destination = open_destination(settings(sink.url()), LOOPBACK)
        await destination.deliver([DOCUMENT])
        await destination.deliver([DOCUMENT])
        await destination.close()

    assert "cookie" not in sink.got[1].headers


async def test_a_receiver_is_known_by_its_own_ca(tmp_path: Path) -> None:
    certificate = self_signed()
    async with Sink(tls=certificate.server_context(tmp_path)).running() as sink:
        right = await told(sink.url(), ca=stored(tmp_path, "ca", certificate))
        wrong = await told(sink.url(), ca=stored(tmp_path, "other", self_signed()))
        system = await told(sink.url())

    assert (right, wrong, system) == (Delivered(), TryAgain("tls_failed"), TryAgain("tls_failed"))
    assert len(sink.got) == 1


async def test_a_certificate_for_another_name_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed()
    know(monkeypatch, {"registry.test": ["127.0.0.1"], "siem.test": ["127.0.0.1"]})
    async with Sink(tls=certificate.server_context(tmp_path)).running() as sink:
        ca = stored(tmp_path, "ca", certificate)
        right = await told(sink.url().replace("127.0.0.1", "registry.test"), ca=ca)
        wrong = await told(sink.url().replace("127.0.0.1", "siem.test"), ca=ca)

    assert (right, wrong) == (Delivered(), TryAgain("tls_failed"))


async def test_a_receiver_can_know_us_by_a_certificate(tmp_path: Path) -> None:
    theirs, ours = self_signed(), self_signed()
    stored(tmp_path, "ours", ours)
    context = theirs.server_context(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=ours.certificate.decode())
    pair = {"certificate": tmp_path / "ours.pem", "key": tmp_path / "ours.key"}
    ca = stored(tmp_path, "ca", theirs)
    async with Sink(tls=context).running() as sink:
        with_it = await told(sink.url(), ca=ca, client_certificate=pair)
        without = await told(sink.url(), ca=ca)

    assert with_it == Delivered()
    assert without in {TryAgain("tls_failed"), TryAgain("connection_failed")}
    assert len(sink.got) == 1


async def test_plain_text_where_tls_is_expected_is_no_connection(tmp_path: Path) -> None:
    ca = stored(tmp_path, "ca", self_signed())
    writers: list[asyncio.StreamWriter] = []

    def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(b"220 mail.example ESMTP\r\n")

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await told(f"https://127.0.0.1:{port}/x", ca=ca)
        for writer in writers:
            writer.close()

    assert found == TryAgain("tls_failed")


@pytest.mark.parametrize("content", ["", "none", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_a_ca_that_is_none_is_told_when_it_is_read(content: str, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(content)

    with pytest.raises(ValueError, match="no certificate that can be read"):
        settings("https://siem.example/x", ca=tmp_path / "ca.pem")


def test_an_encrypted_key_is_told_with_its_remedy(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    stored(tmp_path, "ours", self_signed(key))
    locked = serialization.BestAvailableEncryption(b"password")
    (tmp_path / "ours.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    )
    pair = {"certificate": tmp_path / "ours.pem", "key": tmp_path / "ours.key"}

    with pytest.raises(ConfigurationError, match="store it unencrypted"):
        open_destination(settings("https://siem.example/x", client_certificate=pair), LOOPBACK)


async def test_files_are_not_looked_at_when_a_destination_is_opened(tmp_path: Path) -> None:
    """What was checked is what is used, whatever stands in the files by then."""
    theirs, ours = self_signed(), self_signed()
    stored(tmp_path, "ours", ours)
    context = theirs.server_context(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=ours.certificate.decode())
    pair = {"certificate": tmp_path / "ours.pem", "key": tmp_path / "ours.key"}
    async with Sink(tls=context).running() as sink:
        read = settings(sink.url(), ca=stored(tmp_path, "ca", theirs), client_certificate=pair)
        for name in ("ca.pem", "ours.pem", "ours.key"):
            (tmp_path / name).unlink()
        destination = open_destination(read, LOOPBACK)
        outcome = await destination.deliver([DOCUMENT])
        await destination.close()

    assert outcome == Delivered()


async def test_a_proxy_is_told_its_own_password_and_the_receiver_s_headers() -> None:
    async with Sink().running() as proxy:
        environment = {"PROXY": f"http://u:p@127.0.0.1:{proxy.port}"}
        context = ReadingContext(Path(), environment, lambda path, _: path.read_bytes())
        written = {"name": "siem", "kind": "webhook", "url": "http://siem.example/x", "plain_http": True}
        written |= {"proxy": {"env": "PROXY"}}
        siem = WebhookKindSettings.model_validate(written, context={"reading": context})
        destination = open_destination(siem, LOOPBACK)
        found = await destination.deliver([DOCUMENT])
        await destination.close()

    assert found == Delivered()
    assert proxy.got[0].headers["proxy-authorization"] == "Basic dTpw"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("407 Proxy Authentication Required", TryAgain("unauthorised", pauses=True)),
        ("403 Forbidden", TryAgain("proxy_failed")),
        ("502 Bad Gateway", TryAgain("proxy_failed")),
    ],
)
async def test_a_proxy_that_opens_no_tunnel_dooms_no_event(status: str, outcome: Outcome) -> None:
    async with Sink(answer(status)).running() as proxy:
        found = await told("https://siem.example/x", proxy=f"http://127.0.0.1:{proxy.port}")

    assert found == outcome
    assert [receipt.path for receipt in proxy.got] == ["siem.example:443"]


async def test_a_proxy_that_is_not_there_is_worth_another_try() -> None:
    async with Sink().running() as proxy:
        port = proxy.port

    assert await told("http://siem.example/x", proxy=f"http://127.0.0.1:{port}") == TryAgain("proxy_failed")


async def test_neither_a_proxy_nor_what_is_behind_it_may_be_anywhere() -> None:
    async with Sink().running() as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        through_private = await told("http://siem.example/x", EgressSettings(), proxy=url)
        through_name = await told(
            "http://siem.example/x", EgressSettings(), proxy=url.replace("127.0.0.1", "localhost")
        )
        to_metadata = await told("http://169.254.169.254/latest", proxy=url)

    assert {through_private, through_name, to_metadata} == {TryAgain("forbidden_address")}
    assert proxy.got == []


async def test_the_environment_changes_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload goes where the configuration says, whatever proxies other programs use."""
    async with Sink().running() as proxy, Sink().running() as sink:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        found = await told(sink.url())

    assert found == Delivered()
    assert (len(sink.got), len(proxy.got)) == (1, 0)


async def test_nothing_is_left_behind() -> None:
    """A configuration that is reloaded every minute must not gather threads."""
    async with Sink().running() as sink:
        for _ in range(3):
            await told(sink.url().replace("127.0.0.1", "localhost"))

    left = [thread for thread in threading.enumerate() if thread.name.startswith("resolve")]
    for thread in left:
        thread.join(PATIENCE)  # they were told to end; a thread needs a moment to do so

    assert not [thread.name for thread in left if thread.is_alive()]


async def test_a_mistake_of_ours_is_not_taken_for_the_receiver_s() -> None:
    """It would be retried for a day under a wrong name instead of being seen in the log."""

    class Mistaken(OneRequest):
        def compose(self, documents: Sequence[Document], now: float) -> Post:
            raise ValueError(f"{len(documents)} documents at {now}")

    destination = HttpDestination(settings("http://127.0.0.1:9/"), Mistaken(), LOOPBACK.guard())

    with pytest.raises(ValueError, match="1 documents"):
        await destination.deliver([DOCUMENT])


async def test_an_answer_of_just_the_limit_leaves_the_connection_in_use() -> None:
    async with Sink(answer("200 OK", b"a" * 65536)).running() as sink:
        destination = open_destination(settings(sink.url()), LOOPBACK)
        outcomes = [await destination.deliver([DOCUMENT]) for _ in range(2)]
        sink.says = answer("200 OK", b"a" * 65537)
        outcomes += [await destination.deliver([DOCUMENT]) for _ in range(2)]
        sink.says = OK
        await destination.close()

    assert outcomes == [Delivered()] * 4


async def test_an_outcome_says_the_status_that_it_was_judged_by() -> None:
    """A person asks for it; where nothing came back there is none."""
    found = []
    for says in (OK, answer("503 Service Unavailable", b"no upstream"), answer("400 Bad Request")):
        async with Sink(says).running() as sink:
            found.append((await told(sink.url())).status)
    found.append((await told("http://127.0.0.1:1/")).status)

    assert found == [200, 503, 400, None]


class Asking(OneRequest):
    """Asks so many times, whatever comes back; the last time in vain."""

    def __init__(self, times: int, *, is_followed: bool = False) -> None:
        self._before = [Post(b"{}", is_followed=is_followed)] * (times - 1)

    def compose(self, documents: Sequence[Document], now: float) -> Post:
        """The last."""
        return Post(documents[0].body, {"Date": f"{now}"})

    def exchange(self, documents: Sequence[Document], now: float) -> Exchange:
        """All of them."""
        for post in self._before:
            with suppress(UnansweredError):
                yield post
        return (yield from super().exchange(documents, now))


async def ends_of(
    dialect: OneRequest, monkeypatch: pytest.MonkeyPatch, urls: Sequence[str] = ("http://127.0.0.1:9/",)
) -> Sequence[float]:
    """Until when the receiver, who never answers, is waited for, request by request."""
    ends: list[float] = []

    async def hang(*asked: object) -> Reply:
        end = asked[-1]
        assert isinstance(end, float)
        ends.append(end)
        raise TimeoutError

    monkeypatch.setattr(HttpDestination, "_posted", hang)
    destination = HttpDestination(settings(urls[0]), dialect, LOOPBACK.guard())
    destination._urls = [URL(url) for url in urls]
    await destination.deliver([DOCUMENT])
    return ends


async def test_all_of_an_attempt_has_one_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = await ends_of(Asking(6), monkeypatch)

    assert len(ends) == 6
    assert len({*ends}) == 1


async def test_whoever_does_not_answer_leaves_time_for_those_who_are_asked_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = asyncio.get_running_loop().time()
    replicas = await ends_of(Asking(3, is_followed=True), monkeypatch)
    urls = await ends_of(Asking(1), monkeypatch, [f"http://127.0.0.1:9/{number}" for number in range(3)])

    for ends in (replicas, urls):
        assert len(ends) == 3
        assert ends[0] - now < 16  # of 30 s
        assert ends[1] - ends[0] < 8
        assert ends[2] - ends[1] > 7


async def test_no_dialect_asks_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="more than 6 requests"):
        await ends_of(Asking(7), monkeypatch)
