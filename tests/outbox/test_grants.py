"""What break-glass lets in is there exactly while its event is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from router.decision import Grant, GrantedImage
from router.outbox import NewEvent, changes, grants, schema
from router.outbox.collected import Collected, collect
from router.outbox.sqlite import SqliteOutbox
from router.outbox.statements import Append, Withdraw, perform
from tests.outbox.stage import NOW, REPLICA, new


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    schema.prepare(path)
    with closing(schema.connect(path)) as opened:
        yield opened


def granting(event_id: str, until: float = NOW + 60, namespace: str = "shop") -> NewEvent:
    images = (GrantedImage("r.example/web:1", None), GrantedImage("r.example/db:1", "sha256:" + "ab" * 32))
    return replace(new(event_id), grant=Grant(event_id, namespace, images, "oncall", "the registry is down", until))


def ids(connection: sqlite3.Connection, now: float = NOW, namespace: str = "shop") -> list[str]:
    return [one.id for one in grants.in_force(connection, namespace, now)]


def append(connection: sqlite3.Connection, *events: NewEvent) -> None:
    perform(connection, [Append(event, REPLICA, 1.0) for event in events])


def test_it_comes_with_its_event_and_is_what_was_granted(connection: sqlite3.Connection) -> None:
    append(connection, new("a"), granting("b"))

    assert list(grants.in_force(connection, "shop", NOW)) == [granting("b").grant]


@pytest.mark.parametrize(("now", "expected"), [(NOW + 59.9, ["a"]), (NOW + 60, []), (NOW + 61, [])])
def test_it_ends(connection: sqlite3.Connection, now: float, expected: list[str]) -> None:
    append(connection, granting("a"))

    assert ids(connection, now) == expected


def test_it_is_for_one_namespace(connection: sqlite3.Connection) -> None:
    append(connection, granting("a"))

    assert ids(connection, namespace="other") == []


def test_an_event_that_comes_twice_grants_once_and_no_longer(connection: sqlite3.Connection) -> None:
    append(connection, granting("a"), granting("a", NOW + 3600))
    append(connection, granting("a", NOW + 3600))

    assert ids(connection) == ["a"]
    assert ids(connection, NOW + 61) == []


def test_it_goes_with_its_event(connection: sqlite3.Connection) -> None:
    append(connection, granting("a"))
    append(connection, granting("b"))
    (gone,) = perform(connection, [Withdraw(["b"])])

    assert gone == {"b"}
    assert ids(connection) == ["a"]


def test_it_stays_with_an_event_that_has_to_stay(connection: sqlite3.Connection) -> None:
    """Until what corrects that ends it."""
    append(connection, granting("a"), granting("b"))
    perform(connection, [Withdraw(["a"])])
    between = ids(connection)
    append(connection, replace(new("c"), corrects="a"))

    assert sorted(between) == ["a", "b"]
    assert ids(connection) == ["b"]


def test_one_that_was_over_long_ago_is_forgotten(connection: sqlite3.Connection) -> None:
    append(connection, granting("a", NOW - 2 * 86400), granting("b", NOW - 60), granting("c", NOW + 60))
    changes.save_time(connection, 1.0, NOW)

    assert connection.execute("SELECT id FROM grants ORDER BY id").fetchall() == [("b",), ("c",)]


def test_another_replicas_clock_ends_none(connection: sqlite3.Connection) -> None:
    """Two days ahead, it would take from all namespaces what others have granted."""
    append(connection, granting("a"))
    ahead = NOW + 2 * 86400
    grant = granting("b", ahead + 3600, "other").grant
    body = b'{"id":"b","data":{"sequence":1}}'
    collect(connection, "replica-2", [Collected("b", ahead, body, "[]", grant)])

    assert ids(connection) == ["a"]


async def test_it_is_forgotten_by_the_outboxs_own_time_of_day(path: Path) -> None:
    first = await SqliteOutbox.open(path, REPLICA, time_of_day=lambda: NOW)
    await first.append(granting("a"))
    await first.close()
    second = await SqliteOutbox.open(path, REPLICA, time_of_day=lambda: NOW + 2 * 86400)
    await second.append(new("b"))
    kept = await second.read(ids)
    await second.close()

    assert kept == []


async def test_it_is_in_force_when_its_event_is_and_after_a_restart(path: Path) -> None:
    first = await SqliteOutbox.open(path, REPLICA, time_of_day=lambda: NOW)
    await first.append(granting("a"))
    told = [await first.read(ids)]
    await first.close()
    second = await SqliteOutbox.open(path, REPLICA, time_of_day=lambda: NOW + 30)
    told.append(await second.read(ids))
    await second.close()

    assert told == [["a"], ["a"]]
