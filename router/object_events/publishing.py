"""Publishes what decisions say about objects, as Events of the cluster: aggregated, bounded, and never waited for.

Events are best effort, as all of Kubernetes' are: they are kept in memory only until they are published, the API server
forgets them after an hour, and whoever must know of everything has a destination. So:

(1) To hear a decision is to count it: nothing is asked, and nobody waits. Delivery knows nothing of this.
(2) What is said of one object again is the same Event, with a count (`series`), for `QUIET` seconds after it was said
    last; beyond that, and after `LONGEST`, a new one.
(3) At most `EACH_NAMESPACE` are kept of a namespace and `KEPT` of all; more are left out, and the log says so. Nobody's
    flood takes another namespace's place, unless all are taken.
(4) Namespaces take turns: of each the Event that has waited longest is published, one question at a time, `PACE`
    seconds apart. A count that grows meanwhile is published once.
(5) What the API server refuses is left out: a namespace may have gone, or a name be none. What it can't take at the
    moment is tried again with back-off, until it is `LONGEST` old. Where an Event is gone, the next is a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from router.errors import ClusterError
from router.events import EventData
from router.kubernetes.client import Cluster
from router.kubernetes.patience import delay
from router.kubernetes.resources import ApiObject, Resource
from router.object_events.making import ObjectEvent, counted, created, said_of
from router.telemetry.logs import logger
from router.telemetry.seldom import Seldom

log = logger()

EVENTS = Resource("events.k8s.io", "v1", "events", ApiObject)
QUIET = 600.0
"""Seconds after which the same is a new Event."""
LONGEST = 3000.0
"""Seconds that one Event is counted: the API server forgets it after an hour, counted or not."""
EACH_NAMESPACE = 50
KEPT = 2000
PACE = 0.2
"""Seconds between two questions."""
AGAIN = 10.0
"""Seconds between two updates of one count that grows."""
_REFUSED = frozenset({"refused", "not_found", "forbidden", "conflict", "malformed", "too_large"})


@dataclass(slots=True)
class _Kept:
    """One Event. Times are those of the loop."""

    said: ObjectEvent
    name: str
    first: float
    first_at: float
    """In Unix time."""
    last: float
    last_at: float
    """In Unix time."""
    count: int = 1
    published: int = 0
    """The count that the API server knows; 0 where it knows of none."""
    due: float = 0.0
    """When it may be published."""


class ObjectEvents:
    """Hears decisions, and publishes them.

    Args:
        api: Gives the API server; raises ClusterError where it can't be asked.
        replica: Which of our replicas says it.
        clock: Seconds since 1970.
        dice: Drawn evenly from [0, 1).
    """

    def __init__(
        self,
        api: Callable[[], Cluster],
        replica: str,
        clock: Callable[[], float] = time.time,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._api = api
        self._replica = replica
        self._clock = clock
        self._dice = dice
        self._kept: dict[ObjectEvent, _Kept] = {}
        self._of_namespace = Counter[str]()
        self._turn = ""
        self._news = asyncio.Event()
        self._left_out = Seldom()
        self._failures = 0
        self.is_on = False
        """Whether anything is heard."""

    def hear(self, data: EventData) -> None:
        """Count a decision (1)."""
        if not self.is_on or (said := said_of(data)) is None:
            return
        loop_now, now = asyncio.get_running_loop().time(), self._clock()
        kept = self._kept.get(said)
        if kept is not None and not _is_over(kept, loop_now):
            kept.count, kept.last, kept.last_at = kept.count + 1, loop_now, now
        elif self._has_room(said, loop_now):
            name = hashlib.sha256(repr((said, now, self._replica)).encode(errors="replace")).hexdigest()[:20]
            self._kept[said] = _Kept(said, f"gatecrier.{name}", loop_now, now, loop_now, now)
            self._of_namespace[said.regarding.namespace] += 1
        elif (held_back := self._left_out.turn("left out")) is not None:
            log.warning("object_events_left_out", namespace=said.regarding.namespace, held_back=held_back)
        self._news.set()

    async def run(self) -> None:
        """Tell, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            for old in [one for one in self._kept.values() if loop.time() - one.last >= LONGEST]:
                self._forget(old)
            found = self._next(loop.time())
            if found is None:
                await self._news_or(self._due_next())
            else:
                await asyncio.sleep(await self._published(found, loop))

    async def _news_or(self, until: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._news.wait()

    def _has_room(self, said: ObjectEvent, now: float) -> bool:
        namespace = said.regarding.namespace
        if said in self._kept or len(self._kept) >= KEPT or self._of_namespace[namespace] >= EACH_NAMESPACE:
            for over in [one for one in self._kept.values() if _is_over(one, now)]:
                self._forget(over)
        return len(self._kept) < KEPT and self._of_namespace[namespace] < EACH_NAMESPACE

    def _forget(self, kept: _Kept) -> None:
        if self._kept.get(kept.said) is not kept:
            return
        del self._kept[kept.said]
        namespace = kept.said.regarding.namespace
        self._of_namespace[namespace] -= 1
        if not self._of_namespace[namespace]:
            del self._of_namespace[namespace]

    def _waiting(self) -> list[_Kept]:
        return [one for one in self._kept.values() if one.published < one.count]

    def _due_next(self) -> float | None:
        return min((one.due for one in self._waiting()), default=None)

    def _next(self, now: float) -> _Kept | None:
        """What is published next: of the namespace whose turn it is, what has waited longest (4)."""
        first = dict[str, _Kept]()
        for one in self._waiting():
            namespace = one.said.regarding.namespace
            if one.due <= now and (namespace not in first or one.due < first[namespace].due):
                first[namespace] = one
        if not first:
            return None
        names = sorted(first)
        self._turn = next((name for name in names if name > self._turn), names[0])
        return first[self._turn]

    async def _published(self, kept: _Kept, loop: asyncio.AbstractEventLoop) -> float:
        """Publish one; returns the seconds until the next may be published."""
        count, namespace = kept.count, kept.said.regarding.namespace
        try:
            if kept.published == 0:
                body = created(kept.said, kept.name, self._replica, kept.first_at)
                await self._api().create(EVENTS, body, namespace)
                kept.published = 1
            else:
                await self._api().patch(EVENTS, kept.name, counted(count, kept.last_at), namespace)
                kept.published = count
        except ClusterError as error:
            return self._after(error, kept)
        self._failures = 0
        kept.due = loop.time() + (AGAIN if kept.published > 1 else 0.0)
        return PACE

    def _after(self, error: ClusterError, kept: _Kept) -> float:
        if (held_back := self._left_out.turn(error.cause)) is not None:
            log.warning("object_event_not_told", cause=error.cause, problem=str(error), held_back=held_back)
        if error.cause in _REFUSED:
            self._forget(kept)
            return PACE
        self._failures += 1
        return delay(self._failures, self._dice(), error.after)


def _is_over(kept: _Kept, now: float) -> bool:
    return now - kept.last >= QUIET or now - kept.first >= LONGEST
