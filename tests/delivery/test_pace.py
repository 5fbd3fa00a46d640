"""A destination that has a rate is sent no more than that, and gets everything all the same."""

from __future__ import annotations

from router.delivery import Channel
from router.delivery.standing import DestinationStanding
from router.fields import Rate
from tests.delivery.stage import Receiver, StagedOutbox, render, stage
from tests.simulators.virtual_time import virtually


def test_what_is_beyond_the_rate_waits_and_nothing_is_lost() -> None:
    async def story() -> None:
        outbox, receiver = StagedOutbox(), Receiver(concurrency=8)
        async with stage(outbox=outbox) as on:
            await on.dispatcher.replace({"sink": Channel(receiver, render, DestinationStanding(Rate(5, 60.0)))})
            for _ in range(23):
                outbox.put("sink")
            await outbox.until_settled()

        times = [at for at, _ in receiver.attempts]
        assert receiver.accepted.total() == 23
        assert len(times) == 23
        assert all(sum(at - 60.0 < other <= at for other in times) <= 5 for at in times)
        assert times[-1] - times[0] < 300.0

    virtually(story())
