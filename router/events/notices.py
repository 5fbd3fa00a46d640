"""The event that tells of Gatecrier itself: what is wrong with it, and that it is not any more. Pure.

Rules:
(1) Its envelope is that of a decision's event; its `data` has a `notice` in place of the decision. Whatever Gatecrier
    tells of itself has this one shape, so that receivers need one reading and destinations one template (`notice`).
(2) `title` and `text` are for people and say all that matters; `facts` are the same for machines.
(3) Nothing in it but names of owners, in summaries of what was held back, was chosen by whoever deploys; those, and
    what the author of a silence wrote, are shown on one line each, and every kind's template takes them for text. No
    secret enters it. It has at most a few kilobytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Final, Literal, NotRequired, TypeAlias

from pydantic import Field, TypeAdapter, with_config
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from router.events.making import Origin, event_id, timestamp
from router.events.overrides import STRICT
from router.telemetry.causes import Cause
from router.text import cut, more, one_line
from router.verdict import Severity

NOTICE_TYPE: Final = "dev.gatecrier.notice.v1"
BEGAN: Final = "dev.gatecrier.trouble.began.v1"
ENDED: Final = "dev.gatecrier.trouble.ended.v1"
SILENCE_ENDED: Final = "dev.gatecrier.silence.ended.v1"
SILENCE_UNMATCHED: Final = "dev.gatecrier.silence.unmatched.v1"
INTERVAL_ENDED: Final = "dev.gatecrier.interval.ended.v1"
RATE_EXCEEDED: Final = "dev.gatecrier.rate.exceeded.v1"
READINESS_CHANGED: Final = "dev.gatecrier.readiness.changed.v1"
EXEMPTION_ENDING: Final = "dev.gatecrier.exemption.ending.v1"
EXEMPTION_ENDED: Final = "dev.gatecrier.exemption.ended.v1"
MODE_CHANGED: Final = "dev.gatecrier.mode.changed.v1"
HeldBy: TypeAlias = Literal["silence", "interval", "rate"]
"""What can hold back what a destination would be told of incidents."""
TEXT_LIMIT = 8000
"""Characters of a summary."""


@with_config(STRICT)
class FactsData(TypedDict):
    """What a notice says, for machines."""

    cause: NotRequired[Cause]
    """Why it needs attention; docs/operations.md lists the causes."""
    subject: NotRequired[str]
    """The destination, process or trust root that has it; empty where there is only one."""
    began: NotRequired[str]
    """Since when: RFC 3339, UTC, milliseconds."""
    ended: NotRequired[str]
    """Until when, where it is over."""
    times: NotRequired[int]
    """How often it began since this was told last: more than once where it comes and goes."""
    advice: NotRequired[str]
    """What to do."""
    silence: NotRequired[str]
    """The id of the silence that matches nothing."""
    destination: NotRequired[str]
    """From whom something was held back."""
    incidents: NotRequired[int]
    """How many incidents that were."""
    events: NotRequired[int]
    """How many events."""
    still_open: NotRequired[int]
    """How many of the incidents go on."""
    is_ready: NotRequired[bool]
    """Whether namespaces can be enforced now, or can't any more."""
    namespaces: NotRequired[str]
    """Their names, with a comma between them; of very many the first ones."""
    count: NotRequired[int]
    """How many there are."""
    until: NotRequired[str]
    """When the exemption ends, or has ended: RFC 3339, UTC."""
    exemption: NotRequired[str]
    """The pattern of the exemption that ends, or has ended."""
    images: NotRequired[int]
    """How many images of owners it has let in, as far as that is known."""
    namespace: NotRequired[str]
    """The namespace whose label is changed."""
    before: NotRequired[Literal["off", "detect", "enforce"]]
    """What holds there until then."""
    after: NotRequired[Literal["off", "detect", "enforce"]]
    """What holds there from then on."""
    user: NotRequired[str]
    """Who changes it."""


@with_config(STRICT)
class NoticeData(TypedDict):
    """What is to be known."""

    title: str
    """In a few words."""
    text: str
    """What was found and what to do, in a few sentences."""
    severity: Literal["critical", "high", "medium", "info"]
    """How urgent it is; `info` where it is over."""
    facts: FactsData
    """The same for machines; which there are follows from `event_type`."""
    event_type: Literal[
        "dev.gatecrier.trouble.began.v1",
        "dev.gatecrier.trouble.ended.v1",
        "dev.gatecrier.silence.ended.v1",
        "dev.gatecrier.silence.unmatched.v1",
        "dev.gatecrier.interval.ended.v1",
        "dev.gatecrier.rate.exceeded.v1",
        "dev.gatecrier.readiness.changed.v1",
        "dev.gatecrier.exemption.ending.v1",
        "dev.gatecrier.exemption.ended.v1",
        "dev.gatecrier.mode.changed.v1",
    ]
    """What the notice is about."""


@with_config(STRICT)
class NoticeEventData(TypedDict):
    """Something about Gatecrier itself."""

    notice: NoticeData
    """What is to be known."""
    cluster: str
    """Name of the cluster, as configured."""
    replica: str
    """Which of our replicas tells."""
    sequence: NotRequired[int]
    """Number of the event in its replica's outbox, counted together with decisions."""


@with_config(STRICT)
class NoticeEvent(TypedDict):
    """The envelope: CloudEvents 1.0."""

    specversion: Literal["1.0"]
    """Version of CloudEvents."""
    type: Literal["dev.gatecrier.notice.v1"]
    """That it tells of Gatecrier itself; the version changes when a field changes its meaning."""
    id: Annotated[str, Field(min_length=1)]
    """The same for every copy and repetition."""
    source: str
    """The cluster."""
    subject: str
    """gatecrier/REPLICA/CAUSE, and /SUBJECT where there is one."""
    time: str
    """When it was told: RFC 3339, UTC, milliseconds."""
    datacontenttype: Literal["application/json"]
    """Media type of `data`."""
    data: NoticeEventData
    """What is told."""


def trouble_notice(  # noqa: PLR0913 - a trouble has these independent parts
    origin: Origin,
    cause: Cause,
    subject: str,
    text: str,
    *,
    began: float,
    ended: float | None,
    times: int,
    at: float,
) -> NoticeEvent:
    """The event about a trouble that has begun, or has ended; times are in seconds since 1970."""
    facts: FactsData = {"cause": cause, "subject": subject, "began": timestamp(began), "times": times}
    title, severity = cause.title_of(subject), cause.severity
    sentences = [*([f"Found: {text}."] if text else []), f"What to do: {cause.remedy}."]
    if ended is None:
        facts["advice"] = cause.remedy
    else:
        facts["ended"] = timestamp(ended)
        title, severity = f"Over: {title}", Severity.INFO
        sentences = [f"It lasted from {timestamp(began)} to {timestamp(ended)}."]
    if times > 1:
        sentences.append(f"It came and went {times} times since this was told last.")
    state = "began" if ended is None else "ended"
    return notice_event(
        origin,
        f"{cause}/{subject}/{began}/{state}/{at}",
        (cause.value, subject),
        at,
        {
            "title": title,
            "text": " ".join(sentences),
            "severity": severity.value,
            "facts": facts,
            "event_type": BEGAN if ended is None else ENDED,
        },
    )


_HELD_BY: Mapping[
    HeldBy,
    tuple[
        str,
        Literal["dev.gatecrier.silence.ended.v1", "dev.gatecrier.interval.ended.v1", "dev.gatecrier.rate.exceeded.v1"],
    ],
] = {
    "silence": ("A silence has ended", SILENCE_ENDED),
    "interval": ("An interval has ended", INTERVAL_ENDED),
    "rate": ("More than this destination's rate", RATE_EXCEEDED),
}


def held_notice(  # noqa: PLR0913 - a summary has these independent parts
    origin: Origin,
    source: str,
    why: str,
    destination: str,
    *,
    owners: Sequence[str],
    incidents: int,
    events: int,
    still_open: int,
    of: HeldBy,
    at: float,
) -> NoticeEvent:
    """The event about what `source` has held back from a destination; `at` is its end."""
    title, event_type = _HELD_BY[of]
    lines = [one_line(owner) for owner in owners]
    text = "\n".join(
        (
            f"Held back by {one_line(why)}: {events} events of {incidents} incidents.",
            *lines,
            *more(incidents, len(owners)),
        )
    )
    return notice_event(
        origin,
        f"{source}/{destination}/{at}/held",
        ("held_back", destination),
        at,
        {
            "title": f"{title}: {incidents} incidents were held back, {still_open} go on",
            "text": cut(text, TEXT_LIMIT),
            "severity": "medium" if still_open else "info",
            "facts": {
                "destination": destination,
                "incidents": incidents,
                "events": events,
                "still_open": still_open,
            },
            "event_type": event_type,
        },
    )


def unmatched_notice(  # noqa: PLR0913 - a silence has these independent parts
    origin: Origin,
    silence: str,
    why: str,
    matchers: Sequence[str],
    *,
    since: float,
    ends: float,
    at: float,
) -> NoticeEvent:
    """The event about a silence that has matched nothing since that time; times are in seconds since 1970."""
    advice = f"correct its matchers by another silence, or end it: gatecrier silence expire {silence}"
    text = (
        f"The silence {silence} of {one_line(why)} has matched no event since {timestamp(since)}, and is in force "
        f"until {timestamp(ends)}. Its matchers: {one_line(' and '.join(matchers))}. What to do: {advice}."
    )
    return notice_event(
        origin,
        f"{silence}/{since}/unmatched",
        ("silence", silence),
        at,
        {
            "title": "A silence has matched nothing for a week",
            "text": cut(text, TEXT_LIMIT),
            "severity": "info",
            "facts": {"silence": silence, "began": timestamp(since), "advice": advice},
            "event_type": SILENCE_UNMATCHED,
        },
    )


def notice_event(origin: Origin, identity: str, subject: tuple[str, str], at: float, notice: NoticeData) -> NoticeEvent:
    """The envelope around a notice; `identity` tells it from every other of this replica."""
    return {
        "specversion": "1.0",
        "type": NOTICE_TYPE,
        "id": event_id(origin.cluster, f"{origin.replica}/{identity}"),
        "source": f"/clusters/{origin.cluster}",
        "subject": "/".join(part for part in ("gatecrier", origin.replica, *subject) if part),
        "time": timestamp(at),
        "datacontenttype": "application/json",
        "data": {"notice": notice, "cluster": origin.cluster, "replica": origin.replica},
    }


@lru_cache(maxsize=1)
def notice_schema() -> dict[str, object]:
    """The JSON Schema (2020-12) of the whole event."""
    schema: dict[str, object] = TypeAdapter(NoticeEvent).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
