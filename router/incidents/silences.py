"""Silences: what people are not told of for a while, by whom that was said, why, and until when.

Rules:
(1) A silence has at least one matcher; at least one of them does not match the empty text, so that none silences all.
    It ends at most `LONGEST` after it was made. It has an author and a reason.
(2) It is in force once it is written: the driver reads silences in the transaction in which it consumes an event.
(3) Only the incidents lane knows of silences. What must be heard (`incidents.unsilenceable`) is told all the same, and
    `resolved` and `expired` go to whoever was told.
(4) A silence that was ended early is kept like one that has ended by itself.
(5) Each silence that matches an event of the incidents lane is noted to have matched; the first of them counts it as
    held back. One that has matched nothing for `UNMATCHED_FOR` is told once (`unmatched`), and once more after it has
    matched and then nothing again for as long: a mistake in a matcher silences nothing, and what is not needed any more
    may one day silence what nobody expects.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from router.errors import ConfigurationError
from router.routing import parse_matcher
from router.routing.matchers import Test
from router.text import shown

LONGEST: Final = 90 * 86400.0
"""Seconds that a silence lasts at most."""
UNMATCHED_FOR: Final = 7 * 86400.0
"""Seconds without a match after which that is told."""
MATCHERS_LIMIT = 20
"""Matchers of one silence at most."""
TEXT_LIMIT = 1000
"""Characters of an author, a reason or a matcher at most."""
SILENCES_LIMIT = 1000
"""Silences that are in force at once at most."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence as it is kept; times in seconds since 1970."""

    id: str
    author: str
    reason: str
    matchers: tuple[str, ...]
    created_at: float
    ends_at: float
    ended_by: str = ""
    """Who ended it early; empty where nobody did."""
    matched_at: float | None = None
    """When an event of the incidents lane last matched it."""
    suppressed: int = 0
    """Events that it has held back."""
    unmatched_told: float | None = None
    """Since when it had matched nothing when that was last told."""

    def is_in_force(self, now: float) -> bool:
        """Whether it holds back at that time of day."""
        return not self.ended_by and now < self.ends_at

    @property
    def unmatched_since(self) -> float:
        """Since when it has matched nothing."""
        return self.created_at if self.matched_at is None else self.matched_at

    def tests(self) -> tuple[Test, ...]:
        """Its matchers as functions, all of which must hold."""
        return tuple(parse_matcher(text).compiled() for text in self.matchers)


def new(matchers: Sequence[str], author: str, reason: str, *, now: float, ends_at: float) -> Silence:
    """A silence that may be added.

    Raises:
        ConfigurationError: It is none; the text says what to write.
    """
    _expect(bool(author.strip()), "a silence needs an author: say --author NAME")
    _expect(bool(reason.strip()), "a silence needs a reason: say --reason TEXT")
    _expect(0 < len(matchers) <= MATCHERS_LIMIT, f"a silence needs 1 to {MATCHERS_LIMIT} matchers")
    _expect(
        all(len(text) <= TEXT_LIMIT for text in (author, reason, *matchers)), f"at most {TEXT_LIMIT} characters each"
    )
    _expect(ends_at > now, "the end of a silence lies in the future")
    _expect(ends_at <= now + LONGEST, "a silence ends within 90 days; add another one then")
    try:
        parsed = [parse_matcher(text) for text in matchers]
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    is_about_something = any(not matcher.compiled()(_nothing(matcher.field)) for matcher in parsed)
    _expect(
        is_about_something,
        f"{shown(' '.join(matchers))} matches everything; write a matcher that does not match an empty value, such as"
        ' request.namespace = "team-a"',
    )
    return Silence(str(uuid.uuid4()), author, reason, tuple(map(str, parsed)), now, ends_at)


def add(connection: sqlite3.Connection, silence: Silence) -> int:
    """Put it in force, inside a transaction; raises ConfigurationError where there are too many."""
    (count,) = connection.execute("SELECT count(*) FROM silences WHERE NOT is_over").fetchone()
    _expect(count < SILENCES_LIMIT, f"{count} silences are in force, and there may be no more: expire some")
    return connection.execute(
        "INSERT INTO silences (id, author, reason, matchers, created_at, ends_at) VALUES (?, ?, ?, ?, ?, ?)",
        (
            silence.id,
            silence.author,
            silence.reason,
            orjson.dumps(silence.matchers).decode(),
            silence.created_at,
            silence.ends_at,
        ),
    ).rowcount


def expire(connection: sqlite3.Connection, silence_id: str, author: str, now: float) -> int:
    """End it, inside a transaction; returns 1, or 0 where no such silence is in force at that time of day."""
    return connection.execute(
        "UPDATE silences SET ended_by = ?, ends_at = ? WHERE id = ? AND ended_by = '' AND ends_at > ?",
        (author, now, silence_id, now),
    ).rowcount


def silences(connection: sqlite3.Connection, limit: int) -> Sequence[Silence]:
    """All that are known, those that end last first."""
    return _read(connection, "1 ORDER BY ends_at DESC, id LIMIT ?", limit)


def silence(connection: sqlite3.Connection, silence_id: str) -> Silence | None:
    """The silence with this id; None where there is none."""
    return next(iter(_read(connection, "id = ?", silence_id)), None)


def not_over(connection: sqlite3.Connection) -> Sequence[Silence]:
    """Those whose end was not told yet, in force or not."""
    return _read(connection, "NOT is_over ORDER BY created_at, id LIMIT ?", 2 * SILENCES_LIMIT)


def note_matched(connection: sqlite3.Connection, silence_id: str, now: float, *, is_held: bool) -> None:
    """Note that an event matches it, at that time of day, and count it where it holds the event back."""
    connection.execute(
        "UPDATE silences SET suppressed = suppressed + ?, matched_at = ? WHERE id = ?", (is_held, now, silence_id)
    )


def unmatched(connection: sqlite3.Connection, now: float) -> Sequence[Silence]:
    """Those in force at that time of day that have matched nothing for too long, of which that was not told yet."""
    found = _read(connection, _UNMATCHED, now - UNMATCHED_FOR)
    return [silence for silence in found if silence.is_in_force(now)]


_UNMATCHED = (
    "NOT is_over AND coalesce(matched_at, created_at) <= ? AND unmatched_told IS NOT coalesce(matched_at, created_at)"
)


def note_unmatched_told(connection: sqlite3.Connection, silence: Silence) -> None:
    """It was told that it has matched nothing since then."""
    connection.execute("UPDATE silences SET unmatched_told = ? WHERE id = ?", (silence.unmatched_since, silence.id))


def note_over(connection: sqlite3.Connection, silence_id: str) -> None:
    """Its end was told."""
    connection.execute("UPDATE silences SET is_over = 1 WHERE id = ?", (silence_id,))


def interval(active: Sequence[str], mute: Sequence[str]) -> str:
    """What intervals that hold back are known by in `held_back`, beside ids of silences."""
    return orjson.dumps([list(active), list(mute)]).decode()


_COLUMNS = "id, author, reason, matchers, created_at, ends_at, ended_by, matched_at, suppressed, unmatched_told"


def _read(connection: sqlite3.Connection, condition: str, value: object) -> Sequence[Silence]:
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM silences WHERE {condition}",  # noqa: S608 - columns and conditions of our own
        (value,),
    )
    return [
        Silence(one, author, reason, tuple(orjson.loads(matchers)), *rest)
        for one, author, reason, matchers, *rest in found
    ]


def _nothing(field: str) -> Mapping[str, object]:
    """An event in which that field is there, and empty."""
    first, *rest = field.split(".")
    inner: object = ""
    for part in reversed(rest):
        inner = {part: inner}
    return {first: inner}


def _expect(holds: bool, text: str) -> None:  # noqa: FBT001 - a claim
    if not holds:
        raise ConfigurationError(text)
