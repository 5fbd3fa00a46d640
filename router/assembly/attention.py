"""What needs a person's attention: the one book of troubles of a product, and the events that are made of it.

Rules:
(1) What is wrong is a line of the log and a metric at once (`telemetry.troubles`); it is an event when
    `telemetry.pacing` says so, if the routes in force say `about: gatecrier` for anybody.
(2) Such an event is appended to the outbox like any other, by the same way that gates take, and delivered, tried again
    and replayed like any other. While the outbox can't take it, it waits here and is offered again; beyond `WAITING`,
    and when we end, what waits is in the log, whole.
(3) Nobody is told by the destination that is the trouble, where anybody else is told (`routing.tree`).
(4) What nobody else sees is looked for here: the end of the webhook's certificate, and lines that our own log dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence

from router.admission.settings import TlsFiles
from router.assembly.observing import MetricsObserver
from router.certificates.making import HeldCertificate
from router.errors import OutboxError
from router.events import NoticeEvent, Origin, as_json, timestamp, trouble_notice
from router.outbox import Intake, NewEvent
from router.routing import RoutingTree
from router.server.certificates import Validity, validity
from router.settings.tree import GateSettings
from router.telemetry import logs
from router.telemetry.causes import Cause
from router.telemetry.logs import logger, write_event
from router.telemetry.metrics import Metrics
from router.telemetry.pacing import TroubleNews, TroublePace
from router.telemetry.troubles import LOOK, Trouble, TroubleBook
from router.verdict import Severity

log = logger()

WAITING = 100
"""Events that wait for the outbox at most."""
PATIENCE = 5.0
"""Seconds that storing what waits may take, and between two offers while the outbox takes none."""
LAST_PATIENCE = 1.0
"""Seconds that it may take when we end."""


class Attention:
    """Keeps the book, and tells.

    Args:
        metrics: Where the gauge of each cause is.
        replica: The name of this product among those of its cluster.
        now: Seconds since 1970.
    """

    def __init__(self, metrics: Metrics, replica: str, *, now: Callable[[], float] = time.time) -> None:
        self._pace = TroublePace()
        self.book = TroubleBook(metrics.show_trouble, self._heard, now=now)
        self._news = asyncio.Event()
        self._replica = replica
        self._now = now
        self._origin = Origin("", replica)
        self._routes: RoutingTree | None = None
        self._certificate: Validity | None = None
        self._dropped = 0
        self._waiting: deque[tuple[NoticeEvent, NewEvent]] = deque()

    def take(self, settings: GateSettings, held: HeldCertificate | None = None) -> None:
        """Tell by these routes from now on; `held` is what is shown where we make it ourselves."""
        self._origin = Origin(settings.cluster, self._replica)
        self._routes = RoutingTree(settings.routes)
        tls = settings.webhook.tls
        self._certificate = None
        pair = tls.pair if isinstance(tls, TlsFiles) else None if held is None else held.pair
        if pair is not None:
            with contextlib.suppress(ValueError):  # OpenSSL shows certificates that can't be read more strictly
                self._certificate = validity(pair.certificate)
        self.book.keep_destinations([destination.name for destination in settings.destinations])

    async def run(self, intake: Intake, observing: MetricsObserver) -> None:
        """Look, and tell, for ever; after the first `take`."""
        loop = asyncio.get_running_loop()
        offered_again = 0.0
        while True:
            self._news.clear()
            self._look_around(observing)
            self.book.look()
            self._make(self._pace.due(loop.time()))
            if loop.time() >= offered_again and not await self._are_stored(intake, observing, PATIENCE):
                offered_again = loop.time() + PATIENCE
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._news.wait()

    async def close(self, intake: Intake, observing: MetricsObserver) -> None:
        """Store what is due, or leave it in the log."""
        self._make(self._pace.due(asyncio.get_running_loop().time()))
        if not await self._are_stored(intake, observing, LAST_PATIENCE):
            while self._waiting:
                self._leave_in_the_log(observing, "the end came first")

    def _heard(self, trouble: Trouble) -> None:
        self._pace.heard(trouble)
        self._news.set()

    def _look_around(self, observing: MetricsObserver) -> None:
        if (dropped := sum(logs.dropped().values())) > self._dropped:
            observing.trouble_began(Cause.LOG_LINES_DROPPED, "", f"{dropped - self._dropped} more")
            self._dropped = dropped
        end = None if self._certificate is None else self._certificate.ending(self._now())
        if end is None:
            observing.trouble_ended(Cause.CERTIFICATE_ENDING, "")
        else:
            observing.trouble_began(Cause.CERTIFICATE_ENDING, "", f"it is valid until {timestamp(end)}")

    def _make(self, news: Sequence[TroubleNews]) -> None:
        for one in news:
            event = self._event(one)
            trouble = one.subject if one.cause.of == "destination" else None
            if self._routes is not None and (told := self._routes.of_gatecrier(event["data"], trouble)):
                severity = Severity(event["data"]["notice"]["severity"])
                new = NewEvent(event["id"], as_json(event), self._now(), told, severity=severity)
                self._waiting.append((event, new))

    def _event(self, of: TroubleNews) -> NoticeEvent:
        return trouble_notice(
            self._origin,
            of.cause,
            of.subject,
            of.text,
            began=of.began_at,
            ended=of.ended_at,
            times=of.times,
            at=self._now(),
        )

    async def _are_stored(self, intake: Intake, observing: MetricsObserver, patience: float) -> bool:
        while len(self._waiting) > WAITING:
            self._leave_in_the_log(observing, f"more than {WAITING} wait for the outbox")
        until = asyncio.get_running_loop().time() + patience
        while self._waiting:
            first = self._waiting[0]
            try:
                async with asyncio.timeout_at(until):
                    await intake.append(first[1])
            except (OutboxError, TimeoutError) as error:
                log.warning("notice_waits", count=len(self._waiting), cause=str(error) or type(error).__name__)
                return False
            if self._waiting and self._waiting[0] is first:  # else somebody who ends us was quicker
                self._waiting.popleft()
                observing.stored()
        return True

    def _leave_in_the_log(self, observing: MetricsObserver, cause: str) -> None:
        event, _ = self._waiting.popleft()
        observing.unstored()
        log.error("event_not_stored", event_id=event["id"], cause=cause)
        write_event(event["id"], event)
