"""What was scanned at one replica the collector keeps, as if it had been scanned there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from router.errors import OutboxError, ReplicaError
from router.outbox import DeliverySelection
from router.outbox.stored import Stretch
from router.readiness import reading
from router.readiness.judging import Scan
from router.readiness.reading import Overview
from router.readiness.settings import ReadinessSettings
from router.replicas import collecting, exchange, handing_in
from router.replicas.calling import Calling
from router.replicas.exchange import FINDINGS, SCAN, SCANNED, FindingsPortion, ScanEnded, ScanOffered, packed
from router.replicas.handing_in import WAITS, AtCollector
from router.replicas.identity import keep
from router.routing import RoutingTree
from router.scanning.keeping import HandedIn, hand_in
from router.scanning.pods import PLACES_NAMED, Running, RunningPlaces
from router.scanning.recording import PORTION, Portion, ScanClosing, Terms, Which
from router.scanning.scan import ScanFinding, Scanned
from tests.replicas.stage import OF_DAY, SCANS_TOLD, Replicas, known_by, replicas
from tests.scanning.stage import DIGEST, judged

BEGAN = OF_DAY - 600.0
ONE = Which("c", "gatecrier-1", BEGAN, None, ("*",))


def bad(name: str, namespace: str = "shop", containers: int = 1) -> ScanFinding:
    """Something that runs and would be refused."""
    places = {("container", f"c{number}"): None for number in range(containers)}
    where = RunningPlaces(2, {"n1": None}, f"r.example/a@{DIGEST}", dict.fromkeys(places))
    answer = judged("unsigned", image="r.example/a:1", reference="r.example/a:1", digest=DIGEST)
    return ScanFinding(
        Running(namespace, ("apps/v1", "Deployment", name), "template_hash", "r.example/a:1", DIGEST), where, answer
    )


def scanned(count: int) -> Scanned:
    """So many findings."""
    return Scanned(BEGAN, [bad(f"web-{number}") for number in range(count)], {"shop": Scan(BEGAN, 2 * count, 0)})


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Replicas]:
    async with replicas(tmp_path) as made:
        await asyncio.to_thread(keep, known_by(), tmp_path / "known_by")
        yield made


@dataclass
class Patience:
    """Waits for nothing, and does this meanwhile."""

    meanwhile: Callable[[], None] = lambda: None
    waited: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.waited.append(seconds)
        self.meanwhile()


@asynccontextmanager
async def handing_in_to(both: Replicas, patience: Patience | None = None) -> AsyncIterator[AtCollector]:
    """Whoever has scanned at the other replica."""
    patience = patience or Patience()
    there = AtCollector(
        both.address,
        both.config.with_name("known_by"),
        troubled=patience.said.append,
        sleep=patience.sleep,
        time_of_day=lambda: OF_DAY,
    )
    try:
        yield there
    finally:
        await there.close()


async def overview(both: Replicas) -> Overview | None:
    """What readiness says of the shop, at the collector."""
    now = OF_DAY + both.skew
    found = await both.collector.read(lambda it: reading.overviews(it, ReadinessSettings(), now, "shop"))
    return found[0] if found and found[0].known.scan is not None else None


async def told(both: Replicas) -> list[dict[str, object]]:
    """What waits for whoever hears of scans, at the collector."""
    rows = await both.collector.deliveries(DeliverySelection(destination="siem"), 1000)
    stored = await both.collector.events(Stretch(ids=[row.event_id for row in rows]), 1000)
    return [json.loads(one.body) for one in stored]


async def test_what_was_scanned_at_another_replica_is_kept_and_told_by_the_collector(both: Replicas) -> None:
    woken = list[object]()
    both.collector.queue("gatecrier-0").subscribe(woken.append)
    async with both.collecting(), handing_in_to(both) as there:
        so_far = HandedIn()
        await hand_in(scanned(2 * PORTION + 1), ONE, there, so_far)
    events, shop = await told(both), await overview(both)

    assert (so_far.kept, so_far.left_out) == (2 * PORTION + 1, 0)
    assert len({one["id"] for one in events}) == len(events) == 2 * PORTION + 1
    assert {one["data"]["replica"] for one in events} == {"gatecrier-1"}  # type: ignore[index]  # JSON
    assert {row.number.replica for row in await both.collector.deliveries(DeliverySelection(), 10)} == {"gatecrier-0"}
    assert woken == [{"siem"}] * 3  # at once, and no pause of a destination ends by it
    assert shop is not None
    assert (shop.known.failing, shop.known.requests) == (2 * PORTION + 1, 0)
    assert (shop.known.scan.pods, shop.known.scan.unknown) == (2 * (2 * PORTION + 1), 0)  # type: ignore[union-attr]  # looked at above


@pytest.mark.parametrize("skew", [0.0, -7 * 3600.0, 7 * 3600.0])
async def test_the_time_is_by_the_collectors_clock(both: Replicas, skew: float) -> None:
    """Else a namespace would count as scanned after something that was seen later."""
    both.skew = skew
    async with both.collecting(), handing_in_to(both) as there:
        await hand_in(scanned(1), ONE, there, HandedIn())
    shop = await overview(both)

    assert shop is not None
    assert shop.known.scan is not None
    assert round(shop.known.scan.began_at - BEGAN) == skew


async def test_a_portion_whose_answer_was_lost_is_taken_once(both: Replicas) -> None:
    """The collector has died between its commit and its answer."""
    async with both.collecting(), handing_in_to(both) as there:
        portion = Portion(ONE, 1, [bad("web")])
        for _ in range(2):
            assert await there.take(portion) == 0
        await there.end(ScanClosing(ONE, 1, {"shop": Scan(BEGAN, 2, 0)}, is_last=True))
    (image,) = await both.collector.read(lambda it: reading.images(it, "shop", 0.0, 10, is_open=True))

    assert len(await told(both)) == 1
    assert image.times == 1


async def test_what_the_outbox_can_not_take_is_tried_again(both: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> int:
        raise OutboxError("the disk is full")

    async with both.collecting():
        with monkeypatch.context() as patched:
            patched.setattr(both.collector, "change", full)
            patience = Patience(meanwhile=patched.undo)
            async with handing_in_to(both, patience) as there:
                await hand_in(scanned(1), ONE, there, HandedIn())

    assert (patience.waited, len(await told(both))) == ([WAITS[0]], 1)
    assert "503, the disk is full" in patience.said[0]


async def test_a_collector_that_is_away_is_asked_so_often_and_then_given_up(both: Replicas) -> None:
    patience, so_far = Patience(), HandedIn()
    async with handing_in_to(both, patience) as there:
        with pytest.raises(ReplicaError, match="can't be asked"):
            await hand_in(scanned(1), ONE, there, so_far)

    assert (patience.waited, so_far.kept) == (list(WAITS), 0)


async def test_a_collector_that_restarts_between_two_portions_gets_all_of_them(both: Replicas) -> None:
    """And as long as it does not have all of them, no namespace counts as scanned."""
    async with handing_in_to(both) as there:
        async with both.collecting():
            await there.take(Portion(ONE, 1, [bad("web")]))
        async with both.collecting():
            assert await there.end(ScanClosing(ONE, 2, {"shop": Scan(BEGAN, 4, 0)}, is_last=True)) == 1
            assert await overview(both) is None
            await there.take(Portion(ONE, 2, [bad("api")]))
            assert await there.end(ScanClosing(ONE, 2, {"shop": Scan(BEGAN, 4, 0)}, is_last=True)) == 0

    assert await overview(both) is not None
    assert len(await told(both)) == 2


async def test_an_older_collector_says_what_to_do(both: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "SCAN", "/later")
    patience = Patience()
    async with both.collecting(), handing_in_to(both, patience) as there:
        with pytest.raises(ReplicaError, match="takes no scans of others; bring it up to date, or scan there"):
            await hand_in(scanned(1), ONE, there, HandedIn())

    assert patience.waited == []


async def test_what_is_of_another_cluster_is_refused_once_and_for_all(both: Replicas) -> None:
    patience = Patience()
    async with both.collecting(), handing_in_to(both, patience) as there:
        with pytest.raises(
            ReplicaError, match='400, this is the collector of the cluster "c", and what was scanned is of "other"'
        ):
            await hand_in(scanned(1), replace(ONE, cluster="other"), there, HandedIn())

    assert (patience.waited, await told(both)) == ([], [])


async def test_all_of_it_has_its_time(both: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing_in, "LONGEST", 0.0)
    async with both.collecting(), handing_in_to(both) as there:
        with pytest.raises(ReplicaError, match="has not taken it within"):
            await hand_in(scanned(1), ONE, there, HandedIn())


async def test_who_has_nothing_to_be_known_by_asks_nobody(both: Replicas) -> None:
    patience = Patience()
    both.config.with_name("known_by").unlink()
    async with both.collecting(), handing_in_to(both, patience) as there:
        with pytest.raises(ReplicaError, match="as its user"):
            await hand_in(scanned(1), ONE, there, HandedIn())

    assert patience.waited == []


async def test_what_others_have_scanned_is_kept_by_the_configuration_that_is_in_force(both: Replicas) -> None:
    """The collector's routes and namespaces count, as when it is asked itself."""
    async with both.collecting() as door, handing_in_to(both) as there:
        door.take_by(Terms("c", "gatecrier-0", RoutingTree(SCANS_TOLD), ("team-*",)))
        so_far = HandedIn()
        await hand_in(scanned(2), ONE, there, so_far)

    assert (so_far.kept, so_far.left_out) == (0, 2)
    assert await told(both) == []
    assert await overview(both) is None


def nobody() -> ScanFinding:
    """A finding about no image."""
    one = bad("web")
    one.judged.parts.images.clear()
    return one


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        (SCAN, b"", "of another release, or no replica"),
        (SCAN, packed(ScanOffered("c", format=2)), "of another release"),
        (FINDINGS, b"\xc1", "of another release, or no replica"),
        (
            FINDINGS,
            packed(FindingsPortion(Portion(ONE, 1, [bad("web")] * (PORTION + 1)))),
            "Expected `array` of length <=",
        ),
        (
            FINDINGS,
            packed(FindingsPortion(Portion(ONE, 1, [bad("web", containers=PLACES_NAMED + 1)]))),
            "Expected `object`",
        ),
        (FINDINGS, packed(FindingsPortion(Portion(ONE, 1, [nobody()]))), "one image is judged at a time"),
        (FINDINGS, packed(FindingsPortion(Portion(replace(ONE, began_at=0.0), 1, ()))), "within the last day"),
        (
            FINDINGS,
            packed(FindingsPortion(Portion(replace(ONE, began_at=OF_DAY + 3600.0), 1, ()))),
            "within the last day",
        ),
        (FINDINGS, packed(FindingsPortion(Portion(replace(ONE, began_at=float("nan")), 1, ()))), "within the last day"),
        (FINDINGS, packed(FindingsPortion(Portion(replace(ONE, namespaces=("a b",)), 1, ()))), "matching regex"),
        (FINDINGS, packed(FindingsPortion(Portion(replace(ONE, cluster="d"), 1, ()))), "of the cluster"),
        (SCANNED, packed(ScanEnded(ScanClosing(replace(ONE, cluster="d"), 0, {}, is_last=True))), "of the cluster"),
        (SCANNED, packed(ScanEnded(ScanClosing(ONE, -1, {}, is_last=True))), "Expected `int` >= 0"),
    ],
)
async def test_what_can_not_be_meant_is_refused_and_nothing_is_kept(
    both: Replicas, path: str, body: bytes, why: str
) -> None:
    async with both.collecting():
        calling = Calling(both.address, known_by(), 60.0)
        with pytest.raises(ReplicaError, match=why) as refused:
            await calling.ask(path, body)
        await calling.close()

    assert refused.value.status == 400
    assert (await told(both), await overview(both)) == ([], None)


async def test_what_is_too_large_is_not_read(both: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "LARGEST", 1000)
    async with both.collecting():
        calling = Calling(both.address, known_by(), 60.0)
        with pytest.raises(ReplicaError) as refused:
            await calling.ask(FINDINGS, b"x" * 1001)
        await calling.close()

    assert refused.value.status == 413


def test_the_largest_portion_is_no_larger_than_what_is_taken() -> None:
    """Names of 1,000 characters, as many containers and nodes as are named, and a registry that says much."""
    one = bad("w" * 253, "n" * 63)
    where = RunningPlaces(
        10**6,
        {f"{number:0253}": None for number in range(20)},
        "\U0001f600" * 1000,
        {("ephemeral_container", f"{number:063}"): None for number in range(PLACES_NAMED)},
    )
    image = "\U0001f600" * 1000
    large = ScanFinding(
        replace(one.running, image=image), where, judged("unsigned", image=image, reference=image, detail=image * 4)
    )

    assert len(packed(FindingsPortion(Portion(ONE, 1, [large] * PORTION)))) < exchange.LARGEST
