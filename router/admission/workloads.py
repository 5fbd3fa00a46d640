"""Every image that an object would run, where it stands, and which of them decide. Pure.

Rules:
(1) A Pod has images in `initContainers`, `containers`, `ephemeralContainers`, image volumes
    (`volumes[].image.reference`) and inline volumes of CSI drivers that mount images. The built-in workload kinds hold
    a Pod at a known place, in every version (`router.admission.kinds`). Other kinds of Kubernetes' own groups hold
    none and pass without a word.
(2) Any other kind is read where Pods usually stand. Where nothing is found there, or containers stand elsewhere, too,
    people are told (`Workload.notices`), and what was found is judged: such an object is never admitted silently.
(3) What is no list of objects, or no text, is never an error of ours: an image that is missing, empty or no text is a
    place with an empty image, which the policy then denies as invalid. So is what stands beyond `PLACES_LIMIT`.
(4) Nothing is judged of a deletion, a connection, a subresource that runs no image, an update of an object that is
    being deleted, or an update that brings no image, whatever else it changes and however many images there are: there
    are no places then, and `Workload.skip` says why.
(5) Of an update of a Pod, each image that was not there before decides (`Place.is_new`); of any other kind all do,
    since a controller will make new Pods of it. An image is the text that names it. An update to zero replicas decides
    nothing (`Workload.never_blocks`): it is judged and told.
(6) A place can be pinned where no pin could make the API server or a controller refuse the object: in a kind and an
    operation of the table, if its image is new (what may not change was not changed), and not in what a controller
    made, unless that is a Pod: the Deployment controller compares the templates of its ReplicaSets with its own and
    would replace a pinned one for ever. CSI volumes belong to their drivers.
(7) A text that is too long for a reference is none, and is kept shortened.

Source: Kubernetes API reference v1.35, PodSpec and the workload kinds; of CSI drivers that mount images: the README of
warm-metal/container-image-csi-driver (`volumeAttributes.image`).
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from msgspec import Raw

from router.admission import kinds
from router.admission.foreign import Found, search
from router.admission.kinds import WorkloadKind, is_foreign, workload_kind
from router.admission.reading import shapes
from router.admission.reading.reader import read_document, read_entries
from router.admission.review import NAME_LIMIT, AdmissionRequest, Objects
from router.events import OwnerData
from router.images import TEXT_LIMIT
from router.shortening import shortened
from router.steps import Steps

PLACES_LIMIT = 1000
"""Images of one object; an API server's limit of 3 MiB leaves room for more, no workload needs it."""
PLACE_COST = 2048
"""Bytes of memory that an image takes while it is judged, beside its name."""
IMAGES_BEFORE_LIMIT = 50_000
"""Different images of the object as it is; beyond it none counts as known."""

_BY_OPERATION = {"DELETE": "deletion", "CONNECT": "connect"}
_POD_SUBRESOURCES = frozenset({"", "ephemeralcontainers", "resize"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image stands."""

    container: str
    """Name of the container or volume."""
    container_kind: str
    """container, init_container, ephemeral_container, image_volume or csi_volume."""
    image: str
    """As written; empty where there is none."""
    pointer: str
    """JSON Pointer (RFC 6901) to the text, from the object's root."""
    is_new: bool = True
    """Whether it decides, rule (5)."""
    is_pinnable: bool = True
    """Whether a digest may be written there, rule (6)."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What an object would run."""

    places: tuple[Place, ...] = ()
    """Where images stand, in the order of the specification."""
    notices: tuple[str, ...] = ()
    """What people must know besides: that this object can't be read, or not wholly."""
    skip: str | None = None
    """Why there is nothing to judge, as the metric's label; None if there is, or if people must know something."""
    never_blocks: bool = False
    """Whether nothing in it may be refused: it scales to zero."""
    name: str = ""
    generate_name: str = ""
    owner: OwnerData | None = None
    """Its controller."""

    @property
    def cost(self) -> int:
        """About how many bytes of memory its images take while they are judged."""
        return sum(PLACE_COST + 4 * len(place.image) for place in self.places)


@dataclass(slots=True)
class _Contents:
    """What stands in one object."""

    found: shapes.Object
    images: set[str] = field(default_factory=set)
    """Every image at a place that is judged; beyond `IMAGES_BEFORE_LIMIT` none more."""
    besides: Found | None = None
    """For a foreign kind, what stands at other places: it was told and never judged, so it makes no image known."""


def read_workload(request: AdmissionRequest, objects: Objects, csi_drivers: AbstractSet[str]) -> Steps[Workload]:
    """Every image of the object, in the order of the specification; none where nothing is to be judged.

    Raises:
        UnreadableJsonError: The object is no JSON where it must be read.
    """
    if (reason := _BY_OPERATION.get(request.operation)) is not None:
        return Workload(skip=reason)
    if request.subresource not in _POD_SUBRESOURCES:
        return Workload(skip="subresource")
    new = yield from _contents(request, objects.new)
    old, before = None, frozenset[str]()
    if request.operation == "UPDATE":
        old = yield from _contents(request, objects.old)
        if _is_being_deleted(new.found) or _is_being_deleted(old.found):
            return Workload(skip="being_deleted")
        yield from _collect_images(request, old, csi_drivers)
        before = frozenset(old.images)
    owner = yield from _owner(new.found.metadata)
    taking = _Taking(before, _pinning(request, owner), csi_drivers, is_judged_singly=_is_pod(request))
    for spec, pointer in _pods(request, new.found):
        yield from taking.take(spec, pointer)
    notices = _notices(request, new)
    if not taking.count and not notices:
        return Workload(skip="no_images")
    if old is not None and not taking.has_news(new, old, before):
        return Workload(skip="unchanged")
    metadata, whole = new.found.metadata or shapes.Metadata(), new.found.spec
    return Workload(
        places=taking.places(),
        notices=notices,
        never_blocks=old is not None and not _is_pod(request) and whole is not None and whole.replicas == 0,
        name=(metadata.name or "")[:NAME_LIMIT],
        generate_name=(metadata.generate_name or "")[:NAME_LIMIT],
        owner=owner,
    )


def _contents(request: AdmissionRequest, raw: Raw) -> Steps[_Contents]:
    data = memoryview(raw)
    found = (yield from read_document(data, shapes.Object)) if data else None
    contents = _Contents(found or shapes.Object())
    if data and is_foreign(request.group):
        known = [getattr(spec, name) for spec, _ in _pods(request, contents.found) for name, _, _ in _LISTS]
        contents.besides = yield from search(raw, known)
    return contents


def _is_being_deleted(found: shapes.Object) -> bool:
    """Whether the object was deleted before and only waits for its finalizers."""
    return bool(found.metadata and found.metadata.deletion_timestamp)


def _is_pod(request: AdmissionRequest) -> bool:
    return (request.group, request.kind) == ("", "Pod")


def _owner(metadata: shapes.Metadata | None) -> Steps[OwnerData | None]:
    if metadata is None:
        return None
    owners: list[shapes.Owner] = []

    def take(owner: shapes.Owner | None) -> None:
        if owner is not None and owner.controller is True and not owners:
            owners.append(owner)

    yield from read_entries(metadata.owner_references, shapes.Owner, take)
    for owner in owners:
        return {
            "api_version": (owner.api_version or "")[:NAME_LIMIT],
            "kind": (owner.kind or "")[:NAME_LIMIT],
            "name": (owner.name or "")[:NAME_LIMIT],
            "uid": (owner.uid or "")[:NAME_LIMIT],
        }
    return None


def _pinning(request: AdmissionRequest, owner: OwnerData | None) -> bool:
    kind = workload_kind(request.group, request.kind)
    is_covered = kind is not None and (request.operation, request.subresource) in kind.pinned_by
    return is_covered and (owner is None or _is_pod(request))


def _pods(request: AdmissionRequest, found: shapes.Object) -> Iterator[tuple[shapes.PodSpec, str]]:
    """The specifications of Pods in an object, each with its JSON Pointer."""
    kind: WorkloadKind | None = workload_kind(request.group, request.kind)
    if kind is not None:
        pointer, pod_of = kind.stand
        if (spec := pod_of(found)) is not None:
            yield spec, pointer
    elif is_foreign(request.group):
        for pointer, pod_of in kinds.USUAL:
            spec = pod_of(found)
            if spec is not None and any(bytes(memoryview(getattr(spec, name))[:1]) == b"[" for name, _, _ in _LISTS):
                yield spec, pointer


_LISTS = (
    ("init_containers", "initContainers", "init_container"),
    ("containers", "containers", "container"),
    ("ephemeral_containers", "ephemeralContainers", "ephemeral_container"),
)
"""Lists of containers: in the shape, in the object, and as a kind of container."""


def _notices(request: AdmissionRequest, new: _Contents) -> tuple[str, ...]:
    if new.besides is None:
        return ()
    kind, later = f"{request.api_version} {request.kind}", "its Pods are judged when they are created"
    if next(_pods(request, new.found), None) is None:
        return (f"{kind} is a kind in which Gatecrier can't find images; {later}",)
    hidden = new.besides.where or (None if new.besides.is_whole else "it is too large to be searched")
    return (f"{kind} has more than Gatecrier can read ({hidden}); {later}",) if hidden else ()


def _collect_images(request: AdmissionRequest, contents: _Contents, csi_drivers: AbstractSet[str]) -> Steps[None]:
    taking = _Taking(frozenset(), False, csi_drivers, is_judged_singly=False, images=contents.images)
    for spec, pointer in _pods(request, contents.found):
        yield from taking.take(spec, pointer)


class _Taking:
    """Takes the images of specifications of Pods, one by one; keeps no more than are judged."""

    def __init__(
        self,
        before: AbstractSet[str],
        is_pinnable: bool,  # noqa: FBT001 - a claim about the object
        csi_drivers: AbstractSet[str],
        *,
        is_judged_singly: bool,
        images: set[str] | None = None,
    ) -> None:
        self.count = 0
        self._before = before
        self._is_pinnable = is_pinnable
        self._csi_drivers = csi_drivers
        self._is_judged_singly = is_judged_singly
        self._images = images
        self._kept: list[Place] = []
        self._has_new = self._has_new_beyond = False
        self._index = 0

    def take(self, spec: shapes.PodSpec, pointer: str) -> Steps[None]:
        """The images of one specification."""
        for name, key, kind in _LISTS:
            self._index = 0

            def container(entry: shapes.Container | None, key: str = key, kind: str = kind) -> None:
                named = entry or shapes.Container()
                self._add(named.name, kind, named.image, f"{pointer}/{key}/{self._index}/image")
                self._index += 1

            yield from read_entries(getattr(spec, name), shapes.Container, container)
        self._index = 0

        def volume(entry: shapes.Volume | None) -> None:
            self._add_volume(entry or shapes.Volume(), f"{pointer}/volumes/{self._index}")
            self._index += 1

        yield from read_entries(spec.volumes, shapes.Volume, volume)

    def has_news(self, new: _Contents, old: _Contents, before: AbstractSet[str]) -> bool:
        """Whether an update brings an image, or may bring one where nobody can look."""
        if self._has_new:
            return True
        if new.besides is None or old.besides is None:
            return False
        if not new.besides.images <= old.besides.images | before:
            self._has_new = True
            return True
        is_read = self.count > 0 and new.besides.is_whole and old.besides.is_whole
        return not is_read and new.besides.content != old.besides.content

    def places(self) -> tuple[Place, ...]:
        """What is judged, in the order of the specification."""
        decides_all = self._has_new and not self._is_judged_singly
        kept = [_deciding(place) for place in self._kept] if decides_all else self._kept
        if self.count <= PLACES_LIMIT:
            return tuple(kept)
        beyond = Place(  # what is not judged must not pass: this place is denied as no reference
            f"more than {PLACES_LIMIT} images",
            "container",
            "",
            kept[-1].pointer,
            is_new=self._has_new_beyond or kept[-1].is_new,  # the last one that was kept makes room for it
            is_pinnable=False,
        )
        return (*kept[: PLACES_LIMIT - 1], beyond)

    def _add_volume(self, volume: shapes.Volume, pointer: str) -> None:
        if volume.image is not None:
            self._add(volume.name, "image_volume", volume.image.reference, f"{pointer}/image/reference")
        csi = volume.csi
        if csi is not None and csi.driver in self._csi_drivers:
            attributes = csi.volume_attributes or shapes.CsiAttributes()
            self._add(volume.name, "csi_volume", attributes.image, f"{pointer}/csi/volumeAttributes/image")

    def _add(self, name: str | None, kind: str, image: str | None, pointer: str) -> None:
        text = image or ""
        if len(text) > TEXT_LIMIT:
            text = shortened(text)
        if self._images is not None:
            if len(self._images) < IMAGES_BEFORE_LIMIT:
                self._images.add(text)
            return
        self.count += 1
        is_new = text not in self._before
        self._has_new |= is_new
        if len(self._kept) >= PLACES_LIMIT:
            self._has_new_beyond |= is_new
            return
        is_pinnable = self._is_pinnable and is_new and kind != "csi_volume"
        self._kept.append(Place((name or "")[:NAME_LIMIT], kind, text, pointer, is_new, is_pinnable))


def _deciding(place: Place) -> Place:
    return Place(place.container, place.container_kind, place.image, place.pointer, True, place.is_pinnable)
