"""The endpoints over real HTTP, with a gate whose parts break on demand."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import aiohttp
import pytest

from router.admission import last_word, webhook
from router.admission.gate import Gate
from router.admission.last_word import last_review
from router.admission.receiving import Receiving, Room
from router.admission.recording import EventRecorder
from router.images import ImageReference
from router.policy import Enforcement, EnforcementSettings, Rule
from router.routing import RouteSettings
from router.verdict import Mode
from router.verification import Judgement
from tests.admission.endpoint import ASKED, WEB, Endpoint
from tests.admission.world import SIGNED, UNSIGNED, MemoryVerifier, World, pod
from tests.patience import PATIENCE

DEEP = b'{"f:a":' * 1100 + b"{}" + b"}" * 1100


@pytest.mark.parametrize(
    "odd",
    [DEEP, b'{"\xff":1}', b'{"a":"\\ud800"}', b'{"a":' + b"9" * 5000 + b"}", b"[" * 12_000 + b"]" * 12_000],
    ids=["deep", "no UTF-8", "lone surrogate", "huge number", "very deep"],
)
@pytest.mark.parametrize(("namespace", "allowed"), [("strict", False), ("elsewhere", True)])
async def test_an_odd_place_that_nobody_needs_is_no_way_around_the_gate(
    odd: bytes,
    namespace: str,
    allowed: bool,  # noqa: FBT001 - a case
) -> None:
    """An API server hands on `managedFields` as it got them; HTTP 400 means "let in" under `failurePolicy: Ignore`."""
    review = pod(
        namespace=namespace,
        object={"metadata": {"managedFields": "@@"}, "spec": {"containers": [{"name": "c", "image": WEB}]}},
    )
    async with Endpoint().running() as endpoint:
        answer = await endpoint.ask(json.dumps(review).encode().replace(b'"@@"', odd))

    assert answer["allowed"] is allowed
    (event,) = endpoint.world.outbox.events
    assert event["data"]["images"][0]["image"] == WEB


async def test_who_waits_to_be_asked_for_a_body_is_asked() -> None:
    """Else it sends none, and is told that it was too slow; RFC 9110 lets nobody but HTTP/1.0 wait in vain."""
    body = json.dumps(pod(WEB)).encode()
    async with Endpoint().running() as endpoint:
        reader, writer = await asyncio.open_connection(endpoint.client.host, endpoint.client.port)
        head = (
            f"POST /validate HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        )
        writer.write(f"{head}Expect: 100-Continue\r\nConnection: close\r\n\r\n".encode())
        asked = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        writer.write(body)
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()

    assert asked == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"allowed":false' in answer


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "GZIP", "x-unknown"])
async def test_a_content_coding_is_refused(coding: str) -> None:
    """31 KB that unpack to 30 MB would take a thousand times the memory that was counted."""
    async with Endpoint().running() as endpoint:
        status, _, _ = await endpoint.post(gzip.compress(b"{}"), Content_Encoding=coding)

    assert status == 415


@pytest.mark.parametrize(
    ("body", "status"), [(b"{nope", 400), (b"[]", 400), (b"{}", 400), (b'{"a": "' + b"x" * (33 << 20) + b'"}', 413)]
)
async def test_what_is_no_review_gets_the_status_that_says_why(body: bytes, status: int) -> None:
    async with Endpoint().running() as endpoint:
        try:
            found, _, _ = await endpoint.post(body)
        except (ConnectionError, aiohttp.ClientError):  # the connection may end while we still send
            found = 413

    assert found == status


async def test_where_there_is_no_room_the_api_server_is_told_to_ask_again() -> None:
    """With `Retry-After` it sends the same call again; without, it gives up."""
    async with Endpoint().running() as endpoint:
        endpoint.webhook._receiving = Receiving(Room(0, 0))
        async with endpoint.client.post("/validate?timeout=300ms", json=pod(WEB)) as reply:
            status, after = reply.status, reply.headers.get("Retry-After")

    assert (status, after) == (503, "1")
    assert endpoint.world.outbox.events == []
    assert endpoint.world.facts.refusals == [503]


@pytest.mark.parametrize(("path", "namespace", "mode"), ASKED)
async def test_a_review_that_was_read_is_told_where_there_is_no_room_to_judge_it(
    path: str, namespace: str, mode: Mode
) -> None:
    """Whoever fills the room with a dozen dry runs must not walk in by HTTP 503 under `failurePolicy: Ignore`."""
    async with Endpoint().running() as endpoint:
        endpoint.webhook._judging = Room(0, 0)
        answer = await endpoint.ask(pod(WEB, namespace=namespace), f"{path}?timeout=300ms")

    (event,) = endpoint.world.outbox.events
    assert answer["allowed"] is (mode is Mode.DETECT)
    assert event["data"]["decision"]["would_reject"] is True
    assert "too many images" in event["data"]["decision"]["message"]


@pytest.mark.parametrize("mode", Mode)
async def test_whoever_goes_away_is_told_as_unanswered(mode: Mode) -> None:
    made = World()  # its verifier hangs
    async with Endpoint(made).running() as endpoint:
        asked = pod("r.example/shop/hangs:1", namespace="elsewhere")
        handler = asyncio.create_task(endpoint.client.post(f"/validate/{mode.value}", json=asked))
        await _until(lambda: bool(made.verifier.asked))
        handler.cancel()
        await asyncio.gather(handler, return_exceptions=True)
        await _until(lambda: bool(made.outbox.events))

    (event,) = made.outbox.events
    assert event["data"]["decision"]["outcome"] == "unanswered"
    assert event["data"]["decision"]["mode"] == mode.value


@dataclass
class Paused(MemoryVerifier):
    """Says what it was told as soon as it may."""

    may: asyncio.Event = field(default_factory=asyncio.Event)

    async def judge(self, image: ImageReference, rule: Rule, deadline: float) -> Judgement:
        """Wait for that."""
        verdict = await super().judge(image, rule, deadline)
        await self.may.wait()
        return verdict


async def test_one_request_goes_by_one_configuration_whatever_is_reloaded_meanwhile() -> None:
    """Judged by the old policy and routed by the new routes, it would be what nobody has configured."""
    verifier = Paused({"shop/web": SIGNED})
    made, later = World(verifier, must_deliver=frozenset({"siem"})), World(outbox_required=True)
    made.receiver.receipts = frozenset({"siem"})
    later.must_deliver = frozenset({"new"})
    later.routes = RouteSettings(destinations=("new",))
    async with Endpoint(made).running() as endpoint:
        asking = asyncio.create_task(endpoint.ask(pod(WEB)))
        await _until(lambda: bool(verifier.asked))
        endpoint.gate.rules = later.gate_rules()
        verifier.may.set()
        answer = await asking

    (stored,) = made.outbox.stored
    assert answer["allowed"] is True
    assert (tuple(stored.destinations), tuple(stored.delivered_to)) == (("siem",), ("siem",))
    assert later.receiver.heard == []


async def test_a_reload_while_a_request_is_read_changes_nothing_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even its last word: by the rules that it came under, it is refused."""
    made, is_reading, goes_on = World(), asyncio.Event(), asyncio.Event()

    async def broken(*_: object) -> None:
        is_reading.set()
        await goes_on.wait()
        raise RuntimeError("injected")

    watching = dataclasses.replace(made.gate_rules(), enforcement=Enforcement(EnforcementSettings()))
    async with Endpoint(made).running() as endpoint:
        monkeypatch.setattr(Gate, "read", broken)
        asking = asyncio.create_task(endpoint.ask(pod(WEB)))
        await is_reading.wait()
        endpoint.gate.rules = watching
        goes_on.set()
        answer = await asking

    assert answer["allowed"] is False


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("mode", Mode)
async def test_whoever_goes_away_while_he_is_read_is_told_as_unanswered(
    mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a large object takes a while; what nobody looked at must not be untold."""
    made, is_reading = World(), asyncio.Event()

    async def never(*_: object) -> None:
        is_reading.set()
        await asyncio.Event().wait()

    async with Endpoint(made).running() as endpoint:
        monkeypatch.setattr(Gate, "read", never)
        asked = pod(WEB, namespace="elsewhere")
        handler = asyncio.create_task(endpoint.client.post(f"/validate/{mode.value}", json=asked))
        await is_reading.wait()
        handler.cancel()
        await asyncio.gather(handler, return_exceptions=True)
        await _until(lambda: bool(made.outbox.events))

    (event,) = made.outbox.events
    assert event["data"]["decision"]["outcome"] == "unanswered"
    assert event["data"]["decision"]["mode"] == mode.value
    assert event["data"]["decision"]["would_reject"] is True


async def test_what_has_no_image_waits_for_no_room() -> None:
    """A deletion must not be refused, nor wait, because others have many images judged."""
    async with Endpoint().running() as endpoint:
        endpoint.webhook._judging = Room(0, 0)
        answer = await endpoint.ask(pod(operation="DELETE", object=None, oldObject="odd"))

    assert answer["allowed"] is True


@pytest.mark.parametrize(("path", "namespace", "mode"), ASKED)
async def test_the_path_tells_what_the_label_says(path: str, namespace: str, mode: Mode) -> None:
    """Label and mode can't disagree where the API server itself goes by the label."""
    async with Endpoint().running() as endpoint:
        answer = await endpoint.ask(pod(WEB, namespace=namespace), path)

    (event,) = endpoint.world.outbox.events
    assert answer["allowed"] is (mode is Mode.DETECT)
    assert event["data"]["decision"]["mode"] == mode.value
    assert event["data"]["decision"]["would_reject"] is True
    assert endpoint.world.facts.calls == ["validate"]


async def test_what_was_decided_by_one_path_is_not_the_answer_of_another() -> None:
    """The same Pod in the same namespace, before and after its label was changed."""
    made = World(MemoryVerifier(known={"shop/web": UNSIGNED}))
    async with Endpoint(made).running() as endpoint:
        found = [
            (await endpoint.ask(pod(WEB, namespace="elsewhere", uid=str(number)), f"/validate/{mode}"))["allowed"]
            for number, mode in enumerate(["detect", "enforce", "detect", "enforce"])
        ]

    assert found == [True, False, True, False]
    assert made.verifier.asked == []


@pytest.mark.parametrize(("path", "namespace", "mode"), ASKED)
async def test_what_is_pinned_follows_the_label_too(path: str, namespace: str, mode: Mode) -> None:
    made = World(MemoryVerifier({"shop/web": SIGNED}), pin_digests=True)
    path = path.replace("validate", "mutate")
    async with Endpoint(made).running() as endpoint:
        answer = await endpoint.ask(pod(WEB, namespace=namespace), path)

    assert ("patch" in answer) is (mode is Mode.ENFORCE)
    assert made.facts.calls == ["mutate"]


@pytest.mark.parametrize("path", ["/", "/validate/", "/validate/off", "/validate/ENFORCE", "/mutate/x", "/metrics"])
async def test_any_other_path_is_refused_by_naming_those_that_there_are(path: str) -> None:
    """A mistake in a webhook configuration must be told to whoever reads the API server's log."""
    async with Endpoint().running() as endpoint:
        status, body, _ = await endpoint.post(json.dumps(pod(WEB)).encode(), path)

    assert status == 404
    assert b"/validate/enforce" in body
    assert endpoint.world.outbox.events == []


BREAKING = [
    (EventRecorder, "store"),
    (EventRecorder, "count"),
    (EventRecorder, "_event"),
    (webhook, "allowance"),
    (webhook, "read_review"),
    (Gate, "validate"),
    (Gate, "read"),
]


@pytest.mark.parametrize(("path", "namespace", "mode"), ASKED)
@pytest.mark.parametrize(("holder", "part"), BREAKING, ids=lambda value: value if isinstance(value, str) else "")
async def test_nothing_that_breaks_below_the_webhook_becomes_an_http_error(
    monkeypatch: pytest.MonkeyPatch, holder: object, part: str, path: str, namespace: str, mode: Mode
) -> None:
    """Of a review that was read, in detect nothing but an admission is right, in enforce nothing but a refusal."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr(holder, part, broken)  # before the endpoint keeps a method of it
    async with Endpoint().running() as endpoint:
        if part == "read_review" and mode is Mode.ENFORCE:  # then the API server asks again
            status, _, headers = await endpoint.post(json.dumps(pod(WEB, namespace=namespace)).encode(), path)
            assert (status, headers.get("Retry-After")) == (503, "1")
            return
        answer = await endpoint.ask(pod(WEB, namespace=namespace), path)

    assert answer["allowed"] is (mode is Mode.DETECT)
    assert answer["uid"] == "705ab4f5-6393-11e8-b7cc-42010a800002"


async def test_the_last_word_needs_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr(Gate, "validate", broken)  # before the endpoint keeps it
    monkeypatch.setattr(last_word, "log", SimpleNamespace(error=broken))
    async with Endpoint().running() as endpoint:
        answer = await endpoint.ask(pod(WEB))

    assert answer["allowed"] is False


@pytest.mark.parametrize(("namespace", "prefix"), [("strict", "gatecrier: "), ("watched", "gatecrier (detect): ")])
async def test_pinning_that_fails_refuses_nothing(namespace: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr(Gate, "mutate", broken)
    async with Endpoint().running() as endpoint:
        answer = await endpoint.ask(pod(WEB, namespace=namespace), "/mutate")

    assert answer["allowed"] is True
    assert "patch" not in answer
    assert str(answer["warnings"]).startswith(f"['{prefix}")


@pytest.mark.parametrize("is_allowed", [True, False])
@pytest.mark.parametrize("uid", ["4711", 'a"b\\', "\ud800", "\x00é"])
def test_the_last_word_is_a_review_whatever_the_uid_is(uid: str, is_allowed: bool) -> None:  # noqa: FBT001 - a case
    response = json.loads(last_review(uid, is_allowed=is_allowed, blocks=not is_allowed))["response"]

    assert (response["uid"], response["allowed"]) == (uid, is_allowed)
    assert response["status"]["code"] == 403
    assert response["warnings"][0].startswith("gatecrier (detect): " if is_allowed else "gatecrier: ")
