"""What tests read of objects."""

from __future__ import annotations

from router.kubernetes.client import Json
from router.kubernetes.resources import ApiObject, Resource

PODS = Resource("", "v1", "pods", ApiObject)
NAMESPACES = Resource("", "v1", "namespaces", ApiObject)
CONFIG_MAPS = Resource("", "v1", "configmaps", ApiObject)
SHOP = "/api/v1/namespaces/shop/pods"


def pod(name: str, **metadata: Json) -> dict[str, Json]:
    """An object of this name."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}}


def lowest() -> float:
    """Dice that make nobody wait for long."""
    return 0.0
