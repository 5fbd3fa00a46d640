"""What incidents are made of: one stored event, read once, and whose it is. Pure.

Whose it is:
(1) An object that claims no controller is its own owner, and so are kinds that are owners by themselves
    (`router.events.top_owners`).
(2) A claimed controller is believed only from users of `incidents.controllers`. Anybody else's claim joins nothing and
    ends nothing: the trouble is that object's and that user's, with `claimed_owner` shown.
(3) Where it is believed, what was seen of that controller (by its uid) says whose it is in the end. One that was seen
    without a believed controller of its own is its own owner.
(4) Where it was never seen, the Deployment or CronJob of its name is taken: what was found so joins, but ends nothing.

Seen are objects that can have others of theirs, but are not owners by themselves; what was seen first stays. One that
was seen with a claim that is not believed is one owner with all that is made of it, and no other of its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import orjson

from router.events import EventData, ImageData, top_owner
from router.events.top_owners import claimed, group_of, is_owner_by_itself
from router.incidents import images
from router.routing import IncidentRoute, is_believed
from router.verdict import IS_PASS, Verdict

REGISTRIES_LIMIT = 20
"""Registries that one event can blame; what fails of further ones is not told of them."""
BLAMED_LIMIT = 20
"""Images that one event can blame; further ones are their owner's trouble."""
_REGISTRY_FAULTS = frozenset({"unreachable", "rate_limited", "timeout"})
_ANSWERS = frozenset({Verdict.VERIFIED, Verdict.UNSIGNED, Verdict.UNTRUSTED, Verdict.INVALID})


class SeenOwner(NamedTuple):
    """Whose an object was, when it was seen."""

    api_version: str
    kind: str
    name: str
    apart: tuple[str, ...] = ()
    """What sets it apart from others of its name: uid and user of a claim that is not believed."""


class Whose(NamedTuple):
    """The owner of what an event is about."""

    key: str
    owner: Mapping[str, str]
    claimed_owner: Mapping[str, str] | None
    may_end: bool
    """Whether an event of this kind can show that a finding is over."""
    is_itself: bool
    """Whether the object is the owner."""
    apart: tuple[str, ...] = ()
    """As of `SeenOwner`."""


class EventFacts(msgspec.Struct, frozen=True):
    """One event."""

    sequence: int
    id: str
    at: float
    """When it was decided, in seconds since 1970."""
    data: EventData
    whose: Whose
    routes: Sequence[IncidentRoute]
    failing: Sequence[ImageData]
    passing: Sequence[ImageData]

    @property
    def kind(self) -> str:
        """The kind of its object, with its group."""
        request = self.data["request"]
        return f"{group_of(request['api_version'])}/{request['kind']}"

    @property
    def outcome(self) -> str:
        """What the API server was told."""
        return self.data["decision"]["outcome"]

    @property
    def counted_as(self) -> Sequence[str]:
        """Ids of events by which incidents may have counted it before; nothing where they count it by none."""
        corrects = self.data.get("corrects")
        if corrects:
            return corrects, self.id
        return (self.id,) if self.routes else ()

    @property
    def is_whole(self) -> bool:
        """Whether all of its images stand in it."""
        return "images_omitted" not in self.data

    @property
    def registries_at_fault(self) -> Mapping[str, ImageData]:
        """The registries that gave no answer, each with the first of its images, where that is all that is wrong."""
        if not all(map(_is_registry_fault, self.failing)):
            return {}
        found: dict[str, ImageData] = {}
        for image in self.failing:
            if len(found) < REGISTRIES_LIMIT:
                found.setdefault(host_of(image["reference"]), image)
        return found

    @property
    def answering(self) -> frozenset[str]:
        """Registries that this event shows to have answered."""
        shown = (image for image in (*self.failing, *self.passing) if not image["cached"])
        return frozenset(host_of(image["reference"]) for image in shown if image["verdict"] in _ANSWERS)


def facts(  # noqa: PLR0913 - an event has these independent parts
    sequence: int,
    event_id: str,
    at: float,
    data: EventData,
    routes: Sequence[IncidentRoute],
    *,
    seen: Callable[[str, str], SeenOwner | None],
    controllers: tuple[str, ...],
) -> EventFacts:
    """What is known of an event; `seen` gives what was seen under a namespace and uid."""
    failing, passing = list[ImageData](), list[ImageData]()
    for image in data["images"]:
        (passing if IS_PASS[image["verdict"]] else failing).append(image)
    return EventFacts(sequence, event_id, at, data, whose(data, seen, controllers), routes, failing, passing)


def blamed(
    one: EventFacts, blames: Callable[[str, tuple[str, ...], str, float], str | None]
) -> Mapping[str, Sequence[ImageData]]:
    """Failing images that are to blame themselves, by the name that they are blamed by (`router.incidents.images`).

    `blames` gives by which of its names an image of that cluster is to blame for failing by these rules at that time,
    if any.
    """
    found: dict[str, list[ImageData]] = {}
    for image in filter(images.is_wrong, one.failing):
        names, by = images.names(image["reference"], image["digest"]), image.get("judged_by", "")
        name = blames(one.data["cluster"], names, by, one.at) if names and by else None
        if name is not None and (name in found or len(found) < BLAMED_LIMIT):
            found.setdefault(name, []).append(image)
    return found


def whose(data: EventData, seen: Callable[[str, str], SeenOwner | None], controllers: tuple[str, ...]) -> Whose:
    """Whose the object of an event is, by the rules above."""
    request, workload = data["request"], data["workload"]
    own = {
        "api_version": workload["api_version"],
        "kind": workload["kind"],
        "name": request["generate_name"] or workload["name"],
    }
    if "unreadable" in data:
        own = {"api_version": "", "kind": "Unreadable", "name": data["unreadable"]["cause"]}
    claim = claimed(workload["api_version"], workload["kind"], workload["owner"])
    if claim is None:
        return Whose(owner_key(data, own), own, None, may_end=True, is_itself=True)
    user = request["user"]["name"]
    if not is_believed(user, controllers):
        shown = {name: claim[name] for name in ("api_version", "kind", "name")}
        apart = (claim["uid"], user)
        return Whose(owner_key(data, own, *apart), own, shown, may_end=True, is_itself=True, apart=apart)
    if (known := seen(request["namespace"], claim["uid"])) is not None:
        owner = {"api_version": known.api_version, "kind": known.kind, "name": known.name}
        key_of = owner_key(data, owner, *known.apart)
        return Whose(key_of, owner, None, may_end=True, is_itself=False, apart=known.apart)
    top = workload.get("top_owner") or top_owner(workload["api_version"], workload["kind"], own["name"], claim, "")
    owner = {"api_version": top["api_version"], "kind": top["kind"], "name": top["name"]}
    return Whose(owner_key(data, owner), owner, None, may_end=top["by"] in {"self", "owner"}, is_itself=False)


def shows(data: EventData, whose: Whose) -> tuple[str, SeenOwner] | None:
    """What an event shows of an object that can have others of its own: its uid, and whose it is."""
    workload = data["workload"]
    uid, api_version, kind = workload.get("uid", ""), workload["api_version"], workload["kind"]
    if not uid or (api_version, kind) == ("v1", "Pod") or is_owner_by_itself(api_version, kind):
        return None
    return uid, SeenOwner(whose.owner["api_version"], whose.owner["kind"], whose.owner["name"], whose.apart)


def owner_key(data: EventData, owner: Mapping[str, str], *more: str) -> str:
    """What an owner is known by: no version and no uid is part of it."""
    group = group_of(owner["api_version"])
    return key("owner", data["cluster"], data["request"]["namespace"], group, owner["kind"], owner["name"], *more)


def key(*parts: str) -> str:
    """Texts that others chose, as one text that no other texts make."""
    return orjson.dumps(parts).decode()


def _is_registry_fault(image: ImageData) -> bool:
    return (
        image["verdict"] == Verdict.UNVERIFIABLE.value
        and image["reason"] in _REGISTRY_FAULTS
        and bool(host_of(image["reference"]))
    )


def host_of(reference: str | None) -> str:
    """The registry in a normalised reference; empty where there is none."""
    return (reference or "").partition("/")[0]
