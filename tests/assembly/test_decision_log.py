"""One line per decision, of the event that was stored."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

import pytest

from router.assembly import decision_log
from router.assembly.decision_log import LoggedIntake
from router.errors import OutboxError
from router.events import as_json, decode
from router.outbox import AppendListener, NewEvent, Number
from tests.admission.world import BROKEN, SIGNED, MemoryOutbox, World, pod
from tests.simulators.log import collected


class Intake(MemoryOutbox):
    """Plain memory."""

    def append_all(self, events: Sequence[NewEvent], told: AppendListener) -> None:
        """All but the first where it is full."""
        if self.failure is not None:
            told([OutboxError("full"), *[Number("replica-1", place) for place, _ in enumerate(events[1:])]])
        else:
            told([Number("replica-1", place) for place, _ in enumerate(events)])

    async def withdraw(self, ids: Collection[str]) -> AbstractSet[str]:
        """Everything."""
        return frozenset(ids)


async def stored(*images: str) -> NewEvent:
    world = World()
    world.verifier.verdicts = {"shop/web": SIGNED, "shop/db": BROKEN}
    await world.ask(pod(*images))
    (event,) = world.outbox.stored
    return event


async def test_a_decision_has_its_line() -> None:
    event = await stored("r.example/shop/web:1", "r.example/shop/db:2")
    with collected() as log:
        assert await LoggedIntake(Intake()).append(event) == Number("replica-1", 1)
        (line,) = log.named("request_decided")

    assert {key: line[key] for key in ("uid", "namespace", "workload", "outcome", "mode", "would_reject")} == {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "namespace": "strict",
        "workload": "Pod/web",
        "outcome": "rejected",
        "mode": "enforce",
        "would_reject": True,
    }
    assert line["verdicts"] == [
        "r.example/shop/web:1: verified(signed)",
        "r.example/shop/db:2: invalid(digest_mismatch)",
    ]
    assert line["event_id"] == event.id


async def test_of_many_images_those_that_fail_are_shown() -> None:
    event = await stored(*(f"r.example/shop/web:{n}" for n in range(30)), "r.example/shop/db:2")
    with collected() as log:
        await LoggedIntake(Intake()).append(event)
        (line,) = log.named("request_decided")

    verdicts = line["verdicts"]
    assert isinstance(verdicts, list)
    assert len(verdicts) == decision_log.SHOWN_IMAGES
    assert verdicts[0] == "r.example/shop/db:2: invalid(digest_mismatch)"


async def test_of_several_those_have_lines_that_were_stored() -> None:
    first, second = await stored("r.example/shop/web:1"), await stored("r.example/shop/db:2")

    second = replace(second, id="another")
    with collected() as log:
        results: list[Number | OutboxError] = []
        LoggedIntake(Intake(failure=OutboxError("full"))).append_all([first, second], results.extend)
        assert log.named("request_decided") == []  # whoever waits is answered before
        await asyncio.sleep(0)
        assert [line["event_id"] for line in log.named("request_decided")] == ["another"]
    refused, number = results
    assert isinstance(refused, OutboxError)
    assert number == Number("replica-1", 0)


async def test_what_was_not_stored_has_no_line() -> None:
    event, intake = await stored("r.example/shop/web:1"), Intake(failure=RuntimeError("full"))
    with collected() as log:
        with pytest.raises(RuntimeError):
            await LoggedIntake(intake).append(event)
        assert log.named("request_decided") == []


async def test_an_event_that_makes_no_line_is_stored_all_the_same() -> None:
    event = await stored("r.example/shop/web:1")
    whole = decode(event.body)
    del whole["data"]["workload"]  # type: ignore[misc]  # what no gate makes
    odd = NewEvent(event.id, as_json(whole), event.at, ())
    with collected() as log:
        await LoggedIntake(Intake()).append(odd)
        assert log.named("decision_not_logged")


async def test_only_decisions_have_lines() -> None:
    event = await stored("r.example/shop/web:1")
    other = NewEvent(event.id, as_json({**decode(event.body), "type": "dev.gatecrier.other.v1"}), event.at, ())
    with collected() as log:
        await LoggedIntake(Intake()).append(other)
        assert log.named("request_decided") == []


async def test_withdrawals_go_through() -> None:
    assert await LoggedIntake(Intake()).withdraw(["a"]) == {"a"}
