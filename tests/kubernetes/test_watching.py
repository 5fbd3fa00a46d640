"""What is seen of a resource whose watches break in every way they can."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Self, cast

import pytest
from aiohttp import web

from router.errors import ClusterError
from router.kubernetes import watching
from router.kubernetes.client import EVERYTHING, PAGE, Cluster, ListPage, ObjectSelection
from router.kubernetes.connection import ApiRequest
from router.kubernetes.resources import ApiObject
from router.kubernetes.watching import Gone, Interrupted, ListBegins, Listed, Present, Resumed, WatchedChange, changes
from tests.kubernetes.shapes import PODS, SHOP, lowest, pod
from tests.patience import PATIENCE
from tests.simulators.kubernetes import KubernetesSimulator, status
from tests.simulators.virtual_time import virtually

ERROR_410 = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n'
ERROR_500 = b'{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcdserver: no leader"}}\n'


@pytest.fixture
async def api() -> AsyncIterator[KubernetesSimulator]:
    async with KubernetesSimulator().running() as simulator:
        yield simulator


@dataclass
class View:
    """What one who follows knows: names and labels."""

    api: KubernetesSimulator
    selection: ObjectSelection = EVERYTHING
    known: dict[str, str] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    _before: set[str] = field(default_factory=set)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        async with (
            Cluster(self.api.access(), dice=lowest) as cluster,
            aclosing(changes(cluster, PODS, self.selection)) as found,
        ):
            async for change in found:
                self._take(change)
                self._moved.set()

    def _take(self, change: WatchedChange[ApiObject]) -> None:
        self.heard.append(type(change).__name__)
        match change:
            case ListBegins():
                self._before = set(self.known)
            case Present(found):
                self.known[found.metadata.name] = (found.metadata.labels or {}).get("is", "")
                self._before.discard(found.metadata.name)
            case Gone(found):
                self.known.pop(found.metadata.name, None)
            case Listed():
                for name in self._before:
                    del self.known[name]
            case Interrupted() | Resumed():
                pass

    async def until(self, known: dict[str, str]) -> None:
        """Wait until this is what is known."""
        async with asyncio.timeout(PATIENCE):
            while self.known != known or "Listed" not in self.heard:
                self._moved.clear()
                await self._moved.wait()

    async def until_heard(self, *names: str) -> None:
        """Wait until these were heard last."""
        async with asyncio.timeout(PATIENCE):
            while tuple(self.heard[-len(names) :]) != names:
                self._moved.clear()
                await self._moved.wait()

    async def until_watches(self, count: int) -> None:
        """Wait until so many watches were asked for."""
        async with asyncio.timeout(PATIENCE):
            while len(watches(self.api)) < count:
                await self.api.arrived.wait()


def watches(api: KubernetesSimulator) -> list[dict[str, str]]:
    return [query for _, _, query in api.requests if "watch" in query]


def lists(api: KubernetesSimulator) -> list[dict[str, str]]:
    return [query for method, _, query in api.requests if method == "GET" and "watch" not in query]


def in_place(api: KubernetesSimulator, *bodies: bytes | int) -> None:
    """Answer the first watches with these bodies, or statuses, and end them."""
    left = list(bodies)

    def answer(request: web.Request) -> web.Response | None:
        if "watch" not in request.query or not left:
            return None
        found = left.pop(0)
        return status(found) if isinstance(found, int) else web.Response(body=found)

    api.faults.append(answer)


async def test_first_what_is_there_and_then_each_change(api: KubernetesSimulator) -> None:
    for number in range(PAGE + 1):
        api.put(SHOP, pod(f"web-{number}"))
    async with View(api) as view:
        await view.until({f"web-{number}": "" for number in range(PAGE + 1)})
        api.put(SHOP, pod("web-0", labels={"is": "changed"}))
        for number in range(1, PAGE + 1):
            api.remove(SHOP, f"web-{number}")
        api.put(SHOP, pod("new"))
        await view.until({"web-0": "changed", "new": ""})

    assert view.heard[:1] == ["ListBegins"]
    assert view.heard.count("ListBegins") == view.heard.count("Listed") == 1
    assert view.heard[PAGE + 2] == "Listed"
    (watch,) = watches(api)
    assert watch["allowWatchBookmarks"] == "true"
    assert int(watch["timeoutSeconds"]) >= watching.LONGEST / 2


async def test_another_namespace_is_not_seen(api: KubernetesSimulator) -> None:
    api.put(SHOP, pod("web"))
    async with View(api, ObjectSelection("shop")) as view:
        await view.until({"web": ""})
        api.put(SHOP.replace("shop", "bank"), pod("vault"))
        api.put(SHOP, pod("cart"))
        await view.until({"web": "", "cart": ""})


async def test_a_watch_that_ends_goes_on_where_it_was(api: KubernetesSimulator) -> None:
    async with View(api) as view:
        await view.until({})
        await view.until_watches(1)
        api.put(SHOP, pod("web"))
        await view.until({"web": ""})
        version = api.version
        api.end_watches()
        await view.until_watches(2)
        api.put(SHOP, pod("cart"))
        await view.until({"web": "", "cart": ""})

    assert watches(api)[-1]["resourceVersion"] == str(version)
    assert len(lists(api)) == 1
    assert "Interrupted" not in view.heard


async def test_a_bookmark_says_where_to_go_on(api: KubernetesSimulator) -> None:
    """Of a resource that never changes the version would be forgotten long before the watch ends."""
    async with View(api) as view:
        await view.until_watches(1)
        api.bookmark()
        version = api.version
        api.end_watches()
        await view.until_watches(2)

    assert watches(api)[-1]["resourceVersion"] == str(version)


@pytest.mark.parametrize(
    "answer", [410, ERROR_410, b"<html>\n", b'{"type": "ADDED"}\n', b'{"type":"NEW","object":{}}\n']
)
async def test_what_was_forgotten_is_listed_anew(api: KubernetesSimulator, answer: bytes | int) -> None:
    """What was deleted meanwhile is never told of by any watch."""
    api.put(SHOP, pod("web"))
    api.put(SHOP, pod("cart"))
    in_place(api, answer)

    def change(request: web.Request) -> None:
        if "watch" in request.query and len(watches(api)) == 1:
            api.remove(SHOP, "cart")
            api.forget()

    api.faults.insert(0, change)
    async with View(api) as view:
        await view.until({"web": ""})
        await view.until_heard("Interrupted", "ListBegins", "Present", "Listed", "Resumed")

    assert len(lists(api)) == 2


@pytest.mark.parametrize("answer", [500, 503, 429, 403, ERROR_500, b""])
async def test_what_fails_is_told_once_and_tried_again(api: KubernetesSimulator, answer: bytes | int) -> None:
    in_place(api, *[answer] * 3)
    async with View(api) as view:
        await view.until_watches(4)
        api.put(SHOP, pod("web"))
        await view.until({"web": ""})

    assert view.heard.count("Interrupted") == view.heard.count("Resumed") or isinstance(answer, bytes)
    assert view.heard.count("ListBegins") == 1


async def test_a_list_that_fails_is_tried_again(api: KubernetesSimulator) -> None:
    left = [1, 2, 3]
    api.put(SHOP, pod("web"))
    api.faults.append(lambda request: status(403) if "watch" not in request.query and left and left.pop() else None)
    async with View(api) as view:
        await view.until_heard("ListBegins", "Present", "Listed", "Resumed")

    assert view.heard[:-4] == ["Interrupted"]


async def test_a_connection_that_breaks_within_an_object_loses_nothing(api: KubernetesSimulator) -> None:
    async def half(request: web.Request) -> web.StreamResponse | None:
        if "watch" not in request.query or len(watches(api)) > 1:
            return None
        reply = web.StreamResponse()
        await reply.prepare(request)
        await reply.write(b'{"type":"ADDED","object":{"meta')
        assert request.transport is not None
        request.transport.abort()
        return reply

    api.faults.append(half)
    async with View(api) as view:
        await view.until_watches(2)
        api.put(SHOP, pod("web"))
        await view.until({"web": ""})

    assert len(lists(api)) == 1


async def test_an_object_beyond_every_limit_does_not_fill_the_memory(
    api: KubernetesSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "ANSWER_LIMIT", 10_000)

    async def endless(request: web.Request) -> web.StreamResponse | None:
        if "watch" not in request.query or len(watches(api)) > 1:
            return None
        reply = web.StreamResponse()
        await reply.prepare(request)
        while True:
            await reply.write(b" " * 1000)

    api.faults.append(endless)
    async with View(api) as view:
        await view.until_watches(2)
        api.put(SHOP, pod("web"))
        await view.until({"web": ""})

    assert "Interrupted" in view.heard


async def test_a_dead_connection_is_given_up(api: KubernetesSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LONGEST", 0.1)
    monkeypatch.setattr(watching, "GRACE", 0.1)
    async with View(api) as view:
        await view.until_watches(3)
        api.put(SHOP, pod("web"))
        await view.until({"web": ""})

    assert len(lists(api)) == 1


@pytest.mark.parametrize("answer", [b"", ERROR_410, b"{}\n"])
async def test_a_server_that_ends_every_watch_is_asked_ever_more_seldom(
    monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    """Twenty thousand Pods would be listed without end."""
    waits = list[int]()

    def delay(failures: int, _: float, __: float | None) -> float:
        waits.append(failures)
        return 0.0

    monkeypatch.setattr(watching, "delay", delay)
    async with KubernetesSimulator().running() as api:
        in_place(api, *[answer] * 6)
        async with View(api) as view:
            await view.until_watches(7)

    assert waits[:6] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_breaks_in_the_end_everything_is_known(api: KubernetesSimulator, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a story, no secret

    def fault(request: web.Request) -> web.Response | None:
        if dice.random() > 0.3:
            return None
        answers = [status(410), status(500), status(429), web.Response(body=b"x\n"), web.Response(body=ERROR_410)]
        return dice.choice(answers) if "watch" in request.query else status(500)

    expected = dict[str, str]()
    api.faults.append(fault)
    async with View(api) as view:
        for number in range(120):
            name = f"web-{dice.randrange(12)}"
            if name in expected and dice.random() < 0.4:
                api.remove(SHOP, name)
                del expected[name]
            else:
                expected[name] = str(number)
                api.put(SHOP, pod(name, labels={"is": str(number)}))
            match dice.randrange(12):
                case 0:
                    api.forget()
                case 1:
                    api.bookmark()
                case 2:
                    api.end_watches()
                case _:
                    await asyncio.sleep(0)
        api.faults.clear()
        await view.until(expected)


BOOKMARK = b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5"}}}\n'
Answer = tuple[float, bytes | ClusterError]
"""What a watch brings, or that it fails, after so many seconds; nothing ends it."""


class Told:
    """An API server in virtual time, whose watches bring what was told, each in its turn; lists fail so often first."""

    def __init__(self, *watches: tuple[Answer, ...], away: int = 0) -> None:
        self.watches, self.away = list(watches), away
        self.lists, self.asked = list[float](), list[float]()

    async def pages(self, *_: object) -> AsyncIterator[ListPage[ApiObject]]:
        """An empty list, as `Cluster.pages`."""
        if self.away:
            self.away -= 1
            raise ClusterError("away", cause="unreachable")
        self.lists.append(asyncio.get_running_loop().time())
        yield ListPage((), True, "5")

    @asynccontextmanager
    async def watch(self, _: ApiRequest) -> AsyncIterator[object]:
        """The next watch, as `Connection.asked`."""
        self.asked.append(asyncio.get_running_loop().time())
        left = list(self.watches.pop(0))

        async def readany() -> bytes:
            seconds, brought = left.pop(0)
            await asyncio.sleep(seconds)
            if isinstance(brought, ClusterError):
                raise brought
            return brought

        yield SimpleNamespace(content=SimpleNamespace(readany=readany))

    async def follow(self) -> list[str]:
        """What whoever follows hears until all watches were asked for."""
        cluster = cast(
            "Cluster",
            SimpleNamespace(pages=self.pages, dice=lowest, connection=SimpleNamespace(asked=self.watch)),
        )
        heard = list[str]()
        with suppress(IndexError):  # by which `watch` ends the story
            async with aclosing(changes(cluster, PODS)) as found:
                async for change in found:
                    heard.append(type(change).__name__)
        return heard


CUT: Answer = (60.0, ClusterError("cut", cause="unreachable"))
LISTED = ["ListBegins", "Listed"]


@pytest.mark.parametrize(
    ("watched", "lists", "heard"),
    [
        ([((150.0, b""),)] * 2, [0, 150, 300], LISTED * 3),
        ([((70.0, BOOKMARK), (70.0, BOOKMARK), (10.0, b""))] * 4, [0], LISTED),
        ([((70.0, b""),)] * 4, [0, 140, 280], LISTED * 3),
        ([((119.0, b""),)], [0], LISTED),
        ([(CUT,)] * 2, [0, 120], [*LISTED, "Interrupted", "Resumed", "Interrupted", *LISTED]),
    ],
    ids=["silent", "bookmarks", "silent in short watches", "not for long", "silent and cut"],
)
def test_where_nothing_is_heard_for_long_it_is_listed_anew(
    monkeypatch: pytest.MonkeyPatch, watched: list[tuple[Answer, ...]], lists: list[float], heard: list[str]
) -> None:
    """A watch from a version that the server does not know yet, as after etcd was restored, hears nothing for ever."""
    monkeypatch.setattr(watching, "delay", lambda *_: 0.0)
    api = Told(*watched)

    assert (virtually(api.follow()), api.lists) == (heard, lists)


def test_a_watch_that_ended_well_makes_earlier_failures_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that is forgotten an hour after an outage is no further failure of that."""
    waits = list[int]()

    def delay(failures: int, _: float, __: float | None) -> float:
        waits.append(failures)
        return 0.0

    monkeypatch.setattr(watching, "delay", delay)
    gone = ClusterError("too old", cause="gone")
    virtually(Told(((60.0, BOOKMARK), (60.0, b"")), ((0.0, gone),), away=3).follow())

    assert waits == [1, 2, 3, 1]
