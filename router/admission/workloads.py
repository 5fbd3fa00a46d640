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
    are no places then, and `Workload.skip` says why. Only an update that adds or changes the annotation that breaks
    the glass has its places all the same, since it may have to be judged (`router.admission.breaking`).
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

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import msgspec
from msgspec import Raw, Struct, structs

from router.admission import kinds
from router.admission.foreign import search
from router.admission.kinds import WorkloadKind, is_foreign, workload_kind
from router.admission.places import LISTS, PLACE_COST, Contents, Taking
from router.admission.reading import shapes
from router.admission.reading.reader import read_document, read_entries
from router.admission.review import (
    API_VERSION,
    KIND,
    NAME_LIMIT,
    UID_LIMIT,
    AdmissionRequest,
    RawObjects,
    request_of,
)
from router.decision import Place
from router.events import OwnerData
from router.steps import Steps, finish
from router.verdict import Skip

SKIPPED = {"DELETE": Skip.DELETION, "CONNECT": Skip.CONNECT}
"""Operations of which nothing is judged."""
_POD_SUBRESOURCES = frozenset({"", "ephemeralcontainers", "resize"})


class Workload(Struct, frozen=True):
    """What an object would run."""

    places: tuple[Place, ...] = ()
    """Where images stand, in the order of the specification."""
    notices: tuple[str, ...] = ()
    """What people must know besides: that this object can't be read, or not wholly."""
    skip: Skip | None = None
    """Why there is nothing to judge, None if there is, or if people must know something."""
    never_blocks: bool = False
    """Whether nothing in it may be refused: it scales to zero."""
    name: str = ""
    generate_name: str = ""
    owner: OwnerData | None = None
    """Its controller."""
    uid: str = ""
    template_hash: str = ""
    """What it says of the template that a Deployment has made it of."""
    break_glass: str | None = None
    """What this very request sets the annotation to that breaks the glass; None where it does not."""

    @property
    def cost(self) -> int:
        """About how many bytes of memory its images take while they are judged."""
        return sum(PLACE_COST + 4 * len(place.image) for place in self.places)


def read_workload(
    request: AdmissionRequest, objects: RawObjects, csi_drivers: AbstractSet[str], annotation: str = ""
) -> Steps[Workload]:
    """Every image of the object, in the order of the specification; none where nothing is to be judged.

    `annotation` is the one that breaks the glass; empty: none does.

    Raises:
        UnreadableJsonError: The object is no JSON where it must be read.
    """
    if (reason := SKIPPED.get(request.operation)) is not None:
        return Workload(skip=reason)
    if request.subresource not in _POD_SUBRESOURCES:
        return Workload(skip=Skip.SUBRESOURCE)
    new = yield from _contents(request, objects.new)
    old, before = None, frozenset[str]()
    if request.operation == "UPDATE":
        old = yield from _contents(request, objects.old)
        if _is_being_deleted(new.found) or _is_being_deleted(old.found):
            return Workload(skip=Skip.BEING_DELETED)
        yield from _collect_images(request, old, csi_drivers)
        before = frozenset(old.images)
    owner = yield from _owner(new.found.metadata)
    taking = Taking(before, _pinning(request, owner), csi_drivers, is_judged_singly=_is_pod(request))
    for spec, pointer in _pods(request, new.found):
        yield from taking.take(spec, pointer)
    notices = _notices(request, new)
    if not taking.count and not notices:
        return Workload(skip=Skip.NO_IMAGES)
    break_glass = (yield from _break_glass(new, old, annotation)) if annotation else None
    skip = Skip.UNCHANGED if old is not None and not taking.has_news(new, old, before) else None
    if skip is not None and break_glass is None:
        return Workload(skip=skip)
    whole = new.found.spec
    found = workload_of(new.found.metadata, taking.places(), owner, break_glass)
    never_blocks = old is not None and not _is_pod(request) and whole is not None and whole.replicas == 0
    return structs.replace(found, skip=skip, notices=notices, never_blocks=never_blocks)


def read_new_pod(
    body: memoryview, csi_drivers: AbstractSet[str], annotation: str = ""
) -> tuple[AdmissionRequest, Workload] | None:
    """What is asked about a Pod that is to be made, and what it would run, read at one go: most calls are such.

    The same as `read_review` and `read_workload` find, three times as fast; None for whatever needs their care.

    Raises:
        MsgspecError, UnicodeDecodeError, RecursionError: It needs their care, too.
    """
    review = _NEW_POD.decode(body)
    asked = review.request
    if asked is None or (review.api_version, review.kind, asked.operation) != (API_VERSION, KIND, "CREATE"):
        return None
    kind, pod = asked.kind, asked.object
    if kind is None or kind.kind != "Pod" or kind.group or asked.sub_resource or pod is None:
        return None
    if not asked.uid or len(asked.uid) > UID_LIMIT:
        return None
    metadata, spec = pod.metadata or shapes.NewPodMetadata(), pod.spec or shapes.NewPodSpec()
    break_glass = finish(_annotation(metadata, annotation)) if annotation else None
    taking = Taking(frozenset(), True, csi_drivers, is_judged_singly=True)
    pointer, _ = kinds.POD
    for name, key, kind_of in LISTS:
        for index, container in enumerate(getattr(spec, name) or ()):
            taking.take_container(container, kind_of, f"{pointer}/{key}/{index}")
    for index, volume in enumerate(spec.volumes or ()):
        taking.take_volume(volume, f"{pointer}/volumes/{index}")
    if not taking.count:
        return None
    owner = _controller(metadata.owner_references or ())
    user = asked.user_info or shapes.KnownUser()
    request = request_of(asked, asked.uid, user.username, user.groups or ())
    return request, workload_of(metadata, taking.places(), owner, break_glass)


_NEW_POD = msgspec.json.Decoder(shapes.NewPodReview)


def workload_of(
    metadata: shapes.NamedObject | None, places: tuple[Place, ...], owner: OwnerData | None, break_glass: str | None
) -> Workload:
    """What an object of this name would run."""
    named = metadata or shapes.NamedObject()
    return Workload(
        break_glass=break_glass,
        places=places,
        name=(named.name or "")[:NAME_LIMIT],
        generate_name=(named.generate_name or "")[:NAME_LIMIT],
        owner=owner,
        uid=(named.uid or "")[:NAME_LIMIT],
        template_hash=((named.labels and named.labels.pod_template_hash) or "")[:NAME_LIMIT],
    )


def _contents(request: AdmissionRequest, raw: Raw) -> Steps[Contents]:
    data = memoryview(raw)
    found = (yield from read_document(data, shapes.AnyObject)) if data else None
    contents = Contents(found or shapes.AnyObject())
    if data and is_foreign(request.group):
        known = [getattr(spec, name) for spec, _ in _pods(request, contents.found) for name, _, _ in LISTS]
        contents.besides = yield from search(raw, known)
    return contents


def _is_being_deleted(found: shapes.AnyObject) -> bool:
    """Whether the object was deleted before and only waits for its finalizers."""
    return bool(found.metadata and found.metadata.deletion_timestamp)


def _is_pod(request: AdmissionRequest) -> bool:
    return (request.group, request.kind) == ("", "Pod")


def _owner(metadata: shapes.ObjectMetadata | None) -> Steps[OwnerData | None]:
    if metadata is None:
        return None
    owners: list[shapes.Owner] = []

    def take(owner: shapes.Owner | None) -> None:
        if owner is not None and owner.controller is True and not owners:
            owners.append(owner)

    yield from read_entries(metadata.owner_references, shapes.Owner, take)
    return _controller(owners)


def _controller(owners: Sequence[shapes.Owner]) -> OwnerData | None:
    for owner in owners:
        if owner.controller is not True:
            continue
        return {
            "api_version": (owner.api_version or "")[:NAME_LIMIT],
            "kind": (owner.kind or "")[:NAME_LIMIT],
            "name": (owner.name or "")[:NAME_LIMIT],
            "uid": (owner.uid or "")[:NAME_LIMIT],
        }
    return None


def _break_glass(new: Contents, old: Contents | None, annotation: str) -> Steps[str | None]:
    """What a request sets this annotation to; None where it leaves it as it was."""
    said = yield from _annotation(new.found.metadata, annotation)
    return None if old is not None and said == (yield from _annotation(old.found.metadata, annotation)) else said


def _annotation(metadata: shapes.NamedObject | None, name: str) -> Steps[str | None]:
    """The value of this annotation of the object."""
    if metadata is None or not metadata.annotations:
        return None
    found = yield from read_document(memoryview(metadata.annotations), shapes.annotation(name))
    return None if found is None else found.value


def _pinning(request: AdmissionRequest, owner: OwnerData | None) -> bool:
    kind = workload_kind(request.group, request.kind)
    is_covered = kind is not None and (request.operation, request.subresource) in kind.pinned_by
    return is_covered and (owner is None or _is_pod(request))


def _pods(request: AdmissionRequest, found: shapes.AnyObject) -> Iterator[tuple[shapes.PodSpec, str]]:
    """The specifications of Pods in an object, each with its JSON Pointer."""
    kind: WorkloadKind | None = workload_kind(request.group, request.kind)
    if kind is not None:
        pointer, pod_of = kind.stand
        if (spec := pod_of(found)) is not None:
            yield spec, pointer
    elif is_foreign(request.group):
        for pointer, pod_of in kinds.USUAL:
            spec = pod_of(found)
            if spec is not None and any(bytes(memoryview(getattr(spec, name))[:1]) == b"[" for name, _, _ in LISTS):
                yield spec, pointer


def _notices(request: AdmissionRequest, new: Contents) -> tuple[str, ...]:
    if new.besides is None:
        return ()
    kind, later = f"{request.api_version} {request.kind}", "its Pods are judged when they are created"
    if next(_pods(request, new.found), None) is None:
        return (f"{kind} is a kind in which Gatecrier can't find images; {later}",)
    hidden = new.besides.where or (None if new.besides.is_whole else "it is too large to be searched")
    return (f"{kind} has more than Gatecrier can read ({hidden}); {later}",) if hidden else ()


def _collect_images(request: AdmissionRequest, contents: Contents, csi_drivers: AbstractSet[str]) -> Steps[None]:
    taking = Taking(frozenset(), False, csi_drivers, is_judged_singly=False, images=contents.images)
    for spec, pointer in _pods(request, contents.found):
        yield from taking.take(spec, pointer)
