"""How often Events are published, in virtual time, by one that plays."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from router.errors import ClusterCause, ClusterError
from router.kubernetes.client import Cluster, Json, PatchKind
from router.kubernetes.resources import Resource, Shape
from router.object_events.publishing import AGAIN, EACH_NAMESPACE, KEPT, LONGEST, PACE, QUIET, ObjectEvents
from tests.object_events.test_making import event
from tests.simulators.virtual_time import virtually


@dataclass
class Api(Cluster):
    """What it was told, and when, without a connection."""

    made: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[float, str, str]] = field(default_factory=list)
    refuses: Callable[[str], ClusterCause | None] = lambda _: None

    async def create(self, resource: Resource[Shape], body: Json, namespace: str | None = None) -> Shape:
        """A new Event."""
        assert resource.plural == "events"
        assert isinstance(body, dict)
        metadata: Any = body["metadata"]
        self._ask("create", namespace)
        self.made[metadata["name"]] = body
        return _named(metadata["name"], resource)

    async def patch(
        self,
        resource: Resource[Shape],
        name: str,
        body: Json,
        namespace: str | None = None,
        kind: PatchKind = PatchKind.MERGE,
    ) -> Shape:
        """A count of one."""
        assert resource.plural == "events"
        assert isinstance(body, dict)
        assert kind is PatchKind.MERGE
        series: Any = body["series"]
        self._ask("patch", namespace)
        self.counts[name] = series["count"]
        return _named(name, resource)

    def _ask(self, what: str, namespace: str | None) -> None:
        self.asked.append((asyncio.get_running_loop().time(), what, str(namespace)))
        if (cause := self.refuses(str(namespace))) is not None:
            raise ClusterError("no", cause=cause)


def _named(name: str, resource: Resource[Shape]) -> Shape:
    return msgspec.convert({"metadata": {"name": name}}, resource.shape)


def published(story: Callable[[ObjectEvents, Api], Coroutine[Any, Any, None]]) -> Api:
    """What the API server was told by the end of the story."""

    async def played() -> Api:
        api = Api()
        events = ObjectEvents(lambda: api, "gatecrier-0", lambda: asyncio.get_running_loop().time(), lambda: 0.5)
        events.is_on = True
        task = asyncio.create_task(events.run())
        await story(events, api)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return api

    return virtually(played())


def test_a_rollout_is_one_event_that_is_counted() -> None:
    async def story(events: ObjectEvents, _: Api) -> None:
        for _second in range(42):
            events.hear(event())
            await asyncio.sleep(1.0)
        await asyncio.sleep(AGAIN)

    api = published(story)

    assert list(api.counts.values()) == [42]
    assert len(api.made) == 1
    assert len(api.asked) <= 2 + 42 / AGAIN + 1


@pytest.mark.parametrize("pause", [QUIET, LONGEST])
def test_after_quiet_the_same_is_another_event(pause: float) -> None:
    async def story(events: ObjectEvents, _: Api) -> None:
        events.hear(event())
        await asyncio.sleep(pause)
        events.hear(event())
        await asyncio.sleep(1)

    assert len(published(story).made) == 2


def test_what_is_not_wanted_is_not_heard() -> None:
    async def story(events: ObjectEvents, _: Api) -> None:
        events.is_on = False
        events.hear(event())
        events.is_on = True
        events.hear(event({"would_reject": False, "outcome": "admitted"}))
        await asyncio.sleep(60)

    assert not published(story).asked


def test_a_flood_in_one_namespace_keeps_nobody_else_waiting() -> None:
    async def story(events: ObjectEvents, _: Api) -> None:
        for number in range(10 * KEPT):
            events.hear(event(request={"namespace": "flood"}, workload={"name": f"web-{number}"}))
        await asyncio.sleep(1)
        events.hear(event(request={"namespace": "quiet"}))
        await asyncio.sleep(60)

    api = published(story)

    made = Counter(namespace for _, what, namespace in api.asked if what == "create")
    assert made == {"flood": EACH_NAMESPACE, "quiet": 1}
    (when,) = [at for at, _, namespace in api.asked if namespace == "quiet"]
    assert when <= 1 + 2 * PACE
    moments = [at for at, _, _ in api.asked]
    assert min(after - before for before, after in pairwise(moments)) >= PACE * 0.999


def test_what_is_kept_is_bounded_over_all() -> None:
    async def story(events: ObjectEvents, api: Api) -> None:
        api.refuses = lambda _: "unreachable"
        for number in range(2 * KEPT):
            events.hear(event(request={"namespace": f"n-{number}"}))
        assert len(events._kept) == KEPT
        await asyncio.sleep(LONGEST + 60)
        assert not events._kept
        assert not events._of_namespace

    assert not published(story).made


@pytest.mark.parametrize("cause", ["refused", "not_found", "forbidden", "conflict"])
def test_what_is_refused_keeps_nobody_waiting(cause: ClusterCause) -> None:
    async def story(events: ObjectEvents, api: Api) -> None:
        api.refuses = lambda namespace: cause if namespace == "bad" else None
        events.hear(event(request={"namespace": "bad"}))
        events.hear(event(request={"namespace": "good"}))
        await asyncio.sleep(1)

    api = published(story)

    assert [namespace for _, _, namespace in api.asked] == ["bad", "good"]
    assert len(api.made) == 1


@pytest.mark.parametrize("cause", ["unreachable", "timeout", "unauthorised", "rate_limited", "unconfigured"])
def test_what_can_not_be_taken_now_is_told_later_and_never_in_haste(cause: ClusterCause) -> None:
    async def story(events: ObjectEvents, api: Api) -> None:
        api.refuses = lambda _: cause if asyncio.get_running_loop().time() < 300 else None
        events.hear(event())
        await asyncio.sleep(400)

    api = published(story)

    assert len(api.made) == 1
    assert len(api.asked) < 40


def test_where_an_event_is_gone_the_next_is_a_new_one() -> None:
    async def story(events: ObjectEvents, api: Api) -> None:
        events.hear(event())
        await asyncio.sleep(1)
        api.refuses = lambda _: "not_found"
        events.hear(event())
        await asyncio.sleep(1)
        api.refuses = lambda _: None
        events.hear(event())
        await asyncio.sleep(1)

    assert len(published(story).made) == 2
