"""What an operator says about incidents, and about the times at which people are told of them.

Rules:
(1) A range that ends before it begins is refused where it is read, as Alertmanager does: under `active` it would tell
    nobody, ever. A part of a day ends after it begins, on the same day; weekdays, months and years do not wrap; days of
    the month are compared as those of a month of 31 days, and none leads from the month's end over its beginning.
(2) Numbers are plain decimal digits, with a minus for days that are counted from the month's end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from router.fields import Duration, Listen, Name, OnlyAtStart, SettingsModel
from router.routing.matchers import checked_matcher
from router.text import shown

_LINK = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/.*|\?.*)?", re.ASCII | re.DOTALL)
"""Scheme and host written out, so that nobody who names an image chooses where people are led."""
_NUMBER = re.compile(r"-?[0-9]{1,5}", re.ASCII)
_CLOCK = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])", re.ASCII)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_DAY: Final = 24 * 60


def minutes(text: str) -> int:
    """Minutes since midnight of HH:MM, 24:00 at most; raises ValueError."""
    found = _CLOCK.fullmatch(text)
    count = _DAY + 1 if found is None else int(found[1]) * 60 + int(found[2])
    if count > _DAY:
        raise ValueError(f"{shown(text, 20)} is no time of day; write HH:MM, from 00:00 to 24:00, in quotes")
    return count


def span(text: str, names: tuple[str, ...], lowest: int, highest: int) -> tuple[int, int]:
    """The first and the last of `monday:friday`, `5` or `1:3`; raises ValueError."""
    begin, colon, end = text.strip().lower().partition(":")
    first, last = (_number(one.strip(), names, lowest, highest) for one in (begin, end if colon else begin))
    if first < 0 < last:
        raise ValueError(f"{shown(text, 60)} leads from a month's end into the next; write {first}:-1 and 1:{last}")
    if _in_order(first, highest) > _in_order(last, highest):
        raise ValueError(f"{shown(text, 60)} ends before it begins, and never holds; write two ranges")
    return first, last


def _in_order(number: int, highest: int) -> int:
    """What is counted from the end, counted from the beginning."""
    return number if number >= 0 else highest + 1 + number


def _number(text: str, names: tuple[str, ...], lowest: int, highest: int) -> int:
    if text in names:
        return names.index(text) + lowest
    number = int(text) if _NUMBER.fullmatch(text) else highest + 1
    if number == 0 < lowest + highest or not lowest <= number <= highest or (names and lowest == 0):
        expected = f"one of {', '.join(names)}" if names else f"a number from {lowest} to {highest}"
        raise ValueError(f"{shown(text, 60)} is none; expected {expected}, or a range FIRST:LAST")
    return number


def weekdays(text: str) -> tuple[int, int]:
    """Monday is 0; raises ValueError."""
    return span(text, _WEEKDAYS, 0, 6)


def months(text: str) -> tuple[int, int]:
    """January is 1; raises ValueError."""
    return span(text, _MONTHS, 1, 12)


def days_of_month(text: str) -> tuple[int, int]:
    """From 1 to 31, or from -31 to -1 counted from the end of the month; raises ValueError."""
    return span(text, (), -31, 31)


def years(text: str) -> tuple[int, int]:
    """Raises ValueError."""
    return span(text, (), 1970, 9999)


def _read_by(read: Callable[[str], object]) -> AfterValidator:
    """What this reads; it is read again where it is used, and stays as it is written."""

    def checked(text: str) -> str:
        read(text)
        return text

    return AfterValidator(checked)


def location(text: str) -> ZoneInfo:
    """An IANA time zone; raises ValueError."""
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(
            f"{shown(text, 60)} is no time zone; write an IANA name, such as Europe/Berlin or UTC"
        ) from error


def _checked_link(text: str) -> str:
    if _LINK.fullmatch(text) is None:
        raise ValueError(
            "is no link; write https://HOST/PATH with the host written out, and {{ incident.NAME }} in the path"
        )
    return text


def _checked_controller(text: str) -> str:
    if not text.strip() or text.strip("*") == "":
        raise ValueError(f"{shown(text, 60)} would believe everybody; name users, with * for a part of a name")
    return text


_Time = Annotated[str, _read_by(minutes)]
_Weekdays = Annotated[str, _read_by(weekdays)]
_DaysOfMonth = Annotated[str, _read_by(days_of_month)]
_Months = Annotated[str, _read_by(months)]
_Years = Annotated[str, _read_by(years)]
_Location = Annotated[str, _read_by(location)]


class TimesSettings(SettingsModel):
    """A part of a day."""

    start_time: _Time
    """When it begins, HH:MM."""
    end_time: _Time
    """When it has ended, HH:MM; 24:00 is the end of the day. It ends on the day on which it begins: what passes
    midnight is written as two."""

    @model_validator(mode="after")
    def _holds_some_time(self) -> Self:
        start, end = self.start_time, self.end_time
        if minutes(start) < minutes(end):
            return self
        if minutes(end) == 0:
            advice = "the end of a day is 24:00"
        elif minutes(start) == minutes(end):
            advice = "a whole day is 00:00 to 24:00"
        else:
            advice = f"what passes midnight is written as two: {start} to 24:00, and 00:00 to {end}"
        raise ValueError(f"from {start} to {end} never holds; {advice}")


class PeriodsSettings(SettingsModel):
    """Times that fit all that is said here, as in Alertmanager; what is not said fits always."""

    times: Annotated[tuple[TimesSettings, ...], Field(max_length=100)] = ()
    """Parts of a day."""
    weekdays: tuple[_Weekdays, ...] = ()
    """`monday`, `monday:friday` ..."""
    days_of_month: tuple[_DaysOfMonth, ...] = ()
    """`1`, `1:7`, `-3:-1` (counted from the month's end) ..."""
    months: tuple[_Months, ...] = ()
    """`january`, `1:3` ..."""
    years: tuple[_Years, ...] = ()
    """`2026`, `2026:2027` ..."""
    location: _Location = "UTC"
    """IANA time zone in which all of this is meant."""

    def holds(self, at: float) -> bool:
        """Whether a time, in seconds since 1970, is one of these."""
        local = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(self.location))
        minute = local.hour * 60 + local.minute
        return (
            (not self.times or any(minutes(one.start_time) <= minute < minutes(one.end_time) for one in self.times))
            and _fits(self.weekdays, weekdays, local.weekday())
            and (not self.days_of_month or any(_fits_day(one, local) for one in self.days_of_month))
            and _fits(self.months, months, local.month)
            and _fits(self.years, years, local.year)
        )


def _fits(texts: tuple[str, ...], read: Callable[[str], tuple[int, int]], value: int) -> bool:
    return not texts or any(first <= value <= last for first, last in map(read, texts))


def _fits_day(text: str, local: datetime) -> bool:
    following = local.replace(day=28).toordinal() + 4
    length = (datetime.fromordinal(following).replace(day=1) - datetime(local.year, local.month, 1)).days  # noqa: DTZ001 - dates
    first, last = (one if one > 0 else length + 1 + one for one in days_of_month(text))
    return first <= local.day <= last


class TimeIntervalSettings(SettingsModel):
    """Times with a name."""

    name: Name
    """What routes call it."""
    time_intervals: Annotated[tuple[PeriodsSettings, ...], Field(min_length=1, max_length=100)]
    """It is now where any of these holds."""

    def holds(self, at: float) -> bool:
        """Whether a time, in seconds since 1970, is one of these."""
        return any(one.holds(at) for one in self.time_intervals)


_Link = Annotated[str, Field(max_length=2000), AfterValidator(_checked_link)]


class IncidentSettings(SettingsModel):
    """How events become incidents; the intervals are what routes have that say nothing else."""

    repeat_interval: Duration = 14400.0
    """The first event this long after a receiver was last told is told as `repeated`."""
    group_interval: Duration = 300.0
    """News of an open incident are told at most this often; for as long after its end what its Pods still bring opens
    no new one."""
    quiet_after: Duration = 3600.0
    """An incident of which everything was rejected is over after so long without another event."""
    forget_after: Duration = 604800.0
    """One of which something was admitted, after so long."""
    unsilenceable: tuple[Annotated[str, AfterValidator(checked_matcher)], ...] = ("decision.severity = critical",)
    """Matchers of events that no silence holds back; one that holds is enough."""
    controllers: tuple[Annotated[str, AfterValidator(_checked_controller)], ...] = (
        "system:serviceaccount:kube-system:*-controller",
        "system:kube-controller-manager",
    )
    """Users whose word about an object's owner is believed, `*` for any part of a name. Anybody may create an object
    that claims an owner: such a claim joins nothing and ends nothing."""
    collector: Annotated[Listen | None, OnlyAtStart()] = None
    """Which replica keeps incidents and silences of all, as HOST:PORT, such as `gatecrier-0.gatecrier:8444`: the one
    whose name (`HOSTNAME`) HOST begins with. It listens on that port, and the others hand over their events there; all
    have the same certificate in `webhook.tls`. Absent: each for itself. A change needs a restart."""
    links: Annotated[dict[Name, _Link], Field(max_length=10)] = {}  # noqa: RUF012 - pydantic copies it
    """Links that messages have, by name: `{{ incident.images[0].reason }}` in one stands for a value of the incident.
    Scheme and host are written out."""
