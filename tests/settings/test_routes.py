"""Cross-checks of routes that only `about` makes different; the others are among the mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.settings.loading import Refused
from tests.settings.configurations import SMALL, loaded, refused, tried

ROUTES = "routes: {destinations: [archive]}"


def with_routes(routes: str) -> str:
    assert ROUTES in SMALL
    return SMALL.replace(ROUTES, f"routes: {{destinations: [archive], routes: [{routes}]}}")


@pytest.mark.parametrize(
    "routes",
    [
        "{about: [gatecrier]}, {match: ['request.namespace = a']}",
        "{match: ['request.namespace = a']}, {about: [gatecrier]}",
        "{about: [gatecrier]}, {routes: [{about: [gatecrier]}]}",
        "{}, {match: ['request.namespace = a'], routes: [{about: [gatecrier]}]}",
    ],
)
def test_a_route_about_something_else_takes_nothing_away(routes: str, tmp_path: Path) -> None:
    assert not isinstance(tried(tmp_path, with_routes(routes)), Refused)


@pytest.mark.parametrize(
    "routes",
    [
        "{about: [gatecrier]}, {about: [gatecrier], match: ['notice.severity = high']}",
        "{about: [gatecrier, decisions]}, {about: [gatecrier]}",
        "{about: [gatecrier, decisions]}, {}",
    ],
)
def test_a_route_whose_events_another_takes_is_refused(routes: str, tmp_path: Path) -> None:
    text = refused(tmp_path, with_routes(routes))

    assert "routes.routes[1]: no event reaches this route, because routes.routes[0] takes all of it" in text


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ("[decision]", "decisions"),
        ("[]", "at least 1 item"),
        ("gatecrier", "a list"),
    ],
)
def test_what_a_route_can_t_be_about_is_refused_with_its_place(about: str, words: str, tmp_path: Path) -> None:
    text = refused(tmp_path, with_routes(f"{{about: {about}}}"))

    assert "routes.routes[0].about" in text
    assert words in text


def test_matchers_know_the_closed_sets_of_notices(tmp_path: Path) -> None:
    text = refused(tmp_path, with_routes("{about: [gatecrier], match: ['notice.facts.cause = destination_dwn']}"))

    assert 'did you mean "destination_down"?' in text


ARCHIVE = "{name: archive, kind: file, path: events.jsonl}"
PEOPLE = "{lane: incidents, destinations: [archive]}"
HEARD = "{about: [gatecrier]}"


def unheard(folder: Path, routes: str, more: str = "") -> str:
    """The warnings that speak of who hears of Gatecrier itself."""
    text = with_routes(routes).replace(ARCHIVE, ARCHIVE.replace("}", f"{more}}}"))
    return "\n".join(one for one in loaded(folder, text).warnings if "nobody is told" in one)


@pytest.mark.parametrize(
    ("routes", "more", "lost"),
    [
        (PEOPLE, "", ["a silence that matches nothing, nor of a destination that fails: add"]),
        (f"{{routes: [{PEOPLE}]}}", "", ["a silence that matches nothing"]),
        ("{}", ", rate: 20/1m", ['what is beyond the rate of "archive", nor of a destination that fails: add']),
        ("{}", ", must_deliver: true", ['told of a destination that fails, though requests wait for "archive": add']),
        (
            PEOPLE,
            ", rate: 20/1m, must_deliver: true",
            ["matches nothing, nor of what is beyond", 'fails, though requests wait for "'],
        ),
    ],
)
def test_what_a_configuration_relies_on_and_nobody_hears_of_is_a_warning(
    routes: str, more: str, lost: list[str], tmp_path: Path
) -> None:
    """Only there: who asks for nothing of it is not bothered at every start."""
    said = unheard(tmp_path, routes, more)

    assert "routes: nobody is told of " in said
    assert [words for words in lost if words not in said] == []
    assert "add a route that says `about: [gatecrier]` and names a destination" in said


@pytest.mark.parametrize(
    ("routes", "more"),
    [
        ("{}", ""),
        (f"{HEARD}, {PEOPLE}", ", rate: 20/1m, must_deliver: true"),
        (f"{PEOPLE.replace('lane', 'about: [gatecrier, decisions], lane')}", ""),
    ],
)
def test_where_somebody_hears_or_nothing_is_relied_on_there_is_no_warning(
    routes: str, more: str, tmp_path: Path
) -> None:
    assert unheard(tmp_path, routes, more) == ""


def test_a_route_whose_matchers_leave_a_thing_out_does_not_hear_of_it(tmp_path: Path) -> None:
    troubles = "{about: [gatecrier], match: ['notice.facts.cause = destination_down']}"
    said = unheard(tmp_path, f"{troubles}, {PEOPLE}", ", must_deliver: true")

    assert "a silence that matches nothing" in said
    assert "destination that fails" not in said


def test_what_is_a_warning_is_no_note_as_well(tmp_path: Path) -> None:
    assert any("nobody is told" in note for note in loaded(tmp_path, with_routes("{}")).notes)
    assert not any("nobody is told" in note for note in loaded(tmp_path, with_routes(PEOPLE)).notes)
