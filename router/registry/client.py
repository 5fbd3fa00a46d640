"""The OCI distribution client: what the rest of the program asks a registry.

Rules:

1. Every call has a deadline, in the clock of the running loop, and a limit of bytes.
2. Bytes that were asked for by digest are those of the digest, or the call fails. Bytes that were asked for by tag
   are those of the digest that the registry claims for them. What HEAD says is a candidate: whoever uses it asks
   for something *by* that digest next, or for what was signed over it.
3. Registries that refuse HEAD, or answer it without a digest, are asked by GET.
4. Nothing but `UnverifiableError` is raised, each kind for its own cause.

Not done here: deciding what evidence proves and where to look for it, and caching of anything but tokens and
challenges.

Source: OCI distribution specification 1.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from yarl import URL

from router.errors import MalformedAnswerError, NotFoundError, TimedOutError, TooLargeError, UnverifiableError
from router.images import Digest, ImageReference, is_tag
from router.outbound.closing import Closing
from router.registry.answers import BodyLimit, BodyRoom, RegistryAnswer, checked_digest, claimed_digest, error_of
from router.registry.authentication import Authentication, Authorization
from router.registry.endpoints import Endpoints, RegistryEndpoint
from router.registry.patience import patiently
from router.registry.referrers import (
    INDEX,
    INDEX_LIMIT,
    PAGES_LIMIT,
    ReferrerList,
    listed_in,
    next_page,
)
from router.registry.settings import RegistrySettings
from router.registry.surroundings import Surroundings
from router.registry.tokens import Tokens
from router.registry.transport import Call, Transport
from router.registry.wire import question

MANIFEST_LIMIT = 4 * 1024 * 1024
"""Bytes of a manifest or index, as most registries limit them (distribution specification, "Pushing Manifests")."""
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json"
)
_OK = 200
_UNAUTHORISED = 401
_HEAD_REFUSED = frozenset({400, 405, 501})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as its registry holds it."""

    digest: Digest
    """Of `body`: checked."""
    media_type: str
    """As the answer's header says; the body may say something else, and neither is signed."""
    body: bytes


@dataclass(frozen=True, slots=True)
class _Question:
    """One request to a registry, before it is known what must be sent with it."""

    method: str
    endpoint: RegistryEndpoint
    repository: str
    url: URL
    limit: BodyLimit
    what: str
    accept: str = "*/*"


class RegistryClient(Closing):
    """Asks registries, over connections, tokens and challenges that it keeps. Close it, or use it as a context."""

    def __init__(
        self,
        settings: Sequence[RegistrySettings] = (),
        *,
        surroundings: Surroundings | None = None,
        on_request: Callable[[str, str, str], None] | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            settings: The registries that differ from https, system CAs, anonymous.
            surroundings: Clocks, dice and environment; the real ones unless a test gives others.
            on_request: Is told registry, kind (`resolve`, `manifest`, `blob`, `referrers`) and result (`ok` or the
                reason code of the error) at the end of each call.

        Raises:
            ConfigurationError: A registry stands twice, a file can't be read, or a proxy variable is no URL.
        """
        self._surroundings = surroundings or Surroundings()
        self._endpoints = Endpoints(settings)
        self._transport = Transport(self._surroundings)
        self._tokens = Tokens(self._transport, self._surroundings)
        self._authentication = Authentication(self._tokens)
        self._on_request = on_request

    async def close(self) -> None:
        """Close every connection and end every token call. Calls after this fail as unreachable."""
        await self._tokens.close()
        await self._transport.close()

    async def resolve(self, image: ImageReference, deadline: float) -> Digest:
        """The digest that the image names: its own, or the one that its tag points to now (a candidate, rule 2)."""
        if image.digest is not None:
            return image.digest
        return await self._within(image, "resolve", deadline, self._resolved(image, image.tag or "latest", deadline))

    async def manifest(
        self,
        image: ImageReference,
        reference: Digest | str,
        deadline: float,
        limit: BodyLimit = MANIFEST_LIMIT,
    ) -> Manifest:
        """The manifest or index behind a digest or a tag of the image's repository.

        It has at most `limit` bytes, which several questions may share.
        """
        return await self._within(image, "manifest", deadline, self._manifest(image, reference, deadline, limit))

    async def blob(self, image: ImageReference, digest: Digest, deadline: float, limit: BodyLimit) -> bytes:
        """The bytes of a blob of the image's repository; raises TooLargeError as a manifest does."""
        return await self._within(image, "blob", deadline, self._blob(image, digest, deadline, limit))

    async def referrers(self, image: ImageReference, digest: Digest, deadline: float) -> ReferrerList:
        """What refers to a manifest, by the referrers API; raises NotFoundError where the registry has none."""
        return await self._within(image, "referrers", deadline, self._referrers(image, digest, deadline))

    async def _within(self, image: ImageReference, kind: str, deadline: float, work: Coroutine[None, None, T]) -> T:
        """Do the work until the deadline, and tell how it went."""
        result = "ok"
        try:
            async with asyncio.timeout_at(deadline):
                with question():
                    return await work
        except TimeoutError as error:
            result = TimedOutError.default_reason
            raise TimedOutError(f"{image.name}: {image.registry} did not answer within the deadline") from error
        except UnverifiableError as error:
            result = error.reason
            raise
        finally:
            if self._on_request is not None:
                self._on_request(image.registry, kind, result)

    async def _resolved(self, image: ImageReference, tag: str, deadline: float) -> Digest:
        question = self._question("HEAD", image, f"manifests/{tag}", MANIFEST_LIMIT, MANIFEST_TYPES)
        answer = await self._ask(question, deadline)
        if answer.status == _OK:
            digest = claimed_digest(answer, question.what)
            if digest is not None:
                return digest
        elif answer.status not in _HEAD_REFUSED:
            raise error_of(answer, question.what)
        return (await self._manifest(image, tag, deadline)).digest

    async def _manifest(
        self,
        image: ImageReference,
        reference: Digest | str,
        deadline: float,
        limit: BodyLimit = MANIFEST_LIMIT,
    ) -> Manifest:
        wanted = reference if isinstance(reference, Digest) else None
        question = self._question("GET", image, f"manifests/{reference}", limit, MANIFEST_TYPES)
        if wanted is None and not is_tag(str(reference)):
            raise NotFoundError(f"{question.what}: no registry can hold a tag of this form")
        answer = await self._ask(question, deadline)
        if answer.status != _OK:
            raise error_of(answer, question.what)
        return Manifest(checked_digest(answer, wanted, question.what), answer.media_type, answer.body)

    async def _blob(self, image: ImageReference, digest: Digest, deadline: float, limit: BodyLimit) -> bytes:
        question = self._question("GET", image, f"blobs/{digest}", limit)
        answer = await self._ask(question, deadline)
        if answer.status != _OK:
            raise error_of(answer, question.what)
        checked_digest(answer, digest, question.what)
        return answer.body

    async def _referrers(self, image: ImageReference, digest: Digest, deadline: float) -> ReferrerList:
        question = self._question("GET", image, f"referrers/{digest}", BodyRoom(INDEX_LIMIT), INDEX)
        answer = await self._ask(question, deadline)
        found = ReferrerList()
        for page in range(1, PAGES_LIMIT + 1):
            if (listed := listed_in(answer, question.what)) is None:
                raise _absent(question.what, is_first=page == 1)
            found += listed
            target = next_page(answer, question.url, question.what)
            if target is None:
                return found
            if page == PAGES_LIMIT:
                break
            question = replace(question, url=target)
            try:
                answer = await self._ask(question, deadline)
            except TooLargeError:
                break
        return replace(found, is_cut=True)

    def _question(
        self,
        method: str,
        image: ImageReference,
        path: str,
        limit: BodyLimit,
        accept: str = "*/*",
    ) -> _Question:
        endpoint = self._endpoints.of(image.registry)
        # The grammar of references leaves nothing to quote in a repository, a tag or a digest.
        url = URL(f"{endpoint.base}{image.repository}/{path}", encoded=True)
        return _Question(method, endpoint, image.repository, url, limit, f"{image.name} ({path})", accept)

    async def _ask(self, question: _Question, deadline: float) -> RegistryAnswer:
        """Ask, and once more with what the registry wants to see; the answer's status is the caller's."""
        endpoint, repository = question.endpoint, question.repository
        grant = await self._authentication.grant(endpoint, repository)
        answer = await self._send(question, grant, deadline)
        for _ in range(2):
            if answer.status != _UNAUTHORISED or answer.is_foreign or (grant is not None and not grant.was_held):
                break
            grant = await self._authentication.after_refusal(endpoint, repository, answer, grant)
            answer = await self._send(question, grant, deadline)
        if answer.status == _UNAUTHORISED:
            self._authentication.forget(endpoint, repository)
        return answer

    async def _send(self, question: _Question, grant: Authorization | None, deadline: float) -> RegistryAnswer:
        call = Call(
            question.method,
            question.url,
            question.limit,
            question.what,
            question.accept,
            grant.authorization if grant is not None else None,
        )
        return await patiently(lambda: self._transport.send(question.endpoint, call), deadline, self._surroundings)


def _absent(what: str, *, is_first: bool) -> UnverifiableError:
    if is_first:
        return NotFoundError(f"{what}: the registry has no referrers API, or does not know the name")
    return MalformedAnswerError(f"{what}: a page of referrers that the registry names is not there")
