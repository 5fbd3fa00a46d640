"""The paths that the API server calls, and what each says: what is asked, and what the namespace's label says. Pure.

Rules:
(1) `/validate` and `/mutate` say nothing of a label: the file decides (`router.policy.enforcement`).
(2) `/validate/enforce` is called by the webhook whose `namespaceSelector` is `In [enforce]`, `/validate/detect` by the
    one whose is `NotIn [enforce, off]`. So the mode comes with the request, by the label that the API server itself
    went by: nothing is watched, and nothing can be late. `/mutate/enforce` and `/mutate/detect` are the same for
    pinning.
(3) A path raises a namespace or, where `label_may_lower` says so, lowers it; it never outranks `never_block`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from router.verdict import Mode

Endpoint: TypeAlias = Literal["validate", "mutate"]


class Call(NamedTuple):
    """What a path says."""

    endpoint: Endpoint
    """What is asked: to decide, or to pin."""
    label: Mode | None
    """What the namespace's label says; None where nobody said."""


_ENDPOINTS: tuple[Endpoint, ...] = ("validate", "mutate")
PATHS: Mapping[str, Call] = {f"/{endpoint}": Call(endpoint, None) for endpoint in _ENDPOINTS} | {
    f"/{endpoint}/{mode.value}": Call(endpoint, mode) for endpoint in _ENDPOINTS for mode in Mode
}
"""Every path there is."""
