"""Which destinations want which event: matchers on its fields, and a tree of routes as in Alertmanager (pure)."""

from router.routing.controllers import is_believed
from router.routing.explaining import RouteAnswer, RouteStep, steps
from router.routing.fields import field_paths
from router.routing.incident_settings import IncidentSettings, TimeIntervalSettings
from router.routing.lanes import IncidentRoute, Routed, stored_routes
from router.routing.matchers import Matcher, Operator, parse_matcher
from router.routing.settings import About, RouteSettings
from router.routing.tree import RoutingTree, is_break_glass

__all__ = [
    "About",
    "IncidentRoute",
    "IncidentSettings",
    "Matcher",
    "Operator",
    "RouteAnswer",
    "RouteSettings",
    "RouteStep",
    "Routed",
    "RoutingTree",
    "TimeIntervalSettings",
    "field_paths",
    "is_believed",
    "is_break_glass",
    "parse_matcher",
    "steps",
    "stored_routes",
]
