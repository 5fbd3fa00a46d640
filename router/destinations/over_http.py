"""The one place that sends over HTTP, for every dialect.

Rules:
(1) One attempt per call, each request of it within `timeout`; what the network does is an outcome, never an exception.
    A mistake of ours is an exception: it must not look like one of the receiver's.
(2) No redirect is followed: it would take the payload and its credentials somewhere else.
(3) The egress guard judges every address that is connected to, a proxy's too. With a proxy, the proxy resolves the
    receiver's name; a literal address is judged all the same.
(4) A reply is judged by what its judge must see of it, however it goes on: the head, and of the body as much as makes
    a receipt, or the words of a refusal, for `BODY_PATIENCE` at most. The rest is read for `DRAIN` and up to
    `REPLY_LIMIT`, so that the connection can be used again; what is longer or slower costs the receiver its connection.
(5) A document of which the receiver refuses the form alone (413, and what means the same in its dialect) is sent again
    within the same attempt in a shorter form, if the dialect knows one, and then as the minimal payload.
(6) Outcomes name a cause by its code and the receiver's own words (`words`). URLs, headers, tokens and the secrets that
    are filled in last (`secrets`) stand in no outcome, log line or error.
(7) Where a service has several URLs, each is tried in turn, in one attempt, until one answers with anything but trouble
    that may pass; that one comes first in the next attempt. Refused credentials, and a receiver that wants fewer
    requests, are the service's word at any of them.
(8) Where the service wants access tokens, each request has one; what is refused with it (401) is sent once more with a
    new one (`access_tokens`). The authorization server is asked as the service is: by the same proxy, guard and CAs.
(9) Bodies are compressed where the settings say so; limits of the service count what they are before.
(10) No variable of the environment changes where anything is sent.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import aiohttp
from yarl import URL

from router.destinations.access_tokens import AccessTokens
from router.destinations.dialect import (
    PROXY_REFUSES_US,
    RATE_LIMITED,
    UNAUTHORISED,
    Dialect,
    Post,
    Reply,
    UnansweredError,
    is_success,
)
from router.destinations.document import Document
from router.destinations.grants import AccessToken, ClientCredentials
from router.destinations.outcome import Answer, Delivered, Each, Outcome, Pending, TryAgain, Undeliverable, gist
from router.destinations.packing import packed
from router.destinations.secrets import Filling
from router.destinations.settings import HttpSettings, revealed
from router.destinations.words import READ_LIMIT, Words, secrets_of
from router.errors import ForbiddenAddressError
from router.outbound.addresses import AddressGuard
from router.outbound.authorities import client_context
from router.outbound.resolving import GuardedResolver
from router.outbound.sessions import open_session
from router.telemetry.logs import logger
from router.tls import show

log = logger()

REPLY_LIMIT = 64 * 1024
"""Bytes of a reply that are read so that its connection can be used again."""
BODY_PATIENCE, DRAIN = 2.0, 0.25
"""Seconds."""
KEEP_ALIVE = 60.0

Heard: TypeAlias = Callable[[int, str], None]
"""(status, beginning of the body): what came back from one request, fit to be shown (`words`)."""


class HttpDestination:
    """A receiver that is told over HTTP in its own dialect."""

    def __init__(
        self,
        settings: HttpSettings,
        dialect: Dialect,
        guard: AddressGuard,
        credentials: ClientCredentials | None = None,
        *,
        clock: Callable[[], float] = time.time,
        heard: Heard | None = None,
    ) -> None:
        self.name = settings.name
        self.concurrency = settings.concurrency
        self.batch_size = settings.most_documents
        self.batch_bytes = settings.most_bytes
        self.linger = settings.lingers
        self.give_up_after = settings.give_up_after
        self._dialect = dialect
        self._guard = guard
        self._clock = clock
        self._heard = heard
        self._urls = [URL(url) for url in settings.endpoints]
        self._proxy = settings.way()
        self._timeout = aiohttp.ClientTimeout(total=settings.timeout)
        self._filling = Filling(settings)
        self._besides = {name: revealed(value) for name, value in settings.headers.items()}
        self._secrets = secrets_of(settings)
        self._words = Words(self._secrets)
        self._is_packed = settings.compression == "gzip"
        self._tokens: AccessTokens | None = None
        if credentials is not None:
            self._tokens = AccessTokens(credentials, self._from_authority, lambda: self._clock())  # noqa: PLW0108 - tests set it
        self._tls = _context(settings)
        self._session: aiohttp.ClientSession | None = None
        self._resolver: GuardedResolver | None = None

    def __repr__(self) -> str:
        return f"HttpDestination({self.name!r})"

    async def deliver(self, documents: Sequence[Document]) -> Answer:
        """One attempt with these documents."""
        if len(documents) > 1:  # a batch is split before anything in it is made smaller
            return await self._attempt(documents)
        smaller = self._smaller(documents[0])
        while True:
            outcome = gist(await self._attempt(documents))
            is_of_form = isinstance(outcome, Undeliverable) and outcome.is_of_form
            if not is_of_form or (document := next(smaller, None)) is None:
                return outcome
            documents = [document]

    async def _attempt(self, documents: Sequence[Document]) -> Answer:
        for url in [*self._urls]:
            answer = await self._attempt_at(url, documents)
            if not isinstance(answer, TryAgain) or answer.pauses or answer.reason == RATE_LIMITED:
                break
            if self._urls[0] == url:  # (7): nobody else has put it last meanwhile
                self._urls.append(self._urls.pop(0))
        return answer

    async def _attempt_at(self, url: URL, documents: Sequence[Document]) -> Answer:
        now, last = self._clock(), None
        exchange = self._dialect.exchange(documents, now)
        try:
            post = next(exchange)
            while True:
                if isinstance(reply := await self._authorised(url, self._whole(post), now), Reply):
                    last = reply
                    if self._heard is not None:
                        self._heard(reply.status, self._words.shown(reply.text))
                    post = exchange.send(reply)
                else:
                    post = exchange.throw(UnansweredError(reply))
        except StopIteration as ended:
            answer: Answer = ended.value
            return answer if last is None else self._seen(answer, last)
        except UnansweredError as error:
            return error.outcome

    def _seen(self, answer: Answer, reply: Reply) -> Answer:
        """The answer, with what is shown of the reply that was the last."""
        match answer:
            case Each(outcomes):
                return Each(tuple(self._shown(one, reply.status) for one in outcomes))
            case outcome:
                return self._shown(outcome, reply.status, reply.text)

    def _shown(self, outcome: Outcome, status: int, words: str | None = None) -> Outcome:
        """With the status, and these words or its own."""
        if isinstance(outcome, Delivered | Pending):
            return replace(outcome, status=status)
        return replace(outcome, status=status, words=self._words.shown(outcome.words if words is None else words))

    def _smaller(self, document: Document) -> Iterator[Document]:
        if (short := self._dialect.shorter(document)) is not None:
            log.warning("document_shortened", destination=self.name, event_id=document.event_id)
            yield short
        if (smallest := document.smallest()) is not None:
            log.warning("document_minimal", destination=self.name, event_id=document.event_id)
            yield smallest

    async def close(self) -> None:
        """Close connections."""
        if self._tokens is not None:
            await self._tokens.close()
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
        if self._resolver is not None:
            resolver, self._resolver = self._resolver, None
            await resolver.close()

    def _whole(self, post: Post) -> Post:
        """As it is sent: with every secret in its place, what is said of the body, and the operator's own headers."""
        body = self._filling.filled(post.body, post.encoding)
        return replace(post, body=body, headers=self._besides | post.headers_of(body))

    async def _authorised(self, url: URL, post: Post, now: float) -> Reply | TryAgain:
        """What comes back to what is sent: rules (8) and (9)."""
        if self._is_packed:
            post = await packed(post)
        if self._tokens is None:
            return await self._reply(url, post, now)
        for is_last in (False, True):
            if not isinstance(token := await self._tokens.token(), AccessToken):
                return replace(token, words=self._words.shown(token.words))
            self._words = Words({*self._secrets, token.value})
            headers = {**post.headers, "Authorization": f"Bearer {token.value}"}
            reply = await self._reply(url, replace(post, headers=headers), now)
            if is_last or not isinstance(reply, Reply) or reply.status != UNAUTHORISED:
                break
            self._tokens.drop(token)
        return reply

    async def _from_authority(self, post: Post) -> Reply | TryAgain:
        return await self._reply(URL(post.url), post, self._clock(), REPLY_LIMIT)

    async def _reply(  # noqa: PLR0911 - one per cause
        self, url: URL, post: Post, now: float, wanted: int | None = None
    ) -> Reply | TryAgain:
        """What comes back; of a success so many bytes are wanted, where that is not said by the dialect."""
        wanted = self._dialect.receipt_bytes if wanted is None else wanted
        try:
            return await self._posted(_address(url, post), post, now, wanted)
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

    async def _posted(self, url: URL, post: Post, now: float, wanted: int) -> Reply:
        session, proxy = self._session or self._opened(), self._proxy
        self._guard.check(url.raw_host or "")
        async with session.request(
            post.verb,
            url,
            data=post.body or None,
            headers=post.headers if proxy is None else {**post.headers, **proxy.headers_for(url)},
            allow_redirects=False,
            proxy=None if proxy is None else proxy.url,
            proxy_headers=None if proxy is None else proxy.introduction(),
        ) as reply:
            text = await _body(reply, wanted if is_success(reply.status) else READ_LIMIT)
            if not reply.content.at_eof():
                reply.close()  # the connection can't be used again without reading what we do not want
            return Reply(reply.status, text.decode(errors="replace"), reply.headers.get("Retry-After"), now)

    def _opened(self) -> aiohttp.ClientSession:
        if self._proxy is not None:
            self._guard.check(self._proxy.url.raw_host or "")
        self._resolver = GuardedResolver(self._guard)
        self._session = open_session(
            self._resolver, self._timeout, connections=self.concurrency, keep_alive=KEEP_ALIVE, tls=self._tls
        )
        return self._session


def _address(url: URL, post: Post) -> URL:
    base = URL(post.url) if post.url else url
    return (base / post.method if post.method else base).update_query(post.query)


async def _body(reply: aiohttp.ClientResponse, wanted: int) -> bytes:
    text = bytearray()
    is_whole = await _read(reply.content, text, wanted, BODY_PATIENCE)
    if not is_whole and len(text) >= wanted:
        await _read(reply.content, text, REPLY_LIMIT, DRAIN)
    return bytes(text)


async def _read(content: aiohttp.StreamReader, text: bytearray, limit: int, patience: float) -> bool:
    """Read up to so many bytes into `text`; whether that was all. What breaks off ends here; so does the time."""
    try:
        async with asyncio.timeout(patience):
            while len(text) < limit:
                if not (more := await content.read(limit - len(text))):
                    return True
                text += more
    except (TimeoutError, aiohttp.ClientError, OSError):
        return False
    return content.at_eof()


def _context(settings: HttpSettings) -> ssl.SSLContext | bool:
    if settings.ca is None and settings.client_certificate is None:
        return True  # aiohttp's own, which all share
    context = client_context(settings.authorities)
    if settings.client_certificate is not None:
        show(context, settings.client_certificate.pair)
    return context
