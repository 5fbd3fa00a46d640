"""What templates may do with values: a closed list. Pure.

Times are RFC 3339 texts, as events have them. Sizes count characters or bytes of UTF-8. Severities are mapped to what
each service calls them. Jinja's own that are there stand in `jinja_filters`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from router.errors import InvalidReferenceError, TemplateError
from router.images import parse_reference
from router.rendering.jinja_filters import jinja_filters
from router.rendering.markup import Escaped, Markup, code, cut_bytes, cut_chars, escape
from router.rendering.values import JsonText, as_text
from router.text import shown

_LEVELS = ("critical", "high", "medium", "low", "info")


def _named(*names: str | int) -> Mapping[str, str | int]:
    return dict(zip(_LEVELS, names, strict=True))


SEVERITIES: Mapping[str, Mapping[str, str | int]] = {
    "falco": _named("critical", "error", "warning", "notice", "informational"),
    "sysdig": _named("critical", "error", "warning", "notice", "informational"),
    "pagerduty": _named("critical", "error", "warning", "info", "info"),
    "opsgenie": _named("P1", "P2", "P3", "P4", "P5"),
    "syslog": _named(2, 3, 4, 5, 6),
    "cef": _named(10, 8, 5, 3, 1),
    "leef": _named(10, 8, 5, 3, 1),
    "ocsf": _named(5, 4, 3, 2, 1),
    "asff": _named("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL"),
    "servicenow": _named(1, 2, 3, 4, 5),
    "otlp": _named(21, 17, 13, 10, 9),
    "datadog": _named("error", "error", "warn", "warn", "ok"),
    "connaisseur": _named(1, 2, 3, 4, 5),
}
"""What services call our severities, from their enumerations; Connaisseur's priorities are lower when more urgent."""

_BY_PRIORITY = {str(priority): level for level, priority in SEVERITIES["connaisseur"].items()}
_OUR_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(value: object) -> datetime:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
            if moment.tzinfo is not UTC:
                moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            pass
        else:
            return moment
    raise TemplateError(
        f"{shown(as_text(value), 100)} is not a valid time; time filters take RFC 3339 texts such as event.time"
    )


def rfc3339(value: object) -> str:
    """A time in UTC with milliseconds."""
    moment = _moment(value)
    if isinstance(value, str) and _OUR_FORM.fullmatch(value):  # as every event has it
        return value
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"


def _epoch(per_second: int) -> Callable[[object], int]:
    def epoch(value: object) -> int:
        """A time as what has passed since 1970."""
        delta = _moment(value) - _EPOCH
        microseconds = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
        return microseconds * per_second // 1_000_000

    return epoch


epoch_ms = _epoch(1_000)


def map_severity(value: object, service: str) -> str | int:
    """What a service calls a severity (or a priority 1..5 of Connaisseur's); unknown ones are medium."""
    names = SEVERITIES.get(service)
    if names is None:
        raise TemplateError(f"map_severity knows no {shown(as_text(service))}; it knows {', '.join(SEVERITIES)}")
    level = as_text(value)
    return names.get(_BY_PRIORITY.get(level, level), names["medium"])


def slack_escape(value: object) -> str:
    """A text so that Slack shows it as it is; nothing is escaped twice."""
    return Escaped(escape(as_text(value), Markup.SLACK))


def raw(value: object) -> str:
    """A text that is not escaped for the service's markup: whoever chose it can then write markup."""
    return Escaped(as_text(value))


def truncate_chars(value: object, limit: int) -> str:
    """At most so many characters."""
    return cut_chars(as_text(value), limit)


def truncate_bytes(value: object, limit: int) -> str:
    """At most so many bytes of UTF-8."""
    return cut_bytes(as_text(value), limit)


def _image_part(part: str) -> Callable[[object], str]:
    def found(value: object) -> str:
        """A part of an image reference; empty where there is none, or the text is no reference."""
        try:
            reference = parse_reference(as_text(value))
        except InvalidReferenceError:
            return ""
        return str(getattr(reference, part) or "")

    return found


def _code_for(markup: Markup) -> Callable[[object], str]:
    def as_code(value: object) -> str:
        """A text as a span of code, where the service has such."""
        return code(as_text(value), markup)

    return as_code


def all_filters(markup: Markup = Markup.NONE) -> dict[str, Callable[..., object]]:
    """Every filter by name, for templates of which texts are read so."""
    own: dict[str, Callable[..., object]] = {
        "rfc3339": rfc3339,
        "epoch_s": _epoch(1),
        "epoch_ms": epoch_ms,
        "epoch_us": _epoch(1_000_000),
        "epoch_ns": _epoch(1_000_000_000),
        "map_severity": map_severity,
        "tojson": JsonText.of,
        "code": _code_for(markup),
        "slack_escape": slack_escape,
        "raw": raw,
        "truncate_chars": truncate_chars,
        "truncate_bytes": truncate_bytes,
        "image_registry": _image_part("registry"),
        "image_repository": _image_part("repository"),
        "image_tag": _image_part("tag"),
        "image_digest": _image_part("digest"),
    }
    return own | jinja_filters()
