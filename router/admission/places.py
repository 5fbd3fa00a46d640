"""Where images stand in the specifications of Pods, taken one by one; no more is kept than is judged. Pure.

The rules are those of `router.admission.workloads`: what counts as a place (3), which decide (5), which can be
pinned (6), and what is too long (7).
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import count

from router.admission.foreign import ForeignContents
from router.admission.reading import shapes
from router.admission.reading.reader import read_entries
from router.admission.review import NAME_LIMIT
from router.decision import Place
from router.images import TEXT_LIMIT
from router.steps import Steps
from router.text import shortened

PLACES_LIMIT = 1000
"""Images of one object; an API server's limit of 3 MiB leaves room for more, no workload needs it."""
PLACE_COST = 2048
"""Bytes of memory that an image takes while it is judged, beside its name."""
IMAGES_BEFORE_LIMIT = 50_000
"""Different images of the object as it is; beyond it none counts as known."""

LISTS = (
    ("init_containers", "initContainers", "init_container"),
    ("containers", "containers", "container"),
    ("ephemeral_containers", "ephemeralContainers", "ephemeral_container"),
)
"""Lists of containers: in the shape, in the object, and as a kind of container."""


@dataclass(slots=True)
class Contents:
    """What stands in one object."""

    found: shapes.AnyObject
    images: set[str] = field(default_factory=set)
    """Every image at a place that is judged; beyond `IMAGES_BEFORE_LIMIT` none more."""
    besides: ForeignContents | None = None
    """For a foreign kind, what stands at other places: it was told and never judged, so it makes no image known."""


class Taking:
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

    def take(self, spec: shapes.PodSpec, pointer: str) -> Steps[None]:
        """The images of one specification."""
        for name, key, kind in LISTS:
            if entries := getattr(spec, name):
                yield from read_entries(entries, shapes.Container, self._each_container(kind, f"{pointer}/{key}"))
        if spec.volumes:
            yield from read_entries(spec.volumes, shapes.Volume, self._each_volume(f"{pointer}/volumes"))

    def _each_container(self, kind: str, pointer: str) -> Callable[[shapes.Container | None], None]:
        index = count()
        return lambda entry: self.take_container(entry or shapes.Container(), kind, f"{pointer}/{next(index)}")

    def _each_volume(self, pointer: str) -> Callable[[shapes.Volume | None], None]:
        index = count()
        return lambda entry: self.take_volume(entry or shapes.Volume(), f"{pointer}/{next(index)}")

    def take_container(self, container: shapes.Container, kind: str, pointer: str) -> None:
        """The image of one container."""
        self._add(container.name, kind, container.image, f"{pointer}/image")

    def has_news(self, new: Contents, old: Contents, before: AbstractSet[str]) -> bool:
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

    def take_volume(self, volume: shapes.Volume, pointer: str) -> None:
        """The images of one volume."""
        if volume.image is not None:
            self._add(volume.name, "image_volume", volume.image.reference, f"{pointer}/image/reference")
        csi = volume.csi
        if csi is not None and csi.driver in self._csi_drivers:
            attributes = csi.volume_attributes or shapes.CsiAttributes()
            self._add(volume.name, "csi_volume", attributes.image, f"{pointer}/csi/volumeAttributes/image")

    def _add(self, name: str | None, kind: str, image: str | None, pointer: str) -> None:
        text = shortened(image or "", TEXT_LIMIT)
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
