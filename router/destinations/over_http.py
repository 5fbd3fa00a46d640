"""The one place that sends over HTTP, for every dialect.

Rules:
(1) One attempt per call, within `timeout`; what the network does is an outcome, never an exception. A mistake of ours
    is an exception: it must not look like one of the receiver's.
(2) No redirect is followed: it would take the payload and its credentials somewhere else.
(3) The egress guard judges every address that is connected to, a proxy's too. With a proxy, the proxy resolves the
    receiver's name; a literal address is judged all the same.
(4) At most `REPLY_LIMIT` of a reply are read; the rest is the receiver's problem.
(5) Outcomes name a cause by its code only. URLs, headers and tokens stand in no outcome, log line or error.
(6) No variable of the environment changes where anything is sent.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Sequence

import aiohttp
from yarl import URL

from router.destinations.dialect import PROXY_REFUSES_US, Dialect, Post, Reply
from router.destinations.document import Document
from router.destinations.outcome import Outcome, TryAgain
from router.destinations.settings import HttpSettings
from router.errors import ForbiddenAddressError
from router.outbound.addresses import AddressGuard
from router.outbound.authorities import client_context
from router.outbound.resolving import GuardedResolver
from router.outbound.sessions import open_session
from router.tls import show

REPLY_LIMIT = 64 * 1024
KEEP_ALIVE = 60.0


class HttpDestination:
    """A receiver that is told over HTTP in its own dialect."""

    def __init__(
        self,
        settings: HttpSettings,
        dialect: Dialect,
        guard: AddressGuard,
        *,
        batch_size: int = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = settings.name
        self.concurrency = settings.concurrency
        self.batch_size = batch_size
        self.give_up_after = settings.give_up_after
        self._dialect = dialect
        self._guard = guard
        self._clock = clock
        self._url = URL(settings.endpoint)
        self._proxy = settings.way()
        self._timeout = aiohttp.ClientTimeout(total=settings.timeout)
        self._tls = _context(settings)
        self._session: aiohttp.ClientSession | None = None
        self._resolver: GuardedResolver | None = None

    def __repr__(self) -> str:
        return f"HttpDestination({self.name!r})"

    async def deliver(self, documents: Sequence[Document]) -> Outcome:
        """One attempt with these documents."""
        now = self._clock()
        reply = await self._reply(self._dialect.compose(documents, now), now)
        return self._dialect.judge(reply) if isinstance(reply, Reply) else reply

    async def close(self) -> None:
        """Close connections."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
        if self._resolver is not None:
            resolver, self._resolver = self._resolver, None
            await resolver.close()

    async def _reply(self, post: Post, now: float) -> Reply | TryAgain:  # noqa: PLR0911 - one per cause
        try:
            return await self._posted(post, now)
        except ForbiddenAddressError:
            return TryAgain("forbidden_address")  # no fault of the event: names and `egress.allow` can change
        except TimeoutError:
            return TryAgain("timeout")
        except (aiohttp.ClientSSLError, ssl.SSLError):
            return TryAgain("tls_failed")
        except aiohttp.ClientHttpProxyError as error:
            is_refused = error.status == PROXY_REFUSES_US
            return TryAgain("unauthorised", pauses=True) if is_refused else TryAgain("proxy_failed")
        except aiohttp.ClientProxyConnectionError:
            return TryAgain("proxy_failed")
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError):
            return TryAgain("malformed_reply")
        except (aiohttp.ClientError, OSError):
            return TryAgain("connection_failed")

    async def _posted(self, post: Post, now: float) -> Reply:
        session, proxy = self._session or self._opened(), self._proxy
        async with session.post(
            self._url,
            data=post.body,
            headers=post.headers if proxy is None else {**post.headers, **proxy.headers_for(self._url)},
            allow_redirects=False,
            proxy=None if proxy is None else proxy.url,
            proxy_headers=None if proxy is None else proxy.introduction(),
        ) as reply:
            text = await reply.content.read(REPLY_LIMIT)
            while text and len(text) < REPLY_LIMIT and (more := await reply.content.read(REPLY_LIMIT - len(text))):
                text += more
            if not reply.content.at_eof():
                reply.close()  # the connection can't be used again without reading what we do not want
            return Reply(reply.status, text.decode(errors="replace"), reply.headers.get("Retry-After"), now)

    def _opened(self) -> aiohttp.ClientSession:
        self._guard.check(self._url.raw_host or "")
        if self._proxy is not None:
            self._guard.check(self._proxy.url.raw_host or "")
        self._resolver = GuardedResolver(self._guard)
        self._session = open_session(
            self._resolver, self._timeout, connections=self.concurrency, keep_alive=KEEP_ALIVE, tls=self._tls
        )
        return self._session


def _context(settings: HttpSettings) -> ssl.SSLContext | bool:
    if settings.ca is None and settings.client_certificate is None:
        return True  # aiohttp's own, which all share
    context = client_context(settings.authorities)
    if settings.client_certificate is not None:
        show(context, settings.client_certificate.pair)
    return context
