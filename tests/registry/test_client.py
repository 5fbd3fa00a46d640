from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from router.errors import (
    ConfigurationError,
    MalformedAnswerError,
    NotFoundError,
    RateLimitedError,
    TimedOutError,
    TooLargeError,
    UnauthorisedError,
    UnreachableError,
    UnverifiableError,
)
from router.images import Digest, ImageReference, parse_reference
from router.registry import RegistryClient, RegistrySettings
from router.registry.client import MANIFEST_LIMIT
from router.registry.transport import CONNECTIONS_PER_HOST
from tests.registry.stage import Time, client_of, soon, very_soon
from tests.simulators.registry import (
    INDEX,
    MANIFEST,
    RegistrySimulator,
    endless,
    half_a_body,
    half_a_head,
    hang,
    no_http,
    nothing,
    trickle,
)

Ask = Callable[[RegistryClient, RegistrySimulator], Awaitable[object]]

ASKS: dict[str, Ask] = {
    "resolve": lambda client, registry: client.resolve(registry.image("a:1"), soon()),
    "manifest": lambda client, registry: client.manifest(registry.image("a:1"), "1", soon()),
    "blob": lambda client, registry: client.blob(registry.image("a:1"), Digest.of(b"x"), soon(), 10_000),
    "referrers": lambda client, registry: client.referrers(registry.image("a:1"), Digest.of(b"x"), soon()),
}


async def test_a_tag_costs_one_head() -> None:
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        digest = registry.add_image("shop/web", "1")

        assert await client.resolve(registry.image("shop/web:1"), soon()) == digest
        assert registry.requests == ["HEAD /v2/shop/web/manifests/1"]


async def test_a_digest_costs_nothing() -> None:
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        digest = Digest.of(b"pinned")

        assert await client.resolve(registry.image(f"shop/web:1@{digest}"), soon()) == digest
        assert registry.requests == []


@pytest.mark.parametrize(
    "head", [web.Response, *(lambda status=status: web.Response(status=status) for status in (400, 405, 501))]
)
async def test_a_registry_that_does_not_answer_head_is_asked_by_get(head: Callable[[], web.Response]) -> None:
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        digest = registry.add_image("shop/web", "1")
        registry.fault = lambda request: head() if request.method == "HEAD" else None

        assert await client.resolve(registry.image("shop/web:1"), soon()) == digest


async def test_a_digest_is_computed_where_the_registry_names_none() -> None:
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        registry.fault = lambda _: web.Response(body=b"{}", content_type=MANIFEST)

        found = await client.manifest(registry.image("shop/web:1"), "1", soon())

        assert (found.digest, found.media_type, found.body) == (Digest.of(b"{}"), MANIFEST, b"{}")


async def test_docker_and_oci_manifests_are_both_asked_for() -> None:
    accepted: list[str] = []

    def note(request: web.Request) -> None:
        accepted.append(request.headers["Accept"])

    async with RegistrySimulator(fault=note).running() as registry, client_of(registry) as client:
        registry.add_image("a", "1")
        await client.resolve(registry.image("a:1"), soon())

    assert "vnd.oci.image.index.v1+json" in accepted[0]
    assert "vnd.docker.distribution.manifest.v2+json" in accepted[0]


async def test_connections_are_kept() -> None:
    ports: set[int] = set()

    def note(request: web.Request) -> None:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])

    async with RegistrySimulator(fault=note).running() as registry, client_of(registry) as client:
        digest = registry.add_image("a", "1")
        for _ in range(5):
            await client.resolve(registry.image("a:1"), soon())
            await client.manifest(registry.image("a:1"), digest, soon())
            with pytest.raises(NotFoundError):
                await client.manifest(registry.image("a:1"), "none", soon())

    assert len(ports) == 1


async def test_bytes_of_another_digest_than_asked_for_are_malformed() -> None:
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        image, digest = registry.image("a:1"), Digest.of(b"asked for")
        registry.manifests["a", str(digest)] = (MANIFEST, b"something else")
        registry.blobs[str(digest)] = b"something else"

        with pytest.raises(MalformedAnswerError, match="asked for"):
            await client.manifest(image, digest, soon())
        with pytest.raises(MalformedAnswerError, match="asked for"):
            await client.blob(image, digest, soon(), 100)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
async def test_bytes_of_another_digest_than_claimed_are_malformed(algorithm: str) -> None:
    def answer(claimed: Digest) -> Callable[[web.Request], web.Response]:
        return lambda _: web.Response(body=b"{}", headers={"Docker-Content-Digest": str(claimed)})

    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        registry.fault = answer(Digest.of(b"something else", algorithm))
        with pytest.raises(MalformedAnswerError, match="claimed"):
            await client.manifest(registry.image("a:1"), "1", soon())
        registry.fault = answer(Digest.of(b"{}", algorithm))

        assert (await client.manifest(registry.image("a:1"), "1", soon())).digest == Digest.of(b"{}", algorithm)


@pytest.mark.parametrize("claimed", ["sha256:", "md5:" + "0" * 32, "sha256:" + "A" * 64, "latest"])
async def test_a_claimed_digest_that_is_none_is_malformed(claimed: str) -> None:
    fault = lambda _: web.Response(headers={"Docker-Content-Digest": claimed})  # noqa: E731 - one line says it

    async with RegistrySimulator(fault=fault).running() as registry, client_of(registry) as client:
        for kind in ("resolve", "manifest"):
            with pytest.raises(MalformedAnswerError, match="Docker-Content-Digest"):
                await ASKS[kind](client, registry)


async def test_a_packed_answer_is_refused_unopened() -> None:
    """A kilobyte of gzip can hold a gigabyte."""
    packed = gzip.compress(b"0" * 10_000_000)
    fault = lambda _: web.Response(body=packed, headers={"Content-Encoding": "gzip"})  # noqa: E731 - one line says it

    async with RegistrySimulator(fault=fault).running() as registry, client_of(registry) as client:
        for kind in ("manifest", "blob"):
            with pytest.raises(MalformedAnswerError, match="packs"):
                await ASKS[kind](client, registry)


@pytest.mark.parametrize("kind", ["manifest", "blob", "referrers"])
async def test_an_endless_body_is_too_large(kind: str) -> None:
    async def fault(request: web.Request) -> web.StreamResponse:
        return await endless(request, INDEX if kind == "referrers" else MANIFEST)

    async with RegistrySimulator(fault=fault).running() as registry, client_of(registry) as client:
        with pytest.raises(TooLargeError):
            await ASKS[kind](client, registry)


async def test_a_body_that_is_declared_too_large_is_not_read() -> None:
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        registry.add_manifest("a", b" " * (MANIFEST_LIMIT + 1), tag="1")
        with pytest.raises(TooLargeError, match=str(MANIFEST_LIMIT)):
            await client.manifest(registry.image("a:1"), "1", soon())
        digest = registry.add_blob(b"x" * 101)
        with pytest.raises(TooLargeError, match="100"):
            await client.blob(registry.image("a:1"), digest, soon(), 100)

        assert await client.blob(registry.image("a:1"), digest, soon(), 101) == b"x" * 101


async def test_an_endless_error_does_no_harm() -> None:
    async def fault(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=404)
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"a" * 65536)
        return response

    async with RegistrySimulator(fault=fault).running() as registry, client_of(registry) as client:
        with pytest.raises(NotFoundError):
            await ASKS["manifest"](client, registry)


@pytest.mark.parametrize("kind", sorted(ASKS))
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, UnauthorisedError),
        (403, UnauthorisedError),
        (429, RateLimitedError),
        (408, UnreachableError),
        (500, UnreachableError),
        (502, UnreachableError),
        (503, UnreachableError),
        (504, UnreachableError),
        (505, UnreachableError),
        (204, MalformedAnswerError),
        (418, MalformedAnswerError),
    ],
)
async def test_every_status_has_its_error(kind: str, status: int, error: type[UnverifiableError]) -> None:
    fault = lambda _: web.Response(status=status)  # noqa: E731 - one line says it

    async with RegistrySimulator(fault=fault).running() as registry, client_of(registry) as client:
        with pytest.raises(error):
            await ASKS[kind](client, registry)


@pytest.mark.parametrize("kind", sorted(set(ASKS) - {"referrers"}))
async def test_what_is_not_there_is_not_found(kind: str) -> None:
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        with pytest.raises(NotFoundError, match="not there"):
            await ASKS[kind](client, registry)


async def test_a_tag_that_no_registry_can_hold_is_not_found() -> None:
    """`sha512-HEX.sig` is longer than a tag may be."""
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        with pytest.raises(NotFoundError, match="no registry can hold"):
            await client.manifest(registry.image("a:1"), f"sha512-{'0' * 128}.sig", soon())

        assert registry.requests == []


@pytest.mark.parametrize("kind", sorted(ASKS))
@pytest.mark.parametrize("fault", [half_a_head, nothing])
async def test_a_connection_that_breaks_off_is_unreachable(
    kind: str, fault: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> None:
    async with RegistrySimulator(fault=fault).running() as registry, client_of(registry) as client:
        with pytest.raises(UnreachableError, match="broke off"):
            await ASKS[kind](client, registry)


@pytest.mark.parametrize("kind", sorted(set(ASKS) - {"resolve"}))
async def test_a_body_that_breaks_off_is_unreachable(kind: str) -> None:
    async with RegistrySimulator(fault=half_a_body).running() as registry, client_of(registry) as client:
        with pytest.raises(UnreachableError, match="broke off"):
            await ASKS[kind](client, registry)


@pytest.mark.parametrize("kind", sorted(ASKS))
async def test_what_is_no_http_is_malformed(kind: str) -> None:
    async with RegistrySimulator(fault=no_http).running() as registry, client_of(registry) as client:
        with pytest.raises(MalformedAnswerError, match="not valid HTTP"):
            await ASKS[kind](client, registry)


async def test_a_closed_port_is_unreachable() -> None:
    async with RegistrySimulator().running() as registry:
        settings = registry.settings
    time = Time()

    async with RegistryClient([settings], surroundings=time.surroundings()) as client:
        with pytest.raises(UnreachableError, match="can't connect"):
            await client.resolve(parse_reference(f"{settings.host}/a:1"), soon())

    assert len(time.slept) == 2


async def test_a_registry_that_hangs_is_a_timeout() -> None:
    async with RegistrySimulator(fault=hang).running() as registry, client_of(registry) as client:
        for ask in (
            client.resolve(registry.image("a:1"), very_soon()),
            client.manifest(registry.image("a:1"), "1", very_soon()),
            client.blob(registry.image("a:1"), Digest.of(b""), very_soon(), 100),
            client.referrers(registry.image("a:1"), Digest.of(b""), very_soon()),
        ):
            with pytest.raises(TimedOutError, match="deadline"):
                await ask


async def test_a_body_that_never_ends_is_a_timeout() -> None:
    async with RegistrySimulator(fault=trickle).running() as registry, client_of(registry) as client:
        with pytest.raises(TimedOutError):
            await client.manifest(registry.image("a:1"), "1", very_soon())


async def test_a_registry_that_hangs_holds_nobody_else() -> None:
    """A thousand requests wait at one registry while another answers at its usual pace."""
    is_full = asyncio.Event()

    async def fault(request: web.Request) -> web.StreamResponse | None:
        if len(dead.requests) == CONNECTIONS_PER_HOST:
            is_full.set()
        return await hang(request)

    async with (
        RegistrySimulator(fault=fault).running() as dead,
        RegistrySimulator().running() as sound,
        client_of(dead, sound) as client,
    ):
        digest = sound.add_image("a", "1")
        waiting = [asyncio.ensure_future(client.resolve(dead.image(f"a:{i}"), soon(60))) for i in range(1000)]
        await is_full.wait()

        for _ in range(20):
            assert await client.resolve(sound.image("a:1"), soon()) == digest
        assert not any(one.done() for one in waiting)

        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_closed_client_is_unreachable() -> None:
    async with RegistrySimulator().running() as registry:
        client = client_of(registry)
        await client.close()

        with pytest.raises(UnreachableError, match="closed"):
            await client.resolve(registry.image("a:1"), soon())


async def test_a_name_that_can_be_no_address_is_unreachable() -> None:
    async with RegistryClient(surroundings=Time().surroundings()) as client:
        for registry in ("registry.example:99999", "[:::::]", "1.2.3", f"{'a' * 70}.example"):
            with pytest.raises(UnreachableError):
                await client.resolve(ImageReference(registry, "a", "1", None), soon())


def test_a_registry_that_stands_twice_is_refused() -> None:
    settings = [RegistrySettings(host="docker.io"), RegistrySettings(host="index.docker.io")]

    with pytest.raises(ConfigurationError, match="twice"):
        RegistryClient(settings)


async def test_each_call_is_told_with_its_result() -> None:
    told: list[tuple[str, str, str]] = []

    async with RegistrySimulator().running() as registry:
        registry.add_image("a", "1")
        client = RegistryClient([registry.settings], on_request=lambda *what: told.append(what))
        await client.resolve(registry.image("a:1"), soon())
        with pytest.raises(NotFoundError):
            await client.manifest(registry.image("a:1"), "none", soon())
        registry.fault = hang
        with pytest.raises(TimedOutError):
            await client.blob(registry.image("a:1"), Digest.of(b""), very_soon(), 1)
        await client.close()

    host = registry.host
    assert told == [(host, "resolve", "ok"), (host, "manifest", "not_found"), (host, "blob", "timeout")]
