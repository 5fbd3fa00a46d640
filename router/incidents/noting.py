"""Reads stored events, and notes what each shows by which later ones are judged.

That is whose objects are that have others of their own (`seen`), what exemptions let in (`exempt`), and which images
are proven (`proven`). One object is one transaction's work.
"""

from __future__ import annotations

from typing import NamedTuple

from router.events import BEGINNING, decode
from router.incidents import exempt, images
from router.incidents.facts import EventFacts, facts, shows
from router.incidents.ledger import Stored
from router.incidents.proven import Proven, remembered
from router.incidents.seen import SeenControllers
from router.incidents.subjects import troubles_of
from router.incidents.work import IncidentsWork
from router.routing import stored_routes

_OF_ADMISSION = BEGINNING + b"admission."


class ReadEvent(NamedTuple):
    """An event that was read."""

    facts: EventFacts
    body: bytes
    troubles: frozenset[str]
    """What is known by these may be over by it, and nothing else."""


class Noting:
    """Reads and notes."""

    def __init__(self, work: IncidentsWork) -> None:
        self._work = work
        self._controllers = work.rules.settings.controllers
        self._owners = SeenControllers(work.connection, work.now)
        self._proven = Proven(work.connection)

    def read(self, stored: Stored) -> ReadEvent | None:
        """What stands in an event; notes whose its object is, and what exemptions let in. None: of no request."""
        if not stored.body.startswith(_OF_ADMISSION):
            return None
        data, routes = decode(stored.body)["data"], stored_routes(stored.routes)
        seen, controllers = self._owners.owner, self._controllers
        one = facts(stored.sequence, stored.id, stored.at, data, routes, seen=seen, controllers=controllers)
        if (shown := shows(data, one.whose)) is not None:
            self._owners.note(data["request"]["namespace"], *shown)
        exempt.note(self._work, data, one.whose.owner, one.at)
        troubles = {one.whose.key}
        for image in data["images"]:
            troubles.update(troubles_of(data["cluster"], image["reference"], image["digest"]))
        return ReadEvent(one, stored.body, frozenset(troubles))

    def was_proven(self, name: bytes, at: float) -> bool:
        """As `Proven.was_proven`."""
        return self._proven.was_proven(name, at)

    def note_proven(self, one: EventFacts) -> None:
        """Note which images an event shows to be proven: after it is known which of its own are to blame."""
        cluster, namespace = one.data["cluster"], one.data["request"]["namespace"]
        for image in filter(images.is_proven, one.passing):
            if by := image.get("judged_by"):
                names = images.names(image["reference"], image["digest"])
                self._proven.note(namespace, remembered(cluster, names, by), one.at)

    def flush(self) -> None:
        """Write what waits."""
        self._proven.flush()
