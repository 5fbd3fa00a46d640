"""What a scan has found is handed in in portions, one after the other, and that it was full at the very end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from router.errors import OutboxError
from router.readiness.judging import Scan
from router.scanning import keeping
from router.scanning.keeping import HandedIn, hand_in
from router.scanning.pods import Running, RunningPlaces
from router.scanning.recording import NAMESPACES, PORTION, Portion, ScanClosing, Which
from router.scanning.scan import ScanFinding, Scanned
from tests.scanning.stage import DIGEST, judged

ONE = Which("c", "r", 1000.0, None, ("*",))


@dataclass
class Listed:
    """Notes what is handed in, and can't keep the portion of one number."""

    fails: int = 0
    missing: int = 0
    portions: list[Portion] = field(default_factory=list)
    ends: list[ScanClosing] = field(default_factory=list)

    async def take(self, portion: Portion) -> int:
        """Leaves one out of each."""
        if portion.number == self.fails:
            raise OutboxError("the disk is full")
        self.portions.append(portion)
        return 1

    async def end(self, ended: ScanClosing) -> int:
        """Notes it."""
        self.ends.append(ended)
        return self.missing


def scanned(count: int, namespaces: int = 1) -> Scanned:
    """So many findings, in so many namespaces."""
    found = [
        ScanFinding(
            Running(f"n{number % namespaces}", ("v1", "Pod", f"web-{number}"), "name", "r/a:1", DIGEST),
            RunningPlaces(1, {"n": None}, f"r/a@{DIGEST}", {("container", "c"): None}),
            judged(),
        )
        for number in range(count)
    ]
    return Scanned(1000.0, found, {f"n{number}": Scan(1000.0, 1, 0) for number in range(namespaces)})


def found_in(portions: Sequence[Portion]) -> list[ScanFinding]:
    return [one for portion in portions for one in portion.found]


async def test_everything_is_handed_in_once_and_in_order() -> None:
    keeper, so_far, all_of_it = Listed(), HandedIn(), scanned(2 * PORTION + 1)
    await hand_in(all_of_it, ONE, keeper, so_far)

    assert found_in(keeper.portions) == list(all_of_it.found)
    assert [(one.number, len(one.found)) for one in keeper.portions] == [(1, PORTION), (2, PORTION), (3, 1)]
    assert [(one.portions, one.is_last) for one in keeper.ends] == [(3, True)]
    assert (so_far.kept, so_far.left_out) == (2 * PORTION - 2, 3)


async def test_a_portion_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "PORTION_BYTES", 1)
    keeper = Listed()
    await hand_in(scanned(3), ONE, keeper, HandedIn())

    assert [len(one.found) for one in keeper.portions] == [1, 1, 1]


async def test_what_is_not_all_kept_was_no_full_scan() -> None:
    keeper, so_far = Listed(fails=2), HandedIn()
    with pytest.raises(OutboxError, match="the disk is full"):
        await hand_in(scanned(3 * PORTION), ONE, keeper, so_far)

    assert (so_far.kept, keeper.ends) == (PORTION - 1, [])


async def test_what_was_kept_and_is_gone_is_told() -> None:
    with pytest.raises(OutboxError, match="not all there any more"):
        await hand_in(scanned(1), ONE, Listed(missing=1), HandedIn())


async def test_namespaces_come_in_portions_too_and_the_last_says_so() -> None:
    keeper = Listed()
    await hand_in(scanned(1, namespaces=2 * NAMESPACES), ONE, keeper, HandedIn())

    assert [(len(one.by_namespace), one.is_last) for one in keeper.ends] == [(NAMESPACES, False), (NAMESPACES, True)]


async def test_where_nothing_runs_that_is_said_of_what_was_asked_for() -> None:
    keeper = Listed()
    await hand_in(Scanned(1000.0, (), {}), Which("c", "r", 1000.0, ("idle",), ("*",)), keeper, HandedIn())
    (ended,) = keeper.ends

    assert (ended.by_namespace, ended.is_last) == ({"idle": Scan(1000.0, 0, 0)}, True)
