"""Every image that an object would run, and where it stands. Pure.

Rules:
(1) A Pod has images in `initContainers`, `containers`, `ephemeralContainers` and image volumes
    (`volumes[].image.reference`). The built-in workload kinds hold a Pod at a known place, in every version. Other
    kinds of the built-in groups hold none and pass without a word.
(2) Any other kind is read where Pods usually stand (`spec.template`, `spec.jobTemplate...`, `template`, `spec` itself).
    Where nothing is found there, or containers stand elsewhere, too, people are told (`Workload.notices`), and what
    was found is judged: such an object is never admitted silently.
(3) What is no list of objects, or no text, is never an error of ours: an image that is missing, empty or no text is a
    place with an empty image, which the policy then denies as invalid. So is what stands beyond `PLACES_LIMIT`.
(4) Nothing is judged of a deletion, a connection, a subresource that runs no image, an update of an object that is
    being deleted, that scales to zero, or that brings no image (removing a container brings none): there are no
    places then, and `Workload.skip` says why. An update that brings an image is judged as a whole: what it would run
    is what counts.
(5) A place can be pinned where no pin could make the API server or a controller refuse the object: in a built-in kind
    (others have schemas that we do not know), if its image is new (what may not change was not changed), and not in
    what a controller made, unless that is a Pod: the Deployment controller compares the templates of its ReplicaSets
    with its own and would replace a pinned one for ever.

Source: Kubernetes API reference v1.35, PodSpec and the workload kinds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from router.admission.foreign import hidden_containers
from router.admission.review import AdmissionRequest, mapping, text
from router.events import OwnerData, WorkloadData

PLACES_LIMIT = 1000
"""Images of one object; an API server's limit of 3 MiB leaves room for more, no workload needs it."""

_POD = ("spec",)
_TEMPLATE = ("spec", "template", "spec")
_CRON = ("spec", "jobTemplate", "spec", "template", "spec")
_BARE_TEMPLATE = ("template", "spec")
_BUILT_IN: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): _POD,
    ("", "PodTemplate"): _BARE_TEMPLATE,
    ("", "ReplicationController"): _TEMPLATE,
    ("apps", "Deployment"): _TEMPLATE,
    ("apps", "ReplicaSet"): _TEMPLATE,
    ("apps", "StatefulSet"): _TEMPLATE,
    ("apps", "DaemonSet"): _TEMPLATE,
    ("batch", "Job"): _TEMPLATE,
    ("batch", "CronJob"): _CRON,
}
"""Where a kind of a group holds its Pod."""
_USUAL = (_TEMPLATE, _CRON, _BARE_TEMPLATE, _POD)
"""Where objects of other kinds may hold a Pod."""
_LISTS = (
    ("initContainers", "init_container"),
    ("containers", "container"),
    ("ephemeralContainers", "ephemeral_container"),
)
_BUILT_IN_GROUPS = frozenset({"", "apps", "batch", "autoscaling", "policy", "extensions"})
_BY_OPERATION = {"DELETE": "deletion", "CONNECT": "connect"}
_POD_SUBRESOURCES = frozenset({"", "ephemeralcontainers", "resize"})


Name: TypeAlias = tuple[str, str, str]
"""What makes an image the same before and after an update: kind of container, container, image as written."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image stands."""

    container: str
    """Name of the container or volume."""
    container_kind: str
    """container, init_container, ephemeral_container or image_volume."""
    image: str
    """As written; empty where there is none."""
    pointer: str
    """JSON Pointer (RFC 6901) to the text, from the object's root."""
    is_pinnable: bool = True
    """Whether a digest may be written there, rule (5)."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What an object would run."""

    places: tuple[Place, ...] = ()
    """Where images stand, in the order of the specification."""
    notices: tuple[str, ...] = ()
    """What people must know besides: that this object can't be read, or not wholly."""
    skip: str | None = None
    """Why there is nothing to judge, as the metric's label; None if there is, or if people must know something."""


def images_of(request: AdmissionRequest) -> Workload:
    """Every image of the object, in the order of the specification; none where nothing is to be judged."""
    if (reason := _BY_OPERATION.get(request.operation)) is not None:
        return Workload(skip=reason)
    if request.subresource not in _POD_SUBRESOURCES:
        return Workload(skip="subresource")
    places = _places(request.new_object, request)
    notices = _notices(request) if _is_foreign(request) else ()
    if request.operation == "UPDATE":
        before = _names(_places(request.old_object, request))
        if (reason := _nothing_new(request, places, before, is_read=not notices)) is not None:
            return Workload(skip=reason)
        places = [_unpinnable(place) if _name(place) in before else place for place in places]
    if not places and not notices:
        return Workload(skip="no_images")
    if len(places) > PLACES_LIMIT:  # what is not judged must not pass: this place is denied as no reference
        beyond = Place(f"more than {PLACES_LIMIT} images", "container", "", places[-1].pointer)
        places = [*places[: PLACES_LIMIT - 1], beyond]
    return Workload(tuple(places), notices)


def _nothing_new(request: AdmissionRequest, places: list[Place], before: set[Name], *, is_read: bool) -> str | None:
    new, old = request.new_object, request.old_object
    if request.is_being_deleted:
        return "being_deleted"
    if mapping(new.get("spec")).get("replicas") == 0 != mapping(old.get("spec")).get("replicas"):
        return "scaled_to_zero"
    if not is_read:
        return "unchanged" if _says_the_same(new, old) else None
    is_subset = 0 < len(places) <= PLACES_LIMIT and _names(places) <= before
    return "unchanged" if is_subset else None


def workload_data(request: AdmissionRequest) -> WorkloadData:
    """The part of the event that tells which object would run the images."""
    return {
        "api_version": request.api_version,
        "kind": request.kind,
        "name": request.name or request.generate_name,
        "owner": _owner(request.metadata),
    }


def _owner(metadata: Mapping[str, object]) -> OwnerData | None:
    references = metadata.get("ownerReferences")
    for reference in references if isinstance(references, list) else ():
        if isinstance(reference, dict) and reference.get("controller") is True:
            return {
                "api_version": text(reference.get("apiVersion")),
                "kind": text(reference.get("kind")),
                "name": text(reference.get("name")),
                "uid": text(reference.get("uid")),
            }
    return None


def _is_foreign(request: AdmissionRequest) -> bool:
    """Whether this is a kind of which we do not know where its Pods stand."""
    group = request.api_version.rpartition("/")[0]
    return group not in _BUILT_IN_GROUPS and not group.endswith(".k8s.io")


def _notices(request: AdmissionRequest) -> tuple[str, ...]:
    kind = f"{request.api_version} {request.kind}"
    specs = [spec for spec, _ in _pods(request.new_object, request)]
    if not specs:
        return (f"{kind} is a kind in which Gatecrier can't find images; its Pods are judged when they are created",)
    hidden = hidden_containers(request.new_object, specs)
    if hidden is None:
        return ()
    return (f"{kind} has more than Gatecrier can read ({hidden}); its Pods are judged when they are created",)


def _says_the_same(new: Mapping[str, object], old: Mapping[str, object]) -> bool:
    aside = {"metadata", "status"}
    try:
        return {key: new[key] for key in new.keys() - aside} == {key: old[key] for key in old.keys() - aside}
    except RecursionError:  # deeper than Python compares: then it is new
        return False


def _name(place: Place) -> Name:
    return place.container_kind, place.container, place.image


def _names(places: list[Place]) -> set[Name]:
    return {_name(place) for place in places}


def _unpinnable(place: Place) -> Place:
    return Place(place.container, place.container_kind, place.image, place.pointer, is_pinnable=False)


def _pods(found: Mapping[str, object], request: AdmissionRequest) -> Iterator[tuple[Mapping[str, object], str]]:
    """The specifications of Pods in an object, each with its JSON Pointer."""
    path = _BUILT_IN.get((request.api_version.rpartition("/")[0], request.kind))
    if path is not None:
        yield _at(found, path), "/" + "/".join(path)
    elif _is_foreign(request):
        for usual in _USUAL:
            spec = _at(found, usual)
            if any(isinstance(spec.get(key), list) for key, _ in _LISTS):
                yield spec, "/" + "/".join(usual)


def _at(found: Mapping[str, object], path: tuple[str, ...]) -> Mapping[str, object]:
    for key in path:
        found = mapping(found.get(key))
    return found


def _places(found: Mapping[str, object], request: AdmissionRequest) -> list[Place]:
    """At least those up to the limit, and one more if there are more."""
    places: list[Place] = []
    is_pinnable = request.kind == "Pod" or not (_is_foreign(request) or _owner(request.metadata))
    for spec, pointer in _pods(found, request):
        _collect(places, spec, pointer, is_pinnable=is_pinnable)
    return places


def _collect(places: list[Place], spec: Mapping[str, object], pointer: str, *, is_pinnable: bool) -> None:
    for key, kind in _LISTS:
        containers = spec.get(key)
        if not isinstance(containers, list):
            continue
        for index, container in enumerate(containers[: PLACES_LIMIT + 1]):
            holder = mapping(container)
            image, at = text(holder.get("image")), f"{pointer}/{key}/{index}/image"
            places.append(Place(text(holder.get("name")), kind, image, at, is_pinnable))
    volumes = spec.get("volumes")
    for index, volume in enumerate(volumes if isinstance(volumes, list) else ()):
        if not isinstance(volume, dict) or not isinstance(source := volume.get("image"), dict):
            continue
        image, at = text(source.get("reference")), f"{pointer}/volumes/{index}/image/reference"
        places.append(Place(text(volume.get("name")), "image_volume", image, at, is_pinnable))
        if len(places) > PLACES_LIMIT:
            return
