from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from router.incidents import ledger
from router.outbox import Accepted, DeliverySelection, DeliveryState, NewEvent, SetAside, retaining, retention
from router.outbox.observer import Unobserved
from router.outbox.retention import DAY, NOTICE, REMOVED_AFTER, SPARE, RetentionRules
from router.outbox.sqlite import SqliteOutbox
from router.telemetry.causes import Cause
from router.verdict import Severity
from tests.outbox.stage import ME, NOW, REPLICA, stored

KEEPING = RetentionRules(30 * DAY, 90 * DAY, None)
MIB = 2**20


class Place(Unobserved):
    """An outbox whose time is told, and who hears what is wrong with it."""

    def __init__(self, path: Path) -> None:
        self.path, self.time = path, 0.0
        self.there: dict[tuple[Cause, str], str] = {}
        self.given_up: Counter[tuple[str, str]] = Counter()
        """How many deliveries were set aside, by destination and reason."""
        self.sizes: list[tuple[int, int]] = []

    async def opened(self) -> SqliteOutbox:
        """The outbox."""
        return await SqliteOutbox.open(
            self.path, REPLICA, clock=lambda: self.time, time_of_day=lambda: NOW, observer=self
        )

    def trouble_began(self, cause: Cause, subject: str, text: str) -> None:
        """As in `Troubles`."""
        self.there[cause, subject] = text

    def trouble_ended(self, cause: Cause, subject: str) -> None:
        """As in `Troubles`."""
        self.there.pop((cause, subject), None)

    def set_aside(self, destination: str, reason: str, count: int) -> None:
        """As in `Observer`."""
        self.given_up[destination, reason] += count

    def outbox_size(self, used: int, limit: int) -> None:
        """As in `Observer`."""
        self.sizes.append((used, limit))


@pytest.fixture
def place(path: Path) -> Place:
    return Place(path)


def an_event(
    name: str, *destinations: str, severity: Severity = Severity.INFO, size: int = 100, delivered: Sequence[str] = ()
) -> NewEvent:
    body = b'{"data":{"a":"%b"}}' % (b"x" * size)
    return NewEvent(name, body, NOW, destinations or ("slack",), delivered, severity)


async def filled(outbox: SqliteOutbox, *events: NewEvent) -> None:
    await asyncio.gather(*(outbox.append(one) for one in events))


async def test_an_event_goes_when_everybody_has_had_it_for_long_enough(place: Place) -> None:
    outbox = await place.opened()
    await outbox.append(an_event("a", "slack", "siem"))
    place.time = 40 * DAY
    await outbox.queue(ME).settle([Accepted("slack", "a", NOW, 1)])
    await outbox.retention.tidy(KEEPING, ["slack", "siem"])
    waiting = await stored(outbox)
    await outbox.queue(ME).settle([Accepted("siem", "a", NOW, 1)])
    place.time += 30 * DAY - 1
    await outbox.retention.tidy(KEEPING, ["slack", "siem"])
    nearly = await stored(outbox)
    place.time += 2
    removed = await outbox.retention.tidy(KEEPING, ["slack", "siem"])
    await outbox.close()

    assert waiting == nearly == [(1, "a")]
    assert removed == 1


async def test_what_was_set_aside_stays_longer_and_its_end_is_told(place: Place) -> None:
    outbox = await place.opened()
    await outbox.append(an_event("a"))
    await outbox.queue(ME).settle([SetAside("slack", "a", NOW, 1, "http_400")])
    told = []
    for days in (83 - 1 / 24, 83 + 1 / 24, 90 - 1 / 24):
        place.time = days * DAY
        await outbox.retention.tidy(KEEPING, ["slack"])
        told.append((Cause.SET_ASIDE_ENDING, "slack") in place.there)
    before = await stored(outbox)
    place.time = 90 * DAY + 1
    with capture_logs() as logged:
        removed = await outbox.retention.tidy(KEEPING, ["slack"])
    await outbox.close()

    assert NOTICE == 7 * DAY
    assert told == [False, True, True]
    assert before == [(1, "a")]
    assert removed == 1
    assert {"event": "set_aside_removed", "log_level": "error", "destination": "slack", "count": 1} in logged
    assert place.there == {}


async def test_deliveries_of_a_removed_destination_are_told_and_then_set_aside(place: Place) -> None:
    """Also across a restart, which does not begin the time anew."""
    outbox = await place.opened()
    await filled(outbox, an_event("a", "slack", "old"), an_event("b", "old"))
    await outbox.retention.notice_removed(["slack"])
    told = dict(place.there)
    place.time += REMOVED_AFTER - 60
    await outbox.retention.tidy(KEEPING, ["slack"])
    before = await outbox.deliveries(DeliverySelection("old", DeliveryState.PENDING), 10)
    await outbox.close()
    outbox = await place.opened()
    place.time += 61
    await outbox.retention.tidy(KEEPING, ["slack"])
    after = await outbox.deliveries(DeliverySelection("old"), 10)
    other = await outbox.deliveries(DeliverySelection("slack"), 10)
    await outbox.close()

    assert list(told) == [(Cause.DESTINATION_REMOVED, "old")]
    assert "2 deliveries wait" in told[Cause.DESTINATION_REMOVED, "old"]
    assert len(before) == 2
    assert [(row.state, row.reason) for row in after] == [(DeliveryState.SET_ASIDE, "destination_removed")] * 2
    assert place.given_up == {("old", "destination_removed"): 2}
    assert [row.state for row in other] == [DeliveryState.PENDING]


async def test_a_destination_that_comes_back_is_no_trouble_any_more(place: Place) -> None:
    outbox = await place.opened()
    await outbox.append(an_event("a", "old"))
    await outbox.retention.notice_removed([])
    await outbox.retention.notice_removed(["old"])
    left = dict(place.there)
    place.time += REMOVED_AFTER + 1
    await outbox.retention.tidy(KEEPING, ["old"])
    waiting = await outbox.waiting()
    await outbox.close()

    assert left == {}
    assert waiting["old"].pending == 1


async def test_room_is_made_from_what_everybody_has_then_from_info_the_oldest_first(place: Place) -> None:
    """What is more severe is kept, and what is newer as far as there is room."""
    outbox = await place.opened()
    severe = [an_event(f"high-{n}", severity=Severity.HIGH, size=6000) for n in range(100)]
    waiting = [an_event(f"info-{n}", size=6000) for n in range(600)]
    settled = [an_event(f"settled-{n}", size=6000, delivered=["slack"]) for n in range(400)]
    await filled(outbox, *severe, *waiting, *settled)
    sizes = []
    whole = (await outbox._file.read(retaining.size)).used
    for limit in (whole, whole * 85 // 100, whole // 2, whole // 100):
        await outbox.retention.make_room(RetentionRules(DAY, DAY, limit))
        kept = [name for _, name in await stored(outbox)]
        used = (await outbox._file.read(retaining.size)).used
        sizes.append(
            (used <= limit, [sum(name.startswith(kind) for name in kept) for kind in ("high", "info", "sett")])
        )
        infos = [int(name.partition("-")[2]) for name in kept if name.startswith("info")]
        assert infos == [*range(600 - len(infos), 600)], "the newest are kept"
        assert (Cause.OUTBOX_NEARLY_FULL, "") in place.there or limit == whole
    await outbox.retention.make_room(RetentionRules(DAY, DAY, 100 * MIB))
    there = dict(place.there)
    await outbox.close()

    assert [one for one, _ in sizes] == [True, True, True, False]
    assert sizes[0][1] == [100, 600, 400]
    assert sizes[1][1][1] == 600
    assert 0 < sizes[1][1][2] < 400
    assert 0 < sizes[2][1][1] < 600
    assert [kinds[0] for _, kinds in sizes] == [100] * 4
    assert sizes[3][1] == [100, 0, 0]
    assert there == {}
    assert place.given_up == {("slack", "outbox_full"): 600}
    assert place.sizes[0] == (whole, whole)
    assert place.sizes[-1][1] == 100 * MIB


async def test_what_room_is_made_of_is_counted_for_whoever_does_not_get_it(place: Place) -> None:
    """An event may have been for several, of whom one has it."""
    outbox = await place.opened()
    await filled(outbox, *(an_event(f"a-{n}", "slack", "siem", "people", delivered=["people"]) for n in range(3)))
    await outbox.queue(ME).settle([Accepted("siem", "a-0", NOW, 1)])
    await outbox.retention.make_room(RetentionRules(DAY, DAY, 1))
    await outbox.close()

    assert place.given_up == {("slack", "outbox_full"): 3, ("siem", "outbox_full"): 2}


async def test_an_event_that_somebody_else_waits_for_is_not_removed_to_make_room(place: Place) -> None:
    outbox = await place.opened()
    await filled(outbox, *(an_event(f"a-{n}", "slack", "siem", size=6000) for n in range(300)))
    queue = outbox.queue(ME)
    await queue.settle([SetAside("siem", f"a-{n}", NOW, 1, "http_400") for n in range(300)])
    whole = (await outbox._file.read(retaining.size)).used
    await outbox.retention.make_room(RetentionRules(DAY, DAY, whole * 7 // 10))
    rows = await outbox.deliveries(DeliverySelection("slack"), 1000)
    await outbox.close()

    assert 0 < len(rows) < 300
    assert {row.state for row in rows} == {DeliveryState.PENDING}


def decided(name: str, severity: Severity, delivered: Sequence[str] = ()) -> NewEvent:
    """An event as the gate makes it, as far as it is looked at here."""
    body = b'{"data":{"decision":{"severity":"%b"},"a":"%b"}}' % (severity.value.encode(), b"x" * 6000)
    return NewEvent(name, body, NOW, ("slack",), delivered, severity)


async def test_what_waits_for_a_collector_goes_last_and_only_what_is_info_and_that_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector that never comes back must not fill the disk; what people should hear of is kept for it."""
    monkeypatch.setattr(retention, "FORGET_ROWS", 10)
    outbox = await place.opened()
    await outbox.change(ledger.begin)
    for number in range(100):
        await outbox.append(decided(f"severe-{number}", Severity.MEDIUM, ["slack"]))
        await outbox.append(decided(f"info-{number}", Severity.INFO, ["slack"] if number % 2 else []))
    whole = (await outbox._file.read(retaining.size)).used
    kept = []
    for limit in (whole * 9 // 10, whole // 100, whole // 100):
        with capture_logs() as logged:
            await outbox.retention.make_room(RetentionRules(DAY, DAY, limit))
        names = [one.id for one in await outbox.read(lambda connection: ledger.unconsumed_of_own(connection, 1000))]
        kept.append([sum(name.startswith(kind) for name in names) for kind in ("severe", "info")])
        if limit == whole * 9 // 10:
            assert [name for name in names if name.startswith("info")] == [f"info-{n}" for n in range(100)][
                -kept[0][1] :
            ]
            assert any(one["event"] == "events_gone_before_incidents" for one in logged)
    there, given_up = dict(place.there), place.given_up
    await outbox.append(decided("next", Severity.INFO))
    await outbox.retention.make_room(RetentionRules(DAY, DAY, whole // 100))
    names = [one.id for one in await outbox.read(lambda connection: ledger.unconsumed_of_own(connection, 1000))]
    await outbox.close()

    assert kept[0][0] == 100
    assert 0 < kept[0][1] < 100
    assert kept[1:] == [[100, 0], [100, 0]]
    assert {cause for cause, _ in there} == {Cause.OUTBOX_NEARLY_FULL, Cause.INCIDENTS_INCOMPLETE}
    assert given_up["slack", "outbox_full"] == 51
    assert "next" not in names


def consumed(connection: sqlite3.Connection) -> int:
    """Incidents were made of the first fifty."""
    ledger.note_consumed(connection, seen := ledger.unconsumed_of_own(connection, 50))
    return len(seen)


async def test_what_incidents_were_made_of_goes_before_what_waits_for_that(place: Place) -> None:
    outbox = await place.opened()
    await outbox.change(ledger.begin)
    for number in range(100):
        await outbox.append(decided(f"info-{number}", Severity.INFO))
    await outbox.change(consumed)
    whole = (await outbox._file.read(retaining.size)).used
    await outbox.retention.make_room(RetentionRules(DAY, DAY, whole * 8 // 10))
    left = [one.id for one in await outbox.read(lambda connection: ledger.unconsumed_of_own(connection, 1000))]
    await outbox.close()

    assert left == [f"info-{n}" for n in range(50, 100)]
    assert {cause for cause, _ in place.there} == {Cause.OUTBOX_NEARLY_FULL}


async def test_space_is_given_back_to_the_disk(place: Place) -> None:
    outbox = await place.opened()
    await filled(outbox, *(an_event(f"a-{n}", size=20_000, delivered=["slack"]) for n in range(1000)))
    await outbox.append(an_event("last"))
    await outbox._file.read(retaining.checkpoint)
    before = place.path.stat().st_size
    place.time = 31 * DAY
    await outbox.retention.tidy(KEEPING, ["slack"])
    await outbox._file.read(retaining.checkpoint)
    after = place.path.stat().st_size
    outbox._replacing.look()
    is_replaced = outbox._replacing._task is not None
    kept = await stored(outbox)
    await outbox.close()

    assert before > 19 * MIB
    assert after < SPARE + 2 * MIB
    assert not is_replaced
    assert kept == [(1001, "last")]


async def test_without_a_limit_the_disk_is_not_filled(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = MIB
        total = 1000 * MIB

    outbox = await place.opened()
    await filled(outbox, *(an_event(f"a-{n}", size=10_000, delivered=["slack"]) for n in range(600)))
    monkeypatch.setattr("router.outbox.retention.shutil.disk_usage", lambda _: Usage)
    removed = await outbox.retention.make_room(KEEPING)
    await outbox.close()

    assert 0 < removed < 600


async def test_a_file_of_before_that_can_not_get_smaller_is_used_all_the_same(place: Place) -> None:
    with closing(sqlite3.connect(place.path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    outbox = await place.opened()
    await outbox.append(an_event("a", delivered=["slack"]))
    place.time = 31 * DAY
    removed = await outbox.retention.tidy(KEEPING, ["slack"])
    await outbox.close()

    assert removed == 1
