"""The one place that sends over HTTP, for every dialect.

Rules:
(1) One attempt per call, within `timeout`, of at most `EXCHANGES` requests in one form of its documents at one URL.
    Where others are asked after a request whatever becomes of it, it gets half of the time that is left. What the
    network does is an outcome, a mistake of ours an exception: it must not look like one of the receiver's.
(2) No redirect is followed: it would take the payload and its credentials somewhere else.
(3) The egress guard judges every address that is connected to, a proxy's too. With a proxy, the proxy resolves the
    receiver's name; a literal address is judged all the same.
(4) A reply is judged by what its judge must see of it, however it goes on (`replies`).
(5) A document of which the receiver refuses the form alone (413, and what means the same in its dialect) is sent again
    within the same attempt in a shorter form, if the dialect knows one, and then as the minimal payload.
(6) Outcomes name a cause by its code and the receiver's own words (`words`). URLs, headers, tokens and the secrets that
    are filled in last (`secrets`) stand in no outcome, log line or error.
(7) Where a service has several URLs, each is tried in turn, in one attempt, until one answers with anything but trouble
    that may pass; that one comes first in the next attempt. Refused credentials, and a receiver that wants fewer
    requests, are the service's word at any of them.
(8) Where the service wants access tokens, each request has one; what is refused with it (401) is sent once more with a
    new one (`access_tokens`). The authorization server is asked as the service is: by the same proxy, guard and CAs.
(9) What a dialect posts goes out with every secret in its place, the operator's headers, and compressed where the
    settings say so (`outgoing`); limits of the service count what it is before.
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
    EXCHANGES,
    PROXY_REFUSES_US,
    RATE_LIMITED,
    UNAUTHORISED,
    Dialect,
    Post,
    Reply,
    UnansweredError,
)
from router.destinations.document import Document
from router.destinations.grants import AccessToken, TokenGrant
from router.destinations.outcome import (
    AttemptOutcome,
    Delivered,
    EachOutcome,
    Outcome,
    PendingReceipt,
    TryAgain,
    Undeliverable,
    gist,
)
from router.destinations.outgoing import Outfit, Outgoing, packed
from router.destinations.replies import REPLY_LIMIT, reply_of
from router.destinations.settings import HttpSettings
from router.destinations.words import Words, secrets_of
from router.errors import ForbiddenAddressError
from router.outbound.addresses import AddressGuard
from router.outbound.exchanging import HttpExchanges
from router.outbound.resolving import GuardedResolver
from router.outbound.sessions import context_of, open_session
from router.outbound.time_limits import TimeLimits
from router.telemetry.logs import logger

log = logger()

KEEP_ALIVE = 60.0
LEAST = 0.001
"""Seconds of a timeout: none at all would be no limit."""

ReplyListener: TypeAlias = Callable[[int, str], None]
"""(status, beginning of the body): what came back from one request, fit to be shown (`words`)."""


class HttpDestination:
    """A receiver that is told over HTTP in its own dialect."""

    def __init__(
        self,
        settings: HttpSettings,
        dialect: Dialect,
        guard: AddressGuard,
        credentials: TokenGrant | None = None,
        *,
        clock: Callable[[], float] = time.time,
        heard: ReplyListener | None = None,
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
        self._patience = settings.timeout
        self._outfit = Outfit(settings)
        self._secrets = secrets_of(settings)
        self._words = Words(self._secrets)
        self._lent: tuple[AccessToken, ...] = ()
        self._tokens: AccessTokens | None = None
        if credentials is not None:
            self._tokens = AccessTokens(credentials, self._from_authority, lambda: self._clock())  # noqa: PLW0108 - tests set it
        shown = settings.client_certificate
        self._tls = context_of(settings.authorities, None if shown is None else shown.pair)
        self._exchanges: HttpExchanges | None = None
        self._resolver: GuardedResolver | None = None
        self._limits = TimeLimits()

    def __repr__(self) -> str:
        return f"HttpDestination({self.name!r})"

    async def deliver(self, documents: Sequence[Document]) -> AttemptOutcome:
        """One attempt with these documents."""
        end = asyncio.get_running_loop().time() + self._patience
        if len(documents) > 1:  # a batch is split before anything in it is made smaller
            return await self._attempt(documents, end)
        smaller = self._smaller(documents[0])
        while True:
            outcome = gist(await self._attempt(documents, end))
            is_of_form = isinstance(outcome, Undeliverable) and outcome.is_of_form
            if not is_of_form or (document := next(smaller, None)) is None:
                return outcome
            documents = [document]

    async def _attempt(self, documents: Sequence[Document], end: float) -> AttemptOutcome:
        urls = [*self._urls]
        for url in urls:
            answer = await self._attempt_at(url, documents, end if url == urls[-1] else _half(end))
            if not isinstance(answer, TryAgain) or answer.pauses or answer.reason == RATE_LIMITED:
                break
            if self._urls[0] == url:  # (7): nobody else has put it last meanwhile
                self._urls.append(self._urls.pop(0))
        return answer

    async def _attempt_at(self, url: URL, documents: Sequence[Document], end: float) -> AttemptOutcome:
        now, last = self._clock(), None
        exchange = self._dialect.exchange(documents, now)
        try:
            post = next(exchange)
            for _ in range(EXCHANGES):
                if self._outfit.packs(request := self._outfit.outgoing(url, post)):
                    request = await packed(request)
                until = _half(end) if post.is_followed else end
                if isinstance(reply := await self._authorised(request, now, until), Reply):
                    last = reply
                    if self._heard is not None:
                        self._heard(reply.status, self._words.shown(reply.text))
                    post = exchange.send(reply)
                else:
                    post = exchange.throw(UnansweredError(reply))
        except StopIteration as ended:
            answer: AttemptOutcome = ended.value
            return answer if last is None else self._seen(answer, last)
        except UnansweredError as error:
            return error.outcome
        raise RuntimeError(f"a dialect makes more than {EXCHANGES} requests in one attempt")

    def _seen(self, answer: AttemptOutcome, reply: Reply) -> AttemptOutcome:
        """The answer, with what is shown of the reply that was the last."""
        match answer:
            case EachOutcome(outcomes):
                return EachOutcome(tuple(self._shown(one, reply.status) for one in outcomes))
            case outcome:
                return self._shown(outcome, reply.status, reply.text)

    def _shown(self, outcome: Outcome, status: int, words: str | None = None) -> Outcome:
        """With the status, and these words or its own."""
        if isinstance(outcome, Delivered):  # most are: copied field by field, which `replace` finds out each time
            return Delivered(status, outcome.receipt)
        if isinstance(outcome, PendingReceipt):
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
        if self._exchanges is not None:
            exchanges, self._exchanges = self._exchanges, None
            await exchanges.close()
        if self._resolver is not None:
            resolver, self._resolver = self._resolver, None
            await resolver.close()

    async def _authorised(self, request: Outgoing, now: float, end: float) -> Reply | TryAgain:
        """What comes back to what is sent: rule (8)."""
        if (tokens := self._tokens) is None:
            return await self._reply(request, now, self._dialect.receipt_bytes, end)
        for is_last in (False, True):
            try:
                async with asyncio.timeout_at(end):
                    token = await tokens.token()
            except TimeoutError:
                return TryAgain("timeout")
            if not isinstance(token, AccessToken):
                return replace(token, words=self._words.shown(token.words))
            self._lend(token)
            bearing = request.with_header("Authorization", f"Bearer {token.value}")
            reply = await self._reply(bearing, now, self._dialect.receipt_bytes, end)
            if is_last or not isinstance(reply, Reply) or reply.status != UNAUTHORISED:
                break
            tokens.drop(token)
        return reply

    def _lend(self, token: AccessToken) -> None:
        """A token is sent: rule (6) is for it, too, and for the one before, with which requests are still under way."""
        if token not in self._lent:
            self._lent = (*self._lent[-1:], token)
            self._words = Words({*self._secrets, *(one.value for one in self._lent)})

    async def _from_authority(self, post: Post) -> Reply | TryAgain:
        request = Outgoing(post.verb, URL(post.url), post.body, post.headers)
        end = asyncio.get_running_loop().time() + self._patience  # its own: it is nobody's attempt
        return await self._reply(request, self._clock(), REPLY_LIMIT, end)

    async def _reply(self, request: Outgoing, now: float, wanted: int, end: float) -> Reply | TryAgain:  # noqa: PLR0911 - one per cause
        """What comes back; of the body of a success so many bytes are wanted."""
        try:
            return await self._posted(request, now, wanted, end)
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

    async def _posted(self, request: Outgoing, now: float, wanted: int, end: float) -> Reply:
        exchanges, proxy = self._exchanges or self._opened(), self._proxy
        verb, url, body, headers = request
        self._guard.check(url.raw_host or "")
        if proxy is None:
            with self._limits.until(end):
                exchange = await exchanges.ask(verb, url, body, headers)
            try:
                return await reply_of(exchange, now, wanted, end)
            finally:
                exchange.close()
        async with exchanges.session.request(
            verb,
            url,
            data=body or None,
            headers={**headers, **proxy.headers_for(url)},
            allow_redirects=False,
            proxy=proxy.url,
            proxy_headers=proxy.introduction(),
            timeout=aiohttp.ClientTimeout(total=max(end - asyncio.get_running_loop().time(), LEAST)),
        ) as reply:
            return await reply_of(reply, now, wanted, end)

    def _opened(self) -> HttpExchanges:
        if self._proxy is not None:
            self._guard.check(self._proxy.url.raw_host or "")
        self._resolver = GuardedResolver(self._guard)
        session = open_session(
            self._resolver,
            aiohttp.ClientTimeout(total=self._patience),  # each request brings its own
            connections=self.concurrency,
            keep_alive=KEEP_ALIVE,
            tls=self._tls,
        )
        self._exchanges = HttpExchanges(session)
        return self._exchanges


def _half(end: float) -> float:
    """Until when one gets half of the time that is left."""
    now = asyncio.get_running_loop().time()
    return now + (end - now) / 2
