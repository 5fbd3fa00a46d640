"""Gets the files of one repository over HTTP: guarded, bounded in size and in time.

Rules:
(1) The guard judges every address that is connected to, a proxy's too; proxies are those of the environment, as for
    registries.
(2) A file has at most `LARGEST` bytes and takes at most `PATIENCE_OF_ONE` seconds, however slowly it comes; all files
    of one refresh together take at most as long as whoever asks says.
(3) No redirect is followed, and nothing is unpacked.
(4) Errors name the file, no header.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from router.errors import ForbiddenAddressError
from router.outbound.addresses import AddressGuard
from router.outbound.authorities import client_context
from router.outbound.proxies import Proxies
from router.outbound.resolving import GuardedResolver
from router.outbound.sessions import open_session

LARGEST = 2**20
"""Bytes of one file: the largest of the public-good instance has 7,000."""
PATIENCE_OF_ONE = 20.0
"""Seconds that one file may take."""
_CHUNK = 64 * 1024
_OK = 200


class DownloadError(Exception):
    """A file did not come; `status` is that of the answer, where there was one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Downloads:
    """Downloads of one refresh, an asynchronous context.

    Args:
        authorities: PEM of the only CAs that may vouch for the server; None: the system's.
        environment: Says which proxy is taken.
        deadline: In the time of the running loop.
    """

    def __init__(self, authorities: str | None, environment: Mapping[str, str], deadline: float) -> None:
        self._proxies = Proxies(environment)
        self._deadline = deadline
        self._guard = AddressGuard()
        self._resolver = GuardedResolver(self._guard)
        tls = True if authorities is None else client_context(authorities)
        self._session = open_session(self._resolver, aiohttp.ClientTimeout(total=None), keep_alive=10.0, tls=tls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._resolver.close()

    async def get(self, url: str) -> bytes:
        """The whole of a file.

        Raises:
            DownloadError: It is not there, did not come in time, is too large, or nobody could be asked.
        """
        name = URL(url).name
        until = min(asyncio.get_running_loop().time() + PATIENCE_OF_ONE, self._deadline)
        try:
            async with asyncio.timeout_at(until):
                return await self._got(URL(url), name)
        except TimeoutError as error:
            raise DownloadError(f"{name} did not come in time") from error
        except ForbiddenAddressError as error:
            raise DownloadError(f"{name}: {error}") from error
        except (aiohttp.ClientError, OSError, RuntimeError) as error:  # RuntimeError: aiohttp's, of a closed session
            raise DownloadError(f"{name} can't be asked for: {type(error).__name__}") from error

    async def _got(self, url: URL, name: str) -> bytes:
        proxy = self._proxies.of(url)
        for hop in (url, proxy.url) if proxy is not None else (url,):
            self._guard.check(hop.raw_host or "")
        async with self._session.get(
            url,
            headers={} if proxy is None else proxy.headers_for(url),
            allow_redirects=False,
            proxy=None if proxy is None else proxy.url,
            proxy_headers=None if proxy is None else proxy.introduction(),
        ) as reply:
            if reply.status != _OK:
                reply.close()
                raise DownloadError(f"{name}: the server answers HTTP {reply.status}", reply.status)
            body = bytearray()
            while chunk := await reply.content.read(_CHUNK):
                body += chunk
                if len(body) > LARGEST:
                    reply.close()
                    raise DownloadError(f"{name} has more than {LARGEST} bytes")
            return bytes(body)
