from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from router.routing import RouteAnswer, RouteSettings, RoutingTree, steps
from tests.routing.event import event
from tests.routing.test_tree import EXAMPLE, ROUTE, TREES, Node

LANE = st.sampled_from([None, "events", "incidents"])
ABOUT = st.sampled_from([None, ["decisions"], ["gatecrier"], ["gatecrier", "decisions"]])


def with_about(node: Node, draw: st.DataObject) -> Node:
    about, lane = draw.draw(ABOUT), draw.draw(LANE)
    routes = node.get("routes", [])
    assert isinstance(routes, list)
    inner = {**node, "routes": [with_about(one, draw) for one in routes]}
    inner |= {} if lane is None else {"lane": lane}
    return inner if about is None else {**inner, "about": about}


@given(TREES, st.data())
def test_what_is_explained_is_what_is_done(root: Node, draw: st.DataObject) -> None:
    """An explanation of another tree than the one that decides would be worse than none."""
    route, data = ROUTE.validate_python(with_about(root, draw)), dict(event())
    told: dict[str, dict[str, None]] = {"events": {}, "incidents": {}}
    for step in steps(route, data):
        told[step.of.lane] |= dict.fromkeys(step.told)
    routed = RoutingTree(route).routed(data, "high")

    assert tuple(told["events"]) == routed.destinations
    assert tuple(told["incidents"]) == tuple(one.destination for one in routed.incidents)


@given(TREES, st.data())
def test_break_glass_is_told_by_every_route_of_the_incidents_lane(root: Node, draw: st.DataObject) -> None:
    """Whatever its matchers and its severity say; who else is told stays as it is."""
    route, data = ROUTE.validate_python(with_about(root, draw)), dict(event())
    broken = {**data, "decision": {**event()["decision"], "break_glass": "the registry is down"}}
    tree = RoutingTree(route)
    usual, routed = tree.routed(data, "high"), tree.routed(broken, "critical")
    explained = steps(route, broken)

    assert routed.destinations == usual.destinations
    assert {one.destination for one in routed.incidents} >= {one.destination for one in usual.incidents}
    assert {one.severity for one in routed.incidents} <= {"critical"}
    told = {name for step in explained if step.of.lane == "incidents" for name in step.told}
    assert told == {one.destination for one in routed.incidents}
    assert told == _of_every_incident_route(route, "events", ("decisions",), ())


def _of_every_incident_route(
    route: RouteSettings, lane: str, about: Sequence[str], destinations: Sequence[str]
) -> set[str]:
    lane, about, destinations = route.lane or lane, route.about or about, route.destinations or destinations
    own = set(destinations) if lane == "incidents" and "decisions" in about else set()
    return own.union(*(_of_every_incident_route(child, lane, about, destinations) for child in route.routes))


def test_each_route_says_why() -> None:
    root: Node = {
        "destinations": ["archive"],
        "routes": [
            {"match": ["request.namespace = shop"]},
            {"about": ["gatecrier"]},
            {"match": ["decision.would_reject = true"], "destinations": ["soc"]},
            {"destinations": ["late"], "routes": [{}]},
        ],
    }
    found = [(step.path, step.said, step.why) for step in steps(ROUTE.validate_python(root), dict(event()))]

    assert found == [
        ("routes", RouteAnswer.LEFT_TO_CHILDREN, "taken by routes.routes[2]"),
        (
            "routes.routes[0]",
            RouteAnswer.NO_MATCH,
            'request.namespace = "shop" does not hold: request.namespace is "payments"',
        ),
        ("routes.routes[1]", RouteAnswer.NOT_ABOUT, "tells of gatecrier only"),
        ("routes.routes[2]", RouteAnswer.TELLS, "matches"),
        ("routes.routes[3]", RouteAnswer.NOT_ASKED, "routes.routes[2] took it before"),
    ]


def test_a_notice_is_asked_for_what_is_about_gatecrier() -> None:
    (root, *_) = steps(ROUTE.validate_python(EXAMPLE), {"notice": {"severity": "high"}})

    assert root.said is RouteAnswer.NOT_ABOUT


def test_many_values_are_counted() -> None:
    data = {"images": [{"verdict": f"v{number}"} for number in range(9)]}
    (root,) = steps(ROUTE.validate_python({"match": ["images.verdict = unsigned"]}), data)

    assert root.why.endswith('"v4" and 4 more')
