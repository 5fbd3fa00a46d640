"""A ledger of what was seen on a real file, beside that of incidents."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from router.incidents.facts import EventFacts
from router.readiness import beats, grouping, reading
from router.readiness.judging import ReadinessState
from router.readiness.reading import Overview
from router.readiness.settings import ReadinessSettings
from router.readiness.sighting import SightedImage
from tests.incidents.stage import World

DAY = 86400.0
SETTINGS = ReadinessSettings()


class Ledger(World):
    """One outbox's file with what was seen."""

    @staticmethod
    def seen(connection: sqlite3.Connection, group: Sequence[EventFacts]) -> None:
        """Have it seen, as the keeper does."""
        grouping.note(connection, group)

    def images(self, namespace: str = "shop", *, is_open: bool = False) -> Sequence[SightedImage]:
        """What was seen in it, those that were seen last first."""
        return reading.images(self.connection, namespace, 0.0, 10_000, is_open=is_open)

    def open(self, namespace: str = "shop") -> list[tuple[str, str, str]]:
        """Whose, in which container and as what something is open."""
        found = self.images(namespace, is_open=True)
        return sorted((one.seen.owner["name"], one.seen.sighting.container, one.seen.sighting.verdict) for one in found)

    def overview(self, namespace: str = "shop") -> Overview:
        """What is known of it."""
        (one,) = reading.overviews(self.connection, SETTINGS, self.of_day, namespace)
        return one

    def state(self, namespace: str = "shop") -> ReadinessState:
        """Whether it is ready."""
        return self.overview(namespace).judged.state

    def watch(self, seconds: float) -> None:
        """Watch without a gap for so long, from now on."""
        beats.beat(self.connection, self.of_day, 60.0)
        self.of_day += seconds
        beats.beat(self.connection, self.of_day, 60.0)
