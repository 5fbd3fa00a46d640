"""What one process observes reaches whoever counts it, as it was told and in order."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
import pytest

from router.telemetry.forwarding import Facts, Replay, forwarding
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


def test_facts_are_told_again_as_they_were() -> None:
    """Metrics of the whole product are as those of one process would be."""
    facts, counting = Facts(lambda: None), Counting()
    observer = forwarding(Counting, facts)
    observer.stored()
    observer.decided(Mode.DETECT, [Verdict.UNSIGNED, Verdict.VERIFIED], 0.25)
    observer.expects({"siem", "chat"})
    observer.ready("gate", is_ready=True)
    Replay(counting).tell(facts.taken())

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
    facts = Facts(lambda: None)
    forwarding(Counting, facts).stored()
    facts.taken()

    assert facts.taken() == b""
    Replay(Counting()).tell(b"")


def test_many_facts_ask_to_be_sent() -> None:
    """They would fill the memory of a process whose supervisor asks seldom."""
    asked: list[None] = []
    observer = forwarding(Counting, Facts(lambda: asked.append(None), limit=3))
    for _ in range(3):
        observer.stored()

    assert len(asked) == 1


def test_what_is_no_fact_is_refused() -> None:
    """Two versions of the program never talk to each other; a value of another type is a defect."""
    facts = Facts(lambda: None)
    facts.note("decided", ("no such mode", [], 1.0))

    with pytest.raises(msgspec.ValidationError):
        Replay(Counting()).tell(facts.taken())
