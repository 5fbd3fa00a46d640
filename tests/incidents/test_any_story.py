"""Any story of owners, against a simple specification of what people are told of them.

Events come in any order within a minute of each other, twice, and after transactions that were lost; the clock of the
day steps. The specification keeps, per owner, which containers fail since when; and per image, when which rules have
proven it, and which digest fails since when if it is to blame itself.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.incidents.stage import PEOPLE, REPLICASET_CONTROLLER, World, found, owner

OWNERS = ("one", "two")
CONTAINERS = ("c0", "c1")
TAG = "r.example/shop/web:1"
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
        self.proven: dict[tuple[str, str], float] = {}
        """Event time of the last proof, by name and rules."""
        self.blamed: dict[str, tuple[float, str, int]] = {}
        """Event time and digest that an image failed with last, and how many events were counted, by its name."""
        self.passed: dict[str, float] = {}
        """Event time of the last end, by its name."""

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

    @rule(
        name=st.sampled_from(OWNERS),
        digest=st.sampled_from(["sha256:" + "1" * 64, "sha256:" + "2" * 64]),
        is_good=st.booleans(),
        rules=st.sampled_from(["these", "these", "others"]),
        cached=st.booleans(),
        late=st.sampled_from([0.0, 0.0, 30.0]),
    )
    def decide_by_tag(
        self,
        name: str,
        digest: str,
        *,
        is_good: bool,
        rules: str,
        cached: bool,
        late: float,
    ) -> None:
        """A tag that may lead to another digest each time, and digests that may be proven at one time only."""
        at, verdict = self.world.of_day - late, "verified" if is_good else "unsigned"
        image = found(verdict, "c0", TAG, digest=digest, judged_by=rules, cached=cached)
        self.world.decide(image, found("verified", "c1"), kind="StatefulSet", name=name, at=at)
        self.ids.append((f"event-{self.world.number}", at))
        self.world.consume(crash=True)
        names = (TAG.replace(":1", f"@{digest}"), TAG)
        to_blame = None if is_good else next((one for one in names if self._is_to_blame(one, rules, at)), None)
        if to_blame is not None:
            self._specify_blame(to_blame, digest, at)
        is_owners = not is_good and to_blame is None
        kept = {"c0"} if to_blame is not None else set[str]()
        self._specify(name, {"c0"} if is_owners else set(), at, is_itself=True, kept=kept)
        for one in names if is_good else ():
            self.proven[one, rules] = max(at, self.proven.get((one, rules), at))
            failed, of, _ = self.blamed.get(one, (float("inf"), "", 0))
            if at >= failed + 30.0 * cached and not (cached and digest == of):
                del self.blamed[one]
                self.passed[one] = at

    @rule(
        many=st.lists(
            st.tuples(st.sampled_from(OWNERS), st.sets(st.sampled_from(CONTAINERS)), st.sampled_from([0.0, 1.0, 30.0])),
            min_size=2,
            max_size=6,
        ),
        is_mistaken=st.booleans(),
    )
    def decide_together(self, many: list[tuple[str, set[str], float]], *, is_mistaken: bool) -> None:
        """Events of one transaction; with one among them that can't be understood, each is consumed by itself."""
        now = self.world.of_day
        for number, (name, bad, late) in enumerate(many):
            images = [found("unsigned" if one in bad else "verified", one) for one in CONTAINERS]
            self.world.decide(*images, kind="StatefulSet", name=name, at=now - late)
            self.ids.append((f"event-{self.world.number}", now - late))
            if is_mistaken and number == len(many) // 2:
                self.world.decide(found("nonsense"), name="mistaken")
        self.world.consume(crash=not is_mistaken)
        for name, bad, late in many:
            self._specify(name, bad, now - late, is_itself=True)

    def _is_to_blame(self, name: str, rules: str, at: float) -> bool:
        return name in self.blamed or 0.0 <= at - self.proven.get((name, rules), float("inf")) <= 3600.0

    def _specify_blame(self, name: str, digest: str, at: float) -> None:
        failed, of, count = self.blamed.get(name, (at, digest, 0))
        if count or at > self.passed.get(name, 0.0):
            self.blamed[name] = (at, digest, count + 1) if at >= failed else (failed, of, count + 1)

    def _specify(
        self, name: str, bad: set[str], at: float, *, is_itself: bool, kept: Collection[str] = frozenset()
    ) -> None:
        failing = self.failing[name]
        if bad and (failing or not self._is_late(name, at, is_itself=is_itself)):
            self.count[name] = self.count[name] + 1 if failing else 1
            failing |= {one: max(at, failing.get(one, at)) for one in bad}
        was_failing = bool(failing)
        for one in set(failing) - bad - set(kept):
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
    def blames_what_is_to_blame(self) -> None:
        """Images that are known to have been proven, and no owner for them."""
        rows = self.world.rows(
            "SELECT json_extract(body, '$.owner.name'), json_extract(body, '$.count') FROM incidents"
            " WHERE is_open AND json_extract(body, '$.kind') = 'image' ORDER BY 1"
        )
        assert rows == sorted((name, count) for name, (_, _, count) in self.blamed.items())

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
