"""Any story of owners, against a simple specification of what people are told of them.

Events come in any order within a minute of each other, twice, and after transactions that were lost; the clock of the
day steps. The specification keeps, per owner, which containers fail since when.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.incidents.stage import PEOPLE, REPLICASET_CONTROLLER, World, found, owner

OWNERS = ("one", "two")
CONTAINERS = ("c0", "c1")
TOLD = re.compile(r"opened( changed| repeated)*( resolved| expired)?")
MINUTE, HOUR = PEOPLE.group_interval, PEOPLE.repeat_interval


class Story(RuleBasedStateMachine):
    """What may happen, and what must hold."""

    @initialize()
    def begin(self) -> None:
        """An empty ledger."""
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name) / "outbox.db")
        self.failing: dict[str, dict[str, float]] = {name: {} for name in OWNERS}
        self.count = dict.fromkeys(OWNERS, 0)
        self.ended: dict[str, tuple[float, float]] = {}
        """Event time and own time of the last end."""
        self.ids: list[tuple[str, float]] = []

    @rule(
        name=st.sampled_from(OWNERS),
        bad=st.sets(st.sampled_from(CONTAINERS)),
        late=st.sampled_from([0.0, 0.0, 30.0, 59.0]),
        crash=st.booleans(),
        is_pod=st.booleans(),
    )
    def decide(self, name: str, bad: set[str], late: float, crash: bool, is_pod: bool) -> None:  # noqa: FBT001 - drawn
        """A Deployment, or a Pod that a believed controller made for it."""
        at = self.world.of_day - late
        images = [found("unsigned" if one in bad else "verified", one) for one in CONTAINERS]
        if is_pod:
            of = owner("StatefulSet", name)
            self.world.decide(*images, kind="Pod", name=f"{name}-0", of=of, user=REPLICASET_CONTROLLER, at=at)
        else:
            self.world.decide(*images, kind="StatefulSet", name=name, at=at)
        self.ids.append((f"event-{self.world.number}", at))
        self.world.consume(crash=crash)
        self._specify(name, bad, at, is_itself=not is_pod)

    def _specify(self, name: str, bad: set[str], at: float, *, is_itself: bool) -> None:
        failing = self.failing[name]
        if bad and (failing or not self._is_late(name, at, is_itself=is_itself)):
            self.count[name] = self.count[name] + 1 if failing else 1
            failing |= {one: max(at, failing.get(one, at)) for one in bad}
        was_failing = bool(failing)
        for one in set(failing) - bad:
            if at >= failing[one]:
                del failing[one]
        if was_failing and not failing:
            self.ended[name] = at, self.world.own

    def _is_late(self, name: str, at: float, *, is_itself: bool) -> bool:
        if name not in self.ended:
            return False
        of_event, own = self.ended[name]
        return at <= of_event or (not is_itself and self.world.own - own < MINUTE)

    @rule(name=st.sampled_from(OWNERS), is_bad=st.booleans())
    def forge(self, name: str, is_bad: bool) -> None:  # noqa: FBT001 - drawn
        """Somebody claims an owner: nothing of that owner may follow."""
        image = found("unsigned" if is_bad else "verified")
        self.world.decide(image, kind="Pod", name="forged", of=owner("StatefulSet", name), user="mallory")
        self.world.consume()

    @rule()
    def repeat(self) -> None:
        """The same event is appended again, as a gate does that was not told."""
        if self.ids:
            before = self.world.rows("SELECT count(*) FROM events")
            event_id, at = self.ids[-1]
            self.world.decide(found(), kind="StatefulSet", name="one", event_id=event_id, at=at)
            self.world.consume()
            assert self.world.rows("SELECT count(*) FROM events") == before

    @rule(seconds=st.sampled_from([1.0, 30.0, MINUTE, 600.0, HOUR]))
    def pass_time(self, seconds: float) -> None:
        """Both clocks go on."""
        self.world.pass_time(seconds)

    @rule(seconds=st.sampled_from([5.0, 4000.0]))
    def step(self, seconds: float) -> None:
        """The clock of the day is put on."""
        self.world.of_day += seconds

    @invariant()
    def tells_each_story_in_order(self) -> None:
        """Opened once, ended once, numbered, under ids of their own."""
        bodies = [body for body in self.world.bodies() if "incident" in body["data"]]
        assert len({body["id"] for body in bodies}) == len(bodies)
        by_id: dict[str, list[dict[str, object]]] = {}
        for body in bodies:
            by_id.setdefault(body["data"]["incident"]["id"], []).append(body["data"]["incident"])
        for told in by_id.values():
            assert TOLD.fullmatch(" ".join(str(one["state"]) for one in told)) is not None
            assert [one["told"] for one in told] == list(range(1, len(told) + 1))

    @invariant()
    def is_open_while_something_fails(self) -> None:
        """What is open, and how much it has counted, is what the specification says."""
        rows = self.world.rows(
            "SELECT json_extract(body, '$.owner.name'), json_extract(body, '$.count') FROM incidents"
            " WHERE is_open AND json_extract(body, '$.owner.kind') = 'StatefulSet' ORDER BY 1"
        )
        assert rows == [(name, self.count[name]) for name in OWNERS if self.failing[name]]

    @invariant()
    def forgets_nobody(self) -> None:
        """The marks by which owners find their incidents are those of open findings."""
        marks = self.world.rows("SELECT count(DISTINCT incident) FROM incident_owners")
        opened = self.world.rows("SELECT count(*) FROM incidents WHERE is_open")
        assert marks == opened

    def teardown(self) -> None:
        """Close the file."""
        if hasattr(self, "world"):
            self.world.close()
            self.folder.cleanup()


TestStory = Story.TestCase
TestStory.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
