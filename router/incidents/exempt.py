"""What exemptions have let in, and telling of their ends: a week before, and then; once each, across restarts.

Rules:
(1) What an event shows to be let in by an exemption is noted by the pattern of that, in the transaction that consumes
    the event: namespace, owner, image, why it fails and when. At most `KEPT` of a pattern and namespace, the oldest
    making room, so that no namespace takes another's; what was not seen for as long as events are kept is forgotten.
(2) An end is told when the clock has come to a week before it, and when it has come to it; not the first where the
    second is due already. That it was told is noted in the same transaction, also where nobody hears of it. Another
    `until` is another end.
(3) What a notice names is what was let in where the exemption is about, whichever exemption of that pattern did so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import orjson

from router.events import EventData, Origin, Used, exemption_notice
from router.events.exemption_notices import SHOWN, ExemptionState
from router.incidents import ledger
from router.incidents.work import IncidentsWork
from router.policy import Exemptions, ExemptionSettings
from router.telemetry.logs import logger
from router.text import cut_middle

log = logger()

BEFORE: Final = 7 * 86400.0
"""Seconds before its end at which an exemption is told to end soon."""
KEPT: Final = 200
"""Images of owners that are noted of one pattern in one namespace."""
NAME_LIMIT: Final = 300
"""Characters of a name."""
End: TypeAlias = tuple[ExemptionSettings, ExemptionState]
"""That an exemption ends soon, or has ended."""


def note(work: IncidentsWork, data: EventData, owner: Mapping[str, str], at: float) -> None:
    """Note what an event shows to be let in by exemptions, of whom: KIND/NAME."""
    namespace, connection = data["request"]["namespace"], work.connection
    for image in data["images"]:
        if (exemption := image.get("exemption")) is None:
            continue
        found = f"{exemption['true_verdict']} ({exemption['true_reason']})"
        name, of = (cut_middle(text, NAME_LIMIT) for text in (image["image"], f"{owner['kind']}/{owner['name']}"))
        pattern = exemption["pattern"]
        connection.execute(_NOTE, (pattern, namespace, of, name, found, at))
        connection.execute(_TRIM, (pattern, namespace, KEPT))


_NOTE = """
    INSERT INTO exempt_images VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
        found = excluded.found, last_at = max(last_at, excluded.last_at)
"""
_TRIM = """
    DELETE FROM exempt_images WHERE pattern = ?1 AND namespace = ?2 AND (owner, image) IN (
        SELECT owner, image FROM exempt_images WHERE pattern = ?1 AND namespace = ?2
        ORDER BY last_at DESC, owner, image LIMIT -1 OFFSET ?3
    )
"""


def forget(work: IncidentsWork) -> None:
    """Forget what was not let in for as long as events are kept, and ends that were over as long ago."""
    before = work.time_of_day - work.rules.keep
    work.connection.execute("DELETE FROM exempt_images WHERE last_at < ?", (before,))
    known = orjson.dumps([_key(one) for one in work.rules.exemptions]).decode()
    work.connection.execute(
        "DELETE FROM told_exemptions WHERE until < ? AND exemption NOT IN (SELECT value FROM json_each(?))",
        (before, known),
    )


def untold(work: IncidentsWork) -> Sequence[End]:
    """The ends that are due and were not told."""
    now, connection = work.time_of_day, work.connection
    due: list[End] = [
        (one, "ended" if now >= one.until else "ending") for one in work.rules.exemptions if now >= one.until - BEFORE
    ]
    return [(one, state) for one, state in due if connection.execute(_TOLD, (*_end(one), state)).fetchone() is None]


def tell(work: IncidentsWork) -> int:
    """Tell of them; returns how many there were."""
    found, connection, rules = untold(work), work.connection, work.rules
    for exemption, state in found:
        used, count = _used(work, exemption)
        event = exemption_notice(
            Origin(rules.cluster, rules.replica), exemption, state, used, count, at=work.time_of_day
        )
        ledger.append_notice(work, event)
        connection.execute("INSERT INTO told_exemptions VALUES (?, ?, ?)", (*_end(exemption), state))
        log.warning(
            "exemption_told", state=state, pattern=exemption.pattern, namespaces=exemption.namespaces, images=count
        )
    return len(found)


_TOLD = "SELECT 1 FROM told_exemptions WHERE exemption = ? AND until = ? AND state = ?"


def _used(work: IncidentsWork, exemption: ExemptionSettings) -> tuple[Sequence[Used], int]:
    """What it has let in that is named, and how many that are in all."""
    about = Exemptions([exemption], lambda: work.time_of_day)
    found, count = list[Used](), 0
    for row in work.connection.execute(_USED, (exemption.pattern,)):
        one = Used(*row)
        if about.concern(one.namespace):
            count += 1
            found += [one] if len(found) < SHOWN else []
    return found, count


_USED = "SELECT namespace, owner, image, found, last_at FROM exempt_images WHERE pattern = ? ORDER BY last_at DESC"


def _end(exemption: ExemptionSettings) -> tuple[str, float]:
    return _key(exemption), exemption.until


def _key(exemption: ExemptionSettings) -> str:
    return orjson.dumps([exemption.pattern, *exemption.namespaces]).decode()
