"""Pods as the API server keeps them, folded to what runs: one entry for each owner and image. Pure.

Rules:
(1) What runs in a container is the repository digest that its status names (`imageID`): what a tag meant on that node.
    A container that has no image yet does not run. An `imageID` without a repository digest, as of an image that was
    loaded by hand, says nothing that could be verified.
(2) The text that is judged by is that of the Pod's specification: it is what rules name, and what is pulled again.
(3) Pods that have ended, or are being deleted, run nothing that will be started again.
(4) Whose a Pod is follows from what it claims, its controller, the label of its template and the name of its Job
    (`router.events.top_owners`), as where it was admitted.
(5) Of Pods and nodes no more than their number and `NODES_NAMED` names is kept, and of containers `PLACES_NAMED`:
    twenty thousand Pods of five hundred images cost as much memory as five hundred entries, and whoever invents names
    makes none of them larger than it may be.

Source: Kubernetes, API reference of Pod v1 (`status.containerStatuses[].imageID`, `status.phase`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta, Struct
from msgspec import field as named

from router.admission.review import NAME_LIMIT
from router.events import OwnerData, TopOwnerData, top_owner
from router.kubernetes.resources import ApiObject, Resource, ResourceMetadata

NODES_NAMED = 20
PLACES_NAMED = 100
TEXT_LIMIT = 1000
"""Characters of an image's name: Kubernetes itself has no limit, and no registry has such names."""
_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$", re.ASCII)
_ENDED = frozenset({"Succeeded", "Failed"})


class ContainerSpec(Struct, frozen=True):
    """One container, as it was asked for."""

    name: str = ""
    image: str = ""


class RunningSpec(Struct, rename="camel", frozen=True):
    """What was asked for."""

    node_name: str = ""
    containers: Sequence[ContainerSpec] | None = None
    init_containers: Sequence[ContainerSpec] | None = None
    ephemeral_containers: Sequence[ContainerSpec] | None = None


class ContainerStatus(Struct, frozen=True):
    """One container, as it is."""

    name: str = ""
    image_id: str = named(default="", name="imageID")


class PodStatus(Struct, rename="camel", frozen=True):
    """What there is."""

    phase: str = ""
    container_statuses: Sequence[ContainerStatus] | None = None
    init_container_statuses: Sequence[ContainerStatus] | None = None
    ephemeral_container_statuses: Sequence[ContainerStatus] | None = None


class PodMetadata(ResourceMetadata, frozen=True, kw_only=True, rename="camel"):
    """What a Pod is called, and whose it is."""

    generate_name: str = ""


class Pod(ApiObject, frozen=True, kw_only=True, rename="camel"):
    """As much of a Pod as is read."""

    metadata: PodMetadata
    spec: RunningSpec = RunningSpec()
    status: PodStatus = PodStatus()


PODS = Resource("", "v1", "pods", Pod)


@dataclass(frozen=True, slots=True)
class Running:
    """Something that runs: by which it is told apart from everything else."""

    namespace: str
    owner: tuple[str, str, str]
    """`api_version`, `kind` and `name`."""
    by: str
    """How the owner was found (`TopOwnerData`)."""
    image: str
    """As written."""
    digest: str | None
    """Of the repository; None where the node names none."""


@dataclass(slots=True)
class RunningPlaces:
    """Where something runs."""

    pods: int = 0
    nodes: Annotated[dict[str, None], Meta(max_length=NODES_NAMED)] = field(default_factory=dict)
    """Names."""
    image_id: str = ""
    """As the node says it, of one of them."""
    places: Annotated[dict[tuple[str, str], None], Meta(max_length=PLACES_NAMED)] = field(default_factory=dict)
    """Kinds and names of containers."""


class Census:
    """What runs in a cluster, counted page by page."""

    def __init__(self) -> None:
        self.running: dict[Running, RunningPlaces] = {}
        self.pods: dict[str, int] = {}
        """How many Pods run something, by namespace."""
        self.alike: dict[str, dict[frozenset[Running], int]] = {}
        """How many Pods run just these, by namespace."""

    def take(self, pods: Iterable[Pod]) -> None:
        """Count these in."""
        for pod in pods:
            if pod.status.phase in _ENDED or pod.metadata.deletion_timestamp is not None:
                continue
            runs = dict.fromkeys(self._each(pod))
            if not runs:
                continue
            namespace = pod.metadata.namespace
            self.pods[namespace] = self.pods.get(namespace, 0) + 1
            alike = self.alike.setdefault(namespace, {})
            alike[frozenset(runs)] = alike.get(frozenset(runs), 0) + 1
            for one in runs:
                where = self.running[one]
                where.pods += 1
                if pod.spec.node_name and len(where.nodes) < NODES_NAMED:
                    where.nodes[pod.spec.node_name] = None

    def keep(self, is_meant: Callable[[str], bool]) -> None:
        """Keep only what runs in these namespaces."""
        self.running = {running: where for running, where in self.running.items() if is_meant(running.namespace)}
        self.pods = {namespace: count for namespace, count in self.pods.items() if is_meant(namespace)}
        self.alike = {namespace: alike for namespace, alike in self.alike.items() if is_meant(namespace)}

    def add(self, part: Census) -> None:
        """Count in what was counted of other namespaces."""
        self.running |= part.running
        self.pods |= part.pods
        self.alike |= part.alike

    def pods_with(self, running: Iterable[Running]) -> Mapping[str, int]:
        """How many Pods run any of these, by namespace."""
        wanted = frozenset(running)
        return {
            namespace: sum(count for runs, count in alike.items() if runs & wanted)
            for namespace, alike in self.alike.items()
        }

    def _each(self, pod: Pod) -> Iterator[Running]:
        owner = _owner(pod)
        whose = owner["api_version"], owner["kind"], owner["name"]
        for kind, spec, status in _containers(pod):
            if not status.image_id:
                continue
            found = _DIGEST.search(status.image_id)
            image = spec.image[:TEXT_LIMIT]
            one = Running(pod.metadata.namespace, whose, owner["by"], image, None if found is None else found[1])
            where = self.running.setdefault(one, RunningPlaces())
            where.image_id = where.image_id or status.image_id[:TEXT_LIMIT]
            if len(where.places) < PLACES_NAMED:
                where.places[kind, spec.name] = None
            yield one


def _containers(pod: Pod) -> Iterator[tuple[str, ContainerSpec, ContainerStatus]]:
    spec, status = pod.spec, pod.status
    for kind, wanted, there in (
        ("container", spec.containers, status.container_statuses),
        ("init_container", spec.init_containers, status.init_container_statuses),
        ("ephemeral_container", spec.ephemeral_containers, status.ephemeral_container_statuses),
    ):
        by_name = {one.name: one for one in wanted or ()}
        for one in there or ():
            if (container := by_name.get(one.name)) is not None:
                yield kind, container, one


def _owner(pod: Pod) -> TopOwnerData:
    metadata = pod.metadata
    claim: OwnerData | None = None
    for one in metadata.owner_references or ():
        if one.controller:
            claim = {
                "api_version": one.api_version[:NAME_LIMIT],
                "kind": one.kind[:NAME_LIMIT],
                "name": one.name[:NAME_LIMIT],
                "uid": one.uid[:NAME_LIMIT],
            }
    template_hash = (metadata.labels or {}).get("pod-template-hash", "")
    return top_owner("v1", "Pod", (metadata.generate_name or metadata.name)[:NAME_LIMIT], claim, template_hash)
