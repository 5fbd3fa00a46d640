from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.admission.receiving import BEGINNING
from router.admission.review import UID_LIMIT, read_beginning, reply
from router.errors import ReviewError
from tests.admission import recorded
from tests.admission.recorded import read
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
    request, objects = read(recorded.body(name))
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
    assert json.loads(bytes(memoryview(objects.new)) or b"null") == sent["object"]
    assert json.loads(bytes(memoryview(objects.old)) or b"null") == sent["oldObject"]
    assert request.problem == ""


@pytest.mark.parametrize("missing", ["userInfo", "namespace", "name", "dryRun", "oldObject", "kind"])
def test_what_may_be_missing_is_empty(missing: str) -> None:
    """Cluster-scoped objects have no namespace, and an API server leaves out what is empty."""
    review = pod("nginx")
    review["request"] = {key: value for key, value in recorded.mapping(review["request"]).items() if key != missing}

    assert read(json.dumps(review).encode())[0].operation == "CREATE"


@pytest.mark.parametrize("garbage", [None, 1, "x", [], {"name": 1}, [1]])
@pytest.mark.parametrize("key", ["userInfo", "namespace", "name", "dryRun", "kind", "subResource"])
def test_what_is_of_another_type_is_as_if_it_were_missing(key: str, garbage: object) -> None:
    request, _ = read(asked(**{key: garbage}))

    assert request.uid == "705ab4f5-6393-11e8-b7cc-42010a800002"
    assert request.problem == ""


def test_groups_that_are_no_texts_are_none() -> None:
    assert read(asked(userInfo={"groups": ["a", 1, None]}))[0].groups == ("a",)


@pytest.mark.parametrize("key", ["namespace", "name", "subResource"])
def test_every_text_is_bounded_before_it_is_used(key: str) -> None:
    """Kubernetes has no name of more than 253 characters; whoever reaches the port may send one of millions."""
    request, _ = read(asked(**{key: "x" * 1_000_000}))

    assert max(len(request.namespace), len(request.name), len(request.subresource)) == 256


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", "no_json"),
        (b"{nope", "no_json"),
        (b"\xff", "no_json"),
        (b"[" * 100_000 + b"]" * 100_000, "no_json"),
        (b"null", "no_json"),
        (b"[]", "no_json"),
        (b"{} x", "no_json"),
        (b'{"a": "', "no_json"),
        (b"{}", "no_review"),
        (b'{"apiVersion": 1, "kind": []}', "no_review"),
        (b'{"apiVersion": "admission.k8s.io/v1", "KIND": "AdmissionReview", "request": {}}', "no_review"),
        (json.dumps(pod("nginx") | {"apiVersion": "admission.k8s.io/v1beta1"}).encode(), "no_review"),
        (b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}', "no_uid"),
        (b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": []}', "no_uid"),
        (b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {}}', "no_uid"),
        *((asked(uid=uid), "no_uid") for uid in ("", None, 5, ["x"], "x" * (UID_LIMIT + 1))),
    ],
)
def test_what_is_no_review_with_a_uid_is_refused_with_its_cause(body: bytes, cause: str) -> None:
    with pytest.raises(ReviewError) as raised:
        read(body)

    assert raised.value.cause == cause
    assert 0 < len(str(raised.value)) < 500


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"operation": "PATCH"}, '"PATCH"; expected one of CONNECT, CREATE, DELETE, UPDATE'),
        ({"operation": None}, "missing or no text"),
        ({"operation": ["CREATE"]}, "missing or no text"),
        ({"object": []}, "request.object is not an object"),
        ({"object": 0}, "request.object is not an object"),
        ({"oldObject": "x"}, "request.oldObject is not an object"),
        ({"object": None}, "CREATE brings an object"),
        ({"object": None, "operation": "UPDATE"}, "UPDATE brings an object"),
    ],
)
def test_a_request_that_can_not_be_judged_is_known_with_its_problem(changes: dict[str, object], words: str) -> None:
    """Its uid can be read, so it gets an answer: by the mode of its namespace, not by the webhook's failurePolicy."""
    request, _ = read(asked(**changes))

    assert words in request.problem
    assert request.uid == "705ab4f5-6393-11e8-b7cc-42010a800002"


@pytest.mark.parametrize(
    "odd",
    [
        b'{"f:a":' * 1100 + b"{}" + b"}" * 1100,
        b'{"\xff":1}',
        b'{"a":"\\ud800"}',
        b"9" * 5000,
        b"[" * 12_000 + b"]" * 12_000,
    ],
    ids=["deep", "no UTF-8", "lone surrogate", "huge number", "deeper than Go reads"],
)
def test_what_nobody_needs_makes_no_review_unreadable(odd: bytes) -> None:
    """An API server hands on `managedFields` as it got them."""
    body = asked(object={"metadata": {"managedFields": "@@"}, "spec": {}}).replace(b'"@@"', odd)
    request, objects = read(body)

    assert request.problem == ""
    assert odd in bytes(memoryview(objects.new))


def test_of_equal_keys_the_last_one_wins() -> None:
    body = asked().replace(b'"operation": "CREATE"', b'"operation": "DELETE", "operation": "CREATE"')

    assert read(body)[0].operation == "CREATE"


@given(st.dictionaries(st.sampled_from(["uid", "operation", "kind", "object", "oldObject", "userInfo"]), JSON))
def test_no_json_is_a_crash(request: dict[str, object]) -> None:
    for body in (request, {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}):
        try:
            parsed, _ = read(json.dumps(body).encode())
        except ReviewError:
            continue
        assert parsed.uid


@given(st.binary(max_size=60))
def test_no_bytes_are_a_crash(body: bytes) -> None:
    with pytest.raises(ReviewError):
        read(body)


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


@pytest.mark.parametrize("name", recorded.NAMES)
def test_the_beginning_of_a_body_says_whose_it_is(name: str) -> None:
    """An API server writes what is asked before who asks and the objects; the recorded ones are only indented."""
    sent = json.dumps(recorded.parsed(name), separators=(",", ":")).encode()
    request = recorded.request(name)

    assert read_beginning(sent[:BEGINNING]) == (request.uid, request.namespace)


TEXTS = st.text(max_size=30) | st.sampled_from(
    ['","object":{', '},"userInfo":{', '\\","namespace":"x', ',"object":null']
)


@given(st.lists(TEXTS, min_size=5, max_size=5), st.integers(min_value=0, max_value=400))
def test_no_text_in_a_beginning_makes_it_another_request(texts: list[str], length: int) -> None:
    """Whoever names an object must not choose whose namespace its request is in."""
    uid, kind, name, namespace, user = texts
    asked = {"uid": uid, "kind": {"kind": kind, "object": [name]}, "name": name, "namespace": namespace}
    whole = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"} | {
        "request": asked | {"userInfo": {"username": user, "extra": {"object": [user]}}, "object": {"namespace": user}}
    }
    said = read_beginning(json.dumps(whole, separators=(",", ":")).encode()[:length])

    assert said is None or said == (uid, namespace)


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"[" * 4096,
        b'{"a":1,"object":{}}',
        b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1","request":{"uid":"1","object":{',
        b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":7,"object":{',
        b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"","object":{',
        b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","namespace":7,"object":{',
        b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"\xff","object":{',
    ],
)
def test_what_does_not_say_whose_it_is_says_nothing(beginning: bytes) -> None:
    assert read_beginning(beginning) is None
