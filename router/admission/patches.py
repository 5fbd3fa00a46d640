"""The JSON Patch that pins tags to digests that were proven. Pure.

Rules:
(1) Only an image without a digest of its own is pinned, to the digest that was judged: `NAME:TAG` becomes
    `NAME@DIGEST`, with the name as written, so that what runs is what was proven.
(2) Every operation is a `replace` of a text that stands in the very object we were sent: it can't fail to apply
    (RFC 6902, clause 4.3), which would refuse the request under every failure policy. Nor may it make an object that
    the API server or a controller refuses: only pinnable places are pinned (`router.admission.workloads`).
(3) Nothing to pin is no patch at all, not an empty one.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from router.decision import Place


def pin(proven: Sequence[tuple[Place, str]]) -> bytes | None:
    """The patch for these places and their digests, or None."""
    operations = [
        {"op": "replace", "path": place.pointer, "value": f"{_name(place.image)}@{digest}"}
        for place, digest in proven
        if place.is_pinnable and place.image and "@" not in place.image
    ]
    return orjson.dumps(operations) if operations else None


def _name(image: str) -> str:
    """The image as written without its tag; a colon before the last slash belongs to a port."""
    path, slash, last = image.rpartition("/")
    return path + slash + last.partition(":")[0]
