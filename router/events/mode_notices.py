"""The notice that somebody changes the label of a namespace: who, from what to what, and what holds there then. Pure.

Rules:
(1) It is told before the change is made, by whoever was asked about it: something may still keep it from being made.
(2) Less strict is more urgent: `off` is high, any other step down medium, the rest info.
(3) Names and values were chosen by others: each stands on one line, and is cut (`router.text`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from router.events.making import Origin
from router.events.notices import MODE_CHANGED, TEXT_LIMIT, NoticeEvent, notice_event
from router.text import cut, cut_middle, one_line

NAME_LIMIT: Final = 253
"""Characters of a name."""
Strictness: TypeAlias = Literal["off", "detect", "enforce"]
FROM_LAX_TO_STRICT: Final[Sequence[Strictness]] = ("off", "detect", "enforce")
_MEANS: Final[dict[Strictness, str]] = {
    "off": "Gatecrier is not asked about it any more: nothing there is judged or told",
    "detect": "What fails there is let in, and told",
    "enforce": "What fails there is refused",
}


class Side(NamedTuple):
    """How a namespace is before a change, or after it."""

    label: str | None
    """The value of its label; None where it has none."""
    holds: Strictness
    """What holds there, the configuration considered."""


class Switch(NamedTuple):
    """A change of a namespace's label."""

    request: str
    """The uid of the request that makes it."""
    namespace: str
    label: str
    """The key of the label."""
    before: Side
    after: Side
    user: str
    """Who asks for it."""


def mode_notice(origin: Origin, switch: Switch, *, at: float) -> NoticeEvent:
    """The event about such a change; `at` is in seconds since 1970."""
    name, who, before, after = _shown(switch.namespace), _shown(switch.user), switch.before, switch.after
    text = (
        f"{who} changes the label {switch.label} of the namespace {name} from {_value(before)} to {_value(after)}. "
        f"{_MEANS[after.holds]}{'' if before.holds != after.holds else ', as before'}."
    )
    return notice_event(
        origin,
        f"{switch.request}/mode",
        ("mode", name),
        at,
        {
            "title": f"Namespace {name}: {before.holds}, from now on {after.holds}",
            "text": cut(text, TEXT_LIMIT),
            "severity": _severity(before.holds, after.holds),
            "facts": {"namespace": name, "before": before.holds, "after": after.holds, "user": who},
            "event_type": MODE_CHANGED,
        },
    )


def _severity(before: Strictness, after: Strictness) -> Literal["high", "medium", "info"]:
    if FROM_LAX_TO_STRICT.index(after) >= FROM_LAX_TO_STRICT.index(before):
        return "info"
    return "high" if after == "off" else "medium"


def _value(side: Side) -> str:
    return "nothing" if side.label is None else f'"{_shown(side.label)}"'


def _shown(text: str) -> str:
    return cut_middle(one_line(cut_middle(text, NAME_LIMIT)), NAME_LIMIT)
