"""What delivery says is wrong with a destination."""

from __future__ import annotations

import asyncio

from router.delivery import Channel
from router.delivery.breaker import FAILURES
from router.destinations.outcome import Delivered, TryAgain
from router.telemetry.causes import Cause
from tests.delivery.stage import Receiver, render, stage
from tests.simulators.virtual_time import virtually

DOWN = (Cause.DESTINATION_DOWN, "sink")


def test_a_destination_that_is_down_is_trouble_until_it_takes_something() -> None:
    async def story() -> tuple[dict[tuple[Cause, str], str], dict[tuple[Cause, str], str]]:
        receiver = Receiver(answer=lambda number, _: TryAgain("http_500") if number <= FAILURES else Delivered())
        async with stage(receiver) as on:
            for _ in range(FAILURES):
                on.outbox.put("sink")
            await asyncio.sleep(0.2)
            during = dict(on.counts.troubles)
            await on.outbox.until_settled()
            return during, dict(on.counts.troubles)

    during, afterwards = virtually(story())

    assert during == {DOWN: "http_500"}
    assert afterwards == {}


def test_what_was_wrong_with_a_destination_that_is_configured_anew_is_not_known_any_more() -> None:
    async def story() -> dict[tuple[Cause, str], str]:
        receiver = Receiver(answer=lambda *_: TryAgain("http_500"))
        async with stage(receiver) as on:
            for _ in range(FAILURES):
                on.outbox.put("sink")
            await asyncio.sleep(0.2)
            assert DOWN in on.counts.troubles
            await on.dispatcher.replace({"sink": Channel(Receiver(), render)})
            return dict(on.counts.troubles)

    assert virtually(story()) == {}
