"""Which destinations want which event: matchers on its fields, and a tree of routes as in Alertmanager (pure)."""

from router.routing.controllers import is_believed
from router.routing.explaining import Answered, Step, steps
from router.routing.fields import field_paths
from router.routing.incident_settings import IncidentSettings, TimeIntervalSettings
from router.routing.lanes import IncidentRoute, Routed, stored_routes
from router.routing.matchers import Matcher, Operator, parse_matcher
from router.routing.settings import About, RouteSettings
from router.routing.tree import RoutingTree, is_break_glass

__all__ = [
    "About",
    "Answered",
    "IncidentRoute",
    "IncidentSettings",
    "Matcher",
    "Operator",
    "RouteSettings",
    "Routed",
    "RoutingTree",
    "Step",
    "TimeIntervalSettings",
    "field_paths",
    "is_believed",
    "is_break_glass",
    "parse_matcher",
    "steps",
    "stored_routes",
]
