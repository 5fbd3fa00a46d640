"""How what is kept stands in the cluster: a Secret, a Lease, and the bundles of webhook configurations. Pure.

The Secret has `tls.crt`, `tls.key` and `ca.crt` for what is current, the same with `next-` before it for what comes
next, `previous-ca.crt`, and an annotation for each replica's mark. A part that can't be read, that no server can show
or that is for another name is not there: the plan puts back what is shown, or makes it anew. Whatever is written names
the `resourceVersion` that was read, so that it is refused where that has changed.

Sources: Kubernetes, API reference "Secret v1", "Lease v1 coordination.k8s.io", "ValidatingWebhookConfiguration v1".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from msgspec import Struct

from router.certificates.making import HeldCertificate
from router.certificates.planning import Mark, StoredCertificates
from router.kubernetes.client import Json
from router.kubernetes.resources import ApiObject, Resource
from router.pem import KeyPair, all_certificates

MARK = "shown-by.gatecrier.dev/"
"""What the annotation of a mark begins with; the replica's name follows."""
_MARKS = 1000
"""Marks that are read at most."""


class StoredSecret(ApiObject, frozen=True):
    """What is read of a Secret."""

    data: Mapping[str, str] | None = None


class LeaseSpec(Struct, frozen=True, rename="camel"):
    """Who leads."""

    holder_identity: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(ApiObject, frozen=True):
    """What is read of a Lease."""

    spec: LeaseSpec | None = None


class ClientConfig(Struct, frozen=True, rename="camel"):
    """How a webhook is called."""

    ca_bundle: str | None = None


class Hook(Struct, frozen=True, rename="camel"):
    """What is read of a webhook."""

    client_config: ClientConfig


class WebhookConfiguration(ApiObject, frozen=True):
    """What is read of a webhook configuration."""

    webhooks: Sequence[Hook] | None = None


SECRETS = Resource("", "v1", "secrets", StoredSecret)
LEASES = Resource("coordination.k8s.io", "v1", "leases", Lease)
VALIDATING = Resource("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", WebhookConfiguration)
MUTATING = Resource("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", WebhookConfiguration)


def kept_in(secret: StoredSecret, hosts: Sequence[str] = ()) -> StoredCertificates:
    """What a Secret holds that is of use for a server of all these names."""
    found = {key: _decoded(value) for key, value in (secret.data or {}).items()}
    annotations = list((secret.metadata.annotations or {}).items())[:_MARKS]
    marks = {key.removeprefix(MARK): _mark(value) for key, value in annotations if key.startswith(MARK)}
    return StoredCertificates(
        _held(found, "", hosts),
        _held(found, "next-", hosts),
        _authorities(found.get("previous-ca.crt")),
        {name: mark for name, mark in marks.items() if mark is not None},
    )


def secret_patch(secret: StoredSecret, kept: StoredCertificates) -> Json:
    """The change that makes a Secret hold this (RFC 7386)."""
    data: dict[str, Json] = {**_written(kept.current, ""), **_written(kept.next, "next-")}
    data["previous-ca.crt"] = None if kept.previous is None else encoded(kept.previous)
    gone = {f"{MARK}{name}": None for name in kept_in(secret).marks if name not in kept.marks}
    return {"metadata": {"resourceVersion": secret.metadata.resource_version, "annotations": gone}, "data": data}


def mark_patch(secret: StoredSecret, replica: str, shown: str, now: float) -> Json:
    """The change that leaves a mark."""
    annotations: Json = {f"{MARK}{replica}": f"{shown} {int(now)}"}
    return {"metadata": {"resourceVersion": secret.metadata.resource_version, "annotations": annotations}}


def bundles_in(hooks: WebhookConfiguration) -> Sequence[bytes]:
    """The bundle of each webhook."""
    return [_decoded(hook.client_config.ca_bundle or "") or b"" for hook in hooks.webhooks or ()]


def bundle_patch(hooks: WebhookConfiguration, bundle: bytes) -> Json:
    """The change that gives each webhook this bundle (RFC 6902), if nothing else has changed meanwhile."""
    same: Json = {"op": "replace", "path": "/metadata/resourceVersion", "value": hooks.metadata.resource_version}
    put: list[Json] = [
        {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": encoded(bundle)}
        for index, found in enumerate(bundles_in(hooks))
        if found != bundle
    ]
    return [same, *put]


def lease_body(lease: Lease, holder: str, seconds: float, now: float) -> Json:
    """The Lease as this replica holds it from now on."""
    before = lease.spec or LeaseSpec()
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    is_new = before.holder_identity != holder
    return {
        "metadata": {"resourceVersion": lease.metadata.resource_version},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": int(seconds),
            "renewTime": moment,
            "leaseTransitions": (before.lease_transitions or 0) + is_new,
            **({"acquireTime": moment} if is_new else {}),
        },
    }


def encoded(content: bytes) -> str:
    """Bytes as Kubernetes has them in JSON."""
    return base64.b64encode(content).decode()


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _held(found: Mapping[str, bytes | None], prefix: str, hosts: Sequence[str]) -> HeldCertificate | None:
    certificate, key = found.get(f"{prefix}tls.crt"), found.get(f"{prefix}tls.key")
    authority = found.get(f"{prefix}ca.crt")
    if not certificate or not key or not authority:
        return None
    held = _checked(certificate, key, authority)
    return held if held is not None and held.is_for(hosts) else None


@lru_cache(maxsize=2)
def _checked(certificate: bytes, key: bytes, authority: bytes) -> HeldCertificate | None:
    """What is sound, read again only where it has changed: each look finds the same two for months."""
    held = HeldCertificate(KeyPair(certificate, key), authority)
    try:
        held.check()
    except ValueError:
        return None
    return held


def _authorities(pem: bytes | None) -> bytes | None:
    """CAs that may stand in a bundle: the API server takes none of which any part can't be read."""
    try:
        return pem if pem and all_certificates(pem) else None
    except ValueError:
        return None


def _written(held: HeldCertificate | None, prefix: str) -> dict[str, Json]:
    parts = (None, None, None) if held is None else (held.pair.certificate, held.pair.key, held.authority)
    names = (f"{prefix}tls.crt", f"{prefix}tls.key", f"{prefix}ca.crt")
    return {name: None if part is None else encoded(part) for name, part in zip(names, parts, strict=True)}


def _mark(text: str) -> Mark | None:
    shown, _, at = text.partition(" ")
    return Mark(shown, float(at)) if at.isascii() and at.isdecimal() and len(at) <= 12 else None  # noqa: PLR2004 - digits of a time
