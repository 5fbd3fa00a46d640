"""A mistake hides no other one, and makes none where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.configurations import SMALL, refused

KEYS = "verifiers: [{name: keys, kind: cosign, keys: [{name: a, file: release.pub}, {name: b, file: security.pub}]}]\n"
RULE = '{pattern: "**", verifier: deny}'
ROUTES = "routes: {destinations: [archive]}"


def problems(folder: Path, text: str) -> list[str]:
    """Where mistakes are found."""
    return [line.split(": ", 2)[1].split(" ")[0] for line in refused(folder, text).splitlines()]


@pytest.mark.parametrize(
    ("rule", "places"),
    [
        ("{pattern: '**', verifier: kees, mode: enforced}", ["policy[0].verifier", "policy[0].mode"]),
        (
            "{pattern: '**', verifier: kees, mode: [enforce], colour: blue}",
            ["policy[0].verifier", "policy[0].mode", "policy[0].colour"],
        ),
        ("{verifier: kees}", ["policy[0].pattern"]),
        (
            "{pattern: '**', verifier: keys, with: {threshold: 3, required: [a, 7]}}",
            ["policy[0].with.threshold", "policy[0].with.required[1]"],
        ),
        (
            "{pattern: '**', verifier: keys, with: {threshold: two, required: [c]}}",
            ["policy[0].with.threshold", "policy[0].with.required[0]"],
        ),
    ],
    ids=range(5),
)
def test_what_else_an_item_says_is_checked_in_the_same_run(tmp_path: Path, rule: str, places: list[str]) -> None:
    assert problems(tmp_path, SMALL.replace(RULE, rule) + KEYS) == places


@pytest.mark.parametrize(
    ("verifier", "places"),
    [
        ("{name: keys, kind: cosign, keys: [{name: a, file: gone.pub}]}", ["verifiers[0].keys[0].file"]),
        ("{name: keys, kind: cosign, keys: [{name: a}, {name: b, file: release.pub}]}", ["verifiers[0].keys[0]"]),
        ("{name: keys, kind: something-else}", ["verifiers[0].kind"]),
        ("{name: keys}", ["verifiers[0].kind"]),
    ],
    ids=range(4),
)
def test_whoever_names_what_is_wrong_is_not_wrong_himself(tmp_path: Path, verifier: str, places: list[str]) -> None:
    """The verifier is there; whom its keys will be is not known."""
    rule = "{pattern: '**', verifier: keys, with: {required: [a], threshold: 1}}"

    assert problems(tmp_path, SMALL.replace(RULE, rule) + f"verifiers: [{verifier}]\n") == places


@pytest.mark.parametrize(
    ("children", "places"),
    [
        ("{match: [nonsense]}, {destinations: [archive]}", ["routes.routes[0].match[0]"]),
        (
            "{match: [nonsense], destinations: [archiv]}",
            ["routes.routes[0].match[0]", "routes.routes[0].destinations[0]"],
        ),
        ("7, {destinations: [archive]}", ["routes.routes[0]"]),
        ("{lane: incident, templates: {archive: webhook}}", ["routes.routes[0].lane"]),
    ],
    ids=range(4),
)
def test_a_route_that_is_wrong_takes_nothing_from_others(tmp_path: Path, children: str, places: list[str]) -> None:
    routes = f"routes: {{destinations: [archive], routes: [{children}]}}"

    assert problems(tmp_path, SMALL.replace(ROUTES, routes)) == places
