from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from router.admission.patches import pin
from router.decision import Place
from router.errors import InvalidReferenceError
from router.images import Digest, parse_reference
from tests.admission import recorded

DIGEST = "sha256:" + "ab" * 32


def place(image: str) -> Place:
    return Place("web", "container", image, "/spec/containers/0/image")


def pinned_to(image: str) -> object:
    patch = pin([(place(image), DIGEST)])
    return None if patch is None else json.loads(patch)[0]["value"]


def applied(document: object, patch: bytes) -> dict[str, object]:
    """The patched document, by RFC 6902: `replace` fails where there is nothing to replace."""
    changed = copy.deepcopy(document)
    for operation in json.loads(patch):
        assert operation["op"] == "replace"
        *path, last = operation["path"].split("/")[1:]
        node = changed
        for part in path:
            node = node[int(part)] if isinstance(node, list) else recorded.mapping(node)[part]
        holder = recorded.mapping(node)
        assert last in holder
        holder[last] = operation["value"]
    return recorded.mapping(changed)


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        ("registry.example/shop/web:1.4", f"registry.example/shop/web@{DIGEST}"),
        ("registry.example:5000/web", f"registry.example:5000/web@{DIGEST}"),
        ("registry.example:5000/web:1", f"registry.example:5000/web@{DIGEST}"),
        ("[::1]:5000/web:1", f"[::1]:5000/web@{DIGEST}"),
        ("busybox", f"busybox@{DIGEST}"),
        ("busybox:1.36", f"busybox@{DIGEST}"),
        ("index.docker.io/nginx", f"index.docker.io/nginx@{DIGEST}"),
        (f"web@{DIGEST}", None),
        (f"web:1@{DIGEST}", None),
        ("", None),
    ],
)
def test_a_tag_becomes_the_digest_and_the_name_stays_as_written(image: str, pinned: str | None) -> None:
    assert pinned_to(image) == pinned


def test_a_place_that_can_not_be_pinned_is_left_alone() -> None:
    assert pin([(structs.replace(place("web:1"), is_pinnable=False), DIGEST)]) is None


def test_nothing_to_pin_is_no_patch() -> None:
    """An empty list would need a patchType, and a validating webhook may have neither."""
    assert pin([]) is None


@given(
    st.from_regex(r"([a-z]{1,4}\.example(:[0-9]{1,4})?/)?[a-z]{1,4}(/[a-z0-9]{1,4}){0,2}(:[A-Za-z0-9_.]{1,6})?"),
)
def test_what_is_pinned_is_the_same_repository_by_digest(image: str) -> None:
    try:
        before = parse_reference(image)
    except InvalidReferenceError:  # nobody proves it, so nobody pins it
        return
    after = parse_reference(str(pinned_to(image)))

    assert after.name == before.name
    assert after.digest == Digest.parse(DIGEST)
    assert after.tag is None


def with_object(body: bytes, changed: object) -> bytes:
    """The review with another object."""
    review = json.loads(body)
    review["request"]["object"] = changed
    return json.dumps(review).encode()


def with_everything_proven(body: bytes) -> tuple[dict[str, object], bytes] | None:
    patch = pin([(found, DIGEST) for found in recorded.workload(body).places])
    return None if patch is None else (applied(json.loads(body)["request"]["object"], patch), patch)


@pytest.mark.parametrize("name", recorded.NAMES)
def test_a_patch_applies_to_what_was_sent_and_changes_images_only(name: str) -> None:
    """A patch that fails to apply refuses the request under every failure policy."""
    body = recorded.body(name)
    places = recorded.workload(body).places
    made = with_everything_proven(body)
    if made is None:
        assert not [found for found in places if found.is_pinnable and "@" not in found.image]
        return
    changed, patch = made

    for before, found in zip(places, recorded.workload(with_object(body, changed)).places, strict=True):
        assert "@" in found.image or not before.is_pinnable
        assert found.pointer == before.pointer
    originals = {found.pointer: found.image for found in places}
    undone = [{**operation, "value": originals[operation["path"]]} for operation in json.loads(patch)]
    assert applied(changed, json.dumps(undone).encode()) == recorded.parsed(name)["request"]["object"]


def test_only_what_an_update_brings_is_pinned() -> None:
    """Of a running Pod hardly anything may change: a pin elsewhere would be refused as invalid."""
    made = with_everything_proven(recorded.body("pod-ephemeralcontainers-update"))

    assert made is not None
    assert [operation["path"] for operation in json.loads(made[1])] == ["/spec/ephemeralContainers/0/image"]


def test_what_was_pinned_once_is_not_pinned_again() -> None:
    """Webhooks are asked again when others changed the object."""
    body = recorded.body("pod-create-init-and-sidecar")
    made = with_everything_proven(body)

    assert made is not None
    assert with_everything_proven(with_object(body, made[0])) is None
