from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.events import with_sequence
from router.outbox import (
    LONGEST_DELAY,
    Accepted,
    DeliverySelection,
    DeliveryState,
    NewEvent,
    Number,
    Postponed,
    SetAside,
    Settlement,
    queries,
    schema,
    selecting,
)
from router.outbox.claiming import CLAIM_BYTES, _within_bytes
from router.outbox.queries import Sized
from router.outbox.statements import Append, Change, OutboxStatement, Settle, Withdraw, perform
from tests.outbox.stage import BODY, NOW, REPLICA, new

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
        Append(new("a"), REPLICA, NOW),
        Settle([Accepted("slack", "a", NOW, 1)], [None], NOW),
        Append(new("b"), REPLICA, NOW),
        Append(new("a"), REPLICA, NOW),
    ]
    one, two = Number(REPLICA, 1), Number(REPLICA, 2)

    assert perform(connection, asked) == [77, one, None, two, one]
    assert [row.state for row in selecting.rows(connection, DeliverySelection(), 10, False)] == [
        DeliveryState.PENDING,
        DeliveryState.DELIVERED,
    ]


def test_what_is_rolled_back_leaves_no_gap(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")
    assert perform(connection, [Append(new("a"), REPLICA, NOW), Append(new("b"), REPLICA, NOW)]) == [
        Number(REPLICA, 1),
        Number(REPLICA, 2),
    ]
    connection.execute("ROLLBACK")

    assert perform(connection, [Append(new("c"), REPLICA, NOW)]) == [Number(REPLICA, 1)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), max_size=4))
def test_any_batches_number_each_id_once_and_without_a_gap(
    connection: sqlite3.Connection, batches: list[list[str]]
) -> None:
    connection.execute("BEGIN")
    expected: dict[str, int] = {}
    for batch in batches:
        numbers = perform(connection, [Append(new(event_id), REPLICA, NOW) for event_id in batch])
        assert numbers == [Number(REPLICA, expected.setdefault(event_id, len(expected) + 1)) for event_id in batch]
    found = dict(connection.execute("SELECT id, sequence FROM events"))
    connection.execute("ROLLBACK")

    assert found == expected


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    destination=TEXTS.filter(lambda text: "\0" not in text),
    reason=TEXTS,
    at=NUMBERS,
    first=NUMBERS,
    delay=st.floats(0, LONGEST_DELAY),
)
def test_any_text_and_time_of_a_settlement_arrives_as_it_is(
    connection: sqlite3.Connection, destination: str, reason: str, at: float, first: float, delay: float
) -> None:
    """Times of a claimed delivery to ten microseconds: SQLite writes fifteen digits into JSON."""
    connection.execute("BEGIN")
    perform(connection, [Append(new("a", destination), REPLICA, NOW), Append(new("b", destination), REPLICA, NOW)])
    settlements: Sequence[Settlement] = [
        Postponed(destination, "a", delay, 3, reason, reason),
        SetAside(destination, "b", at, 4, reason, reason),
    ]
    perform(connection, [Settle(settlements, [1, None], first)])
    aside, postponed = selecting.rows(connection, DeliverySelection(destination), 10, False)
    (delivery,) = queries.whole(connection, destination, [1], first + 5.0)
    (due_at,) = connection.execute("SELECT due_at FROM deliveries WHERE sequence = 1").fetchone()
    connection.execute("ROLLBACK")
    kept = reason.replace("\0", "\ufffd")

    assert (postponed.reason, aside.reason, aside.attempts) == (kept, kept, 4)
    assert (postponed.words, aside.words) == (kept, kept)
    assert [due_at, aside.settled_at] == pytest.approx([first + delay, at], abs=1e-5)
    assert delivery.tried_for == pytest.approx(5.0, abs=1e-5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS.filter(lambda text: "\0" not in text))
def test_any_body_without_a_nul_is_read_as_it_was_written(connection: sqlite3.Connection, text: str) -> None:
    connection.execute("BEGIN")
    perform(connection, [Append(NewEvent("a", text.encode() + BODY, NOW, ["slack"]), REPLICA, NOW)])
    (delivery,) = queries.whole(connection, "slack", [1], NOW)
    connection.execute("ROLLBACK")

    assert delivery.body == with_sequence(text.encode() + BODY, 1)


@given(lengths=st.lists(st.integers(0, 2 * CLAIM_BYTES), min_size=1))
def test_a_claim_takes_from_the_front_as_many_as_its_bytes_allow(lengths: list[int]) -> None:
    taken = [
        one.sequence
        for one in _within_bytes([Sized(n, str(n), length) for n, length in enumerate(lengths)], CLAIM_BYTES)
    ]
    total = sum(lengths[: len(taken)])

    assert taken == list(range(len(taken)))
    assert total <= CLAIM_BYTES or len(taken) == 1
    assert len(taken) == len(lengths) or total + lengths[len(taken)] > CLAIM_BYTES


APPEND_A, APPEND_B = Append(new("a"), REPLICA, NOW), Append(new("b"), REPLICA, NOW)
TAKE_A = Withdraw(["a"])


@pytest.mark.parametrize(
    ("asked", "gone", "left"),
    [
        ([APPEND_A, APPEND_B, TAKE_A], {"a"}, {"b": 1}),
        ([APPEND_A, TAKE_A, APPEND_A], set(), {"a": 1}),
        ([TAKE_A, APPEND_A], {"a"}, {"a": 1}),
        ([APPEND_A, APPEND_A, TAKE_A], set(), {"a": 1}),
        ([Append(new("a", "slack"), REPLICA, NOW), TAKE_A, TAKE_A], {"a"}, {}),
    ],
    ids=["before another", "and again", "then appended", "appended twice", "withdrawn twice"],
)
def test_what_is_withdrawn_in_the_batch_in_which_it_is_appended_is_never_numbered(
    connection: sqlite3.Connection, asked: Sequence[OutboxStatement], gone: set[str], left: dict[str, int]
) -> None:
    connection.execute("BEGIN")
    results = perform(connection, asked)
    found = dict(connection.execute("SELECT id, sequence FROM events"))
    connection.execute("ROLLBACK")

    assert [found for one, found in zip(asked, results, strict=True) if isinstance(one, Withdraw)][-1] == gone
    assert found == left


def test_what_is_appended_again_in_the_batch_of_its_withdrawal_stays(connection: sqlite3.Connection) -> None:
    """The second appender is told that it is stored."""
    connection.execute("BEGIN")
    perform(connection, [APPEND_A])
    number, gone = perform(connection, [APPEND_A, TAKE_A])
    connection.execute("ROLLBACK")

    assert (number, gone) == (Number(REPLICA, 1), set())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(st.lists(st.tuples(st.booleans(), st.sampled_from("abcd")), max_size=8), min_size=1, max_size=4)
)
def test_whatever_is_appended_and_withdrawn_what_is_acknowledged_is_there_and_numbers_have_no_gap(
    connection: sqlite3.Connection, batches: list[list[tuple[bool, str]]]
) -> None:
    """Of an event that was appended again after its withdrawal was asked, the second answer holds."""
    connection.execute("BEGIN")
    for batch in batches:
        asked: list[OutboxStatement] = [
            Append(new(event_id), REPLICA, NOW) if is_append else Withdraw([event_id]) for is_append, event_id in batch
        ]
        results = perform(connection, asked)
        found = dict(connection.execute("SELECT id, sequence FROM events"))
        told = dict(zip([event_id for _, event_id in batch], results, strict=True))

        assert sorted(found.values()) == list(range(1, len(found) + 1))
        for event_id, answer in told.items():
            if isinstance(answer, Number):
                assert found[event_id] == answer.sequence
            elif isinstance(answer, AbstractSet):
                assert (event_id in answer) is (event_id not in found)
    connection.execute("ROLLBACK")
