from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from router.events import Origin, trouble_notice
from router.routing import RouteSettings, RoutingTree
from router.telemetry.causes import Cause
from tests.routing.event import event

Node = dict[str, object]
ROUTE = TypeAdapter(RouteSettings)


def told(root: Node, namespace: str = "payments", *, would_reject: bool = True) -> tuple[str, ...]:
    data: Mapping[str, object] = dict(event(namespace=namespace, would_reject=would_reject))
    return RoutingTree(ROUTE.validate_python(root)).routed(data, "info").destinations


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
    with pytest.raises(ValueError, match="not a field of an event"):
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


def heard(root: Node, trouble: str | None = None, cause: Cause = Cause.DESTINATION_DOWN) -> tuple[str, ...]:
    notice = trouble_notice(Origin("c", "r"), cause, trouble or "", "", began=0, ended=None, times=1, at=0)
    return RoutingTree(ROUTE.validate_python(root)).of_gatecrier(notice["data"], trouble)


def test_nobody_hears_of_gatecrier_itself_unless_a_route_says_so() -> None:
    assert heard(EXAMPLE) == ()
    assert heard({**EXAMPLE, "about": ["decisions"]}) == ()


def test_what_a_route_is_about_is_inherited() -> None:
    root: Node = {**EXAMPLE, "about": ["decisions", "gatecrier"]}

    assert told(root) == told(EXAMPLE)
    assert heard(root) == ("archive", "sysdig")


def test_a_route_about_gatecrier_alone_takes_no_decision_from_others() -> None:
    root: Node = {
        "destinations": ["archive"],
        "routes": [{"about": ["gatecrier"], "destinations": ["ops"]}, {"destinations": ["siem"]}],
    }

    assert told(root) == ("siem",)
    assert heard(root) == ("ops",)


def test_what_is_not_about_an_event_lets_it_through_to_its_children() -> None:
    root: Node = {
        "destinations": ["archive"],
        "routes": [
            {"destinations": ["siem"], "routes": [{"about": ["gatecrier"], "destinations": ["ops"]}]},
            {"about": ["gatecrier"], "routes": [{"about": ["decisions"], "destinations": ["deep"]}]},
        ],
    }

    assert told(root) == ("siem",)
    assert heard(root) == ("ops",)


def test_matchers_speak_of_notices_as_well() -> None:
    root: Node = {
        "routes": [
            {
                "about": ["gatecrier"],
                "destinations": ["ops"],
                "routes": [{"match": ["notice.severity =~ critical|high"], "destinations": ["pager"]}],
            }
        ]
    }

    assert heard(root) == ("ops",)
    assert heard(root, cause=Cause.OUTBOX_DAMAGED) == ("pager",)


def test_whoever_is_the_trouble_is_not_told_of_it_but_where_nobody_else_is() -> None:
    """A receiver that is down would be the last to tell that it is."""
    both: Node = {"about": ["gatecrier"], "destinations": ["slack", "siem"]}

    assert heard(both, "siem") == ("slack",)
    assert heard(both, "another") == ("slack", "siem")
    assert heard({**both, "destinations": ["siem"]}, "siem") == ("siem",)


@pytest.mark.parametrize(("about", "words"), [([], "at least 1"), (["x"], "'decisions', 'scan' or")])
def test_a_route_is_about_something_that_there_is(about: list[str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ROUTE.validate_python({"about": about})
