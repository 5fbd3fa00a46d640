"""What templates may do with values: a closed list. Pure.

Times are RFC 3339 texts, as events have them. Sizes count characters or bytes of UTF-8. Severities are mapped to what
each service calls them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from jinja2.filters import FILTERS

from router.errors import InvalidReferenceError, TemplateError
from router.images import parse_reference
from router.rendering.markup import Escaped, Markup, cut_bytes, cut_chars, escape
from router.rendering.sandbox import limited

SEVERITIES: Mapping[str, Mapping[str, str | int]] = {
    "falco": {"critical": "critical", "high": "error", "medium": "warning", "info": "informational"},
    "sysdig": {"critical": "critical", "high": "error", "medium": "warning", "info": "informational"},
    "pagerduty": {"critical": "critical", "high": "error", "medium": "warning", "info": "info"},
    "opsgenie": {"critical": "P1", "high": "P2", "medium": "P3", "info": "P5"},
    "syslog": {"critical": 2, "high": 3, "medium": 4, "info": 6},
    "cef": {"critical": 10, "high": 8, "medium": 5, "info": 1},
    "leef": {"critical": 10, "high": 8, "medium": 5, "info": 1},
    "ocsf": {"critical": 5, "high": 4, "medium": 3, "info": 1},
    "asff": {"critical": "CRITICAL", "high": "HIGH", "medium": "MEDIUM", "info": "INFORMATIONAL"},
    "servicenow": {"critical": 1, "high": 2, "medium": 3, "info": 5},
    "otlp": {"critical": 21, "high": 17, "medium": 13, "info": 9},
    "datadog": {"critical": "error", "high": "error", "medium": "warn", "info": "ok"},
    "connaisseur": {"critical": 1, "high": 2, "medium": 3, "info": 5},
}
"""What services call our severities."""

_OF_JINJA = (
    "abs", "batch", "capitalize", "count", "default", "d", "dictsort", "first", "float", "groupby", "int", "items",
    "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse",
    "round", "select", "selectattr", "slice", "sort", "string", "sum", "title", "trim", "unique", "upper",
)  # fmt: skip
"""Jinja's own that neither read attributes nor make text of any length from little."""


def _moment(value: object) -> datetime:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    raise TemplateError(f"{str(value)[:100]!r} is no time; time filters take RFC 3339 texts such as event.time")


def rfc3339(value: object) -> str:
    """A time in UTC with milliseconds."""
    return _moment(value).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _epoch(factor: int) -> Callable[[object], int]:
    def epoch(value: object) -> int:
        delta = _moment(value) - datetime(1970, 1, 1, tzinfo=UTC)
        microseconds = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
        return microseconds * factor // 1_000_000

    return epoch


def map_severity(value: object, service: str) -> str | int:
    """What a service calls a severity."""
    names = SEVERITIES.get(service)
    if names is None:
        raise TemplateError(f"map_severity knows no {service!r}; it knows {', '.join(SEVERITIES)}")
    return names.get(str(value), names["medium"])


def tojson(value: object) -> str:
    """A value as compact JSON text."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def slack_escape(value: object) -> str:
    """A text so that Slack shows it as it is; nothing is escaped twice."""
    return Escaped(escape(str(value), Markup.SLACK))


def raw(value: object) -> str:
    """A text that is not escaped for the service's markup: whoever chose it can then write markup."""
    return Escaped(str(value))


def truncate_chars(value: object, limit: int) -> str:
    """At most so many characters."""
    return cut_chars(value if isinstance(value, str) else str(value), limit)


def truncate_bytes(value: object, limit: int) -> str:
    """At most so many bytes of UTF-8."""
    return cut_bytes(value if isinstance(value, str) else str(value), limit)


def _image_part(part: str) -> Callable[[object], str]:
    def found(value: object) -> str:
        try:
            reference = parse_reference(str(value))
        except InvalidReferenceError:
            return ""
        return str(getattr(reference, part) or "")

    return found


def all_filters() -> dict[str, Callable[..., object]]:
    """Every filter by name; what makes texts or lists makes none too large."""
    own: dict[str, Callable[..., object]] = {
        "rfc3339": rfc3339,
        "epoch_s": _epoch(1),
        "epoch_ms": _epoch(1_000),
        "epoch_us": _epoch(1_000_000),
        "epoch_ns": _epoch(1_000_000_000),
        "map_severity": map_severity,
        "tojson": tojson,
        "slack_escape": slack_escape,
        "raw": raw,
        "truncate_chars": truncate_chars,
        "truncate_bytes": truncate_bytes,
        "image_registry": _image_part("registry"),
        "image_repository": _image_part("repository"),
        "image_tag": _image_part("tag"),
        "image_digest": _image_part("digest"),
    }
    return own | {name: limited(FILTERS[name]) for name in _OF_JINJA}
