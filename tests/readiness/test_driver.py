"""Beats, counts and notices: what of readiness goes on beside events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path

import orjson
import pytest

from router.events import NoticeEvent, as_json
from router.incidents.driver import IncidentsDriver
from router.incidents.rules import IncidentRules
from router.outbox import DeliverySelection, NewEvent
from router.outbox.sqlite import SqliteOutbox
from router.outbox.stored import Stretch
from router.policy import Enforcement, EnforcementSettings
from router.readiness import beats, grouping, ledger
from router.readiness.driver import SOON, Readiness, ReadinessDriver
from router.readiness.judging import Scan
from router.readiness.settings import ReadinessSettings
from router.readiness.watching import BEAT
from router.routing import IncidentSettings, RouteSettings
from router.verdict import Mode
from tests.incidents.stage import NOW
from tests.outbox.stage import Clock
from tests.routing.event import event, image

DAY = 86400.0
ROUTES = RouteSettings.model_validate(
    {"destinations": ["siem"], "routes": [{"about": ["gatecrier"], "destinations": ["people"]}]}
)


class Counts:
    """Who is told how many there are."""

    def __init__(self) -> None:
        self.counts: Mapping[str, int] = {}
        self.states: Mapping[str, str] = {}

    def namespaces(self, counts: Mapping[str, int], states: Mapping[str, str]) -> None:
        """Take them down."""
        self.counts, self.states = dict(counts), dict(states)


class Stage:
    """A keeper's outbox with both drivers, in virtual time."""

    def __init__(self, outbox: SqliteOutbox, clock: Clock) -> None:
        self.outbox, self.clock, self.counted = outbox, clock, Counts()
        self.of_day = NOW
        self.rules = IncidentRules.of(IncidentSettings(), (), ROUTES, "r", DAY, cluster="c")
        self.incidents = IncidentsDriver(outbox, time_of_day=lambda: self.of_day, seen=grouping.note)
        self.incidents.rules = self.rules
        self.driver = self.restarted()

    def restarted(self) -> ReadinessDriver:
        """A driver that begins anew."""
        self.driver = ReadinessDriver(self.outbox, self.counted.namespaces, time_of_day=lambda: self.of_day)
        settings = ReadinessSettings(window=DAY, metrics_namespaces=("shop", "other"))
        self.driver.by = Readiness(
            settings, self.rules, Enforcement(EnforcementSettings(namespaces={"strict": Mode.ENFORCE}))
        )
        return self.driver

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, with a beat at its end."""
        self.of_day += seconds
        self.clock.now += seconds
        await self.driver.step()

    async def see(self, event_id: str, verdict: str, namespace: str = "shop") -> None:
        """Have an event seen."""
        data = event(image(verdict), namespace=namespace, would_reject=verdict != "verified")
        body = as_json(
            {"specversion": "1.0", "type": "dev.gatecrier.admission.decision.v1", "id": event_id, "data": data}
        )
        await self.outbox.append(NewEvent(event_id, body, self.of_day, ("siem",)))
        while await self.incidents.step():
            pass

    async def scanned(self, namespace: str = "shop") -> None:
        """Have a full scan of it end."""
        scan = Scan(self.of_day, 3, 0)
        await self.outbox.change(partial(ledger.note_scanned, scans={namespace: scan}))

    async def notices(self) -> list[NoticeEvent]:
        """What people were told, in order."""
        rows = await self.outbox.deliveries(DeliverySelection(destination="people"), 100)
        stored = await self.outbox.events(Stretch(ids=[row.event_id for row in rows]), 100)
        return sorted((orjson.loads(one.body) for one in stored), key=lambda one: str(one["time"]))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    clock = Clock()
    outbox = await SqliteOutbox.open(tmp_path / "outbox.db", "r", clock=lambda: clock.now, time_of_day=lambda: NOW)
    made = Stage(outbox, clock)
    await made.incidents.begin()
    yield made
    await outbox.close()


async def clean_for_a_day(stage: Stage) -> None:
    await stage.driver.step()
    await stage.see("e1", "verified")
    await stage.scanned()
    for _ in range(30):
        await stage.pass_time(3000.0)


async def test_a_namespace_that_becomes_ready_and_stops_being_so_is_told_once_each(stage: Stage) -> None:
    await clean_for_a_day(stage)
    await stage.pass_time(60.0)
    await stage.see("e2", "unsigned")
    await stage.pass_time(60.0)
    stage.restarted()
    await stage.pass_time(60.0)
    told = [one["data"]["notice"] for one in await stage.notices()]

    assert [(one["facts"]["is_ready"], one["facts"]["namespaces"], one["severity"]) for one in told] == [
        (True, "shop", "info"),
        (False, "shop", "medium"),
    ]


async def test_namespaces_that_become_ready_together_are_told_together(stage: Stage) -> None:
    """After the first window all of a cluster may."""
    for number in range(60):
        await stage.see(f"e{number}", "verified", f"n{number}")
        await stage.scanned(f"n{number}")
    await clean_for_a_day(stage)
    (told,) = [one["data"]["notice"] for one in await stage.notices()]

    assert told["facts"]["count"] == 61
    assert len(told["facts"]["namespaces"].split(",")) == 50


async def test_namespaces_are_counted_and_only_those_that_are_named_have_series(stage: Stage) -> None:
    await stage.see("e1", "unsigned")
    await stage.see("e2", "verified", "quiet")
    await stage.driver.step()

    assert stage.counted.counts == {"enforce/not_ready": 1, "enforce/unknown": 1}
    assert stage.counted.states == {"shop": "not_ready", "other": "unknown"}


async def test_a_namespace_that_was_only_scanned_is_counted_by_the_mode_that_is_configured(stage: Stage) -> None:
    await stage.scanned("strict")
    await stage.scanned("quiet")
    await stage.driver.step()

    assert stage.counted.counts == {"enforce/unknown": 1, "detect/unknown": 1}


async def test_what_fails_counts_until_a_scan_has_looked_however_long_that_is(stage: Stage) -> None:
    """It may run since then: only who has looked can say that it does not."""
    await clean_for_a_day(stage)
    await stage.see("e1", "unsigned")
    await stage.driver.step()
    states = []
    for days in (2, 9):
        for _ in range(days * 24):
            await stage.pass_time(3600.0)
        states.append(stage.counted.states["shop"])
    await stage.scanned()
    await stage.pass_time(60.0)

    assert states == ["not_ready", "not_ready"]
    assert stage.counted.states["shop"] == "ready"


async def test_nothing_is_watched_while_no_gate_can_be_asked(stage: Stage) -> None:
    await clean_for_a_day(stage)
    stage.driver.is_watching = lambda: False
    for _ in range(3):
        await stage.pass_time(3000.0)
    stage.driver.is_watching = lambda: True
    await stage.pass_time(60.0)
    watch = await stage.outbox.read(beats.watch)

    assert watch is not None
    assert [gap.end - gap.begin for gap in watch.gaps[-1:]] == [9060.0]
    assert stage.counted.states["shop"] == "unknown"


async def test_what_was_not_seen_for_some_windows_is_forgotten(stage: Stage) -> None:
    await stage.see("e1", "verified")
    await stage.driver.step()
    await stage.pass_time(5 * DAY)

    assert (
        await stage.outbox.read(lambda connection: connection.execute("SELECT * FROM seen_namespaces").fetchall()) == []
    )


async def test_the_first_beat_is_soon_after_the_first_gate_is_heard_of(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gate is heard of just after the first look: nobody waits a whole beat for that."""
    slept: list[float] = []
    stage.driver.is_watching = lambda: bool(slept)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("router.readiness.driver.asyncio.sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        await stage.driver.run()

    assert slept == [SOON, BEAT]
    assert await stage.outbox.read(beats.watch) is not None


async def test_another_replica_than_the_collector_beats_and_judges_nothing(stage: Stage) -> None:
    beaten: list[float] = []
    driver = ReadinessDriver(
        stage.outbox,
        stage.counted.namespaces,
        judges=False,
        beaten=lambda: beaten.append(stage.of_day),
        time_of_day=lambda: stage.of_day,
    )
    driver.by = stage.driver.by
    await stage.see("e1", "unsigned")
    await driver.step()
    driver.is_watching = lambda: False
    await driver.step()

    assert beaten == [stage.of_day]
    assert await stage.outbox.read(beats.own_watch) is not None
    assert stage.counted.counts == {}
