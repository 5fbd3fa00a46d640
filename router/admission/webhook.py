"""HTTP in and out: what is refused by its head, how a body comes in, and that every review is answered.

Rules (`router.admission.paths` says what each path means):
(1) Refused with a status and a short text that says why: another content type or a content coding (415), a body
    beyond `max_body` (413) or too slow (408), and what is no AdmissionReview v1 with a uid (400, told by
    `router.admission.unreadable`). Where there is no room for a body, or no time to read whose it is, 503 with
    `Retry-After`, and no event: the API server asks again. But where nothing blocks, a body whose beginning says whose
    it is gets a review, for a status would block under `failurePolicy: Fail`: it is let in unread, with a warning, and
    told together with others like it.
(2) Everything else gets 200 and a review, whatever happens inside: any other status would mean "failed calling
    webhook" to the API server. When everything below has failed, the last word stands ready here, and uses nothing
    that could have failed. It goes by the label that the path tells of, as everything else does, and never refuses a
    call of `/mutate`, after which `/validate` looks again, or of `/modes`.
(3) A body is held only until it is read; then the room that its images take is held until they are answered. Where
    there is none until the deadline, it is told as what can't be judged.
(4) Calls of `/modes` are about namespaces: a change of the label is told, and nothing is refused.
(5) When the API server gives up, the connection closes, our work for it is cancelled, and the event says so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from aiohttp import HttpVersion11, web

from router.admission.deadlines import LARGEST_KEPT, Allowance, allowance
from router.admission.gate import Gate
from router.admission.last_word import PROBLEM, last_review, said_in_log
from router.admission.observer import AdmissionObserver
from router.admission.paths import PATHS, WebhookEndpoint, WebhookPath
from router.admission.prompt import PromptAnswers
from router.admission.receiving import (
    BEGINNING,
    KEPT_FOR_TINY,
    ROOM,
    SLOTS,
    TINY,
    BodyRefusedError,
    Receiving,
    Room,
    Slots,
)
from router.admission.request_context import GateRules, RequestContext, Times
from router.admission.review import AdmissionRequest, RawObjects, read_beginning, read_review
from router.admission.unreadable import UnreadableBodies
from router.errors import ReviewError
from router.slices import OutOfTimeError
from router.telemetry.logs import logger
from router.telemetry.seldom import Seldom
from router.text import shown
from router.verdict import Mode

log = logger()

JUDGING_ROOM = 96 * 2**20
"""Bytes of memory that the images of all requests may take while they are judged."""
WAITING_ROOM = 96 * 2**20
"""Bytes of memory that the images of requests may take that wait for that room; as many again of small ones."""
CONTENT_TYPE = "application/json"

T = TypeVar("T")
Answering = Callable[[RequestContext], Awaitable[bytes]]
Reading = Callable[[AdmissionRequest, RawObjects, Times], Awaitable[T]]


@dataclass(slots=True)
class _Known:
    """What is known of a call so far."""

    rules: GateRules
    call: WebhookPath
    peer: str
    beginning: bytes = b""
    """Of its body."""
    request: AdmissionRequest | None = None

    @property
    def may_refuse(self) -> bool:
        """Whether it may be answered by a refusal at all."""
        return self.call.endpoint == "validate"

    def blocks(self, namespace: str) -> bool:
        """Whether a refusal is in force there."""
        mode, never_block = self.rules.mode(namespace, self.call.label)
        return mode is Mode.ENFORCE and not never_block


class Webhook:
    """Every path there is."""

    def __init__(
        self, gate: Gate, max_body: int, observer: AdmissionObserver, unreadable: UnreadableBodies, *, share: int = 1
    ) -> None:
        """`share` is how many webhooks there are: each holds its part of what all may hold together."""
        self._gate = gate
        self._endpoints: Mapping[WebhookEndpoint, Answering] = {"validate": gate.validate, "mutate": gate.mutate}
        self._clock = asyncio.get_running_loop().time
        self._max_body = max_body
        self._observer = observer
        self._unreadable = unreadable
        self._receiving = Receiving(Room(ROOM // share, KEPT_FOR_TINY // share), Slots(max(1, SLOTS // share)))
        self._seldom = Seldom()
        self._judging = Room(JUDGING_ROOM // share, JUDGING_ROOM // 4 // share, WAITING_ROOM // share)
        self.at_once = PromptAnswers(gate, self._judging, observer).answer
        """Answers what can be read at once, for a server that asks for that first."""

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """The answer to any request; for a server without routes of its own, since there are few paths."""
        call = PATHS.get(request.path)
        if call is None:
            return web.Response(status=404, text=f"there are {' '.join(PATHS)}\n")
        if request.method != "POST":
            return web.Response(status=405, text="send a POST\n", headers={"Allow": "POST"})
        began = self._clock()
        response = await self._answer(request, call, began)
        self._observer.answered(call.endpoint, self._clock() - began)
        return response

    async def _answer(self, request: web.BaseRequest, call: WebhookPath, began: float) -> web.Response:
        known = _Known(self._gate.rules, call, request.remote or "")  # once: a reload meanwhile changes nothing for it
        asked: RequestContext | None = None
        try:
            _check_head(request)
            await _invite(request)
            if call.endpoint == "modes":
                return _review(await self._read(request, known, began, partial(self._gate.switched, known.rules)))

            def reading(review: AdmissionRequest, objects: RawObjects, times: Times) -> Awaitable[RequestContext]:
                return self._gate.read(known.rules, review, objects, times, call.label)

            asked = await self._read(request, known, began, reading)
            return _review(await self._answered(asked, self._endpoints[call.endpoint]))
        except BodyRefusedError as refused:
            let_in = self._let_in(known, str(refused))
            self._turned_away(refused.status, str(refused), "call_refused" if let_in is None else "call_let_in_unread")
            return let_in or _refused(refused.status, str(refused))
        except ReviewError as error:
            self._turned_away(web.HTTPBadRequest.status_code, str(error))
            return _refused(web.HTTPBadRequest.status_code, str(error))
        except Exception as error:  # noqa: BLE001 - the last boundary: the API server would get an HTTP error
            return await self._last_word(request, known, error)
        except asyncio.CancelledError:  # the client has gone
            if known.request is not None and known.may_refuse:
                self._gate.abandon(asked or self._gate.unread(known.rules, known.request, call.label))
            raise

    async def _answered(self, asked: RequestContext, answering: Answering) -> bytes:
        cost = asked.workload.cost
        if not cost:
            return await answering(asked)
        try:
            await self._judging.take(cost, asked.times.deadline, is_tiny=cost <= TINY)
        except BodyRefusedError:  # a 503 would let it in untold under `failurePolicy: Ignore`
            return await answering(asked.unread("too many images are being judged at once; try again"))
        try:
            return await answering(asked)
        finally:
            self._judging.give_back(cost)

    async def _read(self, request: web.BaseRequest, known: _Known, began: float, read: Reading[T]) -> T:
        """What `read` makes of the review; the body is let go of then."""
        allowed = _allowance(request, known.rules.longest)
        times = Times(began, began + allowed.judging, began + allowed.storing)
        body = self._receiving.body(length=request.content_length, most=self._max_body, peer=known.peer)
        try:
            whole = await body.received(request.content, times.deadline)
            try:
                review, objects = await self._gate.slices.run(read_review(whole), times.deadline)
            except ReviewError as error:
                await asyncio.sleep(0)  # the hash of a large body takes about as long as a step may
                self._unreadable.add(error.cause, str(error), known.peer, whole)
                raise
            except OutOfTimeError as error:
                raise BodyRefusedError(503, "there was no time to read the request; ask again") from error
            known.request = review
            return await read(review, objects, times)
        finally:
            known.beginning = body.beginning
            body.let_go()

    def _turned_away(self, status: int, problem: str, event: str = "call_refused") -> None:
        self._observer.turned_away(status)
        held_back = self._seldom.turn(f"{event} {status}")
        if held_back is not None:
            log.warning(event, status=status, problem=problem[:500], held_back=held_back)

    def _let_in(self, known: _Known, problem: str) -> web.Response | None:
        """An admission of what was not read, where nothing blocks and its beginning says whose it is."""
        said = read_beginning(known.beginning)
        if said is None:
            return None
        blocks = known.blocks(said.namespace)
        if blocks and known.may_refuse:
            return None
        warned = f"the request was let in unread: {problem}"
        response = _review(last_review(said.uid, warned, is_allowed=True, blocks=blocks))
        response.force_close()  # what was not read stands in the way of the next request
        if known.may_refuse:  # of other calls nothing is told
            self._tell_unread(known, f"namespace {shown(said.namespace)}: {problem}")
        return response

    def _tell_unread(self, known: _Known, told: str) -> None:
        try:
            self._unreadable.add("unread", told, known.peer, memoryview(known.beginning))
        except Exception as error:  # noqa: BLE001 - the answer would be lost for it
            said_in_log("unread_not_told", error)

    async def _last_word(self, request: web.BaseRequest, known: _Known, error: Exception) -> web.Response:
        said_in_log("request_failed", error)
        if known.request is None:
            known.beginning = known.beginning or await _beginning(request)
            let_in = self._let_in(known, PROBLEM)
            return let_in or _refused(web.HTTPServiceUnavailable.status_code, "internal error")
        blocks = known.blocks(known.request.namespace)
        is_allowed = not (blocks and known.may_refuse)
        return _review(last_review(known.request.uid, PROBLEM, is_allowed=is_allowed, blocks=blocks))


def _allowance(request: web.BaseRequest, longest: float) -> Allowance:
    try:
        return allowance(request.query_string.removeprefix("timeout="), longest)
    except Exception as error:  # noqa: BLE001 - nothing is read yet: a 503 would let it in under `Ignore`
        said_in_log("deadline_unknown", error)
        return Allowance(longest, longest + LARGEST_KEPT / 2)


async def _beginning(request: web.BaseRequest) -> bytes:
    """What has come of a body that nobody began to read."""
    with contextlib.suppress(Exception):  # whatever it is: there is none then
        async with asyncio.timeout(LARGEST_KEPT / 2):
            return (await request.content.readany())[:BEGINNING]
    return b""


def _refused(status: int, problem: str) -> web.Response:
    response = web.Response(status=status, text=problem + "\n")
    if status == web.HTTPServiceUnavailable.status_code:
        response.headers["Retry-After"] = "1"
    elif status != web.HTTPBadRequest.status_code:
        response.force_close()  # what was not read stands in the way of the next request
    return response


def _review(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=CONTENT_TYPE)


def _check_head(request: web.BaseRequest) -> None:
    if request.content_type != CONTENT_TYPE:
        raise BodyRefusedError(415, f"content type {shown(request.content_type, 100)}; expected {CONTENT_TYPE}")
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding != "identity":
        raise BodyRefusedError(415, f"content coding {shown(coding, 100)}; expected none")


async def _invite(request: web.BaseRequest) -> None:
    """Ask for the body where the client waits for that (RFC 9110, 10.1.1)."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # else the answer would count as begun
