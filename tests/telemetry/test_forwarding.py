"""What one process observes reaches whoever counts it, as it was told and in order."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
import pytest

from router.telemetry.forwarding import BATCH, KEPT, Observations, Replay, forwarding
from router.verdict import Mode, Verdict


class Counting:
    """An observer like those of the stages."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def decided(self, mode: Mode, verdicts: Sequence[Verdict], seconds: float) -> None:
        """With enums, a list of them, and a number."""
        self.told.append((mode, list(verdicts), seconds))

    def expects(self, names: Collection[str]) -> None:
        """With texts."""
        self.told.append(sorted(names))

    def ready(self, name: str, *, is_ready: bool) -> None:
        """With a value by keyword."""
        self.told.append((name, is_ready))

    def stored(self) -> None:
        """With nothing."""
        self.told.append("stored")


class Sent:
    """The way to the process that counts; it may take nothing."""

    def __init__(self) -> None:
        self.batches: list[bytes] = []
        self.takes = True

    def __call__(self, batch: bytes) -> bool:
        """Take a batch, or none."""
        if self.takes:
            self.batches.append(batch)
        return self.takes


def test_facts_are_told_again_as_they_were() -> None:
    """Metrics of the whole product are as those of one process would be."""
    sent, counting = Sent(), Counting()
    facts = Observations(sent)
    observer = forwarding(Counting, facts)
    observer.stored()
    observer.decided(Mode.DETECT, [Verdict.UNSIGNED, Verdict.VERIFIED], 0.25)
    observer.expects({"siem", "chat"})
    observer.ready("gate", is_ready=True)
    facts.send()
    Replay(counting).play(*sent.batches)

    assert counting.told == [
        "stored",
        (Mode.DETECT, [Verdict.UNSIGNED, Verdict.VERIFIED], 0.25),
        ["chat", "siem"],
        ("gate", True),
    ]
    assert isinstance(counting.told[1], tuple)
    assert counting.told[1][0] is Mode.DETECT


def test_facts_are_sent_once() -> None:
    """What was sent is counted; sent again it would be counted twice."""
    sent = Sent()
    facts = Observations(sent)
    forwarding(Counting, facts).stored()
    facts.send()
    facts.send()

    assert len(sent.batches) == 1


def test_many_facts_are_sent_without_being_asked_for() -> None:
    """They would fill the memory of a process whose supervisor asks seldom."""
    sent = Sent()
    observer = forwarding(Counting, Observations(sent))
    for _ in range(2 * BATCH):
        observer.stored()

    assert len(sent.batches) == 2


def test_facts_that_nobody_takes_wait_within_a_bound() -> None:
    """A supervisor that was held up counts what it missed; one that hangs fills nobody's memory."""
    sent, counting = Sent(), Counting()
    facts = Observations(sent)
    observer = forwarding(Counting, facts)
    sent.takes = False
    for _ in range(KEPT + 2 * BATCH):
        observer.stored()
    sent.takes = True
    facts.send()
    Replay(counting).play(*sent.batches)

    assert len(counting.told) == KEPT


@pytest.mark.parametrize("fact", [["decided", "no such mode", [], 1.0], ["decided"], ["no such method"], "no fact"])
def test_what_is_no_fact_is_refused(fact: object) -> None:
    """Two versions of the program never talk to each other; a value of another type is a defect."""
    with pytest.raises(msgspec.ValidationError):
        Replay(Counting()).play(msgspec.msgpack.encode([fact]))
