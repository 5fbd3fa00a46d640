"""The paths that the API server calls, and what each says: what is asked, and what the namespace's label says. Pure.

Rules:
(1) `/validate` and `/mutate` say nothing of a label: the file decides (`router.policy.enforcement`).
(2) `/validate/enforce` is called by the webhook whose `namespaceSelector` is `In [enforce]`, `/validate/detect` by the
    one whose is `NotIn [enforce, off]`. So the mode comes with the request, by the label that the API server itself
    went by: nothing is watched, and nothing can be late. `/mutate/enforce` and `/mutate/detect` are the same for
    pinning.
(3) `/modes` is called about namespaces: a change of the label is told (`router.admission.switching`).
(4) A path raises a namespace or, where `label_may_lower` says so, lowers it; it never outranks `never_block`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from router.verdict import Mode

WebhookEndpoint: TypeAlias = Literal["validate", "mutate", "modes"]


class WebhookPath(NamedTuple):
    """What a path says."""

    endpoint: WebhookEndpoint
    """What is asked: to decide, to pin, or to hear of a namespace's mode."""
    label: Mode | None
    """What the namespace's label says; None where nobody said."""


_BY_LABEL: tuple[WebhookEndpoint, ...] = ("validate", "mutate")
PATHS: Mapping[str, WebhookPath] = (
    {f"/{endpoint}": WebhookPath(endpoint, None) for endpoint in _BY_LABEL}
    | {f"/{endpoint}/{mode.value}": WebhookPath(endpoint, mode) for endpoint in _BY_LABEL for mode in Mode}
    | {"/modes": WebhookPath("modes", None)}
)
"""Every path there is."""
