"""Detect can not block: every fault that leaves somebody answering, at every path that means detect.

Each is tried where it is enforced, too: there the same request does not get in, so that the fault is one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import _lru_cache_wrapper, cached_property
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import pytest

from router.admission.receiving import Receiving, Room, Slots
from router.errors import OutboxError
from router.slices import OutOfTimeError, Slices
from router.verdict import Mode
from tests.admission.endpoint import ASKED, WEB, Endpoint
from tests.admission.reaching import reached
from tests.admission.world import DOWN, UNSIGNED, MemoryVerifier, World, pod

WATCHED = [(path, namespace) for path, namespace, mode in ASKED if mode is Mode.DETECT]
ENFORCED = ("/validate/enforce", "elsewhere")
SHORT = "300ms"
"""An API server's patience where all of it is waited for."""


def a_body(namespace: str, *images: str, **request: object) -> bytes:
    """As an API server writes it."""
    return json.dumps(pod(*(images or (WEB,)), namespace=namespace, **request), separators=(",", ":")).encode()


async def answer(endpoint: Endpoint, path: str, body: bytes, *, patience: str = "800ms") -> Mapping[str, object] | int:
    """The response, or the status where there is none."""
    status, answered, _ = await endpoint.post(body, f"{path}?timeout={patience}")
    if status != 200:
        return status
    response: Mapping[str, object] = json.loads(answered)["response"]
    return response


def is_let_in(response: Mapping[str, object] | int) -> bool:
    """Whether the API server lets it in, whatever the failure policy."""
    return isinstance(response, Mapping) and response["allowed"] is True


def check_let_in(response: Mapping[str, object] | int) -> None:
    """It is let in, and whoever asked is told."""
    assert isinstance(response, Mapping), f"HTTP {response}"
    assert response["allowed"] is True, response
    assert response["uid"] == pod()["request"]["uid"]  # type: ignore[index]  # JSON
    warnings = response.get("warnings")
    assert isinstance(warnings, list)
    assert str(warnings[0]).startswith("gatecrier (detect): "), warnings


# What is asked

ASKED_FOR: Mapping[str, Callable[[str], bytes]] = {
    "unsigned": a_body,
    "no rule": lambda namespace: a_body(namespace, "r.example/other:1"),
    "no reference": lambda namespace: a_body(namespace, "UPPER/case:1"),
    "no image": lambda namespace: a_body(namespace, ""),
    "no tag": lambda namespace: a_body(namespace, "r.example/shop/gone:1"),
    "a crash": lambda namespace: a_body(namespace, "r.example/shop/crash:1"),
    "a timeout": lambda namespace: a_body(namespace, "r.example/shop/hangs:1"),
    "too many images": lambda namespace: a_body(namespace, *(f"r.example/x/{n}:1" for n in range(1500))),
    "no object": lambda namespace: a_body(namespace, object=None),
    "an object that is none": lambda namespace: a_body(namespace, object=[]),
    "a body that is too large": lambda namespace: a_body(namespace, userInfo={"username": "x" * (33 << 20)}),
}


def a_world() -> World:
    """One whose registry has much to say."""
    return World(MemoryVerifier({"shop/web": UNSIGNED, "shop/gone": DOWN, "shop/crash": RuntimeError("injected")}))


@pytest.mark.parametrize(("path", "namespace"), WATCHED)
@pytest.mark.parametrize("asked", ASKED_FOR)
async def test_nothing_that_is_asked_is_refused_in_detect(asked: str, path: str, namespace: str) -> None:
    async with Endpoint(a_world()).running() as endpoint:
        check_let_in(await answer(endpoint, path, ASKED_FOR[asked](namespace), patience=SHORT))


@pytest.mark.parametrize("asked", ASKED_FOR)
async def test_nothing_of_that_gets_in_where_it_is_enforced(asked: str) -> None:
    path, namespace = ENFORCED
    async with Endpoint(a_world()).running() as endpoint:
        response = await answer(endpoint, path, ASKED_FOR[asked](namespace), patience=SHORT)

    assert not is_let_in(response)


# What is around

Around = Callable[[Endpoint], None]


def no_room(endpoint: Endpoint) -> None:
    """Others' bodies take all of it."""
    endpoint.webhook._receiving = Receiving(Room(0, 0))


def no_slots(endpoint: Endpoint) -> None:
    """Others' large bodies have them."""
    endpoint.webhook._receiving = Receiving(Room(0, 0), Slots(0))


def no_room_to_judge(endpoint: Endpoint) -> None:
    """Others' images take all of it."""
    endpoint.webhook._judging = Room(0, 0)


def a_full_disk(endpoint: Endpoint) -> None:
    """The outbox takes nothing."""
    endpoint.world.outbox.failure = OutboxError("the disk is full")


def no_keeper(endpoint: Endpoint) -> None:
    """Nobody says that an event is stored."""
    endpoint.world.outbox.hangs = True


def no_receipts(endpoint: Endpoint) -> None:
    """Those who must be told take nothing."""
    endpoint.world.receiver.hangs = True


AROUND = [no_room, no_slots, no_room_to_judge, a_full_disk, no_keeper, no_receipts]


def a_strict_world() -> World:
    """One that admits nothing, in enforce, that is not stored and told; and signed images are unsigned, too."""
    return World(
        MemoryVerifier({"shop/web": UNSIGNED}),
        must_deliver=frozenset({"siem"}),
        outbox_required=True,
        pin_digests=True,
    )


@pytest.mark.parametrize(("path", "namespace"), WATCHED[::2])
@pytest.mark.parametrize("size", [100, 2 << 20], ids=["small", "large"])
@pytest.mark.parametrize("around", AROUND)
async def test_nothing_around_refuses_anything_in_detect(around: Around, size: int, path: str, namespace: str) -> None:
    body = a_body(namespace, WEB)[:-2] + b',"options":"' + b"x" * size + b'"}}'
    async with Endpoint(a_strict_world()).running() as endpoint:
        around(endpoint)
        check_let_in(await answer(endpoint, path, body, patience=SHORT))


@pytest.mark.parametrize("around", AROUND)
async def test_nothing_around_lets_anything_in_where_it_is_enforced(around: Around) -> None:
    path, namespace = ENFORCED
    async with Endpoint(a_strict_world()).running() as endpoint:
        around(endpoint)
        assert not is_let_in(await answer(endpoint, path, a_body(namespace), patience=SHORT))


async def test_what_is_let_in_unread_is_told() -> None:
    """Who fills the room with large bodies would else get others in without a word."""
    async with Endpoint(a_strict_world()).running() as endpoint:
        no_room(endpoint)
        await answer(endpoint, "/mutate/detect", a_body("elsewhere"), patience=SHORT)
        assert endpoint.world.outbox.events == []
        check_let_in(await answer(endpoint, "/validate/detect", a_body("elsewhere"), patience=SHORT))

    (event,) = endpoint.world.outbox.events
    assert event["type"] == "dev.gatecrier.admission.unreadable.v1"
    assert (event["data"]["decision"]["outcome"], event["data"]["decision"]["would_reject"]) == ("admitted", True)
    assert event["data"]["unreadable"]["cause"] == "unread"
    assert event["data"]["decision"]["message"] == (
        '1 request let in unread; the first: namespace "elsewhere": too many large requests at once; ask again'
    )


# What breaks inside

BOUNDARY = {
    "admission.webhook.Webhook.answer": "what the server itself calls: it looks the path up, and counts",
    "admission.webhook.Webhook._answer": "the boundary itself",
    "admission.webhook._Known.blocks": "what the last word goes by",
    "admission.webhook._Known.may_refuse": "what the last word goes by",
    "admission.request_context.GateRules.mode": "what the last word goes by, which has a way out of its own",
    "admission.webhook._review": "the answer itself",
}
"""What can't be broken without breaking the boundary; each has nothing in it that could fail."""


@dataclass(frozen=True)
class Part:
    """A function of ours that a request goes through, wherever it is bound."""

    called: str
    bound: tuple[tuple[object, str, object], ...]
    """Who holds it, by which name, and what to put in its place."""


def broken(*_: object, **__: object) -> None:
    """What stands in the place of a part."""
    raise RuntimeError("injected")


async def both(endpoint: Endpoint) -> None:
    """Ask where it is watched, and where it is enforced."""
    await answer(endpoint, "/validate/detect", a_body("elsewhere"))
    await answer(endpoint, ENFORCED[0], a_body(ENFORCED[1]))


def bound_in(holder: ModuleType | type) -> Iterator[tuple[str, CodeType, object]]:
    """By which name it holds a function of ours, whose code that has, and what to put in its place."""
    for name, value in vars(holder).items():
        match value:
            case FunctionType():
                yield name, value.__code__, broken
            case classmethod(__func__=FunctionType() as held) | staticmethod(__func__=FunctionType() as held):
                yield name, held.__code__, staticmethod(broken)
            case property(fget=FunctionType() as read) | cached_property(func=FunctionType() as read):
                yield name, read.__code__, property(broken)
            case _lru_cache_wrapper(__wrapped__=FunctionType() as cached):
                yield name, cached.__code__, broken


def parts() -> list[Part]:
    """Every one that a request goes through, but for the boundary."""
    codes, bound = reached(a_world(), both), dict[CodeType, dict[tuple[int, str], tuple[object, str, object]]]()
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("router.")]
    for module in modules:
        holders: list[ModuleType | type] = [module, *(one for one in vars(module).values() if isinstance(one, type))]
        for holder in holders:
            for name, code, instead in bound_in(holder):
                if code in codes and not name.startswith("__"):
                    bound.setdefault(code, {})[id(holder), name] = (holder, name, instead)
    found = []
    for code, places in bound.items():
        where = Path(code.co_filename).with_suffix("").parts
        called = ".".join((*where[where.index("router") + 1 :], code.co_qualname))
        if called not in BOUNDARY:
            found.append(Part(called, tuple(places.values())))
    return sorted(found, key=lambda part: part.called)


PARTS = parts()


def test_a_request_goes_through_more_than_a_few_parts() -> None:
    """Else what follows would show nothing."""
    called = {part.called for part in PARTS}

    assert len(called) > 100
    assert {"admission.gate.Gate.validate", "admission.receiving.Body.received", "decision.deciding.decide"} <= called


@pytest.mark.parametrize("part", [pytest.param(part, id=part.called) for part in PARTS])
async def test_no_crash_of_any_part_refuses_anything_in_detect(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is that crashes: the API server gets an admission, with a warning; where it is enforced, none."""
    async with Endpoint(a_world()).running() as endpoint:
        with monkeypatch.context() as patched:
            for holder, name, instead in part.bound:
                patched.setattr(holder, name, instead)
            endpoint.webhook._endpoints = {"validate": endpoint.gate.validate, "mutate": endpoint.gate.mutate}
            watched = await answer(endpoint, "/validate/detect", a_body("elsewhere"))
            enforced = await answer(endpoint, ENFORCED[0], a_body(ENFORCED[1]))

    check_let_in(watched)
    assert not is_let_in(enforced)


async def test_no_time_to_read_refuses_nothing_in_detect(monkeypatch: pytest.MonkeyPatch) -> None:
    async def late(*_: object) -> None:
        raise OutOfTimeError

    monkeypatch.setattr(Slices, "run", late)
    async with Endpoint(a_world()).running() as endpoint:
        watched = await answer(endpoint, "/validate/detect", a_body("elsewhere"))
        enforced = await answer(endpoint, ENFORCED[0], a_body(ENFORCED[1]))

    check_let_in(watched)
    assert enforced == 503
