"""The notices that an exemption ends soon, and that it has ended: what breaks then. Pure.

Rules:
(1) They name what the exemption has let in, by owner, those first that were let in last; further ones are counted.
(2) Names in them were chosen by whoever deploys: each stands on one line, and is cut (`router.text`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from router.events.making import Origin, timestamp
from router.events.notices import EXEMPTION_ENDED, EXEMPTION_ENDING, TEXT_LIMIT, NoticeEvent, notice_event
from router.policy import ExemptionSettings
from router.policy.ends import end_text
from router.text import cut, cut_middle, more, one_line

SHOWN: Final = 20
"""Images that a notice names."""
NAME_LIMIT: Final = 120
"""Characters of each name."""
ExemptionState: TypeAlias = Literal["ending", "ended"]


class Used(NamedTuple):
    """An image that an exemption has let in."""

    namespace: str
    owner: str
    """KIND/NAME."""
    image: str
    """As written."""
    found: str
    """Its true verdict, with the code of the cause."""
    last_at: float
    """When it was let in last, in seconds since 1970."""


def exemption_notice(
    origin: Origin, exemption: ExemptionSettings, state: ExemptionState, used: Sequence[Used], count: int, *, at: float
) -> NoticeEvent:
    """The event about an exemption that ends soon, or has ended.

    Args:
        origin: Who tells.
        exemption: Which one.
        state: What is the matter with it.
        used: What it has let in, as far as that is named.
        count: How many that are in all.
        at: Seconds since 1970.
    """
    advice = (
        "sign these images, or add a rule that they meet; if it has to be, set a later `until`"
        if count
        else "remove it from `exemptions`: as far as is known it has let in nothing"
    )
    is_over = state == "ended"
    where = ", ".join(exemption.namespaces)
    what = f'The exemption "{exemption.pattern}" in {where} ({one_line(exemption.reason)})'
    when = f"{'has ended at' if is_over else 'ends at'} {end_text(exemption.until)}"
    breaks = "What it has let in is refused now" if is_over else "From then on what it has let in is refused"
    lines = [f"{breaks} where that is enforced:", *map(_line, used), *more(count, len(used), " images")]
    text = "\n".join((f"{what} {when}.", *(lines if count else ()), f"What to do: {advice}."))
    title = f"An exemption {'has ended' if is_over else 'ends soon'}: {count} image{'s' * (count != 1)} let in by it"
    identity = f"{exemption.pattern}/{where}/{exemption.until}/{state}"
    return notice_event(
        origin,
        identity,
        ("exemption", state),
        at,
        {
            "title": title,
            "text": cut(text, TEXT_LIMIT),
            "severity": "info" if not count else "high" if is_over else "medium",
            "facts": {
                "exemption": exemption.pattern,
                "until": end_text(exemption.until),
                "images": count,
                "advice": advice,
            },
            "event_type": EXEMPTION_ENDED if is_over else EXEMPTION_ENDING,
        },
    )


def _line(one: Used) -> str:
    owner, image = (cut_middle(one_line(cut_middle(text, NAME_LIMIT)), NAME_LIMIT) for text in (one.owner, one.image))
    return f"{one.namespace}/{owner}: {image}: {one.found}, last let in {timestamp(one.last_at)}"
