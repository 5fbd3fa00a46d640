"""Which destinations want which event: matchers on its fields, and a tree of routes as in Alertmanager (pure)."""

from router.routing.fields import field_paths
from router.routing.incident_settings import IncidentSettings, TimeIntervalSettings
from router.routing.lanes import IncidentRoute, Routed, stored_routes
from router.routing.matchers import Matcher, Operator, parse_matcher
from router.routing.settings import About, RouteSettings
from router.routing.tree import RoutingTree

__all__ = [
    "About",
    "IncidentRoute",
    "IncidentSettings",
    "Matcher",
    "Operator",
    "RouteSettings",
    "Routed",
    "RoutingTree",
    "TimeIntervalSettings",
    "field_paths",
    "parse_matcher",
    "stored_routes",
]
