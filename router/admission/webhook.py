"""HTTP in and out: content type, size limit, deadline; the event is durable before the reply leaves.

Rules:
(1) A body that is no AdmissionReview v1 gets an HTTP status that says why (400, 413, 415) and a short text; where
    its request's uid could be read, the event still tells of it. Everything else gets 200 and a review, whatever
    happened inside: any other status would mean "failed calling webhook" to the API server.
(2) The deadline is the request's own `?timeout=` (a Go duration) minus a margin for the way back, at most
    `webhook.deadline`.
(3) Memory is bounded: bodies up to `max_body` are read, all that are held at once up to `max_held`; further requests
    wait for room within their deadline, then get 503.
(4) When the API server gives up, the connection closes and our work for it is cancelled.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from functools import lru_cache

from aiohttp import web
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge

from router.admission.gate import Gate
from router.admission.review import AdmissionRequest, parse_review
from router.admission.settings import WebhookSettings
from router.errors import ReviewError
from router.telemetry.logs import logger
from router.telemetry.metrics import Metrics

log = logger()

_GO_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:h|m|s|ms|us|µs|ns)){1,6}", re.ASCII)
_GO_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s|us|µs|ns)", re.ASCII)
_GO_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
LEAST_MARGIN, LARGEST_MARGIN = 0.1, 1.0
"""Seconds that are kept for the way back: a tenth of the timeout, within these."""


@lru_cache(maxsize=1024)
def time_allowed(timeout: str, most: float) -> float:
    """Seconds for a review: the call's own timeout (such as `10s`) minus a margin, at most `most`."""
    if not _GO_DURATION.fullmatch(timeout):
        return most
    asked = sum(float(number) * _GO_UNITS[unit] for number, unit in _GO_PART.findall(timeout))
    margin = min(LARGEST_MARGIN, max(LEAST_MARGIN, asked / 10))
    return max(0.0, min(most, asked - margin))


class Room:
    """Bytes of bodies that may be held at once; who finds none waits in line."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    def take_now(self, size: int) -> bool:
        """Take so many bytes if they are free and nobody waits; says whether."""
        if self._line or self._free < size:
            return False
        self._free -= size
        return True

    async def take(self, size: int) -> None:
        """Wait until so many bytes are free, in the order of asking."""
        if self.take_now(size):
            return
        turn = asyncio.get_running_loop().create_future()
        self._line.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(size)
            else:
                self._line.remove((size, turn))
                self._admit()
            raise

    def give_back(self, size: int) -> None:
        """Free so many bytes and let the next in line in."""
        self._free += size
        self._admit()

    def _admit(self) -> None:
        while self._line and self._free >= self._line[0][0]:
            size, turn = self._line.popleft()
            if not turn.cancelled():
                self._free -= size
                turn.set_result(None)


Answering = Callable[[AdmissionRequest, float], Awaitable[bytes]]


class Webhook:
    """The endpoints `/validate` and `/mutate`."""

    def __init__(self, gate: Gate, settings: Callable[[], WebhookSettings], metrics: Metrics) -> None:
        self._gate = gate
        self._settings = settings
        self._metrics = metrics
        self._room = Room(settings().max_held)

    def application(self) -> web.Application:
        """The aiohttp application that serves both endpoints."""
        application = web.Application(client_max_size=self._settings().max_body)
        application.router.add_post("/validate", self._endpoint(self._gate.validate, "validate"))
        application.router.add_post("/mutate", self._endpoint(self._gate.mutate, "mutate"))
        return application

    def _endpoint(self, answering: Answering, name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        observe = self._metrics.gate_seconds.labels(name).observe
        loop_time = asyncio.get_running_loop().time

        async def answer(request: web.Request) -> web.Response:
            began = loop_time()
            deadline = began + time_allowed(request.query_string.removeprefix("timeout="), self._settings().deadline)
            response = await self._answer(request, answering, deadline)
            observe(loop_time() - began)
            return response

        return answer

    async def _answer(self, request: web.Request, answering: Answering, deadline: float) -> web.Response:
        if request.content_type != "application/json":
            return self._refused(415, f"content type {request.content_type!r}; expected application/json")
        size = request.content_length
        most = self._settings().max_body
        size = most if size is None else size
        if size > most:
            return self._refused(413, f"a body of {size} bytes; the limit (webhook.max_body) is {most}")
        if not self._room.take_now(size):
            try:
                async with asyncio.timeout_at(deadline):
                    await self._room.take(size)
            except TimeoutError:
                return self._refused(503, "too many large requests at once (webhook.max_held)")
        try:
            return await self._judged(await request.read(), answering, deadline)
        except HTTPRequestEntityTooLarge:
            return self._refused(413, f"a body beyond the limit (webhook.max_body) of {most} bytes")
        finally:
            self._room.give_back(size)

    async def _judged(self, body: bytes, answering: Answering, deadline: float) -> web.Response:
        try:
            review = parse_review(body)
        except ReviewError as error:
            if error.uid:
                await self._gate.unreadable(error.uid, str(error))
            return self._refused(400, str(error))
        return web.Response(body=await answering(review, deadline), content_type="application/json")

    def _refused(self, status: int, problem: str) -> web.Response:
        self._metrics.requests_malformed.labels(str(status)).inc()
        log.warning("body_refused", status=status, problem=problem[:500])
        return web.Response(status=status, text=problem + "\n")
