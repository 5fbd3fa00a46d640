"""OCI distribution client: manifests, referrers, blobs, tokens, credentials; time, size and redirect limits."""

from __future__ import annotations

from router.registry.answers import BodyLimit, BodyRoom
from router.registry.client import Manifest, RegistryClient
from router.registry.referrers import Descriptor, ReferrerList
from router.registry.settings import RegistrySettings

__all__ = ["BodyLimit", "BodyRoom", "Descriptor", "Manifest", "ReferrerList", "RegistryClient", "RegistrySettings"]
