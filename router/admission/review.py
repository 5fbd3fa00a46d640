"""AdmissionReview v1: bytes to request, and answer to bytes. Pure.

Rules:
(1) A body is JSON, an object, `admission.k8s.io/v1` `AdmissionReview`, and its `request` has a `uid`, a known
    operation and, to create or update, an object; anything else is a ReviewError, with the uid where one could be
    read. Keys are case-sensitive, of equal keys the last wins, as for the API server.
(2) JSON is what RFC 8259 says, in UTF-8, nested at most 1024 deep (orjson): no NaN, no lone surrogate. An API server
    sends nothing else: what it stores went through its own decoder.
(3) What is missing otherwise (namespace, user, name) is empty: cluster-scoped objects and older servers leave it out.
(4) An answer has `apiVersion`, `kind`, `response.uid` and `response.allowed`. A refusal has a message and is 403
    Forbidden (without `code` it would be 400). `patch` and `patchType` come together or not at all.
(5) Texts in an answer are UTF-8; what others wrote and UTF-8 can't hold becomes U+FFFD.

Source: Kubernetes API reference, admission.k8s.io/v1; "Dynamic Admission Control".
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from router.errors import ReviewError
from router.events import RequestData, as_json

API_VERSION, KIND = "admission.k8s.io/v1", "AdmissionReview"
OPERATIONS = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
WITH_OBJECT = frozenset({"CREATE", "UPDATE"})
UID_LIMIT = 256
SHOWN = 100
"""Characters of a text from outside that an error repeats."""
_NOTHING: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """What the API server asks."""

    uid: str
    operation: str
    """CREATE, UPDATE, DELETE or CONNECT; empty where the request could not be read."""
    api_version: str
    """Group and version, such as `apps/v1` or `v1`."""
    kind: str
    subresource: str
    namespace: str
    """Empty for cluster-scoped objects."""
    name: str
    generate_name: str
    user: str
    groups: tuple[str, ...]
    dry_run: bool
    new_object: Mapping[str, object]
    """The object as it would be; empty for a deletion."""
    old_object: Mapping[str, object]
    """The object as it is, for updates and deletions; else empty."""

    @property
    def metadata(self) -> Mapping[str, object]:
        """The object's metadata."""
        return mapping(self.new_object.get("metadata"))

    @property
    def is_being_deleted(self) -> bool:
        """Whether the object was deleted before and only waits for its finalizers."""
        before = mapping(self.old_object.get("metadata"))
        return bool(self.metadata.get("deletionTimestamp") or before.get("deletionTimestamp"))


def mapping(value: object) -> Mapping[str, object]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else _NOTHING


def text(value: object) -> str:
    """The value if it is a JSON string, else an empty one."""
    return value if isinstance(value, str) else ""


def parse_review(body: bytes) -> AdmissionRequest:
    """The request of an AdmissionReview v1.

    Raises:
        ReviewError: It is none; the text says what was found and what is expected.
    """
    try:
        review = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ReviewError(f"the body is no JSON: {error}") from error
    if not isinstance(review, dict):
        raise ReviewError(f"the body is {_shown(review)}; expected an AdmissionReview")
    request = review.get("request")
    uid = text(mapping(request).get("uid"))
    uid = uid if 0 < len(uid) <= UID_LIMIT else ""
    if review.get("apiVersion") != API_VERSION or review.get("kind") != KIND:
        found = f"apiVersion {_shown(review.get('apiVersion'))} and kind {_shown(review.get('kind'))}"
        raise ReviewError(
            f"the body has {found}; expected {API_VERSION} {KIND} (`admissionReviewVersions: [v1]`)", uid=uid or None
        )
    if not isinstance(request, dict):
        raise ReviewError(f"the review's request is {_shown(request)}; expected an object")
    if not uid:
        raise ReviewError(
            f"request.uid is {_shown(request.get('uid'))}; expected a text of 1 to {UID_LIMIT} characters"
        )
    return _request(request, uid)


def _shown(value: object) -> str:
    """A value in an error: texts short and quoted, of anything else the kind only (it may be large, and deep)."""
    match value:
        case None:
            return "missing or null"
        case str():
            return repr(value[:SHOWN])
        case _:
            return f"a JSON {type(value).__name__}"


def _request(request: Mapping[str, object], uid: str) -> AdmissionRequest:
    operation = text(request.get("operation"))
    if operation not in OPERATIONS:
        expected = ", ".join(sorted(OPERATIONS))
        raise ReviewError(
            f"request.operation is {_shown(request.get('operation'))}; expected one of {expected}", uid=uid
        )
    for key in ("object", "oldObject"):
        if request.get(key) is not None and not isinstance(request[key], dict):
            raise ReviewError(f"request.{key} is {_shown(request[key])}; expected an object or null", uid=uid)
    if operation in WITH_OBJECT and request.get("object") is None:
        raise ReviewError(f"request.object is missing or null; {operation} brings an object", uid=uid)
    kind, user = mapping(request.get("kind")), mapping(request.get("userInfo"))
    group, version = text(kind.get("group")), text(kind.get("version"))
    groups = user.get("groups")
    found = mapping(request.get("object"))
    metadata = mapping(found.get("metadata"))
    return AdmissionRequest(
        uid=uid,
        operation=operation,
        api_version=f"{group}/{version}" if group else version,
        kind=text(kind.get("kind")),
        subresource=text(request.get("subResource")),
        namespace=text(request.get("namespace")),
        name=text(request.get("name")) or text(metadata.get("name")),
        generate_name=text(metadata.get("generateName")),
        user=text(user.get("username")),
        groups=tuple(map(text, groups)) if isinstance(groups, list) else (),
        dry_run=request.get("dryRun") is True,
        new_object=found,
        old_object=mapping(request.get("oldObject")),
    )


def unreadable_request(uid: str) -> AdmissionRequest:
    """What is known of a request of which only the uid could be read."""
    return AdmissionRequest(
        uid=uid,
        operation="",
        api_version="",
        kind="",
        subresource="",
        namespace="",
        name="",
        generate_name="",
        user="",
        groups=(),
        dry_run=False,
        new_object=_NOTHING,
        old_object=_NOTHING,
    )


def request_data(request: AdmissionRequest) -> RequestData:
    """The part of the event that tells what was asked."""
    return {
        "uid": request.uid,
        "operation": request.operation,
        "api_version": request.api_version,
        "kind": request.kind,
        "subresource": request.subresource,
        "namespace": request.namespace,
        "name": request.name,
        "generate_name": request.generate_name,
        "user": {"name": request.user, "groups": list(request.groups)},
        "dry_run": request.dry_run,
    }


def reply(
    uid: str,
    *,
    allowed: bool,
    message: str = "",
    warnings: Sequence[str] = (),
    audit: Mapping[str, str] | None = None,
    patch: bytes | None = None,
) -> bytes:
    """The review that answers a request; `patch` is a JSON Patch (RFC 6902)."""
    response: dict[str, object] = {"uid": uid, "allowed": allowed}
    if not allowed:
        response["status"] = {
            "status": "Failure",
            "message": message or "refused without a reason",
            "reason": "Forbidden",
            "code": 403,
        }
    if warnings:
        response["warnings"] = list(warnings)
    if audit:
        response["auditAnnotations"] = dict(audit)
    if patch is not None:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(patch).decode()
    review = {"apiVersion": API_VERSION, "kind": KIND, "response": response}
    return as_json(review)
