"""What people ask and say about incidents: `incidents`, `silence`, and what `explain` and `routes test` say of them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from router.cli import main
from router.incidents import silences
from router.incidents.driver import IncidentsDriver
from router.incidents.rules import IncidentRules
from router.outbox.sqlite import SqliteOutbox
from router.routing import IncidentSettings, RouteSettings
from tests.assembly.small import Place
from tests.incidents.stage import NOW
from tests.incidents.test_driver import bad

ROUTES = {
    "destinations": ["archive"],
    "routes": [
        {"destinations": ["archive"], "continue": True},
        {"lane": "incidents", "destinations": ["people"], "severity": "critical", "templates": {"people": "mine"}},
    ],
}
Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """A command about an outbox with one open incident, of two events."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "mine.json").write_text('{"text": "{{ incident.owner.name }}"}')
    files = [{"name": name, "kind": "file", "path": f"{name}.jsonl"} for name in ("archive", "people")]
    place = Place(tmp_path, destinations=files, routes=ROUTES, templates={"directory": "templates"})

    async def fill() -> None:
        outbox = await SqliteOutbox.open(tmp_path / "outbox.db", "r")
        driver = IncidentsDriver(outbox, time_of_day=lambda: NOW)
        driver.rules = IncidentRules.of(IncidentSettings(), (), RouteSettings(), "r", 86400.0)
        for event_id in ("", "event-1", "event-2"):
            if event_id:
                await outbox.append(bad(event_id, "archive"))
            while await driver.step():
                pass
        await outbox.close()

    asyncio.run(fill())

    def asked(*arguments: str) -> tuple[int, str, str]:
        code = main([*arguments, "--config", str(place.config)])
        out, err = capsys.readouterr()
        return code, out, err

    return asked


def test_open_incidents_are_listed(ask: Ask) -> None:
    code, out, _ = ask("incidents", "list", "--json")
    (one,) = json.loads(out)

    assert code == 0
    assert (one["number"], one["state"], one["count"], one["destinations"]["people"]["told"]) == (1, "open", 2, 1)
    assert json.loads(ask("incidents", "list", "--namespace", "other", "--json")[1]) == []


def test_an_incident_is_shown_by_its_number_or_its_id(ask: Ask) -> None:
    (one,) = json.loads(ask("incidents", "show", "1", "--json")[1])
    code, text, _ = ask("incidents", "show", one["id"])

    assert one["events"] == ["event-1", "event-2"]
    assert code == 0
    assert "payments/Deployment/web" in text
    assert "people: told once" in text
    assert ask("incidents", "show", "2")[0] == 1


def test_a_closed_incident_is_told_to_whoever_was_told_of_it(ask: Ask) -> None:
    first = ask("incidents", "close", "1", "--author", "alice", "--reason", "mended by hand")
    second = ask("incidents", "close", "1", "--author", "alice", "--reason", "again")
    (over,) = json.loads(ask("incidents", "list", "--all", "--json")[1])
    messages = json.loads(ask("deliveries", "list", "--destination", "people", "--json")[1])

    assert (first[0], second[0]) == (0, 1)
    assert over["ended_by"] == {"how": "closed", "author": "alice", "reason": "mended by hand"}
    assert len(messages) == 2


def test_an_event_and_an_incident_are_explained_together(ask: Ask) -> None:
    code, text, _ = ask("explain", "event-1")
    incident_id = json.loads(ask("incidents", "list", "--json")[1])[0]["id"]
    of_incident = json.loads(ask("explain", incident_id, "--json")[1])
    (message,) = json.loads(ask("deliveries", "list", "--destination", "people", "--json")[1])

    assert code == 0
    assert f"incident 1 ({incident_id}): open" in text
    assert {one["event"]["id"] for one in of_incident} == {"event-1", "event-2"}
    assert f"message about incident 1 ({incident_id}): opened" in ask("explain", message["event_id"])[1]


def test_a_route_of_incidents_says_lane_severity_and_template(ask: Ask) -> None:
    told = json.loads(ask("routes", "test", "--namespace", "x", "--verdict", "unsigned", "--json")[1])

    assert [(one["destination"], one["lane"], one["severity"], one["template"]) for one in told] == [
        ("archive", "events", "medium", None),
        ("people", "incidents", "critical", "mine"),
    ]


def test_a_silence_is_added_shown_and_ended(ask: Ask) -> None:
    words = ("--author", "alice", "--reason", "planned")
    code, out, _ = ask("silence", "add", 'request.namespace = "x"', *words, "--for", "1h")
    silence_id = out.strip()
    (listed,) = json.loads(ask("silence", "list", "--json")[1])
    shown = ask("silence", "show", silence_id)
    ended = ask("silence", "expire", silence_id, "--author", "bob")

    assert code == 0
    assert (listed["id"], listed["is_in_force"]) == (silence_id, True)
    assert "it holds nothing back now" in shown[1]
    assert ended[0] == 0
    assert json.loads(ask("silence", "list", "--json")[1]) == []
    assert json.loads(ask("silence", "list", "--expired", "--json")[1])[0]["ended_by"] == "bob"
    assert ask("silence", "expire", silence_id, "--author", "bob")[0] == 1
    assert ask("silence", "show", "nobody")[0] == 1


def test_what_a_person_says_about_incidents_is_a_decision(ask: Ask, tmp_path: Path) -> None:
    """The running router tells it from what a scan writes beside it, and tries those again who have paused."""

    def decisions() -> int:
        with closing(sqlite3.connect(tmp_path / "outbox.db")) as connection:
            return int(connection.execute("SELECT count FROM decisions").fetchone()[0])

    words = ("--author", "a", "--reason", "r")
    silence_id = ask("silence", "add", 'request.namespace = "x"', *words, "--for", "1h")[1].strip()
    counts = [decisions()]
    for command in (
        ("silence", "expire", silence_id, "--author", "b"),
        ("silence", "expire", silence_id, "--author", "b"),
        ("incidents", "close", "1", *words),
        ("incidents", "list"),
        ("incidents", "close", "1", *words),
    ):
        ask(*command)
        counts.append(decisions())

    assert counts == [1, 2, 2, 3, 3, 3]


@pytest.mark.parametrize(
    "arguments",
    [
        ('request.namespace = "x"', "--author", "a", "--for", "1h"),
        ('request.namespace = "x"', "--reason", "r", "--for", "1h"),
        ('request.namespace =~ ".*"', "--author", "a", "--reason", "r", "--for", "1h"),
        ("--author", "a", "--reason", "r", "--for", "1h"),
        ('request.namespace = "x"', "--author", "a", "--reason", "r", "--for", "91d"),
        ('request.namespace = "x"', "--author", "a", "--reason", "r", "--until", "2001-01-01T00:00:00Z"),
    ],
)
def test_a_silence_that_nobody_should_add_is_a_mistake_of_the_command_line(
    ask: Ask, arguments: tuple[str, ...]
) -> None:
    code, out, err = ask("silence", "add", *arguments)

    assert (code, out) == (2, "")
    assert err


def test_a_silence_until_a_day_holds_to_its_end_as_everywhere(ask: Ask) -> None:
    day = datetime.now(UTC).date() + timedelta(days=2)
    _, out, err = ask(
        "silence", "add", 'request.namespace = "x"', "--author", "a", "--reason", "r", "--until", f"{day}"
    )
    (listed,) = json.loads(ask("silence", "list", "--json")[1])

    assert (listed["id"], listed["ends_at"]) == (out.strip(), f"{day + timedelta(days=1)}T00:00:00Z")
    assert err == f"until {day + timedelta(days=1)}T00:00:00Z\n"


def test_a_silence_until_what_is_no_end_is_refused_with_the_words_of_the_configuration(
    ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        ask("silence", "add", 'request.namespace = "x"', "--author", "a", "--reason", "r", "--until", "tomorrow")

    assert 'argument --until: "tomorrow" is no end; write a date (2026-12-31, ' in capsys.readouterr().err


def test_a_silence_without_an_end_is_refused(ask: Ask) -> None:
    with pytest.raises(SystemExit, match="2"):
        ask("silence", "add", 'request.namespace = "x"', "--author", "a", "--reason", "r")


async def test_there_is_a_bound_for_silences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silences, "SILENCES_LIMIT", 1)
    outbox = await SqliteOutbox.open(tmp_path / "outbox.db", "r")
    one = silences.new(['request.namespace = "x"'], "a", "r", now=NOW, ends_at=NOW + 1)
    await outbox.change(partial(silences.add, silence=one))
    with pytest.raises(Exception, match="expire some"):
        await outbox.change(partial(silences.add, silence=one))
    await outbox.close()
