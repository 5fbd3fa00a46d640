"""Which incidents an event belongs to: whose trouble each of them is. Pure.

Rules:
(0) What was let in by break-glass is the trouble of that grant, whatever fails and whatever routes group by: one for
    the object of the request that has broken it, and for all that controllers make of it.
(1) Where all that fails is unverifiable because a registry gave no answer, it is the trouble of that registry, whatever
    routes group by, one for all owners; where several gave none, of each.
(2) An image that is to blame itself (`router.incidents.images`) is a trouble of its own, whatever routes group by, one
    for all owners; what else fails goes on to (3), and where nothing else does, nothing goes on.
(3) Else a route that groups by owner makes it the owner's; by namespace or user, of that one; by image, one of each
    failing image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from router.events import ImageData
from router.incidents import images
from router.incidents.facts import EventFacts, host_of, key
from router.incidents.incident import IncidentKind
from router.routing import IncidentRoute

IMAGES_LIMIT = 20
"""Incidents that one event is a part of at most, where a route groups by image."""


class IncidentSubject(msgspec.Struct, frozen=True):
    """Whose trouble one incident is, and what of an event belongs to it."""

    key: str
    kind: IncidentKind
    namespace: str
    owner: dict[str, str]
    claimed_owner: dict[str, str] | None
    findings_of: str
    """Key of the owner to which findings belong."""
    failing: Sequence[ImageData]
    routes: Sequence[IncidentRoute]


def subjects(facts: EventFacts, blamed: Mapping[str, Sequence[ImageData]]) -> Sequence[IncidentSubject]:
    """Of an event that routes of the incidents lane took; `blamed` are images that are to blame, by their names."""
    cluster = facts.data["cluster"]
    if (grant := facts.data["decision"].get("grant")) is not None:
        whose, namespace = facts.whose, facts.data["request"]["namespace"]
        of = key("break_glass", cluster, grant["id"])
        return [
            IncidentSubject(
                of, "break_glass", namespace, dict(whose.owner), None, whose.key, facts.failing, facts.routes
            )
        ]
    if at_fault := facts.registries_at_fault:
        return [_of_registry(facts, host, image) for host, image in at_fault.items()]
    found = [_of_image(facts, name, failing) for name, failing in blamed.items()]
    failing = facts.failing
    if blamed:
        failing = [image for image in failing if not any(image is one for of in blamed.values() for one in of)]
    return found if found and not failing else [*found, *_of_routes(facts, failing)]


def _of_routes(facts: EventFacts, failing: Sequence[ImageData]) -> Sequence[IncidentSubject]:
    namespace, user = facts.data["request"]["namespace"], facts.data["request"]["user"]["name"]
    found: list[IncidentSubject] = []
    for group in dict.fromkeys(route.group_by for route in facts.routes):
        routes = [route for route in facts.routes if route.group_by == group]
        match group:
            case "owner":
                whose = facts.whose
                claimed = None if whose.claimed_owner is None else dict(whose.claimed_owner)
                found.append(
                    IncidentSubject(
                        whose.key, "workload", namespace, dict(whose.owner), claimed, whose.key, failing, routes
                    )
                )
            case "namespace":
                found.append(_group(facts, "Namespace", namespace, namespace, failing, routes))
            case "user":
                found.append(_group(facts, "User", user, "", failing, routes))
            case "image":
                for name in list(dict.fromkeys(image["image"] for image in failing))[:IMAGES_LIMIT]:
                    of_one = [image for image in failing if image["image"] == name]
                    found.append(_group(facts, "Image", name, "", of_one, routes))
    return found


def overflow(facts: EventFacts, subject: IncidentSubject) -> IncidentSubject:
    """The namespace's own, where it has too many."""
    namespace = facts.data["request"]["namespace"]
    owner = {"api_version": "", "kind": "Namespace", "name": namespace}
    of = key("namespace", facts.data["cluster"], namespace)
    return IncidentSubject(of, "namespace", namespace, owner, None, facts.whose.key, subject.failing, subject.routes)


@lru_cache(maxsize=1024)
def registry_key(cluster: str, host: str) -> str:
    """What the trouble of a registry is known by."""
    return key("registry", cluster, host)


@lru_cache(maxsize=1024)
def image_key(cluster: str, name: str) -> str:
    """What the trouble of an image is known by."""
    return key("image", cluster, name)


@lru_cache(maxsize=1024)
def troubles_of(cluster: str, reference: str | None, digest: str | None) -> tuple[str, ...]:
    """What any trouble is known by that an image can show to be over: its registry's, or its own."""
    names = images.names(reference, digest)
    return registry_key(cluster, host_of(reference)), *(image_key(cluster, name) for name in names)


def _of_registry(facts: EventFacts, host: str, image: ImageData) -> IncidentSubject:
    owner = {"api_version": "", "kind": "Registry", "name": host}
    of = registry_key(facts.data["cluster"], host)
    return IncidentSubject(of, "registry", "", owner, None, of, [image], facts.routes)


def _of_image(facts: EventFacts, name: str, failing: Sequence[ImageData]) -> IncidentSubject:
    owner = {"api_version": "", "kind": "Image", "name": name}
    of = image_key(facts.data["cluster"], name)
    return IncidentSubject(of, "image", "", owner, None, of, failing, facts.routes)


def _group(
    facts: EventFacts,
    kind: str,
    name: str,
    namespace: str,
    failing: Sequence[ImageData],
    routes: Sequence[IncidentRoute],
) -> IncidentSubject:
    owner = {"api_version": "", "kind": kind, "name": name}
    of = key("group", facts.data["cluster"], kind, name)
    return IncidentSubject(of, "group", namespace, owner, None, facts.whose.key, failing, routes)
