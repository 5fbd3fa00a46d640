"""Every image that an object would run, and where it stands. Pure.

Rules:
(1) A Pod has images in `initContainers`, `containers`, `ephemeralContainers` and image volumes
    (`volumes[].image.reference`). The built-in workload kinds hold a Pod at a known place.
(2) A kind that we do not know is read where Pods usually stand (`spec.template`, `spec.jobTemplate...`, `template`,
    `spec` itself). Where nothing is found there, it can't be read: it is admitted with a warning and an event, never
    silently. Kinds of the built-in groups other than the workload kinds hold no Pods and pass without a word.
(3) What is no list of objects, or no text, is never an error of ours: an image that is missing, empty or no text is a
    place with an empty image, which the policy then denies as invalid.
(4) Nothing is judged of a deletion, an object that is being deleted, a subresource that runs no image, a connection, an
    update that changes no image, and a scale-down to zero. An update that changes one image is
    judged as a whole: what it would run is what counts.

Source: Kubernetes API reference v1.35, PodSpec and the workload kinds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from router.admission.review import AdmissionRequest, mapping
from router.events import OwnerData, WorkloadData

PLACES_LIMIT = 1000
"""Images of one object; an API server's limit of 3 MiB leaves room for more, no workload needs it."""

_TEMPLATE = ("spec", "template", "spec")
_CRON = ("spec", "jobTemplate", "spec", "template", "spec")
_BUILT_IN: dict[tuple[str, str], tuple[str, ...]] = {
    ("v1", "Pod"): ("spec",),
    ("v1", "PodTemplate"): ("template", "spec"),
    ("v1", "ReplicationController"): _TEMPLATE,
    ("apps/v1", "Deployment"): _TEMPLATE,
    ("apps/v1", "ReplicaSet"): _TEMPLATE,
    ("apps/v1", "StatefulSet"): _TEMPLATE,
    ("apps/v1", "DaemonSet"): _TEMPLATE,
    ("batch/v1", "Job"): _TEMPLATE,
    ("batch/v1", "CronJob"): _CRON,
}
_USUAL = (_TEMPLATE, _CRON, ("template", "spec"), ("spec",))
"""Where objects of unknown kinds may hold a Pod."""
_LISTS = (
    ("initContainers", "init_container"),
    ("containers", "container"),
    ("ephemeralContainers", "ephemeral_container"),
)
_BUILT_IN_GROUPS = frozenset({"apps", "batch", "autoscaling", "policy", "extensions"})
_BY_OPERATION = {"DELETE": "deletion", "CONNECT": "connect"}
_POD_SUBRESOURCES = frozenset({"", "ephemeralcontainers", "resize"})


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


@dataclass(frozen=True, slots=True)
class Workload:
    """What an object would run."""

    places: tuple[Place, ...] = ()
    """Where images stand, in the order of the specification."""
    skip: str | None = None
    """Why there is nothing to judge, as the metric's label; None where there is."""
    notices: tuple[str, ...] = ()
    """What people must know besides: that this kind can't be read."""


def images_of(request: AdmissionRequest) -> Workload:
    """Every image that this request would bring to run, or why it brings none."""
    if (reason := _BY_OPERATION.get(request.operation)) is not None:
        return Workload(skip=reason)
    if request.subresource not in _POD_SUBRESOURCES:
        return Workload(skip="subresource")
    if request.metadata.get("deletionTimestamp"):
        return Workload(skip="being_deleted")
    places = tuple(islice(_places(request.new_object, request), PLACES_LIMIT + 1))
    if not places:
        return _without_images(request)
    if request.operation == "UPDATE" and request.old_object:
        if _names(places) == _names(_places(request.old_object, request)):
            return Workload(skip="unchanged")
        if _replicas(request.new_object) == 0 != _replicas(request.old_object):
            return Workload(skip="scaled_to_zero")
    if len(places) > PLACES_LIMIT:  # what is not judged must not pass: this place is denied as no reference
        places = (*places[:-1], Place(f"more than {PLACES_LIMIT} images", "container", "", places[-1].pointer))
    return Workload(places)


def _without_images(request: AdmissionRequest) -> Workload:
    if not _is_unreadable(request):
        return Workload(skip="no_images")
    kind = f"{request.api_version} {request.kind}"
    return Workload(notices=(f"{kind} is a kind in which Gatecrier can't find images; its Pods are judged",))


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
                "api_version": str(reference.get("apiVersion", "")),
                "kind": str(reference.get("kind", "")),
                "name": str(reference.get("name", "")),
                "uid": str(reference.get("uid", "")),
            }
    return None


def _replicas(found: Mapping[str, object]) -> object:
    return mapping(found.get("spec")).get("replicas")


def _names(places: Iterable[Place]) -> frozenset[tuple[str, str, str]]:
    return frozenset((place.container_kind, place.container, place.image) for place in places)


def _is_unreadable(request: AdmissionRequest) -> bool:
    """Whether this is a kind of which we do not know where its Pods stand, and none stands where they usually do."""
    group, slash, _ = request.api_version.partition("/")
    if not slash or group in _BUILT_IN_GROUPS or group.endswith(".k8s.io"):
        return False
    return not any(_holds_pod(_at(request.new_object, path)) for path in _USUAL)


def _holds_pod(spec: Mapping[str, object]) -> bool:
    return isinstance(spec.get("containers"), list)


def _at(found: Mapping[str, object], path: tuple[str, ...]) -> Mapping[str, object]:
    for key in path:
        found = mapping(found.get(key))
    return found


def _places(found: Mapping[str, object], request: AdmissionRequest) -> Iterator[Place]:
    path = _BUILT_IN.get((request.api_version, request.kind))
    if path is not None:
        yield from _of_pod(_at(found, path), "/" + "/".join(path))
        return
    if "/" not in request.api_version or request.api_version.partition("/")[0] in _BUILT_IN_GROUPS:
        return
    for usual in _USUAL:
        spec = _at(found, usual)
        if _holds_pod(spec):
            yield from _of_pod(spec, "/" + "/".join(usual))


def _of_pod(spec: Mapping[str, object], pointer: str) -> Iterator[Place]:
    for key, kind in _LISTS:
        containers = spec.get(key)
        for index, container in enumerate(containers if isinstance(containers, list) else ()):
            yield _place(mapping(container), "image", kind, f"{pointer}/{key}/{index}/image")
    volumes = spec.get("volumes")
    for index, volume in enumerate(volumes if isinstance(volumes, list) else ()):
        if isinstance(volume, dict) and isinstance(source := volume.get("image"), dict):
            name = {"name": volume.get("name"), "reference": source.get("reference")}
            yield _place(name, "reference", "image_volume", f"{pointer}/volumes/{index}/image/reference")


def _place(holder: Mapping[str, object], key: str, kind: str, pointer: str) -> Place:
    name, image = holder.get("name"), holder.get(key)
    return Place(name if isinstance(name, str) else "", kind, image if isinstance(image, str) else "", pointer)
