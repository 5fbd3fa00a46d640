"""What is read of an AdmissionReview and of the objects in it, in the field's own names. Pure.

Members that are not named here are never made into values. Lists stay unread (`Raw`) until somebody reads them entry
by entry: so what a document costs to read depends on its length, not on what fills it.

Source: Kubernetes API reference v1.35: admission.k8s.io/v1, PodSpec, the workload kinds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

from msgspec import Raw, Struct, defstruct

MISSING = Raw(b"")
"""What is not there."""


class GroupVersionKind(Struct, gc=False, frozen=True):
    """Which kind of object."""

    group: str | None = None
    version: str | None = None
    kind: str | None = None


class UserInfo(Struct, gc=False, frozen=True):
    """Who asks."""

    username: str | None = None
    groups: Raw = MISSING


class AdmissionQuery(Struct, gc=False, frozen=True, rename="camel"):
    """What the API server asks, but for who asks and about what."""

    uid: str | None = None
    operation: str | None = None
    kind: GroupVersionKind | None = None
    sub_resource: str | None = None
    namespace: str | None = None
    name: str | None = None
    dry_run: bool | None = None


class Request(AdmissionQuery, gc=False, frozen=True, rename="camel"):
    """What the API server asks."""

    user_info: UserInfo | None = None
    object: Raw = MISSING
    old_object: Raw = MISSING


class Review(Struct, gc=False, frozen=True, rename="camel"):
    """The body of a call."""

    api_version: str | None = None
    kind: str | None = None
    request: Request | None = None


class Owner(Struct, gc=False, frozen=True, rename="camel"):
    """An entry of `metadata.ownerReferences`."""

    api_version: str | None = None
    kind: str | None = None
    name: str | None = None
    uid: str | None = None
    controller: bool | None = None


class Labels(Struct, gc=False, frozen=True, rename="kebab"):
    """The labels of an object that say whose it is."""

    pod_template_hash: str | None = None


class NamedObject(Struct, gc=False, frozen=True, rename="camel"):
    """What an object is called."""

    name: str | None = None
    uid: str | None = None
    labels: Labels | None = None
    generate_name: str | None = None
    annotations: Raw = MISSING


class ObjectMetadata(NamedObject, gc=False, frozen=True, rename="camel"):
    """An object's metadata."""

    deletion_timestamp: str | None = None
    owner_references: Raw = MISSING


class NamespaceMetadata(Struct, gc=False, frozen=True):
    """A namespace's metadata."""

    labels: Raw = MISSING


class Namespace(Struct, gc=False, frozen=True):
    """A namespace, for its labels."""

    metadata: NamespaceMetadata | None = None


class PodSpec(Struct, gc=False, frozen=True, rename="camel"):
    """What a Pod runs."""

    init_containers: Raw = MISSING
    containers: Raw = MISSING
    ephemeral_containers: Raw = MISSING
    volumes: Raw = MISSING


class PodTemplate(Struct, gc=False, frozen=True):
    """What Pods are made from."""

    spec: PodSpec | None = None


class JobSpec(Struct, gc=False, frozen=True):
    """The job that a CronJob makes."""

    template: PodTemplate | None = None


class JobTemplate(Struct, gc=False, frozen=True):
    """What Jobs are made from."""

    spec: JobSpec | None = None


class Spec(PodSpec, gc=False, frozen=True, rename="camel"):
    """The specification of a Pod, or of what holds a Pod's at one of the usual places."""

    replicas: int | None = None
    template: PodTemplate | None = None
    job_template: JobTemplate | None = None


class AnyObject(Struct, gc=False, frozen=True):
    """Any object: its metadata, and a Pod's specification wherever it usually stands."""

    metadata: ObjectMetadata | None = None
    spec: Spec | None = None
    template: PodTemplate | None = None


class Container(Struct, gc=False, frozen=True):
    """An entry of a list of containers."""

    name: str | None = None
    image: str | None = None


class ImageSource(Struct, gc=False, frozen=True):
    """An image that is mounted."""

    reference: str | None = None


class CsiAttributes(Struct, gc=False, frozen=True):
    """What a CSI driver is told; those that mount images read `image`."""

    image: str | None = None


class CsiSource(Struct, gc=False, frozen=True, rename="camel"):
    """An inline volume of a CSI driver."""

    driver: str | None = None
    volume_attributes: CsiAttributes | None = None


class Volume(Struct, gc=False, frozen=True):
    """An entry of `volumes`."""

    name: str | None = None
    image: ImageSource | None = None
    csi: CsiSource | None = None


class KnownUser(Struct, gc=False, frozen=True):
    """Who asks, where all of it is as it should be."""

    username: str | None = None
    groups: list[str] | None = None


class NewPodMetadata(NamedObject, gc=False, frozen=True, rename="camel"):
    """A Pod's metadata, where all of it is as it should be."""

    owner_references: list[Owner] | None = None


class NewPodSpec(Struct, gc=False, frozen=True, rename="camel"):
    """What a Pod runs, where all of it is as it should be."""

    init_containers: list[Container] | None = None
    containers: list[Container] | None = None
    ephemeral_containers: list[Container] | None = None
    volumes: list[Volume] | None = None


class NewPod(Struct, gc=False, frozen=True):
    """A Pod, where all of it is as it should be."""

    metadata: NewPodMetadata | None = None
    spec: NewPodSpec | None = None


class NewPodRequest(AdmissionQuery, gc=False, frozen=True, rename="camel"):
    """What the API server asks about a Pod that is to be made."""

    user_info: KnownUser | None = None
    object: NewPod | None = None
    old_object: None = None


class NewPodReview(Struct, gc=False, frozen=True, rename="camel"):
    """The body of a call about such."""

    api_version: str | None = None
    kind: str | None = None
    request: NewPodRequest | None = None


class Annotation(Struct, gc=False, frozen=True):
    """One of an object's annotations; `annotation` makes the shape that reads it by its name."""

    value: str | None = None


@lru_cache(maxsize=4)
def annotation(name: str) -> type[Annotation]:
    """The shape of `metadata.annotations` of which this one is read."""
    made = defstruct(
        "OneAnnotation", [("value", str | None, None)], bases=(Annotation,), rename={"value": name}, frozen=True
    )
    return cast("type[Annotation]", made)  # as `bases` says
