"""AdmissionReview v1: bytes to request, and answer to bytes. Pure.

Rules:
(1) A body in which an `admission.k8s.io/v1` `AdmissionReview` with a request's `uid` can be found is a request,
    whatever else is in it. Anything else is a ReviewError, with its cause as a code.
(2) What is wrong with a request otherwise (an operation that nobody knows, no object to create) is told by `problem`:
    it can't be judged, but it is answered.
(3) What is missing otherwise (namespace, user, name) is empty: cluster-scoped objects and older servers leave it out.
(4) Every text is bounded before it is used: whoever reaches the port chooses it. Objects stay unread here.
(5) An answer has `apiVersion`, `kind`, `response.uid` and `response.allowed`. A refusal has a message and is 403
    Forbidden (without `code` it would be 400). `patch` and `patchType` come together or not at all.
(6) Texts in an answer are UTF-8; what others wrote and UTF-8 can't hold becomes U+FFFD.
(7) The beginning of a body says whose it is where it is written as API servers write it, what is asked before who asks
    and the objects. No text in it can end it: a quotation mark within a text stands behind a backslash.

Source: Kubernetes API reference, admission.k8s.io/v1; "Dynamic Admission Control".
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from msgspec import Raw, Struct

from router.admission.reading import shapes
from router.admission.reading.reader import read_document, read_texts
from router.admission.reading.tolerant import UnreadableJsonError
from router.errors import ReviewError
from router.events import as_json
from router.steps import Steps
from router.text import shown

API_VERSION, KIND = "admission.k8s.io/v1", "AdmissionReview"
OPERATIONS = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
WITH_OBJECT = frozenset({"CREATE", "UPDATE"})
UID_LIMIT = 256
NAME_LIMIT = 256
"""Characters of names, kinds, namespaces and groups: Kubernetes allows 253 at most."""
USER_LIMIT = 1024
"""Characters of a user's name: an identity provider chooses it."""
GROUPS_LIMIT = 1000
"""Groups of a user that are known."""
_OBJECT, _NULL = b"{", b"null"


class AdmissionRequest(Struct, frozen=True):
    """What the API server asks."""

    uid: str
    operation: str
    """CREATE, UPDATE, DELETE or CONNECT; what else stands there, if `problem` says so."""
    group: str
    """API group of the object, empty for the core group."""
    version: str
    kind: str
    subresource: str
    namespace: str
    """Empty for cluster-scoped objects."""
    name: str
    """Empty where the API server has yet to make one."""
    user: str
    groups: tuple[str, ...]
    dry_run: bool
    problem: str = ""
    """Why nothing can be judged; empty where it can."""

    @property
    def api_version(self) -> str:
        """Group and version, such as `apps/v1` or `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version


class RawObjects(Struct, frozen=True):
    """What a request is about, unread: these hold the whole body in memory."""

    new: Raw
    """The object as it would be; empty for a deletion."""
    old: Raw
    """The object as it is, for updates and deletions."""


def read_review(body: memoryview) -> Steps[tuple[AdmissionRequest, RawObjects]]:
    """The request of an AdmissionReview v1.

    Raises:
        ReviewError: It is none; the text says what was found and what is expected.
    """
    try:
        review = yield from read_document(body, shapes.Review)
    except UnreadableJsonError as error:
        raise ReviewError(str(error), cause="no_json") from error
    if review is None:
        raise ReviewError("the body is not a valid JSON object; expected an AdmissionReview", cause="no_json")
    if review.api_version != API_VERSION or review.kind != KIND:
        found = f"apiVersion {_shown(review.api_version)} and kind {_shown(review.kind)}"
        raise ReviewError(
            f"the body has {found}; expected {API_VERSION} {KIND} (`admissionReviewVersions: [v1]`)", cause="no_review"
        )
    request = review.request
    if request is None or not request.uid or len(request.uid) > UID_LIMIT:
        found = _shown(None if request is None else request.uid)
        raise ReviewError(f"request.uid is {found}; expected a text of 1 to {UID_LIMIT} characters", cause="no_uid")
    return (yield from _request(request, request.uid)), RawObjects(request.object, request.old_object)


class Beginning(NamedTuple):
    """What the beginning of a body says."""

    uid: str
    namespace: str
    """Empty for cluster-scoped objects."""


_ASKED = re.compile(rb',\s*"(?:userInfo|object)"\s*:\s*[{n]')


def read_beginning(beginning: bytes) -> Beginning | None:
    """Whose request a body is by its beginning; None where that does not say so.

    It uses nothing of what reads a whole one: that may be what has failed.
    """
    end = _ASKED.search(beginning)
    try:
        match json.loads(beginning[: end.start()] + b"}}" if end else b"{}"):
            case {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": str(uid), **more}}:
                namespace = more.get("namespace", "")
                return Beginning(uid, namespace) if isinstance(namespace, str) and 0 < len(uid) <= UID_LIMIT else None
            case _:
                return None
    except (ValueError, RecursionError):
        return None


def _shown(value: str | None) -> str:
    return "missing or no text" if value is None else shown(value)


def _request(request: shapes.Request, uid: str) -> Steps[AdmissionRequest]:
    user = request.user_info or shapes.UserInfo()
    groups: list[str] = []
    with suppress(UnreadableJsonError):  # nobody is refused for them; who has none may less
        groups = yield from read_texts(user.groups, GROUPS_LIMIT)
    return request_of(request, uid, user.username, groups, _problem(request))


def request_of(
    request: shapes.AdmissionQuery, uid: str, user: str | None, groups: Sequence[str], problem: str = ""
) -> AdmissionRequest:
    """What is asked, by this user of these groups; every text bounded."""
    kind = request.kind or shapes.GroupVersionKind()
    return AdmissionRequest(
        uid=uid,
        operation=_cut(request.operation),
        group=_cut(kind.group),
        version=_cut(kind.version),
        kind=_cut(kind.kind),
        subresource=_cut(request.sub_resource),
        namespace=_cut(request.namespace),
        name=_cut(request.name),
        user=_cut(user, USER_LIMIT),
        groups=tuple(_cut(one) for one in groups[:GROUPS_LIMIT]),
        dry_run=request.dry_run is True,
        problem=problem,
    )


def _cut(text: str | None, limit: int = NAME_LIMIT) -> str:
    return (text or "")[:limit]


def _problem(request: shapes.Request) -> str:
    if request.operation not in OPERATIONS:
        expected = ", ".join(sorted(OPERATIONS))
        return f"request.operation is {_shown(request.operation)}; expected one of {expected}"
    if request.operation not in WITH_OBJECT:
        return ""  # nothing is read of its objects
    for name, value in (("object", request.object), ("oldObject", request.old_object)):
        start = bytes(memoryview(value)[:4])
        if start not in (b"", _NULL) and not start.startswith(_OBJECT):
            return f"request.{name} is not an object"
    if bytes(memoryview(request.object)[:1]) != _OBJECT:
        return f"request.object is missing or null; {request.operation} brings an object"
    return ""


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
