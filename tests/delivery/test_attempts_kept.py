"""Every attempt is kept with its delivery: when, how long, what came of it, and what the receiver said."""

from router.destinations.document import Document
from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable
from router.outbox import Attempt, DeliverySelection
from tests.delivery.stage import Receiver, StagedOutbox, clock, stage
from tests.simulators.virtual_time import virtually


async def kept(outbox: StagedOutbox, event_id: str = "event-1") -> list[Attempt]:
    (row,) = await outbox.deliveries(DeliverySelection(events=[event_id]), 9)
    return list(row.tried)


def test_what_failed_and_what_succeeded_are_both_kept() -> None:
    async def story() -> None:
        answers: list[Outcome] = [
            TryAgain("http_503", words="no healthy upstream", status=503),
            TryAgain("timeout"),
            Delivered(status=202),
        ]
        receiver = Receiver(answer=lambda number, _: answers[number - 1], seconds=0.25)
        async with stage(receiver) as on:
            began = clock()
            on.outbox.put("sink")
            await on.outbox.until_settled()
            made = await kept(on.outbox)

        assert [(one.reason, one.status, one.words) for one in made] == [
            ("http_503", 503, "no healthy upstream"),
            ("timeout", None, ""),
            ("", 202, ""),
        ]
        assert [round(one.seconds, 3) for one in made] == [0.25, 0.25, 0.25]
        assert [round(one.at - began, 3) for one in made] == [
            round(at - receiver.attempts[0][0], 3) for at, _ in receiver.attempts
        ]

    virtually(story())


def test_each_event_of_a_refused_batch_keeps_the_attempt_that_decided_about_it() -> None:
    async def story() -> None:
        def answer(_: int, ids: object) -> Outcome:
            return Delivered(status=200) if ids == ("event-2",) else Undeliverable("http_400", "bad line", status=400)

        outbox = StagedOutbox()
        outbox.put("sink")
        outbox.put("sink")
        async with stage(Receiver(answer=answer, batch_size=2, concurrency=1), outbox=outbox):
            await outbox.until_settled()
            first, second = await kept(outbox), await kept(outbox, "event-2")

        assert [(one.reason, one.status, one.words) for one in first] == [("http_400", 400, "bad line")]
        assert [(one.reason, one.status, one.is_accepted) for one in second] == [("", 200, True)]

    virtually(story())


def test_a_document_that_can_not_be_made_is_an_attempt_too() -> None:
    async def story() -> None:
        failures = iter([ValueError("no")])

        def rendering(event_id: str, body: bytes, _template: str) -> Document:
            if (failure := next(failures, None)) is not None:
                raise failure
            return Document(event_id, body)

        outbox = StagedOutbox()
        outbox.put("sink")
        async with stage(Receiver(), outbox=outbox, rendering=rendering):
            await outbox.until_settled()
            made = await kept(outbox)

        assert [one.reason for one in made] == ["internal_error", ""]

    virtually(story())
