from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import web

from router.errors import (
    ForbiddenAddressError,
    MalformedAnswerError,
    RateLimitedError,
    TimedOutError,
    TooLargeError,
    UnauthorisedError,
    UnreachableError,
    UnverifiableError,
)
from router.registry import RegistryClient, authentication, tokens
from tests.registry.stage import Time, soon, very_soon
from tests.simulators.certificates import self_signed
from tests.simulators.registry import RegistrySimulator, TokenService, endless, hang, registry_settings

USERS = {"gatecrier": "open sesame"}
AUTH = {"auth": base64.b64encode(b"gatecrier:open sesame").decode()}


def client_of(
    registry: RegistrySimulator, entry: Mapping[str, str] | None, folder: Path, time: Time | None = None
) -> RegistryClient:
    settings = registry.settings
    if entry is not None:
        file = folder / "config.json"
        file.write_text(json.dumps({"auths": {registry.host: entry}}))
        settings = registry_settings(folder, host=registry.host, plain_http=True, credentials={"file": str(file)})
    return RegistryClient([settings], surroundings=(time or Time()).surroundings())


async def test_nothing_is_sent_before_the_registry_asks(tmp_path: Path) -> None:
    async with RegistrySimulator().running() as registry, client_of(registry, AUTH, tmp_path) as client:
        registry.add_image("a", "1")
        await client.resolve(registry.image("a:1"), soon())

        assert registry.authorizations == [None]


async def test_basic_is_sent_once_it_was_asked_for(tmp_path: Path) -> None:
    async with RegistrySimulator(users=USERS).running() as registry, client_of(registry, AUTH, tmp_path) as client:
        registry.add_image("a", "1")
        for _ in range(2):
            await client.resolve(registry.image("a:1"), soon())

        assert [one is not None for one in registry.authorizations] == [False, True, True]


async def test_an_anonymous_token_opens_a_public_repository(tmp_path: Path) -> None:
    async with (
        TokenService().running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, None, tmp_path) as client,
    ):
        digest = registry.add_image("shop/web", "1")

        assert await client.resolve(registry.image("shop/web:1"), soon()) == digest
        assert service.calls == [{"service": "simulator", "scope": "repository:shop/web:pull"}]


async def test_a_user_gets_a_token(tmp_path: Path) -> None:
    async with (
        TokenService(users=USERS).running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, AUTH, tmp_path) as client,
    ):
        digest = registry.add_image("a", "1")

        assert await client.resolve(registry.image("a:1"), soon()) == digest


async def test_an_identity_token_is_exchanged_by_post(tmp_path: Path) -> None:
    async with (
        TokenService(users={}, refresh_tokens=frozenset({"refresh"})).running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, AUTH | {"identitytoken": "refresh"}, tmp_path) as client,
    ):
        registry.add_image("a", "1")
        await client.resolve(registry.image("a:1"), soon())

        assert service.calls == [
            {
                "grant_type": "refresh_token",
                "service": "simulator",
                "client_id": "gatecrier",
                "scope": "repository:a:pull",
                "refresh_token": "refresh",
            }
        ]


async def test_a_registry_token_is_sent_as_it_is(tmp_path: Path) -> None:
    async with (
        TokenService().running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, {"registrytoken": "given"}, tmp_path) as client,
    ):
        registry.add_image("a", "1")
        service.valid.add("given")
        await client.resolve(registry.image("a:1"), soon())

        assert (service.calls, registry.authorizations) == ([], [None, "Bearer given"])


async def test_twenty_cold_requests_cost_forty_one(tmp_path: Path) -> None:
    """One token call, and one challenge each; all that come later cost one request."""
    async with (
        TokenService().running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, None, tmp_path) as client,
    ):
        registry.add_image("a", "1")
        await asyncio.gather(*(client.resolve(registry.image("a:1"), soon()) for _ in range(20)))
        assert (len(service.calls), len(registry.requests)) == (1, 40)

        await client.resolve(registry.image("a:1"), soon())
        assert (len(service.calls), len(registry.requests)) == (1, 41)


async def test_a_token_call_outlives_whoever_started_it(tmp_path: Path) -> None:
    """The first of many waiters has the nearest deadline, and may be gone before the token is there."""
    is_asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> None:
        is_asked.set()
        await may_answer.wait()

    async with (
        TokenService(fault=slow).running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, None, tmp_path) as client,
    ):
        digest = registry.add_image("a", "1")
        first = asyncio.ensure_future(client.resolve(registry.image("a:1"), soon()))
        await is_asked.wait()
        second = asyncio.ensure_future(client.resolve(registry.image("a:1"), soon()))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        may_answer.set()

        assert await second == digest
        assert len(service.calls) == 1


async def test_a_call_for_a_token_ends_with_the_last_who_waits(tmp_path: Path) -> None:
    is_asked = asyncio.Event()

    async def hang(_: web.Request) -> None:
        is_asked.set()
        await asyncio.sleep(3600)

    async with (
        TokenService(fault=hang).running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, None, tmp_path) as client,
    ):
        waiting = asyncio.ensure_future(client.resolve(registry.image("a:1"), soon()))
        await is_asked.wait()
        waiting.cancel()
        await asyncio.wait({waiting})

        assert client._tokens._under_way == {}


async def test_tokens_are_not_shared_between_repositories(tmp_path: Path) -> None:
    async with (
        TokenService().running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, None, tmp_path) as client,
    ):
        for repository in ("a", "b", "a"):
            registry.add_image(repository, "1")
            await client.resolve(registry.image(f"{repository}:1"), soon())

        assert [call["scope"] for call in service.calls] == ["repository:a:pull", "repository:b:pull"]


@pytest.mark.parametrize(("expires_in", "life"), [(300, 290), (None, 50), (10, 5), (0, 0), (10**9, 3590), (99.5, 89.5)])
async def test_a_token_is_renewed_a_little_before_its_time(expires_in: object, life: float, tmp_path: Path) -> None:
    time = Time()

    async with (
        TokenService(expires_in=expires_in).running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, None, tmp_path, time) as client,
    ):
        registry.add_image("a", "1")
        calls = []
        for passing in (0.0, life - 0.1, 0.2):
            time.now += max(0.0, passing)
            await client.resolve(registry.image("a:1"), soon())
            calls.append(len(service.calls))

    assert calls == ([1, 1, 2] if life else [1, 2, 3])


async def test_a_token_that_is_refused_is_fetched_anew_once(tmp_path: Path) -> None:
    async with (
        TokenService().running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, None, tmp_path) as client,
    ):
        digest = registry.add_image("a", "1")
        await client.resolve(registry.image("a:1"), soon())
        service.valid.clear()

        assert await client.resolve(registry.image("a:1"), soon()) == digest
        assert len(service.calls) == 2


async def test_a_held_token_is_tried_before_a_new_one(tmp_path: Path) -> None:
    """The challenge was forgotten, the token was not, and it is stale."""
    async with (
        TokenService().running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, None, tmp_path) as client,
    ):
        digest = registry.add_image("a", "1")
        await client.resolve(registry.image("a:1"), soon())
        assert client._authentication._known.pop(registry.host, "a") is not None
        service.valid.clear()

        assert await client.resolve(registry.image("a:1"), soon()) == digest
        assert len(service.calls) == 2


async def test_a_new_token_that_is_refused_is_unauthorised(tmp_path: Path) -> None:
    async with (
        TokenService().running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, None, tmp_path) as client,
    ):

        def forget(_: web.Request) -> None:
            service.valid.clear()

        registry.fault = forget
        with pytest.raises(UnauthorisedError):
            await client.resolve(registry.image("a:1"), soon())

        assert (len(service.calls), len(registry.requests)) == (1, 2)


async def test_a_registry_that_changes_its_mind_is_followed(tmp_path: Path) -> None:
    async with (
        TokenService(users=USERS).running() as service,
        RegistrySimulator(users=USERS).running() as registry,
        client_of(registry, AUTH, tmp_path) as client,
    ):
        digest = registry.add_image("a", "1")
        await client.resolve(registry.image("a:1"), soon())
        registry.token_service = service

        with pytest.raises(UnauthorisedError):
            await client.resolve(registry.image("a:1"), soon())
        assert await client.resolve(registry.image("a:1"), soon()) == digest


async def test_no_more_challenges_and_tokens_are_remembered_than_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever deploys chooses the names of repositories."""
    monkeypatch.setattr(authentication, "REMEMBERED_BYTES", 4000)
    monkeypatch.setattr(tokens, "REMEMBERED_BYTES", 4000)
    async with (
        TokenService().running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, None, tmp_path) as client,
    ):
        for number in range(10):
            registry.add_image(f"a{number}", "1")
            await client.resolve(registry.image(f"a{number}:1"), soon())

        assert 1 < len(client._authentication._known) < 10
        assert 1 < len(client._tokens._held) < 10


@pytest.mark.parametrize(
    ("challenge", "error"),
    [
        (None, UnauthorisedError),
        ("Negotiate", UnauthorisedError),
        ('Digest realm="x", nonce="y"', UnauthorisedError),
        ("Basic", UnauthorisedError),
        ("Bearer", MalformedAnswerError),
        ('Bearer realm=""', MalformedAnswerError),
        ('Bearer realm="http://a.example/token', MalformedAnswerError),
        ('Bearer realm="http://a.example/" realm="http://b.example/"', MalformedAnswerError),
        ('Bearer realm="ftp://a.example/token"', MalformedAnswerError),
        ('Bearer realm="/token"', MalformedAnswerError),
        ('Bearer realm="http://user:pass@a.example/token"', MalformedAnswerError),
        ('Bearer realm="http://[/token"', MalformedAnswerError),
        ('Bearer realm="http://169.254.169.254/token"', ForbiddenAddressError),
        ('Bearer realm="http://[fd00:ec2::23]/token"', ForbiddenAddressError),
        ('Bearer realm="http://2852039166/token"', MalformedAnswerError),
        ('Bearer realm="http://0xa9.0xfe.0xa9.0xfe/token"', MalformedAnswerError),
        ('Bearer realm="http://127.1/token"', MalformedAnswerError),
        ("=", MalformedAnswerError),
    ],
)
async def test_a_challenge_that_can_not_be_met_is_an_error(
    challenge: str | None, error: type[UnverifiableError], tmp_path: Path
) -> None:
    headers = {"WWW-Authenticate": challenge} if challenge is not None else {}
    fault = lambda _: web.Response(status=401, headers=headers)  # noqa: E731 - one line says it

    async with RegistrySimulator(fault=fault).running() as registry, client_of(registry, None, tmp_path) as client:
        with pytest.raises(error):
            await client.resolve(registry.image("a:1"), soon())


async def test_a_realm_of_an_https_registry_is_https(tmp_path: Path) -> None:
    pair = self_signed()
    (tmp_path / "ca.pem").write_bytes(pair.certificate)
    tls: ssl.SSLContext = pair.server_context(tmp_path)

    async with (
        TokenService().running() as service,
        RegistrySimulator(tls=tls, token_service=service).running() as registry,
        RegistryClient([registry_settings(tmp_path, host=registry.host, ca="ca.pem")]) as client,
    ):
        with pytest.raises(MalformedAnswerError, match="https"):
            await client.resolve(registry.image("a:1"), soon())

        assert service.calls == []


async def test_a_challenge_without_a_scope_means_this_repository(tmp_path: Path) -> None:
    async with (
        TokenService().running() as service,
        RegistrySimulator().running() as registry,
        client_of(registry, None, tmp_path) as client,
    ):
        challenge = {"WWW-Authenticate": f'Bearer realm="{service.realm}?account=x"'}
        registry.fault = lambda request: (
            None if "Authorization" in request.headers else web.Response(status=401, headers=challenge)
        )
        registry.add_image("a", "1")
        await client.resolve(registry.image("a:1"), soon())

        assert service.calls == [{"account": "x", "scope": "repository:a:pull"}]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((400, ""), UnauthorisedError),
        ((401, ""), UnauthorisedError),
        ((403, ""), UnauthorisedError),
        ((404, ""), MalformedAnswerError),
        ((204, ""), MalformedAnswerError),
        ((307, ""), MalformedAnswerError),
        ((429, ""), RateLimitedError),
        ((500, ""), UnreachableError),
        ((501, ""), UnreachableError),
        ((200, ""), MalformedAnswerError),
        ((200, "[]"), MalformedAnswerError),
        ((200, "{}"), MalformedAnswerError),
        ((200, '{"token": 5}'), MalformedAnswerError),
        ((200, '{"token": ""}'), MalformedAnswerError),
        ((200, '{"token": "a b"}'), MalformedAnswerError),
        ((200, '{"token": "a\\r\\nX-Evil: 1"}'), MalformedAnswerError),
        ((200, '{"token": "a", "expires_in": "soon"}'), MalformedAnswerError),
        ((200, '{"token": "a", "expires_in": -1}'), MalformedAnswerError),
        ((200, '{"token": "a", "expires_in": true}'), MalformedAnswerError),
    ],
)
async def test_a_token_service_that_fails_has_its_error(
    answer: tuple[int, str], error: type[UnverifiableError], tmp_path: Path
) -> None:
    """Its 404 above all is not the registry's: a signature that we may not see is not one that is not there."""
    status, text = answer
    headers = {"Location": "http://127.0.0.1:1/"} if status == 307 else {}
    fault = lambda _: web.Response(status=status, text=text, headers=headers)  # noqa: E731 - one line says it

    async with (
        TokenService(fault=fault).running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, None, tmp_path) as client,
    ):
        with pytest.raises(error, match="token"):
            await client.resolve(registry.image("a:1"), soon())


async def test_an_endless_token_is_too_large(tmp_path: Path) -> None:
    async with (
        TokenService(fault=endless).running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, None, tmp_path) as client,
    ):
        with pytest.raises(TooLargeError):
            await client.resolve(registry.image("a:1"), soon())


async def test_a_token_service_that_hangs_is_a_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        TokenService(fault=hang).running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, None, tmp_path) as client,
    ):
        with pytest.raises(TimedOutError, match="deadline"):
            await client.resolve(registry.image("a:1"), very_soon())
        await client.close()

    monkeypatch.setattr(tokens, "FETCH_SECONDS", 0.05)
    async with (
        TokenService(fault=hang).running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, None, tmp_path) as client,
    ):
        with pytest.raises(TimedOutError, match="token service"):
            await client.resolve(registry.image("a:1"), soon())


async def test_no_error_shows_a_secret(tmp_path: Path) -> None:
    async with (
        TokenService(users={}).running() as service,
        RegistrySimulator(token_service=service).running() as registry,
        client_of(registry, AUTH, tmp_path) as client,
    ):
        with pytest.raises(UnauthorisedError) as caught:
            await client.resolve(registry.image("a:1"), soon())
        credential = client._endpoints.of(registry.host).credentials.find(registry.host, "a")

    kept = client._tokens._held._shares, client._authentication._known._shares
    for text in (str(caught.value), repr(credential), *map(repr, kept)):
        assert "sesame" not in text
        assert AUTH["auth"] not in text
