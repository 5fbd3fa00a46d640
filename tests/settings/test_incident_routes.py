from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from router.fields import ReadingContext
from router.routing import IncidentSettings, RouteSettings
from router.routing.incident_settings import PeriodsSettings
from router.settings.routes import routes as wrong_routes
from router.settings.sections import telling_items
from router.settings.snapshot import read_file


def wrong(**data: Any) -> list[str]:  # noqa: ANN401 - plain data, as it is read
    """What is found wrong, with its place."""
    destinations: list[Any] = [
        {"name": "people", "kind": "file", "path": "people.jsonl"},
        {"name": "siem", "kind": "file", "path": "siem.jsonl", "must_deliver": True},
    ]
    office = {"name": "office", "time_intervals": [{"weekdays": ["monday:friday"]}]}
    whole = {"destinations": destinations, "time_intervals": [office], **data}
    found = wrong_routes(telling_items(whole, [], ReadingContext(Path(), {}, read_file)), is_missing=False)
    return [f"{'.'.join(map(str, finding.path))}: {finding.text}" for finding in found]


def told(**route: Any) -> dict[str, Any]:  # noqa: ANN401 - the same
    """A tree that tells of incidents."""
    return {"destinations": ["siem"], "routes": [{"destinations": ["people"], "lane": "incidents", **route}]}


def test_a_sound_tree_is_not_complained_of() -> None:
    assert wrong(routes=told(active=["office"], mute=[], templates={"people": "mine"})) == []


@pytest.mark.parametrize(
    ("routes", "text"),
    [
        (told(active=["ofice"]), 'routes.routes.0.active.0: "ofice" names none of time_intervals'),
        (told(mute=["never"]), 'routes.routes.0.mute.0: "never" names none of time_intervals'),
        (told(templates={"peple": "mine"}), 'routes.routes.0.templates.peple: "peple" names no destination'),
        ({"destinations": ["siem"], "templates": {"siem": "x"}}, "routes.templates: is for messages about incidents"),
        (told(destinations=["siem"]) | {"destinations": ["people"]}, "destinations.1.must_deliver: only routes of the"),
    ],
)
def test_what_leads_nowhere_is_told_with_its_place(routes: dict[str, Any], text: str) -> None:
    found = wrong(routes=routes)

    assert len(found) == 1
    assert found[0].startswith(text)


@pytest.mark.parametrize(
    "link", ["https://{{ incident.images[0].image }}/x", "javascript:x", "//x", "https://u@h/", "x"]
)
def test_nobody_who_deploys_chooses_where_a_link_leads(link: str) -> None:
    with pytest.raises(ValidationError, match="is no link; write https://HOST/PATH"):
        IncidentSettings(links={"runbook": link})


def test_a_link_may_have_values_in_its_path() -> None:
    link = "https://wiki.example:8443/{{ incident.owner.name }}?a={{ incident.id }}"

    assert IncidentSettings(links={"runbook": link}).links == {"runbook": link}


@pytest.mark.parametrize(
    ("theirs", "ours"), [("receiver", "destinations"), ("matchers", "match"), ("mute_time_intervals", "mute")]
)
def test_names_that_alertmanager_has_are_answered_with_ours(theirs: str, ours: str) -> None:
    assert f"`{ours}" in RouteSettings.known_elsewhere()[theirs]


def part(start: str, end: str) -> dict[str, Any]:
    return {"times": [{"start_time": start, "end_time": end}]}


@pytest.mark.parametrize(
    ("periods", "words"),
    [
        (part("22:00", "06:00"), "from 22:00 to 06:00 never holds; .* as two: 22:00 to 24:00, and 00:00 to 06:00"),
        (part("08:00", "08:00"), "from 08:00 to 08:00 never holds; a whole day is 00:00 to 24:00"),
        (part("22:00", "00:00"), "from 22:00 to 00:00 never holds; the end of a day is 24:00"),
        ({"weekdays": ["sunday:monday"]}, "ends before it begins, and never holds; write two ranges"),
        ({"months": ["december:january"]}, "ends before it begins"),
        ({"years": ["2027:2026"]}, "ends before it begins"),
        ({"days_of_month": ["-3:2"]}, "leads from a month's end into the next; write -3:-1 and 1:2"),
        ({"days_of_month": ["31:-31"]}, "ends before it begins"),
    ],
)
def test_a_time_that_never_holds_is_refused_with_what_to_write(periods: dict[str, Any], words: str) -> None:
    """Under `active` nobody would ever be told."""
    with pytest.raises(ValidationError, match=words):
        PeriodsSettings.model_validate(periods)


@pytest.mark.parametrize(
    ("periods", "words"),
    [
        ({"days_of_month": ["-31:31"]}, "leads from a month's end into the next"),
        ({"days_of_month": ["1_0"]}, "is none; expected a number from -31 to 31"),
        ({"days_of_month": ["+1"]}, "is none; expected a number"),
        ({"days_of_month": ["٣"]}, "is none; expected a number"),
        ({"days_of_month": ["5:"]}, "is none; expected a number"),
        ({"days_of_month": [":5"]}, "is none; expected a number"),
        ({"weekdays": ["monday:"]}, "is none; expected one of monday"),
    ],
)
def test_what_is_no_range_is_refused_with_what_is_expected(periods: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        PeriodsSettings.model_validate(periods)


@pytest.mark.parametrize(
    ("periods", "within", "beyond"),
    [
        (part("23:59", "24:00"), "2026-01-31T23:59:30Z", "2026-01-31T00:00:00Z"),
        ({"weekdays": ["monday:thursday", "Friday : Friday"]}, "2026-01-30T12:00:00Z", "2026-01-31T12:00:00Z"),
        ({"months": ["january:march", "5:12"]}, "2026-05-01T00:00:00Z", "2026-04-30T00:00:00Z"),
        ({"years": ["2026"]}, "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
        ({"days_of_month": ["-7:-1"]}, "2026-02-22T00:00:00Z", "2026-02-21T00:00:00Z"),
        ({"days_of_month": ["20:-12"]}, "2026-01-20T00:00:00Z", "2026-01-21T00:00:00Z"),
        ({"days_of_month": ["31", "01"]}, "2026-01-31T00:00:00Z", "2026-01-30T00:00:00Z"),
    ],
)
def test_other_times_hold_when_they_say(periods: dict[str, Any], within: str, beyond: str) -> None:
    found = PeriodsSettings.model_validate(periods)

    assert [found.holds(datetime.fromisoformat(at).timestamp()) for at in (within, beyond)] == [True, False]


@pytest.mark.parametrize(
    "periods", [part("00:00", "24:00"), {"days_of_month": ["1:-1"]}, {"weekdays": ["monday:sunday"]}]
)
def test_what_is_the_whole_always_holds(periods: dict[str, Any]) -> None:
    assert PeriodsSettings.model_validate(periods).holds(datetime.fromisoformat("2026-02-28T23:59:59Z").timestamp())
