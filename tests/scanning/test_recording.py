"""What a scan finds is told once a day, seen without being a request, and mends only what is judged anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from router.events import EVENT_LIMIT
from router.readiness.judging import Scan
from router.readiness.ledger import note_nothing_runs
from router.routing import RouteSettings, RoutingTree
from router.scanning.findings import DAY, RunningJudgement
from router.scanning.pods import Running, RunningPlaces
from router.scanning.recording import Occasion, Portion, ScanClosing, Terms, Which, end, idle, take, write
from router.scanning.scan import ScanFinding
from tests.incidents.stage import found
from tests.readiness.stage import Ledger
from tests.scanning.stage import DIGEST, judged

OWNER = ("apps/v1", "Deployment", "web")
ROUTES: Mapping[str, object] = {"destinations": ["siem"], "about": ["decisions", "scan"]}


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "outbox.db")
    yield made
    made.close()


def running(answer: RunningJudgement, image: str = "r.example/c0:1") -> ScanFinding:
    """What is found in the first container of the Deployment web."""
    where = RunningPlaces(2, {"n1": None}, f"x@{DIGEST}", {("container", "c0"): None})
    return ScanFinding(Running("shop", OWNER, "template_hash", image, DIGEST), where, answer)


def bad(verdict: str = "unsigned", image: str = "r.example/c0:1") -> RunningJudgement:
    return judged(verdict, image=image, reference=image, digest=DIGEST)


def record(seen: Ledger, *some: ScanFinding, routes: Mapping[str, object] = ROUTES) -> int:
    """Have these written; how many were told."""
    by = Terms("c", "r", RoutingTree(RouteSettings.model_validate(routes)), ("*",))
    seen.connection.execute("BEGIN IMMEDIATE")
    told = write(seen.connection, some, Occasion("r", by, seen.of_day, seen.own, set()))
    seen.connection.execute("COMMIT")
    return told


def test_a_finding_is_told_once_a_day_and_what_has_changed_at_once(seen: Ledger) -> None:
    assert record(seen, running(bad())) == 1
    assert record(seen, running(bad())) == 0
    assert record(seen, running(bad("untrusted"))) == 1
    seen.of_day += DAY
    assert record(seen, running(bad())) == 1
    told = seen.bodies("siem")

    assert [one["type"] for one in told] == ["dev.gatecrier.scan.finding.v1"] * 3
    assert len({one["id"] for one in told}) == 3


@pytest.mark.parametrize("routes", [{"destinations": ["siem"]}, {"destinations": ["siem"], "about": ["gatecrier"]}])
def test_nobody_is_told_who_does_not_ask_for_scans(seen: Ledger, routes: Mapping[str, object]) -> None:
    assert record(seen, running(bad()), routes=routes) == 0
    assert seen.open() == [("web", "c0", "unsigned")]


def test_what_runs_is_no_request(seen: Ledger) -> None:
    record(seen, running(bad()))

    assert seen.overview().known.requests == 0
    assert seen.overview().known.failing == 1


def test_an_image_that_passes_by_now_is_mended(seen: Ledger) -> None:
    """Somebody has signed it, or rules have changed; nobody has to deploy it again to show that."""
    seen.tell(found("unsigned", digest=DIGEST))
    assert seen.open() == [("web", "c0", "unsigned")]
    seen.of_day += 1.0
    record(seen, running(judged("verified", image="r.example/c0:1", digest=DIGEST)))

    assert seen.open() == []


def test_an_image_that_could_not_be_looked_at_is_not_mended(seen: Ledger) -> None:
    seen.tell(found("unsigned", digest=DIGEST))
    seen.of_day += 1.0
    record(seen, running(judged("unverifiable", image="r.example/c0:1", digest=DIGEST, reason="unreachable")))

    assert ("web", "c0", "unsigned") in seen.open()


def test_what_still_runs_mends_nothing_of_what_was_deployed_after_it(seen: Ledger) -> None:
    seen.tell(found("unsigned", of="r.example/c0:2"))
    seen.of_day += 1.0
    record(seen, running(judged("verified", image="r.example/c0:1", digest=DIGEST)))

    assert seen.open() == [("web", "c0", "unsigned")]


def which(seen: Ledger, only: Sequence[str] | None = None, namespaces: Sequence[str] = ("*",)) -> Which:
    """A scan that begins now."""
    return Which("c", "r", seen.of_day, only, namespaces)


def terms(namespaces: Sequence[str] = ("*",)) -> Terms:
    """Of whoever keeps it."""
    return Terms("c", "r", RoutingTree(RouteSettings.model_validate(ROUTES)), namespaces)


def taken(seen: Ledger, scan: Which, *some: ScanFinding, by: Terms | None = None, number: int = 1) -> int:
    """Have a portion taken; how many findings are left out."""
    seen.connection.execute("BEGIN IMMEDIATE")
    left_out = take(seen.connection, Portion(scan, number, some), by or terms(), seen.own, set())
    seen.connection.execute("COMMIT")
    return left_out


def ended(seen: Ledger, scan: Which, portions: int = 0, by: Terms | None = None, **scans: Scan) -> int:
    """Have it noted that it was full; how many portions are missing."""
    one, by = ScanClosing(scan, portions, scans, is_last=True), by or terms()
    missing = end(seen.connection, one, by)
    note_nothing_runs(seen.connection, () if missing else idle(seen.connection, one, by), scan.began_at)
    return missing


def test_a_full_scan_counts_for_every_namespace_that_is_known(seen: Ledger) -> None:
    seen.tell(found("verified"), namespace="idle")
    ended(seen, which(seen), shop=Scan(0.0, 2, 1))

    assert seen.overview("idle").known.scan == Scan(seen.of_day, 0, 0)
    assert seen.overview("shop").known.scan == Scan(seen.of_day, 2, 1)


def test_a_scan_of_one_namespace_counts_for_that_one(seen: Ledger) -> None:
    seen.tell(found("verified"), namespace="other")
    ended(seen, which(seen, ["shop"]), shop=Scan(0.0, 0, 0))

    assert seen.overview("other").known.scan is None
    assert seen.overview("shop").known.scan == Scan(seen.of_day, 0, 0)


@pytest.mark.parametrize(
    ("looked_at", "wanted"), [(("team-*",), ("*",)), (("*",), ("team-*",))], ids=["not looked at", "not wanted"]
)
def test_a_scan_says_nothing_of_where_it_has_not_looked_or_should_not(
    seen: Ledger, looked_at: Sequence[str], wanted: Sequence[str]
) -> None:
    """The one is said where it was asked, the other by the collector, and each may be of another file."""
    for namespace in ("shop", "team-a"):
        seen.tell(found("verified"), namespace=namespace)
    scan, by = which(seen, namespaces=looked_at), terms(wanted)
    assert taken(seen, scan, running(bad()), by=by) == 1
    assert ended(seen, scan, 1, by=by, shop=Scan(0.0, 2, 0)) == 0

    assert seen.bodies("siem") == []
    assert seen.overview("shop").known.scan is None
    assert seen.overview("team-a").known.scan == Scan(seen.of_day, 0, 0)


def test_what_somebody_has_asked_for_by_name_is_not_left_out(seen: Ledger) -> None:
    scan, by = which(seen, ["shop"]), terms(["team-*"])
    assert taken(seen, scan, running(bad()), by=by) == 0
    ended(seen, scan, 1, by=by, shop=Scan(0.0, 2, 0))

    assert len(seen.bodies("siem")) == 1
    assert seen.overview("shop").known.scan == Scan(seen.of_day, 2, 0)


def test_a_portion_that_comes_again_is_taken_once(seen: Ledger) -> None:
    """Its answer may have been lost, when it was durable already; how often something was seen stays exact."""
    scan = which(seen)
    for _ in range(3):
        assert taken(seen, scan, running(bad())) == 0
    (once,) = seen.images()
    taken(seen, scan, running(bad()), number=2)
    (twice,) = seen.images()

    assert (once.times, twice.times) == (1, 2)
    assert len(seen.bodies("siem")) == 1


def test_a_scan_is_full_only_where_all_of_its_portions_are_there(seen: Ledger) -> None:
    """They may be gone with an outbox that was replaced in the midst of it."""
    scan = which(seen)
    taken(seen, scan, running(bad()))
    assert ended(seen, scan, 3, shop=Scan(0.0, 2, 0)) == 2
    assert seen.overview("shop").known.scan is None
    for number in (2, 3):
        taken(seen, scan, running(bad()), number=number)

    assert ended(seen, scan, 3, shop=Scan(0.0, 2, 0)) == 0
    assert seen.overview("shop").known.scan == Scan(seen.of_day, 2, 0)


def test_a_scan_that_began_later_outranks_one_that_ends_after_it(seen: Ledger) -> None:
    """Two may be under way, at two replicas, or one that a person has asked for."""
    slow = which(seen)
    seen.of_day += 60.0
    ended(seen, which(seen), shop=Scan(0.0, 5, 0))
    ended(seen, slow, shop=Scan(0.0, 4, 4))
    ended(seen, slow)

    assert seen.overview("shop").known.scan == Scan(seen.of_day, 5, 0)


def test_a_finding_is_no_larger_than_any_event(seen: Ledger) -> None:
    """Whoever makes names up, or a registry that says much, makes nothing that no receiver can be given."""
    one = running(bad(image="r.example/" + "x" * 900))
    one.where.places.update({("container", f"c{number}"): None for number in range(100)})
    one.judged.image["detail"] = "y" * 4000
    assert record(seen, one) == 1
    (length,) = seen.connection.execute("SELECT max(length(body)) FROM events").fetchone()

    assert length <= EVENT_LIMIT


def test_a_namespace_that_is_watched_and_scanned_is_ready_after_its_last_offender_is_mended(seen: Ledger) -> None:
    seen.watch(15 * DAY)
    seen.tell(found("unsigned"))
    ended(seen, which(seen), shop=Scan(0.0, 0, 0))
    assert seen.state() == "not_ready"
    seen.tell(found("verified"))

    assert seen.state() == "ready"
