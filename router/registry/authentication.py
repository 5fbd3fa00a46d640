"""Who we are to a registry: its challenge met, and remembered so that the next request is not refused first.

Rules, in order:

1. Nothing is sent before the registry asks. What it asked for is remembered per repository (`shares`).
2. Bearer is preferred to Basic. Bearer: a `registrytoken` as it stands, otherwise a token from the realm. Basic: user
   name and password.
3. A realm is https, or http where the registry is plain HTTP; it holds no credentials and has a host. It may be on
   another host than the registry: that is how Docker Hub works, and the operator's credential is for this registry.
4. A token that was held and is refused is dropped and fetched anew, once. One that is new and refused is the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from sys import getsizeof

from router.errors import MalformedAnswerError, UnauthorisedError
from router.outbound.urls import read_url, sound_url
from router.registry.answers import RegistryAnswer
from router.registry.challenges import Basic, Bearer, parse_challenges
from router.registry.endpoints import RegistryEndpoint
from router.registry.shares import Shares
from router.registry.tokens import TokenRequest, Tokens

REMEMBERED_BYTES = 4 * 2**20
"""Of what was asked for; usually some hundred bytes for a repository."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """What is sent as `Authorization`."""

    authorization: str
    was_held: bool
    """It is older than this request: being refused, it may be worth fetching anew."""


class Authentication:
    """Meets challenges, per repository."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._known = Shares[str, TokenRequest | Authorization](REMEMBERED_BYTES)

    async def grant(self, endpoint: RegistryEndpoint, repository: str) -> Authorization | None:
        """What this repository asked for the last time, or None where it has not asked yet."""
        known = self._known.get(endpoint.registry, repository)
        return await self._of(endpoint, known) if isinstance(known, TokenRequest) else known

    async def after_refusal(
        self, endpoint: RegistryEndpoint, repository: str, answer: RegistryAnswer, refused: Authorization | None
    ) -> Authorization:
        """What a 401 asks for.

        Raises:
            UnauthorisedError: It asks for what we do not have.
            MalformedAnswerError: It asks in a way that can't be understood or must not be met.
        """
        known = self._known.pop(endpoint.registry, repository)
        if isinstance(known, TokenRequest) and refused is not None:
            self._tokens.drop(known, refused.authorization.removeprefix("Bearer "))
        met = self._met(endpoint, repository, answer)
        size = met.size if isinstance(met, TokenRequest) else getsizeof(met.authorization)
        self._known.put(endpoint.registry, repository, met, size + getsizeof(repository))
        return await self._of(endpoint, met) if isinstance(met, TokenRequest) else met

    def forget(self, endpoint: RegistryEndpoint, repository: str) -> None:
        """Start anew with the next request."""
        self._known.pop(endpoint.registry, repository)

    async def _of(self, endpoint: RegistryEndpoint, request: TokenRequest) -> Authorization:
        held = self._tokens.held(request)
        if held is not None:
            return Authorization(f"Bearer {held}", was_held=True)
        return Authorization(f"Bearer {await self._tokens.fetch(endpoint, request)}", was_held=False)

    def _met(self, endpoint: RegistryEndpoint, repository: str, answer: RegistryAnswer) -> TokenRequest | Authorization:
        place = f"registry {endpoint.registry}"
        try:
            challenges = parse_challenges(answer.headers.getall("WWW-Authenticate", []))
        except MalformedAnswerError as error:
            raise MalformedAnswerError(f"{place}: {error}") from error
        credential = endpoint.credentials.find(endpoint.registry, repository)
        bearer = next((one for one in challenges if isinstance(one, Bearer)), None)
        if bearer is not None:
            if credential is not None and credential.registry_token:
                return Authorization(f"Bearer {credential.registry_token}", was_held=False)
            scope = bearer.scope or f"repository:{repository}:pull"
            realm = _checked_realm(endpoint, bearer.realm, place)
            return TokenRequest(endpoint.registry, realm, bearer.service, scope, credential)
        if not any(isinstance(one, Basic) for one in challenges):
            raise UnauthorisedError(f"{place}: it wants neither Bearer nor Basic authentication, and we have no other")
        if credential is None or credential.basic is None:
            raise UnauthorisedError(f"{place}: it wants user name and password; name `credentials` that hold them")
        return Authorization(credential.basic, was_held=False)


def _checked_realm(endpoint: RegistryEndpoint, realm: str, place: str) -> str:
    """The realm as we use it (rule 3)."""
    allowed = ("https", "http") if endpoint.plain_http else ("https",)
    try:
        url = sound_url(read_url(realm))
    except ValueError as error:
        raise MalformedAnswerError(f"{place}: its token realm can't be used ({error})") from error
    if url.scheme not in allowed:
        raise MalformedAnswerError(f"{place}: its token realm is {url.scheme} and must be {' or '.join(allowed)}")
    return str(url)
