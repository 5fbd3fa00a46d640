"""Tokens of a registry's token service: fetched once, shared, forgotten in time.

Rules:

1. A token belongs to (registry, realm, service, scope, credential): pull secrets differ, and so do their tokens.
2. One call at a time per such key, whoever waits for it. The call is nobody's own: it goes on when the one who
   started it gives up, ends with the last who waits, and has its own limit of ten seconds.
3. A token counts as expired a little before its time. Without `expires_in` it lives 60 seconds.
4. A token that the registry refused is dropped, unless another has taken its place by then.
5. What is held of all registries is bounded in bytes (`shares`): none has tokens of others forgotten.
6. Nothing that a token service answers is taken for the registry's word: its 404 is no missing image.

Source: distribution, "Token Authentication Specification" and "Oauth2 Token Authentication".
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import re
from dataclasses import dataclass
from sys import getsizeof

import orjson
from yarl import URL

from router.errors import (
    MalformedAnswerError,
    TimedOutError,
    UnauthorisedError,
    UnreachableError,
    UnverifiableError,
)
from router.registry.answers import RegistryAnswer
from router.registry.credentials import Credential
from router.registry.endpoints import RegistryEndpoint
from router.registry.patience import patiently
from router.registry.shares import Shares
from router.registry.surroundings import Surroundings
from router.registry.transport import Call, Transport
from router.registry.wire import WireTimes, begin_question, exchanges

ANSWER_LIMIT = 256 * 1024
FETCH_SECONDS = 10.0
REMEMBERED_BYTES = 8 * 2**20
"""Of tokens and what they are for; those of usual services have two or three KiB."""
_DEFAULT_LIFE = 60.0
_LONGEST_LIFE = 3600.0
_MARGIN = 10.0
_CLIENT = "gatecrier"
_OK = 200
_REFUSALS = frozenset({400, 401, 403})
_VISIBLE = re.compile(r"[!-~]{1,16384}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a token is for: the key of the cache (rule 1)."""

    registry: str
    realm: str
    service: str
    scope: str
    credential: Credential | None

    @property
    def size(self) -> int:
        """Bytes that it takes, beside a credential, which others keep, too."""
        return sum(map(getsizeof, (self, self.realm, self.service, self.scope)))


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    expires: float


@dataclass(eq=False, slots=True)
class _Fetch:
    task: asyncio.Task[str]
    exchanges: WireTimes
    waiting: int = 0


class Tokens:
    """Every token that we hold, and every call for one that is under way."""

    def __init__(self, transport: Transport, surroundings: Surroundings) -> None:
        self._transport = transport
        self._surroundings = surroundings
        self._held = Shares[TokenRequest, _Token](REMEMBERED_BYTES)
        self._under_way: dict[TokenRequest, _Fetch] = {}

    def held(self, request: TokenRequest) -> str | None:
        """A token that is still good, or None."""
        token = self._held.get(request.registry, request)
        if token is None:
            return None
        if token.expires <= self._surroundings.clock():
            self._held.pop(request.registry, request)
            return None
        return token.value

    async def fetch(self, endpoint: RegistryEndpoint, request: TokenRequest) -> str:
        """A new token, by our own call or by one that is under way (rule 2); raises UnverifiableError."""
        fetch = self._under_way.get(request)
        if fetch is None:
            fetch = self._under_way[request] = self._started(endpoint, request)
        fetch.waiting += 1
        asked = exchanges()
        try:
            with contextlib.nullcontext() if asked is None else asked.sharing(fetch.exchanges):
                await asyncio.wait({fetch.task})
        finally:
            fetch.waiting -= 1
            if not fetch.waiting and not fetch.task.done():
                self._forget(request, fetch)
                fetch.task.cancel()
        if fetch.task.cancelled():
            raise UnreachableError(f"registry {request.registry}: a token: this client is closed")
        return fetch.task.result()

    def _started(self, endpoint: RegistryEndpoint, request: TokenRequest) -> _Fetch:
        context = contextvars.copy_context()
        own = context.run(begin_question)
        task = asyncio.get_running_loop().create_task(
            self._fetched(endpoint, request), name="fetch a registry token", context=context
        )
        fetch = _Fetch(task, own)
        task.add_done_callback(lambda done: self._settled(request, fetch, done))
        return fetch

    def drop(self, request: TokenRequest, value: str) -> None:
        """Forget a token that was refused (rule 4)."""
        token = self._held.get(request.registry, request)
        if token is not None and token.value == value:
            self._held.pop(request.registry, request)

    async def close(self) -> None:
        """End the calls that are under way."""
        tasks = [fetch.task for fetch in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _settled(self, request: TokenRequest, fetch: _Fetch, done: asyncio.Task[str]) -> None:
        self._forget(request, fetch)
        _ = done.cancelled() or done.exception()  # all who waited may have gone: then nobody else takes note of it

    def _forget(self, request: TokenRequest, fetch: _Fetch) -> None:
        if self._under_way.get(request) is fetch:
            del self._under_way[request]

    async def _fetched(self, endpoint: RegistryEndpoint, request: TokenRequest) -> str:
        what = f"registry {endpoint.registry}: a token"
        call = _call(request, what)
        asked = self._surroundings.clock()
        try:
            async with asyncio.timeout(FETCH_SECONDS) as limit:
                deadline = limit.when() or 0.0
                answer = await patiently(lambda: self._transport.send(endpoint, call), deadline, self._surroundings)
        except TimeoutError as error:
            raise TimedOutError(f"{what}: the token service did not answer in {FETCH_SECONDS:.0f} s") from error
        if answer.status != _OK:
            raise _refusal(answer, what)
        value, life = _parsed(answer.body, what)
        token = _Token(value, asked + max(life - _MARGIN, life / 2))
        self._held.put(request.registry, request, token, request.size + getsizeof(value))
        return value


def _call(request: TokenRequest, what: str) -> Call:
    credential, url = request.credential, URL(request.realm)
    if credential is not None and credential.identity_token:
        form = {
            "grant_type": "refresh_token",
            "service": request.service,
            "client_id": _CLIENT,
            "scope": request.scope,
            "refresh_token": credential.identity_token,
        }
        return Call("POST", url, ANSWER_LIMIT, what, form=form, follows=False)
    query = [("service", request.service)] if request.service else []
    query += [("scope", scope) for scope in request.scope.split(" ") if scope]
    url = url.extend_query(query)
    authorization = credential.basic if credential is not None else None
    return Call("GET", url, ANSWER_LIMIT, what, authorization=authorization, follows=False)


def _refusal(answer: RegistryAnswer, what: str) -> UnverifiableError:
    """The error of a token service's status (rule 6)."""
    text = f"{what}: the token service answers {answer.status}"
    if answer.status in _REFUSALS:
        return UnauthorisedError(text)
    if answer.status >= 500:  # noqa: PLR2004 - the class of server errors
        return UnreachableError(text, is_registrys_doing=answer.is_registrys)
    return MalformedAnswerError(text)


def _parsed(body: bytes, what: str) -> tuple[str, float]:
    """Token and life in seconds; raises MalformedAnswerError. No text of an error holds any part of the answer."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedAnswerError(f"{what}: the token service's answer is not valid JSON") from None
    value = (document.get("token") or document.get("access_token")) if isinstance(document, dict) else None
    if not isinstance(value, str) or _VISIBLE.fullmatch(value) is None:
        raise MalformedAnswerError(f"{what}: the token service's answer holds no token")
    life = document.get("expires_in")
    if life is None:
        return value, _DEFAULT_LIFE
    if isinstance(life, bool) or not isinstance(life, int | float) or life < 0:
        raise MalformedAnswerError(f"{what}: the token service's expires_in is not a number of seconds")
    return value, min(float(life), _LONGEST_LIFE)
