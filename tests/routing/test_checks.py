from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.routing import RouteAnswer, RoutingTree, steps
from router.routing.checks import RoutePath, nodes, told_of_incidents_only, unreachable, without_incidents
from tests.routing.event import event
from tests.routing.test_explaining import with_about
from tests.routing.test_tree import ROUTE, TREES, Node


def text(place: RoutePath) -> str:
    """As `steps` tells it."""
    return "routes" + "".join(f".routes[{part}]" for part in place if isinstance(part, int))


@given(TREES, st.data(), st.sampled_from(["payments", "shop", "kube-system"]), st.booleans())
def test_what_is_called_unreachable_takes_no_event(
    root: Node,
    draw: st.DataObject,
    namespace: str,
    would_reject: bool,  # noqa: FBT001 - a case
) -> None:
    """Refusing a configuration for a route that works would keep an operator from what he means."""
    tree = ROUTE.validate_python(with_about(root, draw))
    data = dict(event(namespace=namespace, would_reject=would_reject))
    taken = {
        step.path for step in steps(tree, data) if step.said in {RouteAnswer.TELLS, RouteAnswer.LEFT_TO_CHILDREN}
    }  # fmt: skip

    assert not {text(place) for place, _ in unreachable(tree)} & taken


@given(TREES, st.data())
def test_whom_only_incidents_tell_gets_no_event_by_itself(root: Node, draw: st.DataObject) -> None:
    tree = ROUTE.validate_python(with_about(root, draw))

    assert not told_of_incidents_only(tree) & set(RoutingTree(tree).routed(dict(event()), "high").destinations)


def test_each_route_says_what_it_has_of_its_parent() -> None:
    tree = ROUTE.validate_python(
        {"destinations": ["a"], "routes": [{"lane": "incidents", "routes": [{"about": ["gatecrier"]}]}]}
    )

    assert [(node.place, node.said.destinations, node.said.lane, node.said.about) for node in nodes(tree)] == [
        ((), ("a",), "events", ("decisions",)),
        (("routes", 0), ("a",), "incidents", ("decisions",)),
        (("routes", 0, "routes", 0), ("a",), "incidents", ("gatecrier",)),
    ]


def test_templates_without_incidents_beneath_them_are_for_nothing() -> None:
    tree = ROUTE.validate_python(
        {
            "templates": {"a": "x"},
            "routes": [{"templates": {"a": "x"}}, {"templates": {"a": "x"}, "routes": [{"lane": "incidents"}]}],
        }
    )

    assert list(without_incidents(tree)) == [("routes", 0)]
