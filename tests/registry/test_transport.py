from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohappyeyeballs
import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from router import __version__
from router.errors import (
    ForbiddenAddressError,
    MalformedAnswerError,
    UnauthorisedError,
    UnreachableError,
    UnverifiableError,
)
from router.images import Digest, ImageReference, parse_reference
from router.outbound.authorities import client_context
from router.registry import RegistryClient, RegistrySettings, failures, transport
from router.registry.answers import TransientError
from tests.registry.stage import Time, client_of, soon
from tests.simulators.certificates import SelfSigned, self_signed
from tests.simulators.docker_registry import docker_config
from tests.simulators.names import know
from tests.simulators.registry import RegistrySimulator, TokenService, listening, registry_settings

USERS = {"gatecrier": "open sesame"}


def with_credentials(registry: RegistrySimulator, folder: Path) -> RegistrySettings:
    file = docker_config(folder, registry.host)
    return registry_settings(folder, host=registry.host, plain_http=True, credentials={"file": str(file)})


def redirect(target: str, status: int = 307) -> Callable[[web.Request], web.Response | None]:
    return lambda request: (
        web.Response(status=status, headers={"Location": target.replace("{path}", request.path)})
        if "moved" not in request.query and "Authorization" in request.headers
        else None
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_elsewhere_takes_no_credentials_along(status: int, tmp_path: Path) -> None:
    async with (
        RegistrySimulator(users=USERS).running() as registry,
        RegistrySimulator().running() as storage,
        RegistryClient([with_credentials(registry, tmp_path)]) as client,
    ):
        digest = storage.add_blob(b"content")
        registry.fault = redirect(f"http://{storage.host}{{path}}?sig=%2F%2B", status)

        body = await client.blob(registry.image("a:1"), digest, soon(), 100)

        assert body == b"content"
        assert registry.authorizations[-1] is not None
        assert storage.authorizations == [None]


async def test_a_registry_learns_who_we_are() -> None:
    """Whoever runs one and sees too many of our questions must know whom to ask, and about which version."""
    agents: list[str | None] = []

    async with (
        RegistrySimulator(fault=lambda request: agents.append(request.headers.get("User-Agent"))).running() as registry,
        RegistryClient([registry.settings]) as client,
    ):
        registry.add_image("a", "1")
        await client.resolve(registry.image("a:1"), soon())

    assert agents == [f"gatecrier/{__version__}"]


async def test_a_redirect_on_the_same_origin_keeps_them(tmp_path: Path) -> None:
    async with (
        RegistrySimulator(users=USERS).running() as registry,
        RegistryClient([with_credentials(registry, tmp_path)]) as client,
    ):
        digest = registry.add_blob(b"content")
        registry.fault = redirect("{path}?moved")

        assert await client.blob(registry.image("a:1"), digest, soon(), 100) == b"content"


async def test_a_redirect_is_followed_as_it_is_written() -> None:
    """A storage's signature is over the very characters of the query."""
    seen: list[str] = []

    def fault(request: web.Request) -> web.Response | None:
        seen.append(request.raw_path)
        moved = web.Response(status=307, headers={"Location": "/v2/a/blobs/x?sig=a%2Fb%2bc+d%7E~"})
        return moved if len(seen) == 1 else web.Response(body=b"content")

    async with RegistrySimulator(fault=fault).running() as registry, RegistryClient([registry.settings]) as client:
        await client.blob(registry.image("a:1"), Digest.of(b"content"), soon(), 100)

    assert seen[1] == "/v2/a/blobs/x?sig=a%2Fb%2bc+d%7E~"


async def test_a_challenge_from_elsewhere_is_not_met(tmp_path: Path) -> None:
    """Otherwise whoever owns the target of a redirect names the realm that gets our password."""
    async with (
        TokenService().running() as thief,
        RegistrySimulator(token_service=thief).running() as elsewhere,
        RegistrySimulator(users=USERS).running() as registry,
        RegistryClient([with_credentials(registry, tmp_path)]) as client,
    ):
        registry.fault = redirect(f"http://{elsewhere.host}{{path}}")

        with pytest.raises(UnauthorisedError):
            await client.blob(registry.image("a:1"), Digest.of(b""), soon(), 100)
        assert thief.calls == []


async def test_redirects_come_to_an_end() -> None:
    fault = lambda request: web.Response(status=302, headers={"Location": request.path})  # noqa: E731 - one line says it

    async with RegistrySimulator(fault=fault).running() as registry, RegistryClient([registry.settings]) as client:
        with pytest.raises(MalformedAnswerError, match="more than 5 times"):
            await client.resolve(registry.image("a:1"), soon())

        assert len(registry.requests) == 6


NO_PLACES = [
    "",
    "http://",
    "http://[",
    "ftp://127.0.0.1/x",
    "file:///etc/passwd",
    "http://u:p@127.0.0.1/",
    "http://a b/",
]
NO_PLACES += ["http://:x/", "javascript:alert(1)", "http://\N{SNOWMAN}/", "http://[::x]/", "http://a:0/"]
NO_PLACES += ["http://2852039166/latest", "http://0251.0376.0251.0376/", "http://0x7f.1/", "http://127.1/"]
NO_PLACES += ["http://127.0.0.1./", "http://169.254.169.254./latest", "http://%31%32%37.1/"]


@pytest.mark.parametrize("location", NO_PLACES)
async def test_a_redirect_to_what_is_no_place_is_malformed(location: str) -> None:
    fault = lambda _: web.Response(status=302, headers={"Location": location})  # noqa: E731 - one line says it

    async with RegistrySimulator(fault=fault).running() as registry, RegistryClient([registry.settings]) as client:
        with pytest.raises(MalformedAnswerError, match="redirect"):
            await client.resolve(registry.image("a:1"), soon())


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "[64:ff9b:1::a9fe:a9fe]", "[fec0::1]"])
async def test_no_redirect_leads_to_a_forbidden_address(host: str) -> None:
    fault = lambda _: web.Response(status=302, headers={"Location": f"http://{host}/latest"})  # noqa: E731 - one line says it

    async with RegistrySimulator(fault=fault).running() as registry, RegistryClient([registry.settings]) as client:
        with pytest.raises(ForbiddenAddressError):
            await client.resolve(registry.image("a:1"), soon())


@pytest.fixture(scope="module")
def pair() -> SelfSigned:
    return self_signed()


@pytest.fixture
def tls(pair: SelfSigned, tmp_path: Path) -> ssl.SSLContext:
    return pair.server_context(tmp_path)


@pytest.fixture
def ca(pair: SelfSigned, tmp_path: Path) -> Path:
    (tmp_path / "ca.pem").write_bytes(pair.certificate)
    return tmp_path / "ca.pem"


async def test_a_registry_is_trusted_by_its_own_ca(tls: ssl.SSLContext, ca: Path) -> None:
    async with (
        RegistrySimulator(tls=tls).running() as registry,
        RegistryClient([registry_settings(ca.parent, host=registry.host, ca=str(ca))]) as client,
    ):
        digest = registry.add_image("a", "1")

        assert await client.resolve(registry.image("a:1"), soon()) == digest


async def test_an_unknown_certificate_is_unreachable_at_once(tls: ssl.SSLContext) -> None:
    time = Time()

    async with (
        RegistrySimulator(tls=tls).running() as registry,
        RegistryClient(surroundings=time.surroundings()) as client,
    ):
        with pytest.raises(UnreachableError, match="certificate"):
            await client.resolve(registry.image("a:1"), soon())

    assert time.slept == []


async def test_plain_http_is_spoken_only_where_it_is_named() -> None:
    async with RegistrySimulator().running() as registry, RegistryClient() as client:
        registry.add_image("a", "1")

        with pytest.raises(UnreachableError, match="TLS"):
            await client.resolve(registry.image("a:1"), soon())
        assert registry.requests == []


async def test_a_redirect_from_https_to_http_is_malformed(tls: ssl.SSLContext, ca: Path) -> None:
    async with (
        RegistrySimulator(tls=tls).running() as registry,
        RegistryClient([registry_settings(ca.parent, host=registry.host, ca=str(ca))]) as client,
    ):
        registry.fault = lambda _: web.Response(status=302, headers={"Location": f"http://{registry.host}/"})

        with pytest.raises(MalformedAnswerError, match="https to http"):
            await client.resolve(registry.image("a:1"), soon())


async def test_a_redirect_from_http_to_https_and_back_is_malformed(tls: ssl.SSLContext, pair: SelfSigned) -> None:
    trusting = client_context(pair.certificate.decode())
    async with RegistrySimulator().running() as registry, RegistrySimulator(tls=tls).running() as storage:
        registry.fault = lambda _: web.Response(status=302, headers={"Location": f"https://{storage.host}/"})
        storage.fault = lambda _: web.Response(status=302, headers={"Location": f"http://{registry.host}/"})

        async with RegistryClient([registry.settings]) as client:
            known = client._endpoints.of(registry.host)
            client._endpoints._known[registry.host] = replace(known, tls=trusting, tls_elsewhere=trusting)
            with pytest.raises(MalformedAnswerError, match="https to http"):
                await client.resolve(registry.image("a:1"), soon())


FORBIDDEN = ["169.254.169.254", "169.254.169.254:80", "100.100.100.200", "0.0.0.0:5000", "[fe80::1]", "[::]:1"]
FORBIDDEN += ["[::ffff:a9fe:a9fe]:443", "[fd00:ec2::254]"]


@pytest.mark.parametrize("registry", FORBIDDEN)
async def test_a_forbidden_address_is_never_connected_to(registry: str) -> None:
    async with RegistryClient() as client:
        with pytest.raises(ForbiddenAddressError):
            await client.resolve(parse_reference(f"{registry}/a:1"), soon())


@pytest.mark.parametrize("found", [["169.254.169.254"], ["127.0.0.1", "169.254.169.254"], ["127.0.0.1", "fe80::1"]])
async def test_a_name_that_leads_to_one_is_refused(found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where only one of its addresses is forbidden: the next attempt would take that one."""
    know(monkeypatch, {"metadata.example": found})
    async with RegistryClient() as client:
        with pytest.raises(ForbiddenAddressError, match="leads to"):
            await client.resolve(parse_reference("metadata.example/a:1"), soon())


async def test_a_name_without_an_address_is_unreachable_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, {})
    time = Time()
    async with RegistryClient(surroundings=time.surroundings()) as client:
        with pytest.raises(UnreachableError, match=r"no address is known for nowhere\.example"):
            await client.resolve(parse_reference("nowhere.example/a:1"), soon())

    assert time.slept == []


async def test_a_name_server_that_fails_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, {"nowhere.example": socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")})
    time = Time()
    async with RegistryClient(surroundings=time.surroundings()) as client:
        with pytest.raises(UnreachableError, match="can't be looked up"):
            await client.resolve(parse_reference("nowhere.example/a:1"), soon())

    assert len(time.slept) == 2


async def test_a_registry_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with RegistrySimulator().running() as registry:
        digest = registry.add_image("a", "1")
        know(monkeypatch, {"registry.test": ["127.0.0.1"]})
        settings = RegistrySettings(host=f"registry.test:{registry.port}", plain_http=True)

        async with RegistryClient([settings]) as client:
            assert await client.resolve(parse_reference(f"{settings.host}/a:1"), soon()) == digest


@pytest.mark.parametrize("proxy", ["169.254.169.254:3128", "[fd00:ec2::254]:3128"])
async def test_no_proxy_is_at_a_forbidden_address(proxy: str) -> None:
    """Names of proxies are judged by what they lead to; their addresses are no others."""
    surroundings = Time().surroundings({"https_proxy": f"http://{proxy}"})

    async with RegistryClient(surroundings=surroundings) as client:
        with pytest.raises(ForbiddenAddressError):
            await client.resolve(parse_reference("registry.test/a:1"), soon())


@dataclass
class Swallowed:
    """What a registry answers to whom it was not asked by in its own name: nothing, for ever."""

    exchanges: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def fault(self, request: web.Request) -> web.Response | None:
        """Let it hang, and count it."""
        if "swallow" not in request.query:
            return None
        self.exchanges.release()
        await asyncio.Event().wait()
        raise AssertionError


REDIRECTED = (307, "Location", "http://{host}/v2/?swallow")
CHALLENGED = (401, "WWW-Authenticate", 'Bearer realm="http://{host}/v2/?swallow"')


@pytest.mark.parametrize(("status", "header", "leads"), [REDIRECTED, CHALLENGED])
async def test_what_one_registry_leads_to_takes_no_connection_from_another(
    status: int, header: str, leads: str
) -> None:
    """Whoever runs a registry sends us to any host by a redirect or a realm, and can let every exchange there hang."""
    swallowed = Swallowed()
    async with (
        RegistrySimulator(fault=swallowed.fault).running() as host,
        RegistrySimulator().running() as thief,
        client_of(host, thief) as client,
    ):
        digest = host.add_image("a", "1")
        thief.fault = lambda _: web.Response(status=status, headers={header: leads.format(host=host.host)})
        images = [thief.image(f"a{number}:1") for number in range(transport.CONNECTIONS_PER_HOST + 8)]
        thieves = [asyncio.create_task(client.resolve(image, soon())) for image in images]
        for _ in range(transport.CONNECTIONS_PER_HOST):
            await swallowed.exchanges.acquire()

        assert await client.resolve(host.image("a:1"), soon(5)) == digest
        assert swallowed.exchanges.locked()  # and it has no more than its own places there
        for task in thieves:
            task.cancel()
        await asyncio.wait(thieves)


async def test_who_waits_for_a_place_is_told_when_the_client_closes() -> None:
    """A configuration is replaced while registries hang: nobody may wait on, or see an error that is none of ours."""
    swallowed = Swallowed()
    async with RegistrySimulator(fault=swallowed.fault).running() as registry, client_of(registry) as client:
        call = transport.Call("GET", URL(f"http://{registry.host}/v2/?swallow"), 1000, "a")
        endpoint = client._endpoints.of(registry.host)
        asking = [
            asyncio.create_task(client._transport.send(endpoint, call))
            for _ in range(transport.CONNECTIONS_PER_HOST + 8)
        ]
        for _ in range(transport.CONNECTIONS_PER_HOST):
            await swallowed.exchanges.acquire()
        await client.close()
        ends = await asyncio.gather(*asking, return_exceptions=True)

    assert {type(end) for end in ends[: transport.CONNECTIONS_PER_HOST]} == {TransientError}
    assert {type(end) for end in ends[transport.CONNECTIONS_PER_HOST :]} == {UnreachableError}


async def test_a_place_at_a_host_is_remembered_while_it_is_held() -> None:
    """Whoever deploys chooses hosts; there is no end of them."""
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        registry.add_image("a", "1")
        await client.resolve(registry.image("a:1"), soon())

        assert len(client._transport._places) == 0


async def test_a_plain_registry_is_reached_through_the_proxy() -> None:
    """The proxy is a registry here: it answers for every host, which shows that it was asked."""
    seen: list[tuple[str, str | None]] = []

    def note(request: web.Request) -> None:
        seen.append((request.headers["Host"], request.headers.get("Proxy-Authorization")))

    async with RegistrySimulator(fault=note).running() as proxy:
        digest = proxy.add_image("a", "1")
        surroundings = Time().surroundings({"HTTP_PROXY": f"http://user:pass@{proxy.host}"})
        settings = RegistrySettings(host="registry.test", plain_http=True)

        async with RegistryClient([settings], surroundings=surroundings) as client:
            assert await client.resolve(parse_reference("registry.test/a:1"), soon()) == digest

    assert seen == [("registry.test", "Basic " + base64.b64encode(b"user:pass").decode())]


@contextlib.asynccontextmanager
async def tunnel(target: int, heads: list[str], status: str = "200 OK") -> AsyncIterator[int]:
    """A proxy that knows CONNECT, and leads everywhere to one port of loopback."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
        if status.startswith("200"):
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", target)
            await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer), return_exceptions=True)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_an_https_registry_is_reached_through_a_tunnel(tls: ssl.SSLContext, ca: Path) -> None:
    heads: list[str] = []

    async with RegistrySimulator(tls=tls).running() as registry, tunnel(registry.port, heads) as port:
        digest = registry.add_image("a", "1")
        seen: list[str | None] = []
        registry.fault = lambda request: seen.append(request.headers.get("Proxy-Authorization"))
        surroundings = Time().surroundings({"https_proxy": f"http://user:pass@127.0.0.1:{port}"})

        async with RegistryClient(
            [registry_settings(ca.parent, host="registry.test", ca=str(ca))], surroundings=surroundings
        ) as client:
            assert await client.resolve(parse_reference("registry.test/a:1"), soon()) == digest

    assert heads[0].startswith("CONNECT registry.test:443 ")
    assert "Proxy-Authorization: Basic" in heads[0]
    assert seen == [None]


async def test_a_proxy_that_refuses_is_unreachable() -> None:
    async with tunnel(0, [], "407 Proxy Authentication Required") as port:
        surroundings = Time().surroundings({"https_proxy": f"http://127.0.0.1:{port}"})

        async with RegistryClient(surroundings=surroundings) as client:
            with pytest.raises(UnreachableError, match="proxy answers 407"):
                await client.resolve(parse_reference("registry.test/a:1"), soon())


async def test_a_proxy_that_is_not_there_is_unreachable() -> None:
    async with listening(web.Application()) as port:
        pass
    surroundings = Time().surroundings({"https_proxy": f"http://127.0.0.1:{port}"})

    async with RegistryClient(surroundings=surroundings) as client:
        with pytest.raises(UnreachableError, match="proxy can't be reached"):
            await client.resolve(parse_reference("registry.test/a:1"), soon())


async def test_no_proxy_leads_to_a_forbidden_address() -> None:
    surroundings = Time().surroundings({"all_proxy": "http://127.0.0.1:1"})

    async with RegistryClient(surroundings=surroundings) as client:
        with pytest.raises(ForbiddenAddressError):
            await client.resolve(parse_reference("169.254.169.254/a:1"), soon())


async def failure_of(client: RegistryClient, image: ImageReference) -> UnverifiableError:
    with pytest.raises(UnverifiableError) as caught:
        await client.resolve(image, soon())
    return caught.value


@pytest.mark.parametrize(
    ("status", "reason", "is_registrys_doing"),
    [
        (429, "rate_limited", True),
        (500, "unreachable", True),
        (503, "unreachable", True),
        (501, "unreachable", True),
        (408, "unreachable", True),
        (400, "malformed_answer", False),
        (401, "unauthorised", False),
        (403, "unauthorised", False),
        (404, "not_found", False),
        (418, "malformed_answer", False),
    ],
)
async def test_of_all_answers_only_these_may_be_tolerated(
    status: int,
    reason: str,
    is_registrys_doing: bool,  # noqa: FBT001 - a case
) -> None:
    """Whoever names an image chooses whether it is there; nobody but the registry chooses that it is down."""
    fault = lambda _: web.Response(status=status)  # noqa: E731 - one line says it
    async with RegistrySimulator(fault=fault).running() as registry, client_of(registry) as client:
        failure = await failure_of(client, registry.image("a:1"))

    assert (failure.reason, failure.is_registrys_doing) == (reason, is_registrys_doing)


async def test_a_registry_that_is_not_there_is_the_registrys_doing() -> None:
    async with listening(web.Application()) as port:
        pass
    settings = RegistrySettings(host=f"127.0.0.1:{port}", plain_http=True)
    async with RegistryClient([settings], surroundings=Time().surroundings()) as client:
        failure = await failure_of(client, parse_reference(f"{settings.host}/a:1"))

    assert (failure.reason, failure.is_registrys_doing) == ("unreachable", True)


async def test_a_registry_that_breaks_off_is_the_registrys_doing() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        settings = RegistrySettings(host=f"127.0.0.1:{server.sockets[0].getsockname()[1]}", plain_http=True)
        async with RegistryClient([settings], surroundings=Time().surroundings()) as client:
            failure = await failure_of(client, parse_reference(f"{settings.host}/a:1"))

    assert (failure.reason, failure.is_registrys_doing) == ("unreachable", True)


@pytest.mark.parametrize(
    ("number", "reason", "is_registrys_doing"),
    [
        (errno.EMFILE, "overloaded", False),
        (errno.ENFILE, "overloaded", False),
        (errno.ENOMEM, "overloaded", False),
        (errno.ENOBUFS, "overloaded", False),
        (errno.EADDRNOTAVAIL, "overloaded", False),
        (errno.ENETUNREACH, "unreachable", False),
        (errno.EACCES, "unreachable", False),
        (errno.EHOSTUNREACH, "unreachable", True),
        (errno.ETIMEDOUT, "unreachable", True),
    ],
)
async def test_what_fails_on_our_own_side_is_not_the_registrys_doing(
    number: int,
    reason: str,
    is_registrys_doing: bool,  # noqa: FBT001 - a case
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever makes us run out of descriptors must not make others' images tolerable."""

    async def start_connection(**_: object) -> socket.socket:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(aiohappyeyeballs, "start_connection", start_connection)
    async with RegistryClient(surroundings=Time().surroundings()) as client:
        failure = await failure_of(client, parse_reference("127.0.0.1:5000/a:1"))

    assert (failure.reason, failure.is_registrys_doing) == (reason, is_registrys_doing)


@pytest.mark.parametrize(
    ("text", "reason", "is_registrys_doing"),
    [
        ("Multiple exceptions: [Errno 101] no route, [Errno 111] refused", "unreachable", True),
        ("Multiple exceptions: [Errno 24] too many, [Errno 111] refused", "overloaded", False),
        ("Multiple exceptions: [Errno 101] no route, [Errno 13] forbidden", "unreachable", False),
        ("something else", "unreachable", False),
    ],
)
async def test_several_addresses_fail_together(
    text: str,
    reason: str,
    is_registrys_doing: bool,  # noqa: FBT001 - a case
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def start_connection(**_: object) -> socket.socket:
        raise OSError(text)

    monkeypatch.setattr(aiohappyeyeballs, "start_connection", start_connection)
    async with RegistryClient(surroundings=Time().surroundings()) as client:
        failure = await failure_of(client, parse_reference("127.0.0.1:5000/a:1"))

    assert (failure.reason, failure.is_registrys_doing) == (reason, is_registrys_doing)


async def test_a_connection_has_its_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where packets are dropped, an attempt ends and another follows: that was asked, and is the registry's doing."""
    monkeypatch.setattr(transport, "_TIMEOUTS", aiohttp.ClientTimeout(total=None, sock_connect=0.05))

    async def start_connection(**_: object) -> socket.socket:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(aiohappyeyeballs, "start_connection", start_connection)
    time = Time()
    async with RegistryClient(surroundings=time.surroundings()) as client:
        failure = await failure_of(client, parse_reference("127.0.0.1:5000/a:1"))

    assert (failure.reason, failure.is_registrys_doing, len(time.slept)) == ("unreachable", True, 2)


@pytest.mark.parametrize("host", ["nowhere.example", "hangs.example"])
async def test_a_name_that_can_not_be_looked_up_is_not_the_registrys_doing(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No question was sent, and names are chosen by whoever deploys wherever the rule leaves that open."""
    know(monkeypatch, {"hangs.example": socket.gaierror(socket.EAI_AGAIN, "no answer")})
    async with RegistryClient(surroundings=Time().surroundings()) as client:
        failure = await failure_of(client, parse_reference(f"{host}/a:1"))

    assert (failure.reason, failure.is_registrys_doing) == ("unreachable", False)


async def test_an_untrusted_certificate_is_not_the_registrys_doing(tls: ssl.SSLContext) -> None:
    async with (
        RegistrySimulator(tls=tls).running() as registry,
        RegistryClient(surroundings=Time().surroundings()) as client,
    ):
        failure = await failure_of(client, registry.image("a:1"))

    assert (failure.reason, failure.is_registrys_doing) == ("unreachable", False)


@pytest.mark.parametrize("status", [502, 503, 429])
async def test_what_a_proxy_answers_is_not_the_registrys_doing(status: int) -> None:
    fault = lambda _: web.Response(status=status)  # noqa: E731 - one line says it
    async with RegistrySimulator(fault=fault).running() as proxy:
        surroundings = Time().surroundings({"HTTP_PROXY": f"http://{proxy.host}"})
        settings = RegistrySettings(host="registry.test", plain_http=True)
        async with RegistryClient([settings], surroundings=surroundings) as client:
            failure = await failure_of(client, parse_reference("registry.test/a:1"))

    assert failure.is_registrys_doing is False


async def test_a_proxy_that_is_down_is_not_the_registrys_doing() -> None:
    async with listening(web.Application()) as port:
        pass
    surroundings = Time().surroundings({"all_proxy": f"http://127.0.0.1:{port}"})
    async with RegistryClient(surroundings=surroundings) as client:
        failure = await failure_of(client, parse_reference("registry.test/a:1"))

    assert failure.is_registrys_doing is False


async def test_a_client_that_is_closed_is_not_the_registrys_doing() -> None:
    client = RegistryClient(surroundings=Time().surroundings())
    await client.close()

    assert (await failure_of(client, parse_reference("registry.test/a:1"))).is_registrys_doing is False


def idle_connections(client: RegistryClient) -> int:
    connectors = [way.session.connector for way in client._transport._ways.values()]
    return sum(len(idle) for connector in connectors if connector for idle in connector._conns.values())


async def test_thousands_of_hosts_leave_no_connections_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs a registry under many names must not fill our table of descriptors with idle connections."""
    monkeypatch.setattr(transport, "KEPT_HOSTS", 3)
    names = [f"n{number}.test" for number in range(12)]
    know(monkeypatch, {name: ["127.0.0.1"] for name in names})
    async with RegistrySimulator().running() as registry:
        registry.add_image("a", "1")
        client = RegistryClient(surroundings=Time().surroundings())
        for name in names:
            endpoint = client._endpoints.of(f"{name}:{registry.port}")
            url = URL(f"http://{name}:{registry.port}/v2/a/manifests/1")
            await client._transport.send(endpoint, transport.Call("HEAD", url, 1000, "a"))
        idle = idle_connections(client)
        await client.close()

    assert idle == 3


async def test_a_registry_of_the_configuration_keeps_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "KEPT_HOSTS", 0)
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        registry.add_image("a", "1")
        await client.resolve(registry.image("a:1"), soon())

        assert idle_connections(client) == 1


@pytest.mark.parametrize(("held_up", "is_theirs"), [(0.0, True), (2.9, False)])
def test_a_connection_that_took_too_long_through_us_is_not_the_registrys_doing(
    held_up: float,
    is_theirs: bool,  # noqa: FBT001 - a table
) -> None:
    """Whoever keeps the loop busy for three seconds must not make an unsigned image tolerable."""
    failure = failures.failure_of(aiohttp.ConnectionTimeoutError(), "it", is_direct=True, held_up=held_up)

    assert isinstance(failure, TransientError)
    assert failure.error.is_registrys_doing is is_theirs
