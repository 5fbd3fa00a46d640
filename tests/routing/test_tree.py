from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from router.routing import RouteSettings, RoutingTree
from tests.routing.event import event

Node = dict[str, object]
ROUTE = TypeAdapter(RouteSettings)


def told(root: Node, namespace: str = "payments", *, would_reject: bool = True) -> tuple[str, ...]:
    data: Mapping[str, object] = dict(event(namespace=namespace, would_reject=would_reject))
    return RoutingTree(ROUTE.validate_python(root)).destinations(data)


EXAMPLE: Node = {
    "destinations": ["archive"],
    "routes": [
        {"destinations": ["archive", "sysdig"], "continue": True},
        {"match": ["decision.would_reject = true"], "destinations": ["soc-slack", "siem"]},
    ],
}


def test_continue_lets_later_siblings_be_told_as_well() -> None:
    assert told(EXAMPLE) == ("archive", "sysdig", "soc-slack", "siem")
    assert told(EXAMPLE, would_reject=False) == ("archive", "sysdig")


def test_the_first_sibling_that_matches_ends_it() -> None:
    root: Node = {"routes": [{"destinations": ["first"]}, {"destinations": ["second"]}]}

    assert told(root) == ("first",)


def test_a_node_tells_its_own_only_where_no_child_took_the_event() -> None:
    root: Node = {
        "destinations": ["root"],
        "routes": [
            {
                "match": ['request.namespace =~ "pay.*"'],
                "destinations": ["middle"],
                "routes": [{"match": ["request.namespace = payments"], "destinations": ["deep"]}],
            }
        ],
    }

    assert told(root, "payments") == ("deep",)
    assert told(root, "payroll") == ("middle",)
    assert told(root, "shop") == ("root",)


def test_a_child_without_destinations_has_those_of_its_parent() -> None:
    root: Node = {
        "destinations": ["root"],
        "routes": [{"routes": [{"match": ["request.namespace = payments"]}]}],
    }

    assert told(root) == ("root",)


def test_nobody_is_told_twice() -> None:
    root: Node = {"routes": [{"destinations": ["a", "b"], "continue": True}, {"destinations": ["b", "a", "c"]}]}

    assert told(root) == ("a", "b", "c")


def test_a_root_that_names_nobody_tells_nobody() -> None:
    assert told({}) == ()


def test_all_matchers_of_a_node_must_hold() -> None:
    match = ["request.namespace = payments", "decision.would_reject = false"]

    assert told({"destinations": ["root"], "routes": [{"match": match, "destinations": ["both"]}]}) == ("root",)


def test_a_child_that_only_continues_still_counts_as_having_taken_the_event() -> None:
    """As in Alertmanager: `continue` speaks about siblings, not about the parent."""
    root: Node = {"destinations": ["root"], "routes": [{"destinations": ["child"], "continue": True}]}

    assert told(root) == ("child",)


def test_a_bad_matcher_is_refused_when_the_tree_is_built() -> None:
    with pytest.raises(ValueError, match="no field of an event"):
        RoutingTree(RouteSettings(match=("nonsense = 1",)))


def naive(node: Node, data: Mapping[str, bool], inherited: Sequence[object]) -> list[object] | None:
    """The destinations of the deepest matching nodes, spelled out as in Alertmanager's Route.Match; None: no match."""
    if not all(data[str(text)] for text in _list(node, "match")):
        return None
    own = _list(node, "destinations") or list(inherited)
    found: list[object] = []
    has_match = False
    for child in _list(node, "routes"):
        assert isinstance(child, dict)
        below = naive(child, data, own)
        if below is not None:
            has_match = True
            found += below
            if not child.get("continue"):
                break
    return found if has_match else own


def _list(node: Node, key: str) -> list[object]:
    value = node.get(key, [])
    assert isinstance(value, list)
    return value


TRUE, FALSE = "decision.would_reject = true", "decision.would_reject = false"
MATCHERS = st.lists(st.sampled_from([TRUE, FALSE, "request.namespace != x", 'cluster =~ "no.*"']), max_size=2)
LEAF = st.fixed_dictionaries(
    {"match": MATCHERS, "destinations": st.lists(st.sampled_from("abcdef"), max_size=3), "continue": st.booleans()}
)
TREES = st.recursive(
    LEAF,
    lambda inner: st.builds(lambda leaf, routes: {**leaf, "routes": routes}, LEAF, st.lists(inner, max_size=4)),
    max_leaves=12,
)


@given(TREES)
def test_the_tree_tells_whom_a_naive_reading_of_the_rules_tells(root: Node) -> None:
    truth = {TRUE: True, FALSE: False, "request.namespace != x": True, 'cluster =~ "no.*"': False}

    assert told(root) == tuple(dict.fromkeys(naive(root, truth, []) or []))
