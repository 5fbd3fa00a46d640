"""Cross-checks of routes that only `about` makes different; the others are among the mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.settings.loading import Refused
from tests.settings.configurations import SMALL, refused, tried

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
        ("[scan]", "no version tells of scans yet; write decisions or gatecrier"),
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
