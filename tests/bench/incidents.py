"""What incidents cost beside delivery alone, how few messages they make, and what a ledger full of open ones costs.

A refusal is the dearest event: a route of people took it, so it is counted, kept, and told of where it is news; of an
admission it is noted what it shows. CPU is that of the whole process that has the outbox, all of its threads; what is
beside it (receiver, flushes) is not counted. Runs are interleaved, and the median of the ratios counts. Garbage is
collected as in a keeper: what was there before the first event is left alone.

    python -m tests.bench.incidents
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop
from msgspec import structs

from router.assembly.opening import COLLECTING
from router.events import as_json
from router.incidents import ledger
from router.incidents.driver import IncidentsDriver
from router.incidents.facts import key
from router.incidents.incident import decoded
from router.incidents.rules import IncidentRules
from router.outbox import NewEvent
from router.outbox.sqlite import SqliteOutbox
from router.routing import IncidentSettings, Routed, RouteSettings
from router.verdict import Severity
from tests.bench.delivery import drained, receiver
from tests.bench.table import Row, as_text
from tests.incidents.stage import PEOPLE, World, found
from tests.routing.event import event

EVENTS, OWNERS, ROUNDS = 6000, 100, 5
REFUSALS = 10_000
NAMESPACES, OPEN = 100, 100_000
LOOKED_AT = 1000
"""Owners of which events come, in a full ledger and in one that has no others."""


def decisions(count: int, owners: int, refused_of: int) -> list[NewEvent]:
    """Decisions on Deployments in turn, which a SIEM gets, and people where they are refusals: the first of so many."""
    routes, made, now = Routed((), (PEOPLE,)).stored, list[NewEvent](), time.time()
    for number in range(count):
        is_refused = number % refused_of == 0
        verdict = "unsigned" if is_refused else "verified"
        data = event(
            found(verdict, of=f"r.example/{verdict}:1", digest="sha256:" + "1" * 64, judged_by="0123456789abcdef")
        )
        data["workload"] = {**data["workload"], "name": f"web-{number % owners}"}
        data["decision"] = {**data["decision"], "would_reject": is_refused}
        body = as_json(
            {
                "specversion": "1.0",
                "type": "dev.gatecrier.admission.decision.v1",
                "id": f"event-{number}",
                "source": "/clusters/production-eu",
                "subject": "payments/Deployment/web",
                "time": "2026-11-23T10:15:30.123Z",
                "datacontenttype": "application/json",
                "data": data,
            }
        )
        made.append(
            NewEvent(
                f"event-{number}",
                body,
                now,
                ["sink"],
                severity=Severity.HIGH if is_refused else Severity.INFO,
                incident_routes=routes if is_refused else "",
            )
        )
    return made


async def _opened(folder: str) -> tuple[SqliteOutbox, IncidentsDriver]:
    outbox = await SqliteOutbox.open(Path(folder) / "outbox.db", "replica-1")
    driver = IncidentsDriver(outbox)
    driver.rules = IncidentRules.of(IncidentSettings(), (), RouteSettings(), "replica-1", 86400.0)
    await driver.step()  # the first look begins at the end
    return outbox, driver


async def delivered(url: str, events: Sequence[NewEvent], *, with_incidents: bool) -> float:
    """CPU seconds for each event, until all are delivered, and consumed where incidents are made of them."""
    with tempfile.TemporaryDirectory() as folder:
        outbox, driver = await _opened(folder)
        await asyncio.gather(*(outbox.append(one) for one in events))
        gc.collect()
        gc.freeze()
        began = time.process_time()
        making = asyncio.create_task(driver.run()) if with_incidents else None
        await drained(outbox, url, len(events), 1)
        while making is not None and await driver.step():
            pass
        seconds = time.process_time() - began
        if making is not None:
            driver.stop()
            await making
        gc.unfreeze()
        await outbox.close()
        return seconds / len(events)


async def messages(events: Sequence[NewEvent]) -> int:
    """How many messages people are told of these."""
    with tempfile.TemporaryDirectory() as folder:
        outbox, driver = await _opened(folder)
        await asyncio.gather(*(outbox.append(one) for one in events))
        while await driver.step():
            pass
        told = await outbox.read(_messages)
        await outbox.close()
        return told


def _messages(connection: object) -> int:
    return int(connection.execute("SELECT count(*) FROM events WHERE sequence < 0").fetchone()[0])  # type: ignore[attr-defined]  # SQLite's


def filled(path: Path, count: int) -> World:
    """A ledger with so many open incidents, in as many namespaces as there are."""
    world = World(path)
    world.tell(found(), namespace="ns-0", name="first")
    ((body,),) = world.rows("SELECT body FROM incidents")
    first = decoded(body)
    due = world.own + 86400.0
    world.connection.execute("BEGIN IMMEDIATE")
    for number in range(count):
        namespace, name = f"ns-{number % NAMESPACES}", f"web-{number}"
        subject = key("owner", "c", namespace, "apps", "Deployment", name)
        one = structs.replace(
            first,
            id=f"incident-{number}",
            number=ledger.next_number(world.connection),
            namespace=namespace,
            owner={**first.owner, "name": name},
            findings=[structs.replace(finding, owner=subject) for finding in first.findings],
        )
        ledger.save(world.connection, one, subject, namespace, world.own, due)
    world.connection.execute("COMMIT")
    return world


def consumed(world: World, count: int) -> float:
    """CPU seconds for each event of so many, of owners that have open incidents."""
    world.connection.execute("PRAGMA synchronous = OFF")  # what is measured is not the disk
    for number in range(count):
        owner = number * 7 % LOOKED_AT
        world.decide(found(), name=f"web-{owner}", namespace=f"ns-{owner % NAMESPACES}")
    began = time.process_time()
    world.consume()
    return (time.process_time() - began) / count


def _in_ledger() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        full, few = (filled(Path(folder) / f"{count}.db", count) for count in (OPEN, LOOKED_AT))
        figures = [(consumed(full, 2000), consumed(few, 2000)) for _ in range(ROUNDS)]
        full.close()
        few.close()
        resident = [
            statistics.median(_resident(Path(folder) / f"{of}.db") for _ in range(3)) for of in (OPEN, LOOKED_AT)
        ]
    ratio = statistics.median(mine / theirs for mine, theirs in figures)
    mine, theirs = (statistics.median(of) * 1e6 for of in zip(*figures, strict=True))
    name = f"an event beside {OPEN:,} open incidents in {NAMESPACES} namespaces"
    return [
        Row(name, f"{mine:.0f} µs", f"{theirs:.0f} µs (beside {LOOKED_AT:,})", f"{ratio:.2f}x", "1x"),
        Row(f"memory of {OPEN:,} open incidents", f"{resident[0] - resident[1]:.1f} MiB", "", "", "< 100 MiB"),
    ]


def _resident(path: Path) -> float:
    """MiB that a process takes at most which consumes events by this ledger."""
    command = [sys.executable, "-m", "tests.bench.incidents", "--resident", str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


async def _beside_delivery(url: str, refused_of: int, name: str, wanted: str) -> Row:
    events = decisions(EVENTS, OWNERS, refused_of)
    gc.set_threshold(*COLLECTING)
    await delivered(url, events[:500], with_incidents=True)
    figures = [
        (await delivered(url, events, with_incidents=True), await delivered(url, events, with_incidents=False))
        for _ in range(ROUNDS)
    ]
    ratio = statistics.median(mine / theirs for mine, theirs in figures)
    mine, theirs = (statistics.median(of) * 1e6 for of in zip(*figures, strict=True))
    return Row(name, f"{mine:.0f} µs", f"{theirs:.0f} µs (delivery alone)", f"{ratio:.2f}x", wanted)


def run() -> Sequence[Row]:
    """The figures."""
    with receiver() as url:
        name = "CPU of an event that is delivered and made incidents of, one refusal in ten"
        beside = [
            uvloop.run(_beside_delivery(url, 10, name, "<= 1.2x")),
            uvloop.run(_beside_delivery(url, 1, "the same, refusals only", "")),
        ]
    told = uvloop.run(messages(decisions(REFUSALS, OWNERS, 1)))
    name = f"{REFUSALS:,} refusals of {OWNERS} owners"
    few = Row(name, f"{told} messages", f"{REFUSALS:,} events", f"{told / REFUSALS:.0%}", f"{OWNERS} messages")
    return [*beside, few, *_in_ledger()]


def main() -> None:
    """Print the table; with `--resident PATH`, what a process takes that consumes events by that ledger."""
    if sys.argv[1:2] == ["--resident"]:
        world = World(Path(sys.argv[2]))
        consumed(world, 2000)
        world.close()
        status = Path("/proc/self/status").read_text().splitlines()
        print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024)
        return
    print(as_text(run()))


if __name__ == "__main__":
    main()
