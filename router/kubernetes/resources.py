"""What the API server keeps, and where it lies there. Pure.

A resource is read into a shape of whoever asks, which has the fields that are used and no others: of twenty thousand
Pods no more stays in memory than that. Names go into the path of a URL; what no name of Kubernetes can be is refused
before anybody is asked, so that none leads to another object.

Source: Kubernetes, "API Concepts" (URIs), and "Object Names and IDs" (path segment names: no `/`, no `%`, neither `.`
nor `..`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import quote

from msgspec import Struct

from router.errors import ClusterError
from router.text import shown

_SEGMENT = re.compile(r"(?!\.\.?$)[^/%\s\x00-\x1f\x7f]{1,253}")


class OwnerReference(Struct, rename="camel", frozen=True):
    """Who an object belongs to."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False


class ResourceMetadata(Struct, rename="camel", frozen=True, kw_only=True):
    """What every object has."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    """Opaque: it is only ever given back."""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: Sequence[OwnerReference] | None = None
    deletion_timestamp: str | None = None


class ApiObject(Struct, rename="camel", frozen=True, kw_only=True):
    """The least of what is read of an object: shapes of resources are made of it."""

    metadata: ResourceMetadata


Shape = TypeVar("Shape", bound=ApiObject)


@dataclass(frozen=True, slots=True)
class Resource(Generic[Shape]):
    """One kind of object of the API server."""

    group: str
    """Empty for the core."""
    version: str
    plural: str
    shape: type[Shape]
    """What is read of each."""

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Where it lies; without a name the collection, without a namespace that of all or one that has none.

        Raises:
            ClusterError: A name is none.
        """
        parts = ["api", self.version] if not self.group else ["apis", self.group, self.version]
        parts += [] if namespace is None else ["namespaces", _segment(namespace)]
        parts.append(self.plural)
        parts += [_segment(part) for part in (name, subresource) if part is not None]
        return "/" + "/".join(parts)

    def of(self, namespace: str | None, name: str | None) -> str:
        """How messages call it: `pods shop/web`."""
        where = "/".join(part for part in (namespace, name) if part is not None)
        return f"{self.plural} {shown(where)}" if where else self.plural


def _segment(name: str) -> str:
    if _SEGMENT.fullmatch(name) is None:
        raise ClusterError(f"{shown(name)} is no name of an object", cause="refused")
    return quote(name, safe="")
