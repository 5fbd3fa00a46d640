from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.admission.review import UID_LIMIT, parse_review, reply, request_data, unreadable_request
from router.errors import ReviewError
from tests.admission import recorded
from tests.admission.world import pod

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def asked(**changes: object) -> bytes:
    review = pod("nginx")
    review["request"] = {**recorded.mapping(review["request"]), **changes}
    return json.dumps(review).encode()


@pytest.mark.parametrize("name", recorded.NAMES)
def test_what_an_api_server_sends_is_read(name: str) -> None:
    sent = recorded.parsed(name)["request"]
    request = parse_review(recorded.body(name))
    kind, user = recorded.mapping(sent["kind"]), recorded.mapping(sent["userInfo"])

    assert request.uid == sent["uid"]
    assert request.operation == sent["operation"]
    assert request.kind == kind["kind"]
    assert request.api_version == f"{kind['group']}/{kind['version']}".lstrip("/")
    assert request.subresource == sent.get("subResource", "")
    assert request.namespace == sent["namespace"]
    assert request.name == sent.get("name", "")
    assert (request.user, [*request.groups]) == (user["username"], user["groups"])
    assert request.dry_run is sent["dryRun"]
    assert request.new_object == (sent["object"] or {})
    assert request.old_object == (sent["oldObject"] or {})


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("pod-create-generate-name-mutating", ("", "frontend-")),
        ("pod-create-generate-name", ("frontend-gqvwq", "frontend-")),
        ("pod-create", ("frontend", "")),
        ("pod-deletecollection", ("", "")),
    ],
)
def test_a_name_that_is_not_there_yet_is_empty(name: str, found: tuple[str, str]) -> None:
    request = recorded.request(name)

    assert (request.name, request.generate_name) == found


def test_an_object_is_being_deleted_when_either_version_says_so() -> None:
    assert recorded.request("pod-update-being-deleted").is_being_deleted
    assert not recorded.request("pod-update-label").is_being_deleted
    gone = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert parse_review(asked(oldObject=gone)).is_being_deleted


def test_the_event_holds_what_was_asked_and_no_more() -> None:
    data = request_data(recorded.request("deployment-create"))

    assert data["api_version"] == "apps/v1"
    assert data["kind"] == "Deployment"
    assert set(data) == {
        "uid",
        "operation",
        "api_version",
        "kind",
        "subresource",
        "namespace",
        "name",
        "generate_name",
        "user",
        "dry_run",
    }


@pytest.mark.parametrize("missing", ["userInfo", "namespace", "name", "dryRun", "oldObject", "kind"])
def test_what_may_be_missing_is_empty(missing: str) -> None:
    """Cluster-scoped objects have no namespace, and an API server leaves out what is empty."""
    review = pod("nginx")
    review["request"] = {key: value for key, value in recorded.mapping(review["request"]).items() if key != missing}

    assert parse_review(json.dumps(review).encode()).operation == "CREATE"


@pytest.mark.parametrize("garbage", [None, 1, "x", [], {"name": 1}, [1]])
@pytest.mark.parametrize("key", ["userInfo", "namespace", "name", "dryRun", "kind", "subResource"])
def test_what_is_of_another_type_is_as_if_it_were_missing(key: str, garbage: object) -> None:
    request = parse_review(asked(**{key: garbage}))

    assert json.loads(json.dumps(request_data(request)))["uid"] == request.uid


def test_groups_that_are_no_texts_are_empty() -> None:
    assert parse_review(asked(userInfo={"groups": ["a", 1, None]})).groups == ("a", "", "")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no JSON"),
        (b"{nope", "no JSON"),
        (b"\xff", "no JSON"),
        (b'{"a": NaN}', "no JSON"),
        (b'{"a": "\\ud800"}', "no JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "no JSON"),
        (b"null", "missing or null"),
        (b"[]", "a JSON list"),
        (b'"x"', "'x'"),
        (b"{}", "apiVersion missing or null"),
        (b'{"apiVersion": 1, "kind": []}', "apiVersion a JSON int and kind a JSON list"),
        (b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}', "request is missing or null"),
        (b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": []}', "request is a JSON list"),
        (b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {}}', "request.uid is missing"),
        (b'{"apiVersion": "admission.k8s.io/v1", "KIND": "AdmissionReview", "request": {}}', "kind missing"),
    ],
)
def test_what_is_no_review_is_refused_with_what_was_found(body: bytes, words: str) -> None:
    with pytest.raises(ReviewError) as raised:
        parse_review(body)

    assert words in str(raised.value)
    assert len(str(raised.value)) < 500
    assert raised.value.uid is None


def test_a_review_of_another_version_is_refused_and_its_request_known() -> None:
    """There is a request uid, so there is an event."""
    review = json.dumps(pod("nginx") | {"apiVersion": "admission.k8s.io/v1beta1"}).encode()

    with pytest.raises(ReviewError, match=r"v1beta1.*expected admission\.k8s\.io/v1 AdmissionReview") as raised:
        parse_review(review)

    assert raised.value.uid == "705ab4f5-6393-11e8-b7cc-42010a800002"


@pytest.mark.parametrize("uid", ["", None, 5, [], "x" * (UID_LIMIT + 1)])
def test_a_request_without_a_uid_can_not_be_answered(uid: object) -> None:
    with pytest.raises(ReviewError, match=r"request\.uid") as raised:
        parse_review(asked(uid=uid))

    assert raised.value.uid is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"operation": "PATCH"}, "'PATCH'; expected one of CONNECT, CREATE, DELETE, UPDATE"),
        ({"operation": None}, "missing or null"),
        ({"operation": ["CREATE"]}, "a JSON list"),
        ({"object": []}, "request.object is a JSON list"),
        ({"object": 0}, "request.object is a JSON int"),
        ({"oldObject": "x"}, "request.oldObject is 'x'"),
        ({"object": None}, "CREATE brings an object"),
        ({"object": None, "operation": "UPDATE"}, "UPDATE brings an object"),
    ],
)
def test_a_request_that_can_not_be_judged_is_refused_and_known(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ReviewError) as raised:
        parse_review(asked(**changes))

    assert words in str(raised.value)
    assert raised.value.uid == "705ab4f5-6393-11e8-b7cc-42010a800002"


def test_what_is_refused_may_be_deep() -> None:
    """Showing it whole would take more stack than there is."""
    deep = '{"apiVersion": ' + "[" * 1000 + "]" * 1000 + "}"

    with pytest.raises(ReviewError, match="a JSON list"):
        parse_review(deep.encode())


def test_of_equal_keys_the_last_one_wins() -> None:
    body = asked().replace(b'"operation": "CREATE"', b'"operation": "DELETE", "operation": "CREATE"')

    assert parse_review(body).operation == "CREATE"


@given(st.dictionaries(st.sampled_from(["uid", "operation", "kind", "object", "oldObject", "userInfo"]), JSON))
def test_no_json_is_a_crash(request: dict[str, object]) -> None:
    for body in (request, {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}):
        try:
            parsed = parse_review(json.dumps(body).encode())
        except ReviewError:
            continue
        assert parsed.uid


@given(st.binary(max_size=60))
def test_no_bytes_are_a_crash(body: bytes) -> None:
    with pytest.raises(ReviewError):
        parse_review(body)


def test_an_admission_is_no_more_than_that() -> None:
    """A `patchType` without a patch, an empty list of warnings: each is one more thing to be refused for."""
    assert json.loads(reply("4711", allowed=True)) == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": "4711", "allowed": True},
    }


def test_a_refusal_is_403_with_its_text() -> None:
    response = json.loads(reply("4711", allowed=False, message="a\nb"))["response"]

    assert response["status"] == {"status": "Failure", "message": "a\nb", "reason": "Forbidden", "code": 403}
    assert json.loads(reply("4711", allowed=False))["response"]["status"]["message"]


def test_an_answer_brings_warnings_annotations_and_a_patch() -> None:
    patch = b'[{"op":"replace","path":"/a","value":"b"}]'
    response = json.loads(reply("4711", allowed=True, warnings=("w",), audit={"verdicts": "x"}, patch=patch))[
        "response"
    ]

    assert response["warnings"] == ["w"]
    assert response["auditAnnotations"] == {"verdicts": "x"}
    assert response["patchType"] == "JSONPatch"
    assert base64.b64decode(response["patch"]) == patch


@given(st.text(), st.lists(st.text(), max_size=3), st.dictionaries(st.text(), st.text(), max_size=2), st.booleans())
def test_no_text_keeps_an_answer_from_being_sent(
    message: str,
    warnings: list[str],
    audit: dict[str, str],
    allowed: bool,  # noqa: FBT001 - a case
) -> None:
    answer = json.loads(reply("4711", allowed=allowed, message=message, warnings=warnings, audit=audit))

    assert answer["response"]["uid"] == "4711"
    assert answer["response"]["allowed"] is allowed


def test_what_utf8_can_not_hold_is_replaced() -> None:
    response = json.loads(
        reply("4711", allowed=False, message="a\ud800b", warnings=["\udfff"], audit={"\ud800": "é\ud800"})
    )["response"]

    assert response["status"]["message"] == "a\ufffdb"
    assert response["warnings"] == ["\ufffd"]
    assert response["auditAnnotations"] == {"\ufffd": "é\ufffd"}


def test_of_an_unreadable_request_only_the_uid_is_known() -> None:
    request = unreadable_request("4711")

    assert request_data(request)["uid"] == "4711"
    assert not any((request.operation, request.kind, request.name, request.user, request.new_object))
