"""Asks the API server: get, list, create, replace, patch. Watches are in `watching`.

Rules:
(1) Everything ends: a question at `PATIENCE` seconds, repetitions among them, however slowly an answer comes; an answer
    at `ANSWER_LIMIT` bytes; a list at `LIST_LIMIT` objects.
(2) What was not done is tried again, at most `ATTEMPTS` times: after 429, and where nobody took the connection. After
    5xx and broken answers only a question that changes nothing is, since the change may have been made.
(3) A list comes in pages, so that no more than one is held. Whoever deploys chooses how large objects are: where a page
    is too large it is asked for anew with half as many objects. One object always fits: etcd takes 1.5 MiB, which JSON
    with its escapes makes six times as much at most.
(4) A list that has become too old between two pages (410) begins anew: then what was given of it is void, and says so.
(5) Every change names us as its field manager, so that `kubectl get --show-managed-fields` tells whose it was.

Source: Kubernetes, "API Concepts" (Retrieving large results sets in chunks; 410 Gone), "Server-Side Apply".
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeAlias

import aiohttp
import orjson
from msgspec import Raw, Struct
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from router.errors import ClusterError
from router.kubernetes.access import Access
from router.kubernetes.answers import decoded, decoded_all
from router.kubernetes.connection import ApiRequest, ApiServerConnections, whole_of
from router.kubernetes.patience import delay
from router.kubernetes.resources import Resource, Shape
from router.outbound.closing import Closing

PATIENCE = 30.0
"""Seconds that a question may take, with every repetition."""
ATTEMPTS = 4
ANSWER_LIMIT = 16 * 1024 * 1024
"""Bytes of an answer, and of one object of a watch."""
PAGE = 250
"""Objects of a page."""
LIST_LIMIT = 500_000
"""Objects of a list; etcd holds not many more."""
ANEW = 3
"""How often a list may begin anew."""
FIELD_MANAGER = "gatecrier"

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | float | bool | None"
"""What is sent."""


class PatchKind(StrEnum):
    """How a patch is written; the value is its media type."""

    MERGE = "application/merge-patch+json"
    """RFC 7386: members replace, null removes, lists are replaced as a whole."""
    STRATEGIC = "application/strategic-merge-patch+json"
    """Kubernetes' own: lists are merged by their keys; not for custom resources."""
    JSON = "application/json-patch+json"
    """RFC 6902: a list of operations, `test` among them."""


@dataclass(frozen=True, slots=True)
class ObjectSelection:
    """Which objects of a resource; absent: all."""

    namespace: str | None = None
    labels: str | None = None
    """As kubectl's `--selector`."""
    fields: str | None = None
    """As kubectl's `--field-selector`: `metadata.name=web`."""

    def query(self) -> dict[str, str]:
        """What the API server is told of it."""
        asked = {"labelSelector": self.labels, "fieldSelector": self.fields}
        return {key: value for key, value in asked.items() if value is not None}


EVERYTHING = ObjectSelection()


@dataclass(frozen=True, slots=True)
class ListPage(Generic[Shape]):
    """Some of the objects of a list."""

    objects: Sequence[Shape]
    is_first: bool
    """Whether a list begins with it, for the first time or anew: what was given before it is void."""
    resource_version: str
    """Of when the list was, as a whole."""


class _ListMetadata(Struct, frozen=True, rename={"resource_version": "resourceVersion", "more": "continue"}):
    resource_version: str
    more: str = ""


class _List(Struct, frozen=True):
    metadata: _ListMetadata
    items: Raw = Raw(b"null")


class Cluster(Closing):
    """The API server of one cluster, an asynchronous context.

    Args:
        access: Where it is, and who we are.
        dice: Drawn evenly from [0, 1), for the time between two attempts.
        clock: Seconds since 1970, for dates in `Retry-After`.
    """

    def __init__(
        self, access: Access, dice: Callable[[], float] = random.random, clock: Callable[[], float] = time.time
    ) -> None:
        self.connection = ApiServerConnections(access, clock)
        self.dice = dice

    async def close(self) -> None:
        """Close every connection."""
        await self.connection.close()

    async def get(self, resource: Resource[Shape], name: str, namespace: str | None = None) -> Shape:
        """One object; raises ClusterError, `not_found` where there is none."""
        what = f"getting {resource.of(namespace, name)}"
        return await self._object(resource, ApiRequest("GET", resource.path(namespace, name), what))

    async def create(self, resource: Resource[Shape], body: Json, namespace: str | None = None) -> Shape:
        """A new object; raises ClusterError, `conflict` where there is one of its name."""
        return await self._changed("POST", resource, body, namespace)

    async def replace(self, resource: Resource[Shape], name: str, body: Json, namespace: str | None = None) -> Shape:
        """The object as a whole; raises ClusterError, `conflict` where its `resourceVersion` is another by now."""
        return await self._changed("PUT", resource, body, namespace, name)

    async def patch(
        self,
        resource: Resource[Shape],
        name: str,
        body: Json,
        namespace: str | None = None,
        kind: PatchKind = PatchKind.MERGE,
    ) -> Shape:
        """The object after a change of a part of it.

        Raises:
            ClusterError: `conflict` where `metadata.resourceVersion` stands in the patch and is another by now.
        """
        return await self._changed("PATCH", resource, body, namespace, name, kind)

    async def pages(
        self, resource: Resource[Shape], selection: ObjectSelection = EVERYTHING
    ) -> AsyncIterator[ListPage[Shape]]:
        """A list, page by page, each as it was at one moment, the same for all.

        Raises:
            ClusterError: It can't be had: what was not given until then may be there all the same.
        """
        listing = _Listing(PAGE)
        while not listing.is_complete:
            try:
                found = await self._page(resource, selection, listing)
            except ClusterError as error:
                if not listing.goes_on_after(error):
                    raise
                continue
            yield listing.take(found, resource)

    async def list(self, resource: Resource[Shape], selection: ObjectSelection = EVERYTHING) -> Sequence[Shape]:
        """A list at once, for resources of which there are few; raises as `pages`."""
        objects: list[Shape] = []
        async for page in self.pages(resource, selection):
            if page.is_first:
                objects.clear()
            objects += page.objects
        return objects

    async def _page(self, resource: Resource[Shape], selection: ObjectSelection, listing: _Listing) -> _List:
        what = f"listing {resource.of(selection.namespace, None)}"
        query = {**selection.query(), "limit": str(listing.page)}
        if listing.more:
            query["continue"] = listing.more
        body = await self._body(ApiRequest("GET", resource.path(selection.namespace), what, query))
        return decoded(body, _List, what)

    async def _changed(
        self,
        method: str,
        resource: Resource[Shape],
        body: Json,
        namespace: str | None,
        name: str | None = None,
        kind: PatchKind | None = None,
    ) -> Shape:
        what = f"changing {resource.of(namespace, name)}"
        query = {"fieldManager": FIELD_MANAGER}
        media_type = "application/json" if kind is None else kind.value
        path = resource.path(namespace, name)
        return await self._object(resource, ApiRequest(method, path, what, query, orjson.dumps(body), media_type))

    async def _object(self, resource: Resource[Shape], question: ApiRequest) -> Shape:
        return decoded(await self._body(question), resource.shape, question.what)

    async def _body(self, question: ApiRequest) -> bytearray:
        """The answer, after as many attempts as are allowed (1, 2)."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        attempts = stop_after_attempt(ATTEMPTS)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            return delay(state.attempt_number, self.dice(), error.after if isinstance(error, ClusterError) else None)

        def stop(state: RetryCallState) -> bool:  # tenacity's own stops have a clock of their own
            return attempts(state) or asyncio.get_running_loop().time() + state.upcoming_sleep >= deadline

        async def attempt() -> bytearray:
            async with self.connection.asked(question) as reply:
                return await whole_of(reply, question.what, ANSWER_LIMIT)

        retrying = AsyncRetrying(
            sleep=asyncio.sleep,
            wait=wait,
            stop=stop,
            retry=retry_if_exception(lambda error: _may_be_repeated(error, question)),
            reraise=True,
        )
        try:
            async with asyncio.timeout_at(deadline):
                return await retrying(attempt)
        except TimeoutError as error:
            raise ClusterError(f"{question.what}: no answer in {PATIENCE:.0f} s", cause="timeout") from error


class _Listing:
    """How far a list is, and how large its pages may be (3, 4)."""

    def __init__(self, page: int) -> None:
        self.page = page
        self.more = ""
        self.is_complete = False
        self._objects = 0
        self._pages = 0
        self._begun_anew = 0

    def goes_on_after(self, error: ClusterError) -> bool:
        """Whether the list may still be had: by smaller pages, or from its beginning."""
        if error.cause == "too_large" and self.page > 1:
            self.page //= 2
            return True
        if error.cause == "gone" and self.more and self._begun_anew < ANEW:
            self.more, self._objects, self._pages = "", 0, 0
            self._begun_anew += 1
            return True
        return False

    def take(self, found: _List, resource: Resource[Shape]) -> ListPage[Shape]:
        """The next page; raises ClusterError where it is none, or one too many."""
        what = f"a list of {resource.plural}"
        objects = decoded_all(found.items, resource.shape, what)
        page = ListPage(objects, self._pages == 0, found.metadata.resource_version)
        self._objects += len(objects)
        self._pages += 1
        if max(self._objects, self._pages) > LIST_LIMIT:
            raise ClusterError(f"{what} has more than {LIST_LIMIT} objects", cause="too_large")
        self.more = found.metadata.more
        self.is_complete = not self.more
        return page


def _may_be_repeated(error: BaseException, question: ApiRequest) -> bool:
    if not isinstance(error, ClusterError):
        return False
    if error.cause == "unreachable":
        return question.method == "GET" or isinstance(error.__cause__, aiohttp.ClientConnectorError)
    return error.cause == "rate_limited"
