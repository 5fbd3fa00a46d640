"""What stands in a workload where the API server expects a map or a list, so that no image of it can be read.

The gate is never asked about such an object, for the API server refuses it before; in a file it may stand. Nothing was
found in it that could be judged, and that is not the same as nothing that is wrong.
"""

from __future__ import annotations

import msgspec

from router.admission.kinds import WorkloadKind
from router.admission.places import LISTS
from router.settings.problems import Path, Plain, in_words, inside, path_text


def misshapen(review: bytes, kind: WorkloadKind) -> str:
    """What can't be read in the object of a review, of this kind; empty where all can."""
    try:
        whole: Plain = msgspec.json.decode(review)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""  # where it is read with more care, it says so itself
    path: Path = ()
    found = inside(inside(whole, "request"), "object")
    for step in kind.stand[0].split("/")[1:]:
        found, path = inside(found, step), (*path, step)
        if found is not None and not isinstance(found, dict):
            return _told(path, found, "a map")
    for key in (*(key for _, key, _ in LISTS), "volumes"):
        if (value := inside(found, key)) is not None and not isinstance(value, list):
            return _told((*path, key), value, "a list")
    volumes = inside(found, "volumes")
    for index, volume in enumerate(volumes if isinstance(volumes, list) else ()):
        place: Path = (*path, "volumes", index)
        for where, one in ((place, volume), ((*place, "image"), inside(volume, "image"))):
            if one is not None and not isinstance(one, dict):
                return _told(where, one, "a map")
    return ""


def _told(path: Path, found: Plain, expected: str) -> str:
    return f"{path_text(path)} is {in_words(found)}; expected {expected}: the API server would refuse it"
