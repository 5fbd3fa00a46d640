from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.events import with_sequence
from router.outbox import Accepted, DeliveryState, NewEvent, Postponed, Selection, SetAside, Settlement, queries, schema
from router.outbox.sqlite import CLAIM_BYTES, _within_bytes
from router.outbox.statements import Append, Change, Settle, perform
from tests.outbox.stage import BODY, NOW, new

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.floats(0, 4e9, allow_nan=False)


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    schema.prepare(path)
    with closing(schema.connect(path)) as opened:
        yield opened


def test_results_come_in_the_order_of_what_was_asked(connection: sqlite3.Connection) -> None:
    asked: Sequence[Append | Settle | Change] = [
        Change(lambda _: 77),
        Append(new("a")),
        Settle([Accepted("slack", 1, NOW, 1)]),
        Append(new("b")),
        Append(new("a")),
    ]

    assert perform(connection, asked) == [77, 1, None, 2, 1]
    assert [row.state for row in queries.rows(connection, Selection(), 10, False)] == [
        DeliveryState.PENDING,
        DeliveryState.DELIVERED,
    ]


def test_what_is_rolled_back_leaves_no_gap(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")
    assert perform(connection, [Append(new("a")), Append(new("b"))]) == [1, 2]
    connection.execute("ROLLBACK")

    assert perform(connection, [Append(new("c"))]) == [1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), max_size=4))
def test_any_batches_number_each_id_once_and_without_a_gap(
    connection: sqlite3.Connection, batches: list[list[str]]
) -> None:
    connection.execute("BEGIN")
    expected: dict[str, int] = {}
    for batch in batches:
        numbers = perform(connection, [Append(new(event_id)) for event_id in batch])
        assert numbers == [expected.setdefault(event_id, len(expected) + 1) for event_id in batch]
    found = dict(connection.execute("SELECT id, sequence FROM events"))
    connection.execute("ROLLBACK")

    assert found == expected


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(destination=TEXTS.filter(lambda text: "\0" not in text), reason=TEXTS, at=NUMBERS, first=NUMBERS)
def test_any_text_and_time_of_a_settlement_arrives_as_it_is(
    connection: sqlite3.Connection, destination: str, reason: str, at: float, first: float
) -> None:
    """Times of a claimed delivery to ten microseconds: SQLite writes fifteen digits into JSON."""
    connection.execute("BEGIN")
    perform(connection, [Append(new("a", destination)), Append(new("b", destination))])
    settlements: Sequence[Settlement] = [
        Postponed(destination, 1, at, 3, first, reason),
        SetAside(destination, 2, at, 4, reason),
    ]
    perform(connection, [Settle(settlements)])
    aside, postponed = queries.rows(connection, Selection(destination), 10, False)
    (delivery,) = queries.whole(connection, destination, [1], with_sequence)
    connection.execute("ROLLBACK")
    kept = reason.replace("\0", "\ufffd")

    assert (postponed.reason, aside.reason, aside.attempts) == (kept, kept, 4)
    assert [postponed.due_at, aside.settled_at] == pytest.approx([at, at], abs=1e-6)
    assert delivery.first_attempt_at == pytest.approx(first, abs=1e-5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS.filter(lambda text: "\0" not in text))
def test_any_body_without_a_nul_is_read_as_it_was_written(connection: sqlite3.Connection, text: str) -> None:
    connection.execute("BEGIN")
    perform(connection, [Append(NewEvent("a", text.encode() + BODY, NOW, ["slack"]))])
    (delivery,) = queries.whole(connection, "slack", [1], with_sequence)
    connection.execute("ROLLBACK")

    assert delivery.body == with_sequence(text.encode() + BODY, 1)


@given(lengths=st.lists(st.integers(0, 2 * CLAIM_BYTES), min_size=1))
def test_a_claim_takes_from_the_front_as_many_as_its_bytes_allow(lengths: list[int]) -> None:
    taken = _within_bytes(list(enumerate(lengths)))
    total = sum(lengths[: len(taken)])

    assert taken == list(range(len(taken)))
    assert total <= CLAIM_BYTES or len(taken) == 1
    assert len(taken) == len(lengths) or total + lengths[len(taken)] > CLAIM_BYTES
