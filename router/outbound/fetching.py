"""Gets small files from servers that are no registries: guarded, bounded in size and in time.

Rules:
(1) The guard judges every address that is connected to, a proxy's too; proxies are those of the environment, as for
    registries.
(2) A file has at most as many bytes, and takes at most until when whoever asks says, however slowly it comes.
(3) No redirect is followed, and nothing is unpacked.
(4) Errors name the file as whoever asks calls it: no URL, no header.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from router.errors import ForbiddenAddressError
from router.outbound.addresses import AddressGuard
from router.outbound.closing import Closing
from router.outbound.proxies import Proxies
from router.outbound.resolving import GuardedResolver
from router.outbound.sessions import context_of, open_session
from router.outbound.urls import read_url, sound_url

_CHUNK = 64 * 1024
_KEEP_ALIVE = 10.0
_OK = 200


class FetchError(Exception):
    """A file did not come; `status` is that of the answer, where there was one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class FetchBody:
    """What is sent along: then it is a POST."""

    body: bytes
    content_type: str


class Fetching(Closing):
    """Connections to servers, an asynchronous context.

    Args:
        environment: Says which proxy is taken.
        authorities: PEM of the only CAs that may vouch for servers; None: the system's.
    """

    def __init__(self, environment: Mapping[str, str], authorities: str | None = None) -> None:
        self._proxies = Proxies(environment)
        self._guard = AddressGuard()
        self._resolver = GuardedResolver(self._guard)
        tls, forever = context_of(authorities, None), aiohttp.ClientTimeout(total=None)
        self._session = open_session(self._resolver, forever, keep_alive=_KEEP_ALIVE, tls=tls)

    async def close(self) -> None:
        """Close every connection; what is asked for then, or was under way, does not come."""
        await self._session.close()
        await self._resolver.close()

    async def fetch(self, url: str, what: str, limit: int, until: float, question: FetchBody | None = None) -> bytes:
        """The whole of a file.

        Args:
            url: Where it lies.
            what: How errors name it.
            limit: Bytes that it may have.
            until: When it must have come, in the time of the running loop.
            question: What is sent along.

        Raises:
            FetchError: It is not there, did not come in time, is too large, or nobody could be asked.
        """
        try:
            target = sound_url(read_url(url))
            async with asyncio.timeout_at(until):
                return await self._fetched(target, what, limit, question)
        except TimeoutError as error:
            raise FetchError(f"{what} did not come in time") from error
        except (aiohttp.ClientError, OSError, RuntimeError) as error:  # RuntimeError: aiohttp's, of a closed session
            raise FetchError(f"{what} can't be asked for: {type(error).__name__}") from error
        except (
            ForbiddenAddressError,
            ValueError,
        ) as error:  # ValueError: no address; after those of TLS, which are, too
            raise FetchError(f"{what}: {error}") from error

    async def _fetched(self, url: URL, what: str, limit: int, question: FetchBody | None) -> bytes:
        proxy = self._proxies.of(url)
        for hop in (url, proxy.url) if proxy is not None else (url,):
            self._guard.check(hop.raw_host or "")
        headers = {} if question is None else {"Content-Type": question.content_type}
        async with self._session.request(
            "GET" if question is None else "POST",
            url,
            data=None if question is None else question.body,
            headers=headers if proxy is None else {**headers, **proxy.headers_for(url)},
            allow_redirects=False,
            proxy=None if proxy is None else proxy.url,
            proxy_headers=None if proxy is None else proxy.introduction(),
        ) as reply:
            if reply.status != _OK:
                reply.close()
                raise FetchError(f"{what}: the server answers HTTP {reply.status}", reply.status)
            body = bytearray()
            while chunk := await reply.content.read(_CHUNK):
                body += chunk
                if len(body) > limit:
                    reply.close()
                    raise FetchError(f"{what} has more than {limit} bytes")
            return bytes(body)
