"""Against the real docker-registry: what a simulator would let pass, this does not."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from router.errors import NotFoundError, UnauthorisedError
from router.images import Digest
from router.registry import RegistryClient, RegistrySettings
from router.registry.referrers import fallback_tag, parse_index
from tests.simulators.docker_registry import PASSWORD, DockerRegistry, TokenRegistry, docker_config
from tests.simulators.registry import LAYOUTS, registry_settings


def soon(seconds: float = 20.0) -> float:
    return asyncio.get_running_loop().time() + seconds


def with_credentials(registry: DockerRegistry, folder: Path, password: str = PASSWORD) -> RegistrySettings:
    file = docker_config(folder, registry.host, password)
    return registry_settings(folder, host=registry.host, plain_http=True, credentials={"file": str(file)})


async def test_a_tag_resolves_to_the_digest_that_was_pushed(open_registry: DockerRegistry) -> None:
    digest = open_registry.push_image("shop/web", "1")

    async with RegistryClient([open_registry.settings]) as client:
        resolved = await client.resolve(open_registry.image("shop/web:1"), soon())

    assert resolved == digest


async def test_a_legacy_signature_comes_with_its_blob(open_registry: DockerRegistry) -> None:
    open_registry.push_layout(LAYOUTS / "legacy-release", "legacy/release")
    image = open_registry.image("legacy/release:v1")

    async with RegistryClient([open_registry.settings]) as client:
        digest = await client.resolve(image, soon())
        signature = await client.manifest(image, f"sha256-{digest.hex}.sig", soon())
        layer = Digest.parse(signature.body.decode().split('"layers":[', 1)[1].split('"digest":"', 1)[1].split('"')[0])
        payload = await client.blob(image, layer, soon(), 1 << 20)

    assert f'"docker-manifest-digest":"{digest}"'.encode() in payload


async def test_referrers_are_found_by_the_fallback_tag(open_registry: DockerRegistry) -> None:
    """docker-registry 2.8 has no referrers API."""
    open_registry.push_layout(LAYOUTS / "bundle-two-signers", "bundle/two")
    image = open_registry.image("bundle/two:v1")

    async with RegistryClient([open_registry.settings]) as client:
        digest = await client.resolve(image, soon())
        with pytest.raises(NotFoundError):
            await client.referrers(image, digest, soon())
        index = await client.manifest(image, fallback_tag(digest), soon())
        found = parse_index(index.body, "the index").entries
        bodies = [(await client.manifest(image, one.digest, soon())).body for one in found]

    assert len(bodies) == 2
    assert all(f'"digest":"{digest}"'.encode() in body for body in bodies)


async def test_what_is_not_there_is_not_found(open_registry: DockerRegistry) -> None:
    open_registry.push_image("shop/alone", "1")
    image = open_registry.image("shop/alone:1")

    async with RegistryClient([open_registry.settings]) as client:
        digest = await client.resolve(image, soon())
        with pytest.raises(NotFoundError):
            await client.referrers(image, digest, soon())
        with pytest.raises(NotFoundError):
            await client.manifest(image, f"sha256-{digest.hex}.sig", soon())
        with pytest.raises(NotFoundError):
            await client.resolve(open_registry.image("shop/none:1"), soon())
        with pytest.raises(NotFoundError):
            await client.blob(image, Digest.of(b"nothing"), soon(), 100)


async def test_basic_authentication_opens_an_htpasswd_registry(
    htpasswd_registry: DockerRegistry, tmp_path: Path
) -> None:
    digest = htpasswd_registry.push_image("shop/web", "1")

    async with RegistryClient([with_credentials(htpasswd_registry, tmp_path)]) as client:
        assert await client.resolve(htpasswd_registry.image("shop/web:1"), soon()) == digest


async def test_a_wrong_password_is_unauthorised(htpasswd_registry: DockerRegistry, tmp_path: Path) -> None:
    async with RegistryClient([with_credentials(htpasswd_registry, tmp_path, "wrong")]) as client:
        with pytest.raises(UnauthorisedError):
            await client.resolve(htpasswd_registry.image("shop/web:1"), soon())


async def test_an_anonymous_caller_is_unauthorised(
    htpasswd_registry: DockerRegistry, token_registry: TokenRegistry
) -> None:
    settings = [htpasswd_registry.settings, token_registry.registry.settings]

    async with RegistryClient(settings) as client:
        with pytest.raises(UnauthorisedError, match="credentials"):
            await client.resolve(htpasswd_registry.image("shop/web:1"), soon())
        with pytest.raises(UnauthorisedError, match="token service"):
            await client.resolve(token_registry.registry.image("shop/web:1"), soon())


async def test_twenty_cold_requests_cost_one_token_call(token_registry: TokenRegistry, tmp_path: Path) -> None:
    digest = token_registry.push_image("shop/crowd", "1")
    image = token_registry.registry.image("shop/crowd:1")
    before = Counter(token_registry.service.calls)

    async with RegistryClient([with_credentials(token_registry.registry, tmp_path)]) as client:
        found = await asyncio.gather(*(client.resolve(image, soon()) for _ in range(20)))

    assert set(found) == {digest}
    assert Counter(token_registry.service.calls) - before == {"repository:shop/crowd:pull": 1}
