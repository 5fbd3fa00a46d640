"""Follows the objects of a resource: what there is, and from then on each change of it, for as long as anybody asks.

    async for change in changes(cluster, NAMESPACES):
        match change:
            case Listing(): ...          a list begins: forget nothing yet
            case Present(object): ...    it is there, or has changed
            case Listed(): ...           what was not present since `ListBegins` is not there any more
            case Gone(object): ...       it was deleted, or is not selected any more
            case Interrupted(error): ... what is known may be out of date from now on
            case Resumed(): ...          it is not any more

Rules:
(1) First a list, then a watch from where the list was. What the watch brings is newer than what came before it.
(2) A watch ends often, and means nothing by it: it is begun again from the last version that was seen, bookmarks
    included. The server is told when to end it, at a moment of our dice, so that watches do not return as one.
(3) 410, as an answer or within a watch, says that this version is forgotten: the list begins anew. So does a watch that
    can't be read: what it would have said is unknown. So does one at whose end nothing was heard for `SILENCE`, neither
    a change nor a bookmark: its version may be one that the server does not know yet, as after its store was restored.
(4) Whatever fails is tried again for ever, with bounded back-off (`patience`), and told once, until it is over. A watch
    that ends at once and brought nothing counts as a failure: a server that does so would be asked without end. One
    that ends otherwise ends the count.
(5) A connection that is dead ends `GRACE` seconds after the server should have ended the watch.
(6) One object of a watch has at most `ANSWER_LIMIT` bytes; whoever reads slowly slows the server down, and no more than
    that is held here.

Source: Kubernetes, "API Concepts" (Efficient detection of changes; Watch bookmarks; Resource versions).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Generic, TypeAlias

import aiohttp
from msgspec import Raw, Struct

from router.errors import ClusterError
from router.kubernetes.answers import decoded, failure
from router.kubernetes.client import ANSWER_LIMIT, EVERYTHING, PATIENCE, Cluster, ObjectSelection
from router.kubernetes.connection import ApiRequest, unreachable
from router.kubernetes.patience import delay
from router.kubernetes.resources import ApiObject, Resource, Shape

LONGEST = 300.0
"""Seconds that one watch lasts at most; at least half of it, unless the server ends it."""
GRACE = 15.0
"""Seconds beyond that, for an answer that was under way."""
AT_ONCE = 1.0
"""Seconds within which a watch that brought nothing has failed."""
SILENCE = 120.0
"""Seconds without a word after which a watch is not believed any more: bookmarks come about every minute."""
_ANEW = frozenset({"gone", "malformed", "too_large"})


@dataclass(frozen=True, slots=True)
class ListBegins:
    """A list begins."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A list is complete: what was not present since it began is not there."""


@dataclass(frozen=True, slots=True)
class Present(Generic[Shape]):
    """An object is there, as it is now."""

    object: Shape


@dataclass(frozen=True, slots=True)
class Gone(Generic[Shape]):
    """An object is not there any more; it is shown as it was last."""

    object: Shape


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Nothing is heard of the API server any more."""

    error: ClusterError


@dataclass(frozen=True, slots=True)
class Resumed:
    """It is heard of again; where changes were missed, a list has come before."""


WatchedChange: TypeAlias = "ListBegins | Listed | Present[Shape] | Gone[Shape] | Interrupted | Resumed"


class _Event(Struct, frozen=True):
    type: str
    object: Raw


@dataclass(slots=True)
class _Following(Generic[Shape]):
    """How far we are."""

    cluster: Cluster
    resource: Resource[Shape]
    selection: ObjectSelection
    version: str = ""
    """Where the next watch begins; empty where a list must come first."""
    opened: tuple[float, str] | None = None
    """When the watch was taken, and from which version; None where it was not."""
    heard: float = 0.0
    """When a list was complete, or a watch said something, last."""

    @property
    def what(self) -> str:
        return f"watching {self.resource.of(self.selection.namespace, None)}"

    async def listed(self) -> AsyncGenerator[WatchedChange[Shape], None]:
        """Everything that is there (1)."""
        version = ""
        async for page in self.cluster.pages(self.resource, self.selection):
            if page.is_first:
                yield ListBegins()
            for one in page.objects:
                yield Present(one)
            version = page.resource_version
        yield Listed()
        self.version, self.heard = version, asyncio.get_running_loop().time()

    async def watched(self) -> AsyncGenerator[WatchedChange[Shape], None]:
        """What changes, after `Resumed`, until the watch ends; raises ClusterError."""
        loop, self.opened = asyncio.get_running_loop(), None
        seconds = LONGEST * (0.5 + self.cluster.dice() / 2)
        until = loop.time() + seconds + GRACE
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(PATIENCE):
                    reply = await stack.enter_async_context(self.cluster.connection.asked(self._question(seconds)))
            except TimeoutError as error:
                raise ClusterError(f"{self.what}: no answer in {PATIENCE:.0f} s", cause="timeout") from error
            self.opened = loop.time(), self.version
            yield Resumed()
            async for line in _lines(reply, self.what, until):
                self.heard = loop.time()
                if (change := self._taken(line)) is not None:
                    yield change
        if not self.is_proven():
            raise ClusterError(f"{self.what}: the watch ended at once", cause="unreachable")
        if self.is_silent():
            self.version = ""

    def is_proven(self) -> bool:
        """Whether the last watch has brought something, or lasted (4)."""
        if self.opened is None:
            return False
        when, version = self.opened
        return version != self.version or asyncio.get_running_loop().time() - when >= AT_ONCE

    def is_silent(self) -> bool:
        """Whether a watch was taken, and nothing was heard for so long that its version is in doubt (3)."""
        return self.opened is not None and asyncio.get_running_loop().time() - self.heard >= SILENCE

    def _question(self, seconds: float) -> ApiRequest:
        query = {
            **self.selection.query(),
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self.version,
            "timeoutSeconds": str(int(seconds)),
        }
        return ApiRequest("GET", self.resource.path(self.selection.namespace), self.what, query)

    def _taken(self, line: bytes | bytearray) -> WatchedChange[Shape] | None:
        event = decoded(line, _Event, self.what)
        match event.type:
            case "ERROR":
                raise failure(0, event.object, self.what)
            case "BOOKMARK":
                self.version = decoded(event.object, ApiObject, self.what).metadata.resource_version
                return None
            case "ADDED" | "MODIFIED" | "DELETED":
                found = decoded(event.object, self.resource.shape, self.what)
                self.version = found.metadata.resource_version
                return Gone(found) if event.type == "DELETED" else Present(found)
            case _:
                raise ClusterError(f"{self.what}: {event.type!r:.40} is no change", cause="malformed")


async def changes(
    cluster: Cluster, resource: Resource[Shape], selection: ObjectSelection = EVERYTHING
) -> AsyncGenerator[WatchedChange[Shape], None]:
    """What there is, and every change of it, without end; close it (`contextlib.aclosing`) to end."""
    following = _Following(cluster, resource, selection)
    failures, is_told = 0, False
    while True:
        following.opened = None
        try:
            is_watch = bool(following.version)
            async with aclosing(following.watched() if is_watch else following.listed()) as found:
                async for change in found:
                    if not isinstance(change, Resumed):
                        yield change
                    elif is_told:
                        is_told = False
                        yield change
            if is_watch:
                failures = 0
        except ClusterError as error:
            failures = 1 if following.is_proven() else failures + 1
            if error.cause in _ANEW or following.is_silent():
                following.version = ""
            if not is_told:
                is_told = True
                yield Interrupted(error)
            await asyncio.sleep(delay(failures, cluster.dice(), error.after))


async def _lines(reply: aiohttp.ClientResponse, what: str, until: float) -> AsyncIterator[bytearray]:
    """The lines of an answer that does not end, until then by the loop's clock; raises ClusterError (5, 6)."""
    waiting, searched = bytearray(), 0
    while chunk := await _chunk(reply, what, until):
        waiting += chunk
        while (end := waiting.find(b"\n", searched)) >= 0:
            yield waiting[:end]
            del waiting[: end + 1]
            searched = 0
        searched = len(waiting)
        if searched > ANSWER_LIMIT:
            raise ClusterError(f"{what}: an object has more than {ANSWER_LIMIT} bytes", cause="too_large")


async def _chunk(reply: aiohttp.ClientResponse, what: str, until: float) -> bytes:
    try:
        async with asyncio.timeout_at(until):
            return await reply.content.readany()
    except TimeoutError as error:
        raise ClusterError(f"{what}: the connection is dead", cause="timeout") from error
    except (aiohttp.ClientError, OSError) as error:
        raise unreachable(what, error) from error
