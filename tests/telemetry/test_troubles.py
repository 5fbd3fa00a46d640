"""What is wrong with Gatecrier, in one book for all of its processes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.telemetry.causes import Cause, Troubles
from router.telemetry.forwarding import Observations, Replay, forwarding
from router.telemetry.troubles import INHERITED, OTHERS, SUBJECT_LIMIT, SUBJECTS, TEXT_LIMIT, Trouble, TroubleBook
from router.verdict import Severity
from tests.simulators.log import Log

DOWN = Cause.DESTINATION_DOWN
ENDED = Cause.PROCESS_ENDED


@dataclass
class Story:
    """A book with a clock that is set by hand, and what came of it."""

    seconds: float = 0.0
    shown: dict[Cause, bool] = field(default_factory=dict)
    changes: list[tuple[Cause, str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.book = TroubleBook(
            self.shown.__setitem__, self._changed, clock=lambda: self.seconds, now=lambda: 1000 + self.seconds
        )
        self.keeper: Troubles = self.book.held_by("keeper-0")
        self.gate: Troubles = self.book.held_by("gate-0")

    def _changed(self, trouble: Trouble) -> None:
        self.changes.append((trouble.cause, trouble.subject, trouble.ended_at is None))

    def pass_(self, seconds: float) -> None:
        """Time passes."""
        self.seconds += seconds
        self.book.look()


def test_a_trouble_is_told_when_it_begins_and_when_it_ends(log: Log) -> None:
    story = Story()
    story.keeper.trouble_began(DOWN, "siem", "http_500")
    shown = dict(story.shown)
    story.pass_(9.0)
    story.keeper.trouble_ended(DOWN, "siem")

    assert shown == {DOWN: True}
    assert story.shown == {DOWN: False}
    assert story.changes == [(DOWN, "siem", True), (DOWN, "siem", False)]
    (begun,), (ended,) = log.named("trouble_began"), log.named("trouble_ended")
    assert (begun["cause"], begun["subject"], begun["text"]) == ("destination_down", "siem", "http_500")
    assert begun["advice"] == DOWN.remedy
    assert ended["seconds"] == 9.0


def test_what_is_known_is_told_once_however_often_it_is_said(log: Log) -> None:
    story = Story()
    for attempt in range(1000):
        story.keeper.trouble_began(DOWN, "siem", f"attempt {attempt}")
    for _ in range(1000):
        story.keeper.trouble_ended(DOWN, "siem")
        story.keeper.trouble_ended(DOWN, "never")

    assert len(log.lines) == len(story.changes) == 2


def test_a_cause_is_shown_while_any_subject_has_it() -> None:
    story = Story()
    story.keeper.trouble_began(DOWN, "siem", "")
    story.keeper.trouble_began(DOWN, "slack", "")
    story.keeper.trouble_ended(DOWN, "siem")
    still = story.shown[DOWN]
    story.keeper.trouble_ended(DOWN, "slack")

    assert still
    assert not story.shown[DOWN]


def test_what_two_processes_see_ends_when_neither_does() -> None:
    story = Story()
    story.keeper.trouble_began(Cause.TRUST_STALE, "public-good", "")
    story.gate.trouble_began(Cause.TRUST_STALE, "public-good", "")
    story.keeper.trouble_ended(Cause.TRUST_STALE, "public-good")
    still = story.shown[Cause.TRUST_STALE]
    story.gate.trouble_ended(Cause.TRUST_STALE, "public-good")

    assert still
    assert not story.shown[Cause.TRUST_STALE]
    assert len(story.changes) == 2


def test_what_only_happens_is_over_when_it_was_not_said_for_a_while() -> None:
    story = Story()
    lasts = ENDED.lasts or 0.0
    story.keeper.trouble_began(ENDED, "gate-0", "")
    story.pass_(lasts - 1)
    story.keeper.trouble_began(ENDED, "gate-0", "again")
    story.pass_(lasts - 1)
    still = story.shown[ENDED]
    story.pass_(1)

    assert still
    assert not story.shown[ENDED]


def test_a_state_lasts_until_somebody_says_that_it_ended() -> None:
    story = Story()
    story.keeper.trouble_began(DOWN, "siem", "")
    story.pass_(10 * 86400.0)

    assert story.shown[DOWN]


def test_a_killed_process_takes_no_trouble_away_at_once() -> None:
    """The receiver that was down a moment ago is down still; the next keeper says so, or that it is not."""
    story = Story()
    story.keeper.trouble_began(DOWN, "siem", "")
    story.keeper.trouble_began(DOWN, "slack", "")
    story.book.left("keeper-0")
    story.pass_(INHERITED - 1)
    story.keeper.trouble_began(DOWN, "siem", "")
    story.pass_(INHERITED)

    assert story.changes == [(DOWN, "siem", True), (DOWN, "slack", True), (DOWN, "slack", False)]


def test_what_a_killed_process_said_of_the_past_lasts_no_longer_than_it_would_have() -> None:
    story = Story()
    story.keeper.trouble_began(ENDED, "gate-0", "")
    story.pass_((ENDED.lasts or 0.0) - 1)
    story.book.left("keeper-0")
    story.pass_(1)

    assert not story.shown[ENDED]


def test_a_destination_that_is_none_any_more_has_no_trouble_but_what_is_left_of_it() -> None:
    story = Story()
    left = (Cause.DESTINATION_REMOVED, Cause.DELIVERIES_SET_ASIDE, Cause.SET_ASIDE_ENDING)
    for cause in Cause:
        story.keeper.trouble_began(cause, "siem" if cause.of == "destination" else "", "")
    story.book.keep_destinations(["slack"])

    assert {cause for cause, is_there in story.shown.items() if not is_there} == {
        cause for cause in Cause if cause.of == "destination" and cause not in left
    }


def test_whoever_can_choose_subjects_takes_no_more_than_a_bounded_place() -> None:
    story = Story()
    for number in range(10 * SUBJECTS):
        story.gate.trouble_began(DOWN, f"{number}" * 1000, "x" * 10_000)
    begun = list(story.changes)
    for number in range(10 * SUBJECTS):
        story.gate.trouble_ended(DOWN, f"{number}" * 1000)
    story.pass_(3600)

    assert len(begun) == SUBJECTS + 1
    assert begun[-1] == (DOWN, OTHERS, True)
    assert all(len(subject) <= SUBJECT_LIMIT for _, subject, _ in begun)
    assert not story.shown[DOWN]


def test_a_text_is_cut(log: Log) -> None:
    Story().gate.trouble_began(DOWN, "siem", "x" * 10_000)

    assert log.lines[0]["text"] == "x" * TEXT_LIMIT


def test_it_crosses_from_process_to_process_as_every_fact_does() -> None:
    sent: list[bytes] = []

    def send(batch: bytes) -> bool:
        sent.append(batch)
        return True

    facts = Observations(send)
    remote: Troubles = forwarding(_Page, facts)
    remote.trouble_began(DOWN, "siem", "http_500")
    remote.trouble_ended(DOWN, "siem")
    facts.send()
    page = _Page()
    Replay(page).play(sent[0])

    assert page.heard == [(DOWN, "siem", "http_500"), (DOWN, "siem")]
    assert isinstance(page.heard[0][0], Cause)


@dataclass
class _Page:
    heard: list[tuple[object, ...]] = field(default_factory=list)

    def trouble_began(self, cause: Cause, subject: str, text: str) -> None:
        """Keep it."""
        self.heard.append((cause, subject, text))

    def trouble_ended(self, cause: Cause, subject: str) -> None:
        """Keep it."""
        self.heard.append((cause, subject))


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_says_what_is_wrong_how_bad_it_is_and_what_to_do(cause: Cause) -> None:
    assert isinstance(cause.severity, Severity)
    assert cause.of in {"", "destination", "process", "trust_root"}
    assert "{" not in cause.title_of("siem") + cause.remedy
    assert not cause.heading.endswith(".")
    assert not cause.remedy.endswith(".")
    assert ("siem" in cause.title_of("siem")) == bool(cause.of)


SAID = st.tuples(
    st.sampled_from(["began", "ended", "left", "pass"]),
    st.sampled_from(["keeper-0", "gate-0"]),
    st.sampled_from([DOWN, ENDED]),
    st.sampled_from(["a", "b"]),
    st.sampled_from([1.0, INHERITED, ENDED.lasts or 0.0]),
)


@given(st.lists(SAID, max_size=40))
def test_beginnings_and_ends_alternate_whatever_is_said(said: list[tuple[str, str, Cause, str, float]]) -> None:
    """And the gauge says at every moment what the changes say."""
    story = Story()
    for what, origin, cause, subject, seconds in said:
        match what:
            case "began":
                story.book.began(origin, cause, subject, "")
            case "ended":
                story.book.ended(origin, cause, subject)
            case "left":
                story.book.left(origin)
            case _:
                story.pass_(seconds)
    there: set[tuple[Cause, str]] = set()
    for cause, subject, is_there in story.changes:
        assert ((cause, subject) in there) is not is_there
        there ^= {(cause, subject)}

    assert {cause for cause, is_there in story.shown.items() if is_there} == {cause for cause, _ in there}
