"""Any story of silences and of an interval across a change of the clocks, against a simple specification.

People are told of two Deployments from 01:00 to 04:00 in Berlin, where the night of 25 October 2026 has an hour more.
The specification keeps, per owner, whether something fails, whether anybody was told of that, and how many events were
held back since; and per silence and for the interval, of which incidents and how many events they are to tell.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from router.incidents import silences
from router.routing import IncidentRoute, TimeIntervalSettings
from tests.incidents.stage import World, found

OWNERS = ("one", "two")
BERLIN = ZoneInfo("Europe/Berlin")
EVENING = dt.datetime(2026, 10, 24, 20, 0, tzinfo=dt.UTC).timestamp()
NIGHT = TimeIntervalSettings.model_validate(
    {
        "name": "night",
        "time_intervals": [{"times": [{"start_time": "01:00", "end_time": "04:00"}], "location": "Europe/Berlin"}],
    }
)
ROUTE = IncidentRoute("people", severity="high", repeat_interval=1e9, group_interval=0.0, active=("night",))
"""Nothing is told twice, so that every message is one that silences or the interval decide about."""
INTERVAL = "interval"
MINUTES = 60.0


@dataclass
class Trouble:
    """One incident, as the specification has it."""

    is_open: bool = True
    was_told: bool = False
    suppressed: int = 0


@dataclass
class Expected:
    """What is to be told now."""

    opened: dict[str, int] = field(default_factory=dict)
    """How many events were held back before, by owner."""
    resolved: list[str] = field(default_factory=list)
    summaries: list[int] = field(default_factory=list)
    """Events of each."""


class Quiet(RuleBasedStateMachine):
    """What may happen, and what must be told of it at once."""

    @initialize()
    def begin(self) -> None:
        """In the evening, when nobody is told anything."""
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name) / "outbox.db", intervals=[NIGHT])
        self.world.of_day = EVENING
        self.troubles: dict[str, Trouble] = {}
        """The last one of each owner."""
        self.silenced: dict[str, tuple[str, float]] = {}
        """The silence that holds back an owner, and its end."""
        self.held: dict[str, list[tuple[str, Trouble, int]]] = {INTERVAL: []}
        """By what holds back: whose, which, and how many events."""
        self.heard = 0

    @rule(name=st.sampled_from(OWNERS), is_bad=st.booleans())
    def decide(self, name: str, is_bad: bool) -> None:  # noqa: FBT001 - drawn
        """A Deployment is applied."""
        expected = Expected()
        trouble = self.troubles.get(name)
        if is_bad:
            if trouble is None or not trouble.is_open:
                trouble = self.troubles[name] = Trouble()
            source = self._holding_back(name)
            if source is not None:
                self._hold(source, name, trouble, 1)
                trouble.suppressed += 1
            elif not trouble.was_told:
                expected.opened[name] = trouble.suppressed
                trouble.was_told = True
        elif trouble is not None and trouble.is_open:
            trouble.is_open = False
            expected.resolved += [name] if trouble.was_told else []
        self.world.tell(found("unsigned" if is_bad else "verified"), name=name, routes=[ROUTE] if is_bad else [])
        self._compare(expected)

    @rule(name=st.sampled_from(OWNERS), minutes=st.sampled_from([10, 60, 240, 1500]))
    def silence(self, name: str, minutes: int) -> None:
        """Somebody wants to hear nothing of an owner for a while; one silence at a time."""
        if name not in self.silenced:
            one = self.world.silence(f'workload.name = "{name}"', seconds=minutes * MINUTES)
            self.silenced[name] = one, self.world.of_day + minutes * MINUTES
            self.held[one] = []

    @rule(name=st.sampled_from(OWNERS))
    def expire(self, name: str) -> None:
        """Somebody ends a silence before its time."""
        if name in self.silenced:
            one, _ = self.silenced[name]
            silences.expire(self.world.connection, one, "bob", self.world.of_day)
            self.silenced[name] = one, self.world.of_day
            self._go_on(0.0)

    @rule(minutes=st.sampled_from([1, 30, 60, 170, 600]))
    def pass_time(self, minutes: int) -> None:
        """Silences end, and telling begins again."""
        self._go_on(minutes * MINUTES)

    def _go_on(self, seconds: float) -> None:
        expected, now = Expected(), self.world.of_day + seconds
        for name, (one, ends_at) in list(self.silenced.items()):
            if ends_at <= now:
                del self.silenced[name]
                held = self.held.pop(one)
                expected.summaries += [sum(count for _, _, count in held)] if held else []
        if self._is_active(now):
            held, self.held[INTERVAL] = self.held[INTERVAL], []
            for name, trouble, count in held:
                self._tell_again(name, trouble, count, expected)
            over = [count for _, trouble, count in held if not trouble.is_open]
            expected.summaries += [sum(over)] if over else []
        self.world.pass_time(seconds)
        self._compare(expected)

    def _tell_again(self, name: str, trouble: Trouble, count: int, expected: Expected) -> None:
        if trouble.is_open and not trouble.was_told:
            if name in self.silenced:
                self._hold(self.silenced[name][0], name, trouble, count)
            else:
                expected.opened[name] = trouble.suppressed
                trouble.was_told = True

    def _hold(self, source: str, name: str, trouble: Trouble, count: int) -> None:
        rows = self.held[source]
        before = next((row for row in rows if row[1] is trouble), (name, trouble, 0))
        self.held[source] = [*(row for row in rows if row[1] is not trouble), (name, trouble, before[2] + count)]

    def _holding_back(self, name: str) -> str | None:
        """A silence before the interval, as people wrote it."""
        if name in self.silenced:
            return self.silenced[name][0]
        return None if self._is_active(self.world.of_day) else INTERVAL

    @staticmethod
    def _is_active(at: float) -> bool:
        return 1 <= dt.datetime.fromtimestamp(at, BERLIN).hour < 4

    def _compare(self, expected: Expected) -> None:
        bodies = self.world.bodies()
        new, self.heard = bodies[self.heard :], len(bodies)
        incidents: list[dict[str, Any]] = [body["data"]["incident"] for body in new if "incident" in body["data"]]
        notices = [body["data"]["notice"]["facts"]["events"] for body in new if "notice" in body["data"]]
        told = {state: [one for one in incidents if one["state"] == state] for state in ("opened", "resolved")}
        assert {one["owner"]["name"]: one["suppressed"] for one in told["opened"]} == expected.opened
        assert [one["owner"]["name"] for one in told["resolved"]] == expected.resolved
        assert len(incidents) == len(expected.opened) + len(expected.resolved)
        assert sorted(notices) == sorted(expected.summaries)

    def teardown(self) -> None:
        """Close the file."""
        if hasattr(self, "world"):
            self.world.close()
            self.folder.cleanup()


TestQuiet = Quiet.TestCase
TestQuiet.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
