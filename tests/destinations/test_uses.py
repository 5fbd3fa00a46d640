from __future__ import annotations

from pathlib import Path

import pytest

from router.destinations.catalogue import KINDS
from router.destinations.kind import AnyKind
from router.destinations.uses import Use, WrittenDestination, own, uses_of
from router.routing.settings import RouteSettings
from tests.contracts.kinds import kind_of_name, least, read, variables_of

ROUTES = RouteSettings.model_validate(
    {
        "destinations": ["it"],
        "templates": {"other": "theirs"},
        "routes": [
            {"lane": "incidents", "templates": {"it": "short"}},
            {"lane": "incidents", "routes": [{"templates": {"it": "long"}}]},
        ],
    }
)
OF_ROUTES = [
    Use("short", "incident", ("routes", "routes", 0, "templates", "it")),
    Use("long", "incident", ("routes", "routes", 1, "routes", 0, "templates", "it")),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_destination_that_names_none_is_told_by_those_of_its_kind_and_of_routes(kind: AnyKind) -> None:
    uses = [*uses_of(WrittenDestination("it"), kind, ROUTES)]
    of_kind = [
        Use(str(kind.template), "decision", ("template",)),
        Use(str(kind.incident_template), "incident", ("incident_template",)),
        Use(f"notices/{kind.template}", "notice", ("kind",)),
    ]

    assert uses == [*(of_kind if kind.has_templates else ()), *OF_ROUTES]
    assert [use.is_of_route for use in uses[-2:]] == [True, True]
    assert own(uses, "incident") == kind.incident_template


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_a_destination_names_comes_before_what_its_kind_has(kind: AnyKind, tmp_path: Path) -> None:
    """Whether its settings were read, or only what stands in the configuration: the answer is the same."""
    written = {**least(kind), "template": "mine", "incident_template": "mine-too"}
    settings = read(written, tmp_path, variables_of(written))
    found = [*uses_of(settings, kind, None)]

    assert found == [*uses_of(WrittenDestination("it", "mine", "mine-too"), kind, None)]
    assert [use.template for use in found[:2]] == ["mine", "mine-too"]


def test_a_fallback_is_no_template_of_its_own() -> None:
    uses = [*uses_of(WrittenDestination("it", fallback="small"), kind_of_name("webhook"), None)]

    assert uses == [Use("small", "decision", ("fallback_template",))]
    assert uses[0].is_fallback
    assert own(uses, "decision") is None
