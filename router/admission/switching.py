"""A namespace whose label is changed: told, and never refused.

Rules:
(1) The API server asks `/modes` about a namespace that is made or changed. What changes the label that is configured
    (`enforcement.label`) is told; everything is admitted. Where no label is configured nothing is told.
(2) A dry run is not told. Nor is a namespace that is made without the label, or goes.
(3) What holds before and after follows from the label and the file, as for a request there (`router.policy`). `off` is
    what the label says, since nobody asks then, whatever the file says.
No decision rests on any of this: a change that is not told, because nobody was there to be asked, holds all the same.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec

from router.admission.reading import shapes
from router.admission.reading.reader import FAST_LIMIT, read_document
from router.admission.reading.tolerant import UnreadableJsonError
from router.admission.request_context import GateRules
from router.admission.review import AdmissionRequest, RawObjects
from router.events import NoticeEvent, Side, Strictness, Switch, mode_notice
from router.steps import Steps
from router.verdict import Mode

_LABELS = msgspec.json.Decoder(dict[str, str])


def read_switch(
    rules: GateRules, request: AdmissionRequest, objects: RawObjects, at: float
) -> Steps[NoticeEvent | None]:
    """The notice about a change of the label; None where it does not change.

    `at` is in seconds since 1970.
    """
    label = rules.enforcement.label
    if label is None or request.dry_run or (request.group, request.kind) != ("", "Namespace"):
        return None
    before, after = (yield from _value(objects.old, label)), (yield from _value(objects.new, label))
    if before == after or request.operation not in {"CREATE", "UPDATE"}:
        return None
    name = request.name or request.namespace
    sides = [Side(value, _holds(rules, name, value)) for value in (before, after)]
    return mode_notice(rules.origin, Switch(request.uid, name, label, sides[0], sides[1], request.user), at=at)


def _value(raw: msgspec.Raw, label: str) -> Steps[str | None]:
    found: shapes.Namespace | None = None
    with suppress(UnreadableJsonError):
        found = yield from read_document(memoryview(raw), shapes.Namespace) if raw else _nothing()
    labels = found.metadata.labels if found is not None and found.metadata is not None else shapes.MISSING
    if len(memoryview(labels)) > FAST_LIMIT:  # more than twice what an API server can store of a whole object
        return None
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        return _LABELS.decode(labels).get(label)
    return None


def _nothing() -> Steps[None]:
    yield


def _holds(rules: GateRules, namespace: str, value: str | None) -> Strictness:
    if value == "off":
        return "off"
    mode, _ = rules.mode(namespace, Mode.ENFORCE if value == Mode.ENFORCE.value else Mode.DETECT)
    return "enforce" if mode is Mode.ENFORCE else "detect"
