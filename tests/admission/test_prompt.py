"""Answers without a server's request: the same bytes and events as any other way, and all care where that is not so."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from router.admission import last_word
from router.admission.prompt import PromptAnswers
from router.admission.receiving import TINY, Room
from router.admission.workloads import read_new_pod, read_workload
from router.outbox import posting
from router.steps import finish
from tests.admission import recorded
from tests.admission.world import SIGNED, UNSIGNED, MemoryVerifier, World, asked, full_disk, pod
from tests.patience import PATIENCE

WEB = "r.example/shop/web:1"
ROOM = 2**20
ANNOTATION = "gatecrier.dev/break-glass"


def world(**changes: object) -> World:
    verifier = MemoryVerifier({"shop/new": SIGNED}, known={"shop/web": SIGNED, "soft/db": UNSIGNED})
    return World(verifier, **changes)  # type: ignore[arg-type]  # as World says


@dataclass
class Desk:
    """A gate that is asked at once, in a world in which the decision is known."""

    world: World
    answers: list[dict[str, object]] = field(default_factory=list)
    room: Room = field(default_factory=lambda: Room(ROOM, 0))

    async def know(self, review: Mapping[str, object]) -> None:
        """Have it decided."""
        self.gate = self.world.gate()
        self.prompt = PromptAnswers(self.gate, self.room, self.world.facts)
        await self.gate.validate(await asked(self.gate, json.dumps(review).encode(), 5.0))
        self.world.outbox.stored.clear()
        self.world.facts.decisions.clear()
        self.world.facts.stored_events = 0

    def ask(self, body: bytes, path: str = "/validate") -> Callable[[], None] | None:
        """Ask."""
        return self.prompt.answer(path, "10s", memoryview(body), lambda answer: self.answers.append(json.loads(answer)))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until this holds."""
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)

    async def answered(self) -> Mapping[str, object]:
        """The response."""
        await self.until(lambda: bool(self.answers))
        response = self.answers[0]["response"]
        assert isinstance(response, dict)
        return response


async def desk(review: Mapping[str, object], **changes: object) -> Desk:
    made = Desk(world(**changes))
    await made.know(review)
    return made


def without_time(body: bytes) -> bytes:
    return re.sub(rb'"(gate_)?milliseconds":[0-9.e-]+', b"", body)


IMAGES = [WEB, "r.example/soft/db:1", "nobody/knows:1"]


@given(
    st.lists(st.sampled_from(IMAGES), min_size=1, max_size=3), st.sampled_from(["strict", "elsewhere", "kube-system"])
)
def test_an_answer_at_once_has_the_bytes_of_any_other(images: list[str], namespace: str) -> None:
    async def story() -> None:
        review = pod(*images, namespace=namespace)
        body = json.dumps(review).encode()
        made, other = await desk(review), world().gate()
        answers: list[bytes] = []
        assert made.prompt.answer("/validate", "10s", memoryview(body), answers.append) is not None
        await made.until(lambda: bool(answers))
        gate = (elsewhere := world()).gate()
        expected = await gate.validate(await asked(gate, body, 5.0))

        assert answers == [expected]
        (one,), (same,) = made.world.outbox.stored, elsewhere.outbox.stored
        assert without_time(one.body) == without_time(same.body)
        assert (one.id, one.destinations, one.severity) == (same.id, same.destinations, same.severity)
        assert made.world.facts.decisions == elsewhere.facts.decisions
        assert made.world.facts.stored_events == 1
        assert made.world.facts.calls == ["validate"]
        assert made.room.free == ROOM
        await other.close()

    asyncio.run(story())


@dataclass
class Unknown:
    """What nobody has decided before, or nobody may go by."""

    changes: dict[str, object] = field(default_factory=dict)
    """Of the world."""
    asked: dict[str, object] = field(default_factory=dict)
    """Of the request."""
    image: str = WEB


OWNED = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "rs", "controller": True}
CONTROLLER = "system:serviceaccount:kube-system:replicaset-controller"
GLASS: dict[str, object] = {"break_glass": {"allowed": {"users": ["oncall"]}}}
UNKNOWN = {
    "an image that nobody has asked about": Unknown(image="r.example/shop/new:1"),
    "a dry run": Unknown(asked={"dryRun": True}),
    "a deletion": Unknown(asked={"operation": "DELETE"}),
    "an operation that nobody knows": Unknown(asked={"operation": "MELT"}),
    "no object": Unknown(asked={"object": None}),
    "a destination that must be told": Unknown({"must_deliver": frozenset({"siem"})}),
    "a glass that is broken now": Unknown(
        GLASS,
        {"userInfo": {"username": "oncall"}, "metadata": {"annotations": {ANNOTATION: "INC-1: it is down"}}},
        "r.example/soft/db:1",
    ),
    "a glass that was broken before, for its owner": Unknown(
        GLASS, {"userInfo": {"username": CONTROLLER}, "metadata": {"ownerReferences": [OWNED]}}, "r.example/soft/db:1"
    ),
}


@pytest.mark.parametrize("unknown", UNKNOWN.values(), ids=UNKNOWN)
async def test_what_needs_more_has_the_bytes_of_any_other_answer(unknown: Unknown) -> None:
    """Nothing is remembered in its place: what was decided about its images is not what is decided then."""
    review = pod(unknown.image)
    request = recorded.mapping(review["request"])
    said = dict(unknown.asked)
    if (metadata := said.pop("metadata", None)) is not None:
        said["object"] = recorded.mapping(request["object"]) | {"metadata": metadata}
    body = json.dumps(review | {"request": {**request, **said}}).encode()
    made, answers = await desk(pod("r.example/soft/db:1"), **unknown.changes), list[bytes]()
    assert made.prompt.answer("/validate", "10s", memoryview(body), answers.append) is not None
    assert answers == []
    await made.until(lambda: bool(answers))
    gate = (elsewhere := world(**unknown.changes)).gate()
    expected = await gate.validate(await asked(gate, body, 5.0))

    assert answers == [expected]
    events = [[without_time(one.body) for one in of.outbox.stored] for of in (made.world, elsewhere)]
    assert events[0] == events[1]
    assert made.world.facts.decisions == elsewhere.facts.decisions
    assert made.world.facts.calls == ["validate"]
    assert made.room.free == ROOM


@pytest.mark.parametrize(("namespace", "is_allowed"), [("strict", False), ("elsewhere", True)])
async def test_when_everything_has_failed_there_is_the_last_word(
    namespace: str,
    is_allowed: bool,  # noqa: FBT001 - a case
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = await desk(pod(WEB))

    async def broken(*_: object) -> bytes:
        raise RuntimeError("injected")

    monkeypatch.setattr(made.gate, "validate", broken)
    monkeypatch.setattr(last_word, "log", None)
    assert made.ask(json.dumps(pod("r.example/shop/new:1", namespace=namespace)).encode()) is not None

    assert (await made.answered())["allowed"] is is_allowed
    assert made.room.free == ROOM


async def test_work_for_whoever_goes_before_it_is_decided_ends() -> None:
    made = await desk(pod(WEB))
    gone = made.ask(json.dumps(pod("r.example/shop/silent:1")).encode())
    assert gone is not None
    await made.until(lambda: made.world.verifier.asked == ["r.example/shop/silent:1"])
    gone()
    gone()
    await made.until(lambda: not made.prompt._tasks)
    await made.gate.close()

    assert made.answers == []
    assert [outcome for outcome, _, _ in made.world.facts.decisions] == ["unanswered"]
    assert made.room.free == ROOM


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"request":{"uid":5}}', b"\xff" * 100])
async def test_what_is_no_review_is_left_to_others(body: bytes) -> None:
    assert (await desk(pod(WEB))).ask(body) is None


async def test_other_paths_and_larger_bodies_are_left_to_others() -> None:
    made, body = await desk(pod(WEB)), json.dumps(pod(WEB)).encode()

    assert made.ask(body, "/mutate") is None
    assert made.ask(body, "/modes") is None
    assert made.ask(body, "/nowhere") is None
    assert made.ask(body + b" " * TINY) is None


async def test_what_takes_many_steps_is_left_to_whoever_reads_in_slices() -> None:
    """Whoever may create any object could else hold up everybody with a small one."""
    made = await desk(pod(WEB))
    thing = {"group": "x.example", "version": "v1", "kind": "Thing"}
    found = [
        made.ask(json.dumps(pod(WEB, kind=thing, object={"a": [{"containers": [{"image": WEB}]}] * count})).encode())
        for count in (1, 200)
    ]

    assert [one is None for one in found] == [False, True]


async def test_where_there_is_no_room_it_is_left_to_others() -> None:
    made, body = await desk(pod(WEB)), json.dumps(pod(WEB)).encode()
    assert made.room.take_now(ROOM, is_tiny=True)

    assert made.ask(body) is None


async def test_a_stage_that_breaks_is_left_to_whoever_has_words_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made, body = await desk(pod(WEB)), json.dumps(pod(WEB)).encode()

    def broken(*_: object) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr(made.gate._recorder, "post", broken)

    with capture_logs() as logged:
        assert made.ask(body) is None
    assert [one["event"] for one in logged] == ["not_answered_at_once"]
    assert made.room.free == ROOM


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}', b"", b'{"x":' + b"[" * 20_000],
)
async def test_what_is_no_review_leaves_no_line(body: bytes) -> None:
    """Whoever reaches the port may send as many as he likes."""
    made = await desk(pod(WEB))

    with capture_logs() as logged:
        assert made.ask(body) is None

    assert logged == []


async def test_an_event_that_can_not_be_stored_is_refused_where_that_is_required() -> None:
    made, body = await desk(pod(WEB), outbox_required=True), json.dumps(pod(WEB)).encode()
    made.world.outbox.failure = full_disk()
    assert made.ask(body) is not None
    response = await made.answered()
    await made.gate.close()

    assert response["allowed"] is False
    assert made.world.facts.unstored_events == 1
    assert made.room.free == ROOM


async def test_an_event_that_is_late_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Appended once: else it could not be withdrawn."""
    monkeypatch.setattr(posting, "MOMENT", 0.0)
    made, body = await desk(pod(WEB)), json.dumps(pod(WEB)).encode()
    may_go_on, append = asyncio.Event(), made.world.outbox.append
    appended: list[str] = []

    async def late(event):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - as the outbox's own
        appended.append(event.id)
        await may_go_on.wait()
        return await append(event)

    monkeypatch.setattr(made.world.outbox, "append", late)
    assert made.ask(body) is not None
    await made.until(lambda: bool(made.gate._tasks))
    assert made.answers == []
    may_go_on.set()

    assert (await made.answered())["allowed"] is True
    assert len(appended) == 1
    assert made.world.facts.stored_events == 1


@pytest.mark.parametrize("is_late", [False, True])
async def test_whoever_goes_is_told_of_and_nothing_else_is(monkeypatch: pytest.MonkeyPatch, is_late: bool) -> None:  # noqa: FBT001 - a case
    monkeypatch.setattr(posting, "MOMENT", 0.0 if is_late else 1000.0)
    made, body = await desk(pod(WEB)), json.dumps(pod(WEB)).encode()
    made.world.outbox.hangs = True
    gone = made.ask(body)
    assert gone is not None
    if is_late:
        await made.until(lambda: bool(made.gate._tasks))
    made.world.outbox.hangs = False
    gone()
    gone()
    await made.gate.close()

    assert made.answers == []
    assert [outcome for outcome, _, _ in made.world.facts.decisions] == ["unanswered"]
    assert made.room.free == ROOM


KEYS = st.sampled_from(["name", "image", "uid", "x", "groups", "containers", "metadata"])
VALUES: st.SearchStrategy[object] = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["a", "", "\ud800", "x" * 300])
    | st.just([])
    | st.just({})
)
PLACES = st.sampled_from(
    [
        ("apiVersion",),
        ("request", "uid"),
        ("request", "operation"),
        ("request", "kind", "group"),
        ("request", "kind", "kind"),
        ("request", "subResource"),
        ("request", "namespace"),
        ("request", "dryRun"),
        ("request", "oldObject"),
        ("request", "object"),
        ("request", "userInfo"),
        ("request", "userInfo", "groups"),
        ("request", "object", "metadata"),
        ("request", "object", "metadata", "name"),
        ("request", "object", "metadata", "labels"),
        ("request", "object", "metadata", "annotations"),
        ("request", "object", "metadata", "ownerReferences"),
        ("request", "object", "spec"),
        ("request", "object", "spec", "containers"),
        ("request", "object", "spec", "initContainers"),
        ("request", "object", "spec", "volumes"),
        ("request", "object", "spec", "replicas"),
    ]
)
PODS = [name for name in recorded.NAMES if name.startswith("pod-create")]


@given(
    st.sampled_from(PODS),
    st.lists(
        st.tuples(PLACES, VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(KEYS, VALUES, max_size=2)), max_size=3
    ),
    st.sampled_from(["", ANNOTATION]),
)
@example("pod-create", [(("request", "kind", "group"), "a")], "")
@example("pod-create", [(("request", "subResource"), "a")], "")
@example("pod-create", [(("request", "operation"), "UPDATE")], "")
@example("pod-create", [(("request", "kind", "kind"), "Deployment")], "")
@example("pod-create", [(("request", "uid"), "x" * 300)], "")
def test_what_is_read_at_one_go_is_what_is_read_with_care(
    name: str, changes: list[tuple[tuple[str, ...], object]], annotation: str
) -> None:
    review = recorded.parsed(name)
    for (*parents, last), value in changes:
        node: object = review
        for part in parents:
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node[last] = value
    body = json.dumps(review).encode()
    try:
        found = read_new_pod(memoryview(body), recorded.CSI_DRIVERS, annotation)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return
    if found is None:
        return
    request, objects = recorded.read(body)

    assert found == (request, finish(read_workload(request, objects, recorded.CSI_DRIVERS, annotation)))


@pytest.mark.parametrize("name", PODS)
def test_what_api_servers_ask_about_new_pods_is_read_at_one_go(name: str) -> None:
    if not recorded.workload(recorded.body(name)).places:
        return

    assert read_new_pod(memoryview(recorded.body(name)), recorded.CSI_DRIVERS) is not None
