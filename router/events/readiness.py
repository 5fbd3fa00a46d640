"""The notice that namespaces can be enforced now, or can't any more. Pure.

Namespaces that change at the same time are told together: after the first window all of a cluster may be ready at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from router.events.making import Origin
from router.events.notices import READINESS_CHANGED, TEXT_LIMIT, NoticeEvent, notice_event
from router.text import cut, more, one_line

NAMESPACES_SHOWN = 50
"""Namespaces that a notice names; all are counted."""
_READY = (
    "It was watched for `readiness.window`, every running Pod was scanned, and nothing would be refused",
    "`gatecrier readiness NAMESPACE` shows all of it; then set its mode to enforce",
)
_NOT_READY = (
    "It was ready to be enforced, and is not any more",
    "`gatecrier readiness NAMESPACE` names what would break, or what is not known any more",
)


def readiness_notice(origin: Origin, namespaces: Sequence[str], *, is_ready: bool, at: float) -> NoticeEvent:
    """The event about namespaces that have become ready, or have ceased to be; `at` is in seconds since 1970."""
    shown = [one_line(name) for name in namespaces[:NAMESPACES_SHOWN]]
    found, advice = _READY if is_ready else _NOT_READY
    which = shown[0] if len(namespaces) == 1 else f"{len(namespaces)} namespaces"
    text = "\n".join((f"{found}:", *shown, *more(len(namespaces), NAMESPACES_SHOWN), f"What to do: {advice}."))
    state = "ready" if is_ready else "not_ready"
    return notice_event(
        origin,
        f"{state}/{namespaces[0]}/{len(namespaces)}/{at}/readiness",
        ("readiness", state),
        at,
        {
            "title": f"{which} can be enforced now" if is_ready else f"{which} can't be enforced any more",
            "text": cut(text, TEXT_LIMIT),
            "severity": "info" if is_ready else "medium",
            "facts": {
                "is_ready": is_ready,
                "namespaces": ",".join(shown),
                "count": len(namespaces),
                "advice": advice,
            },
            "event_type": READINESS_CHANGED,
        },
    )
