"""A ledger on a real file, in virtual time: events are appended as gates have them, and consumed when a test says."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from router.events import EventData, GrantData, ImageData, OwnerData, as_json, top_owner
from router.incidents import exempt, silences
from router.incidents.consuming import Consuming
from router.incidents.facts import EventFacts
from router.incidents.holding import Holding
from router.incidents.rules import IncidentRules
from router.incidents.unmatched import tell_of_unmatched
from router.incidents.work import IncidentsWork
from router.outbox import NewEvent, schema
from router.outbox.statements import Append, perform
from router.routing import IncidentRoute, IncidentSettings, Routed, RouteSettings, TimeIntervalSettings
from router.verdict import Severity
from tests.outbox import tables
from tests.routing.event import image

NOW = 1_790_000_000.0
REPLICASET_CONTROLLER = "system:serviceaccount:kube-system:replicaset-controller"
DEPLOYMENT_CONTROLLER = "system:serviceaccount:kube-system:deployment-controller"
PEOPLE = IncidentRoute("people", severity="high", repeat_interval=3600.0, group_interval=60.0)


def found(verdict: str = "unsigned", container: str = "c0", of: str = "", **fields: object) -> ImageData:
    """An image in a container."""
    name = of or f"r.example/{container}:1"
    return image(verdict, container=container, image=name, reference=name, **fields)


def owner(kind: str, name: str, uid: str = "") -> OwnerData:
    """A controller that an object claims."""
    return {
        "api_version": "batch/v1" if kind == "Job" else "apps/v1",
        "kind": kind,
        "name": name,
        "uid": uid or f"uid-{name}",
    }


class World:
    """One outbox's file with its ledger."""

    seen: Callable[[sqlite3.Connection, Sequence[EventFacts]], None] | None = None
    """Who else hears of what is consumed."""

    def __init__(
        self,
        path: Path,
        settings: IncidentSettings | None = None,
        intervals: Sequence[TimeIntervalSettings] = (),
        routes: RouteSettings | None = None,
    ) -> None:
        tables.prepare(path)
        self.connection = schema.connect(path)
        self.rules = IncidentRules.of(
            settings or IncidentSettings(), intervals, routes or RouteSettings(), "r", 86400.0, cluster="c"
        )
        self.own = 1000.0
        self.of_day = NOW
        self.number = 0
        self.consume()  # the first look begins at the end

    def tell_of_one(self) -> None:
        """An incident from its beginning to its end: opened, changed, resolved."""
        self.tell(found())
        self.pass_time(301.0)
        self.tell(found(), found("untrusted", container="c1"))
        self.pass_time(61.0)
        self.tell(found("verified"), found("verified", container="c1"))

    def pass_time(self, seconds: float) -> None:
        """Let both clocks go on, and do what is due."""
        self.own += seconds
        self.of_day += seconds
        self.look()

    def decide(  # noqa: PLR0913 - a decision has these independent parts
        self,
        *images: ImageData,
        kind: str = "Deployment",
        name: str = "web",
        namespace: str = "shop",
        of: OwnerData | None = None,
        user: str = "alice",
        outcome: str = "admitted",
        severity: str = "high",
        template_hash: str = "",
        uid: str = "",
        at: float | None = None,
        routes: Sequence[IncidentRoute] | None = None,
        corrects: str | None = None,
        event_id: str | None = None,
        grant: GrantData | None = None,
        would_reject: bool | None = None,
        failure: str | None = None,
    ) -> str:
        """Append an event about an object; a route of people takes what fails, unless others are named."""
        self.number += 1
        api_version = {"Pod": "v1", "Job": "batch/v1"}.get(kind, "apps/v1")
        is_failing = any(one["verdict"] not in {"verified", "exempt"} for one in images)
        data: dict[str, Any] = {
            "decision": {
                "outcome": outcome,
                "mode": "detect",
                "would_reject": is_failing if would_reject is None else would_reject,
                "severity": severity,
                "message": "",
                "break_glass": None,
            },
            "request": {
                "uid": f"request-{self.number}",
                "operation": "CREATE",
                "api_version": api_version,
                "kind": kind,
                "subresource": "",
                "namespace": namespace,
                "name": name,
                "generate_name": "",
                "user": {"name": user, "groups": []},
                "dry_run": False,
            },
            "workload": {
                "api_version": api_version,
                "kind": kind,
                "name": name,
                "owner": of,
                "uid": uid,
                "top_owner": top_owner(api_version, kind, name, of, template_hash),
            },
            "images": list(images),
            "cluster": "c",
            "replica": "r",
        }
        if grant is not None:
            data["decision"] |= {"break_glass": "the registry is down", "grant": grant}
        if failure is not None:
            data["decision"]["failure"] = failure
        if corrects is not None:
            data["corrects"] = corrects
        one, time = event_id or f"event-{self.number}", self.of_day if at is None else at
        self._append(one, data, time, routes if routes is not None else ((PEOPLE,) if is_failing else ()), severity)  # type: ignore[arg-type]  # as above
        return one

    def _append(
        self, event_id: str, data: EventData, at: float, routes: Sequence[IncidentRoute], severity: str
    ) -> None:
        body = as_json(
            {
                "specversion": "1.0",
                "type": "dev.gatecrier.admission.decision.v1",
                "id": event_id,
                "source": "s",
                "subject": "s",
                "time": "t",
                "datacontenttype": "application/json",
                "data": data,
            }
        )
        event = NewEvent(
            event_id, body, at, ("siem",), severity=Severity(severity), incident_routes=Routed((), tuple(routes)).stored
        )
        self.connection.execute("BEGIN IMMEDIATE")
        perform(self.connection, [Append(event, "r", self.own)])
        self.connection.execute("COMMIT")

    def consume(self, *, crash: bool = False) -> None:
        """Consume what is there; with `crash` the first transaction is lost before its commit, and made again."""
        if crash:
            self.connection.execute("BEGIN IMMEDIATE")
            Consuming(self.work(), self.seen).events()
            self.connection.execute("ROLLBACK")
        many = 1
        while many:
            self.connection.execute("BEGIN IMMEDIATE")
            many = Consuming(self.work(), self.seen).events()
            self.connection.execute("COMMIT")

    def look(self) -> None:
        """Consume, and do what is due by time."""
        self.consume()
        self.connection.execute("BEGIN IMMEDIATE")
        while Consuming(self.work()).time():
            pass
        holding = Holding(self.work())
        if holding.has_ended():
            holding.end()
        tell_of_unmatched(self.work())
        exempt.tell(self.work())
        self.connection.execute("COMMIT")

    def tell(self, *images: ImageData, **more: object) -> str:
        """Decide, and consume it."""
        event_id = self.decide(*images, **more)  # type: ignore[arg-type]  # passed on
        self.look()
        return event_id

    def silence(self, *matchers: str, seconds: float = 600.0) -> str:
        """Add a silence."""
        one = silences.new(matchers, "alice", "planned", now=self.of_day, ends_at=self.of_day + seconds)
        silences.add(self.connection, one)
        return one.id

    def bodies(self, destination: str = "people") -> list[dict[str, Any]]:
        """What was appended for a destination, in order."""
        rows = self.connection.execute(
            "SELECT body FROM events JOIN deliveries USING (sequence)"
            " WHERE sequence < 0 AND destination = ? ORDER BY sequence",
            (destination,),
        )
        return [json.loads(body) for (body,) in rows]

    def messages(self, destination: str = "people", name: str | None = None) -> list[dict[str, Any]]:
        """The incidents that it was told of, in order."""
        told = [body["data"]["incident"] for body in self.bodies(destination) if "incident" in body["data"]]
        return [one for one in told if name in (None, one["owner"]["name"])]

    def states(self, destination: str = "people", name: str | None = None) -> list[str]:
        """What they said."""
        return [one["state"] for one in self.messages(destination, name)]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What a query gives."""
        return self.connection.execute(statement).fetchall()

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def work(self) -> IncidentsWork:
        """What a transaction works with now."""
        return IncidentsWork(self.connection, self.rules, self.own, self.of_day)
