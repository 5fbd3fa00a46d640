"""The way to a repository: TLS by its CA alone, proxies of the environment, and nothing beyond a redirect."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import web

from router.errors import ConfigurationError
from router.outbound.fetching import FetchError
from router.trust.downloads import Downloads
from tests.simulators.certificates import self_signed
from tests.simulators.registry import listening

FILE = b"metadata"


def serving(handle: object = None) -> web.Application:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=FILE)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle or answer)  # type: ignore[arg-type]
    return app


async def got(url: str, authorities: str | None = None, environment: Mapping[str, str] | None = None) -> bytes:
    until = asyncio.get_running_loop().time() + 20
    async with Downloads(authorities, environment or {}, until) as downloads:
        return await downloads.get(url)


async def test_only_the_ca_that_was_named_vouches_for_the_server(tmp_path: Path) -> None:
    shown, other = self_signed(), self_signed()
    async with listening(serving(), shown.server_context(tmp_path)) as port:
        url = f"https://127.0.0.1:{port}/timestamp.json"

        assert await got(url, shown.certificate.decode()) == FILE
        for authorities in (other.certificate.decode(), None):
            with pytest.raises(FetchError, match=r"timestamp\.json can't be asked for"):
                await got(url, authorities)


async def test_the_proxy_of_the_environment_is_taken() -> None:
    """The proxy answers for every host here, which shows that it was asked."""
    seen: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(f"{request.host} {request.headers.get('Proxy-Authorization', '')}")
        return web.Response(body=FILE)

    async with listening(serving(answer)) as port:
        environment = {"http_proxy": f"http://user:secret@127.0.0.1:{port}"}
        assert await got("http://tuf.example/timestamp.json", environment=environment) == FILE

    assert seen == ["tuf.example Basic dXNlcjpzZWNyZXQ="]


async def test_a_proxy_that_can_not_be_one_is_told() -> None:
    with pytest.raises(ConfigurationError, match="HTTP_PROXY"):
        await got("http://tuf.example/", environment={"http_proxy": "socks5://127.0.0.1:1"})


@pytest.mark.parametrize("target", ["http://169.254.169.254/", "http://127.0.0.1:1/"])
async def test_no_redirect_is_followed(target: str) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": target})

    async with listening(serving(answer)) as port:
        with pytest.raises(FetchError, match="HTTP 302") as failure:
            await got(f"http://127.0.0.1:{port}/timestamp.json")

    assert failure.value.status == 302


async def test_what_is_asked_for_after_the_end_does_not_come() -> None:
    async with Downloads(None, {}, asyncio.get_running_loop().time() + 20) as downloads:
        pass
    with pytest.raises(FetchError):
        await downloads.get("http://127.0.0.1:1/timestamp.json")
