"""What a scan finds is told once a day, seen without being a request, and mends only what is judged anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from router.events import Origin
from router.readiness.judging import Scan
from router.routing import RouteSettings, RoutingTree
from router.scanning.findings import DAY, Judged
from router.scanning.pods import Running, Where
from router.scanning.recording import Occasion, write, write_full
from router.scanning.scan import Found
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


def running(answer: Judged, image: str = "r.example/c0:1") -> Found:
    """What is found in the first container of the Deployment web."""
    where = Where(2, {"n1": None}, f"x@{DIGEST}", {("container", "c0"): None})
    return Found(Running("shop", OWNER, "template_hash", image, DIGEST), where, answer)


def bad(verdict: str = "unsigned", image: str = "r.example/c0:1") -> Judged:
    return judged(verdict, image=image, reference=image, digest=DIGEST)


def record(seen: Ledger, *some: Found, routes: Mapping[str, object] = ROUTES) -> int:
    """Have these written; how many were told."""
    tree = RoutingTree(RouteSettings.model_validate(routes))
    seen.connection.execute("BEGIN IMMEDIATE")
    told = write(seen.connection, some, Occasion(Origin("c", "r"), tree, seen.of_day, seen.own))
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


def test_a_full_scan_counts_for_every_namespace_that_is_known(seen: Ledger) -> None:
    seen.tell(found("verified"), namespace="idle")
    write_full(seen.connection, {"shop": Scan(seen.of_day, 2, 1)}, seen.of_day, None)

    assert seen.overview("idle").known.scan == Scan(seen.of_day, 0, 0)
    assert seen.overview("shop").known.scan == Scan(seen.of_day, 2, 1)


def test_a_scan_of_one_namespace_counts_for_that_one(seen: Ledger) -> None:
    seen.tell(found("verified"), namespace="other")
    write_full(seen.connection, {}, seen.of_day, ["shop"])

    assert seen.overview("other").known.scan is None
    assert seen.overview("shop").known.scan == Scan(seen.of_day, 0, 0)


def test_a_namespace_that_is_watched_and_scanned_is_ready_after_its_last_offender_is_mended(seen: Ledger) -> None:
    seen.watch(15 * DAY)
    seen.tell(found("unsigned"))
    write_full(seen.connection, {}, seen.of_day, ["shop"])
    assert seen.state() == "not_ready"
    seen.tell(found("verified"))

    assert seen.state() == "ready"
