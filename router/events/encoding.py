"""Events as bytes, never larger than what every receiver can be given. Pure.

Rules:
(1) `data.sequence` is given by the outbox when it stores the event. Until then a body is encoded without it, as the
    last member that `with_sequence` completes, so that no body is ever parsed only to be numbered.
(2) Bytes are always UTF-8: what UTF-8 can not hold (lone surrogates) becomes U+FFFD.
(3) What follows from the decision alone may come encoded (`router.events.parts`): the bytes are the same.
(4) Above `EVENT_LIMIT` an event is made smaller in steps, each only if the one before did not suffice: the message and
    names that others wrote are shortened (`router.text`); details are cut and groups left out; images beyond
    `IMAGES_KEPT` are counted, those that pass first; then, if names are so long still, as many images more as it takes.
    Size never keeps an event from being told. At last every text is shortened and every list is cut.
(5) What is shortened says of the text as it came how long it was and what its hash is: a name that was shortened is
    within the limit, also where that was done as it came in, and the last step goes back to the message of before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import orjson

from router.events.json_text import as_json
from router.events.parts import DecisionParts
from router.events.schema import CloudEvent, EventData, ImageData, UserData
from router.text import SHORTENED, shortened, shortened_into
from router.verdict import IS_PASS

EVENT_LIMIT = 256 * 1024 - 64
"""Bytes of an encoded event, with room for its sequence number: 256 KiB at most."""
BEGINNING = b'{"specversion":"1.0","type":"dev.gatecrier.'
"""What every encoded event begins with, and nothing that others have written."""
IMAGES_KEPT = 200
"""Images that stand in an event that would be too large."""
NAME_LIMIT = SHORTENED
"""Characters of a name in an event that would be too large."""
DETAIL_LIMIT = 120
"""Characters of a detail in an event that is still too large."""
MESSAGE_LIMIT = 4096
"""Characters of its message."""
LIST_LIMIT = 10
"""Members of any list in an event of one image that is still too large, such as its signers."""


def encode(event: CloudEvent, parts: DecisionParts | None = None) -> bytes:
    """The event as JSON without its sequence number, which `with_sequence` puts in; at most `EVENT_LIMIT` bytes.

    `parts` is what it was made of: what stands in it unchanged is not encoded again.
    """
    whole = as_json(event) if parts is None else _with_parts(event, parts)
    return whole if len(whole) <= EVENT_LIMIT else as_json(reduced(event, EVENT_LIMIT))


def reduced(event: CloudEvent, limit: int) -> CloudEvent:
    """The event with as much less in it as it takes to be of so many bytes; with one image where that is too much."""
    smaller = event
    for reduce in _LADDER:
        smaller = reduce(smaller)
        if len(as_json(smaller)) <= limit:
            return smaller
    return _with_all_cut(smaller, event["data"]["decision"]["message"])


def _with_parts(event: CloudEvent, parts: DecisionParts) -> bytes:
    data = event["data"]
    decision, images = parts.encoded
    encoded: dict[str, object] = {**data}
    if data["decision"] is parts.decision:
        encoded["decision"] = decision
    if data["images"] is parts.images:
        encoded["images"] = images
    return as_json({**event, "data": encoded})


def with_sequence(body: bytes, sequence: int) -> bytes:
    """An encoded event with its number in the outbox as the last member of `data`."""
    return b'%b,"sequence":%d}}' % (body[:-2], sequence)


def without_sequence(body: bytes, sequence: int) -> bytes:
    """The encoded event that `with_sequence` was given."""
    return body.removesuffix(b',"sequence":%d}}' % sequence) + b"}}"


def type_of(body: bytes) -> str:
    """The type of an encoded event, which stands at its beginning; empty where this is no event of ours."""
    start = len(BEGINNING)
    name, quote, _ = body[start : start + 100].partition(b'"')
    return f"dev.gatecrier.{name.decode('ascii', 'replace')}" if quote and body.startswith(BEGINNING) else ""


def decode(body: bytes) -> CloudEvent:
    """The event that `encode` or `with_sequence` made."""
    event: CloudEvent = orjson.loads(body)
    return event


def _name(text: str) -> str:
    return shortened(text, NAME_LIMIT)


def _with_short_names(event: CloudEvent) -> CloudEvent:
    data = event["data"]
    request, workload, decision = data["request"], data["workload"], data["decision"]
    images = [_short_named(image) for image in data["images"]]
    smaller: EventData = {
        **data,
        "decision": {**decision, "message": shortened_into(decision["message"], MESSAGE_LIMIT)},
        "request": {**request, "name": _name(request["name"]), "generate_name": _name(request["generate_name"])},
        "workload": {**workload, "name": _name(workload["name"])},
        "images": images,
    }
    return {**event, "subject": _name(event["subject"]), "data": smaller}


def _short_named(image: ImageData) -> ImageData:
    reference, rule = image["reference"], image["rule"]
    return {
        **image,
        "image": _name(image["image"]),
        "reference": None if reference is None else _name(reference),
        "container": _name(image["container"]),
        "rule": None if rule is None else _name(rule),
    }


def _with_short_words(image: ImageData) -> ImageData:
    short: ImageData = {**image, "detail": image["detail"][:DETAIL_LIMIT]}
    if "wanted" in image:
        short["wanted"] = image["wanted"][:DETAIL_LIMIT]
    return short


def _with_short_details(event: CloudEvent) -> CloudEvent:
    data = event["data"]
    request = data["request"]
    images: list[ImageData] = [_with_short_words(image) for image in data["images"]]
    user: UserData = {**request["user"], "groups": request["user"]["groups"][:1]}
    return {**event, "data": {**data, "request": {**request, "user": user}, "images": images}}


@dataclass(frozen=True, slots=True)
class _Keeping:
    """Keeps so many images: those that fail first, else in the object's order, and counts the rest."""

    count: int

    def __call__(self, event: CloudEvent) -> CloudEvent:
        images = event["data"]["images"]
        ranked = sorted(range(len(images)), key=lambda index: _rank(images[index]))
        kept = set(ranked[: self.count])
        more = Counter(images[index]["verdict"] for index in ranked[self.count :])
        if not more:
            return event
        before = event["data"].get("images_omitted")
        omitted = more + Counter({} if before is None else before["verdicts"])
        data: EventData = {
            **event["data"],
            "images": [image for index, image in enumerate(images) if index in kept],
            "images_omitted": {"count": omitted.total(), "verdicts": dict(sorted(omitted.items()))},
        }
        return {**event, "data": data}


def _rank(image: ImageData) -> tuple[bool, bool]:
    """What failed because it is new decided, and is told before what only failed in the past.

    A verdict of another release, whose event the outbox kept, is taken for one that failed.
    """
    return IS_PASS.get(image["verdict"], False), not image.get("is_new", True)


def _with_all_cut(event: CloudEvent, message: str) -> CloudEvent:
    data = event["data"]
    whole: EventData = {**data, "decision": {**data["decision"], "message": message}}
    return {**event, "data": cast("EventData", _cut(whole))}


def _cut(value: object) -> object:
    match value:
        case str():
            return _name(value)
        case list():
            return [_cut(one) for one in value[:LIST_LIMIT]]
        case dict():
            return {name: _cut(one) for name, one in value.items()}
        case _:
            return value


_LADDER: tuple[Callable[[CloudEvent], CloudEvent], ...] = (  # each from what the one before made
    _with_short_names,
    _with_short_details,
    *map(_Keeping, (IMAGES_KEPT, IMAGES_KEPT // 2, IMAGES_KEPT // 4, IMAGES_KEPT // 16, 1)),
)
