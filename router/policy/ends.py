"""When something that is allowed for a time ends: a day, or a time of day with its zone. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

from router.fields import reading_context
from router.text import cut, shown

_SHOWN = 120
_END = re.compile(r"\d{4}-\d\d-\d\d([Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d))?", re.ASCII)


def _end(value: object, info: ValidationInfo) -> float:
    if isinstance(value, float) and reading_context(info) is None:
        return value  # settings built by hand
    match = _END.fullmatch(value) if isinstance(value, str) else None
    try:
        if match is None:
            raise ValueError("expected a date or a time")  # noqa: TRY301 - worded below
        if match[1] is not None:
            return datetime.fromisoformat(match[0].upper()).timestamp()
        return datetime.combine(date.fromisoformat(match[0]) + timedelta(days=1), time.min, UTC).timestamp()
    except (ValueError, OverflowError) as error:
        found = shown(value, _SHOWN) if isinstance(value, str) else cut(repr(value), _SHOWN)
        raise ValueError(
            f"{found} is no end; write a date (2026-12-31, to the end of that day in UTC) or an RFC 3339 time "
            "(2026-12-31T18:00:00Z)"
        ) from error


def end_text(value: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC; what is less than a second is lost."""
    return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds")[:-6] + "Z"


End = Annotated[
    float,
    PlainValidator(_end),
    PlainSerializer(end_text, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "title": "end",
            "type": "string",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt][0-9:.]+([Zz]|[+-][0-9]{2}:[0-9]{2}))?$",
            "examples": ["2026-12-31", "2026-12-31T18:00:00Z"],
        }
    ),
]
"""When something ends, in seconds since 1970: a date means the end of that day in UTC."""
