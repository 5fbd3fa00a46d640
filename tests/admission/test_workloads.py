from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.admission import foreign
from router.admission.places import PLACES_LIMIT
from router.admission.workloads import Workload, read_workload
from router.decision import Place
from tests.admission import recorded
from tests.admission.recorded import workload as images_of
from tests.admission.world import pod

REGISTRY = "registry.example.com:5000/shop"
PROVEN = "sha256:0b30557a9fc4e90e33587da2c7ec11365b80a5caef14395e83a8cdf2173c6186"
TEMPLATE, CRON = "/spec/template/spec", "/spec/jobTemplate/spec/template/spec"

FOUND = {
    "cronjob-create": [("container", "report", f"{REGISTRY}/report:2026.11", f"{CRON}/containers/0/image")],
    "custom-resource-create": [("container", "canary", f"{REGISTRY}/canary:1", f"{TEMPLATE}/containers/0/image")],
    "daemonset-create": [("container", "agent", f"{REGISTRY}/agent:5", f"{TEMPLATE}/containers/0/image")],
    "deployment-create": [("container", "web", f"{REGISTRY}/web:1", f"{TEMPLATE}/containers/0/image")],
    "deployment-update-image": [("container", "web", f"{REGISTRY}/web:2", f"{TEMPLATE}/containers/0/image")],
    "job-create": [("container", "import", f"{REGISTRY}/import:1", f"{TEMPLATE}/containers/0/image")],
    "job-create-by-cronjob": [("container", "report", f"{REGISTRY}/report:2026.11", f"{TEMPLATE}/containers/0/image")],
    "pod-create": [("container", "web", f"{REGISTRY}/frontend:1.4.2", "/spec/containers/0/image")],
    "pod-create-apply": [("container", "web", f"{REGISTRY}/frontend:1.4.2", "/spec/containers/0/image")],
    "pod-create-by-job": [("container", "report", f"{REGISTRY}/report:2026.11", "/spec/containers/0/image")],
    "pod-create-by-replicaset": [("container", "web", f"{REGISTRY}/web:1", "/spec/containers/0/image")],
    "pod-create-by-replicaset-mutating": [("container", "web", f"{REGISTRY}/web:1", "/spec/containers/0/image")],
    "pod-create-by-statefulset": [("container", "db", f"{REGISTRY}/db@{PROVEN}", "/spec/containers/0/image")],
    "pod-create-dry-run": [("container", "web", f"{REGISTRY}/frontend:1.4.2", "/spec/containers/0/image")],
    "pod-create-generate-name": [("container", "web", f"{REGISTRY}/frontend:1.4.2", "/spec/containers/0/image")],
    "pod-create-generate-name-mutating": [
        ("container", "web", f"{REGISTRY}/frontend:1.4.2", "/spec/containers/0/image")
    ],
    "pod-create-image-volume": [
        ("container", "serve", f"{REGISTRY}/serve:3", "/spec/containers/0/image"),
        ("image_volume", "model", f"{REGISTRY}/model:v3", "/spec/volumes/0/image/reference"),
    ],
    "pod-create-init-and-sidecar": [
        ("init_container", "migrate", f"{REGISTRY}/migrate:7", "/spec/initContainers/0/image"),
        ("init_container", "proxy", f"{REGISTRY}/proxy@{PROVEN}", "/spec/initContainers/1/image"),
        ("container", "app", f"{REGISTRY}/app:7@{PROVEN}", "/spec/containers/0/image"),
        ("container", "log", "busybox", "/spec/containers/1/image"),
    ],
    "pod-create-mutating": [("container", "web", f"{REGISTRY}/frontend:1.4.2", "/spec/containers/0/image")],
    "pod-ephemeralcontainers-update": [
        ("container", "web", f"{REGISTRY}/frontend:1.4.2", "/spec/containers/0/image"),
        ("ephemeral_container", "debugger-x7k2p", "busybox:1.36", "/spec/ephemeralContainers/0/image"),
    ],
    "pod-update-image": [
        ("container", "web", f"{REGISTRY}/frontend:1.4.3", "/spec/containers/0/image"),
        ("ephemeral_container", "debugger-x7k2p", "busybox:1.36", "/spec/ephemeralContainers/0/image"),
    ],
    "podtemplate-create": [("container", "base", f"{REGISTRY}/base:1", "/template/spec/containers/0/image")],
    "replicaset-create": [("container", "bare", f"{REGISTRY}/bare:1", f"{TEMPLATE}/containers/0/image")],
    "replicaset-create-by-deployment": [("container", "web", f"{REGISTRY}/web:1", f"{TEMPLATE}/containers/0/image")],
    "replicationcontroller-create": [("container", "old", f"{REGISTRY}/old:1", f"{TEMPLATE}/containers/0/image")],
    "statefulset-create": [("container", "db", f"{REGISTRY}/db@{PROVEN}", f"{TEMPLATE}/containers/0/image")],
}
SKIPPED = {
    "deployment-delete-foreground": "deletion",
    "deployment-scale": "subresource",
    "deployment-status-update": "subresource",
    "deployment-update-replicas": "unchanged",
    "pod-binding-create": "subresource",
    "pod-delete": "deletion",
    "pod-delete-dry-run": "deletion",
    "pod-deletecollection": "deletion",
    "pod-eviction-create": "subresource",
    "pod-exec-connect": "connect",
    "pod-resize-update": "unchanged",
    "pod-status-update": "subresource",
    "pod-update-apply-unchanged": "unchanged",
    "pod-update-being-deleted": "being_deleted",
    "pod-update-label": "unchanged",
}


def request(found: object, kind: str = "v1/Pod", **changes: object) -> bytes:
    """A request about an object of a kind, written GROUP/VERSION/KIND or v1/KIND."""
    *group, version, name = kind.split("/")
    review = pod("x")
    review["request"] = {
        **recorded.mapping(review["request"]),
        "kind": {"group": "/".join(group), "version": version, "kind": name},
        "object": found,
        **changes,
    }
    return json.dumps(review).encode()


def update(new: object, old: object, kind: str = "v1/Pod", **changes: object) -> bytes:
    return request(new, kind, operation="UPDATE", oldObject=old, **changes)


def a_pod(*images: object, **spec: object) -> dict[str, object]:
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    return {"spec": {"containers": containers, **spec}}


def a_deployment(*images: object, replicas: int = 1) -> dict[str, object]:
    return {"spec": {"replicas": replicas, "template": a_pod(*images)}}


def names(asked: bytes) -> list[str]:
    return [place.image for place in images_of(asked).places]


@pytest.mark.parametrize("name", recorded.NAMES)
def test_every_image_of_a_recorded_request_is_found(name: str) -> None:
    """What a real API server sent: each brings just these images, or is skipped for just this reason."""
    workload = images_of(recorded.body(name))
    places = [(place.container_kind, place.container, place.image, place.pointer) for place in workload.places]

    assert places == FOUND.get(name, [])
    assert workload.skip == SKIPPED.get(name)
    assert workload.notices == ()
    assert (name in FOUND) != (name in SKIPPED)


@pytest.mark.parametrize("name", FOUND)
def test_a_pointer_leads_to_the_image(name: str) -> None:
    for place in images_of(recorded.body(name)).places:
        node: object = recorded.parsed(name)["request"]["object"]
        for part in place.pointer.split("/")[1:]:
            node = node[int(part)] if isinstance(node, list) else recorded.mapping(node)[part]
        assert node == place.image


def test_the_owner_is_the_controller() -> None:
    found = images_of(recorded.body("pod-create-by-replicaset"))

    assert found.name == "web-789fdff455-fl8vj"
    assert found.owner is not None
    assert (found.owner["api_version"], found.owner["kind"]) == ("apps/v1", "ReplicaSet")
    assert found.owner["name"] == "web-789fdff455"
    assert found.owner["uid"]


def test_a_pod_without_a_name_goes_by_its_prefix() -> None:
    found = images_of(recorded.body("pod-create-by-replicaset-mutating"))

    assert (found.name, found.generate_name) == ("", "web-789fdff455-")


@pytest.mark.parametrize(
    "references", [None, "x", [1, None], [{"kind": "A"}], [{"controller": "true"}], [{"controller": False}]]
)
def test_what_is_no_controller_owns_nothing(references: object) -> None:
    assert images_of(request({"metadata": {"ownerReferences": references}, **a_pod("x")})).owner is None


def test_an_owner_of_other_types_has_empty_parts() -> None:
    owner = {"controller": True, "kind": [[]], "name": {"a": 1}}
    found = images_of(request({"metadata": {"ownerReferences": [owner]}, **a_pod("x")}))

    assert found.owner == {"api_version": "", "kind": "", "name": "", "uid": ""}


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("apps/v1beta2/Deployment", a_deployment("x")),
        ("batch/v1beta1/CronJob", {"spec": {"jobTemplate": {"spec": {"template": a_pod("x")}}}}),
        ("serving.knative.dev/v1/Service", {"spec": {"template": a_pod("x")}}),
        ("example.com/v1/Cron", {"spec": {"jobTemplate": {"spec": {"template": a_pod("x")}}}}),
        ("example.com/v1/Bare", {"template": a_pod("x")}),
        ("example.com/v1/PodLike", a_pod("x")),
        ("example.com/v1/OnlyInit", {"spec": {"initContainers": [{"name": "c0", "image": "x"}]}}),
    ],
)
def test_a_pod_is_found_where_pods_usually_stand(kind: str, found: object) -> None:
    """Whatever version, and kinds that we have never heard of."""
    workload = images_of(request(found, kind))

    assert [place.image for place in workload.places] == ["x"]
    assert workload.notices == ()


@pytest.mark.parametrize(
    "kind",
    ["v1/ConfigMap", "apps/v1/ControllerRevision", "policy/v1/PodDisruptionBudget", "networking.k8s.io/v1/Ingress"],
)
def test_built_in_kinds_without_pods_pass_without_a_word(kind: str) -> None:
    workload = images_of(request({"spec": {"parts": [a_pod("x")]}, "data": a_pod("x")}, kind))

    assert (workload.skip, workload.places, workload.notices) == ("no_images", (), ())


def test_a_kind_that_can_not_be_read_is_told() -> None:
    workload = images_of(request({"spec": {"parts": [a_pod("x")]}}, "example.com/v1/Odd"))

    assert workload.skip is None
    assert workload.places == ()
    assert "example.com/v1 Odd is a kind in which Gatecrier can't find images" in workload.notices[0]


def test_what_stands_where_nobody_looks_is_told_and_the_rest_judged() -> None:
    found = {"spec": {"template": a_pod("x"), "workers": [{"template": a_pod("hidden")}]}}
    workload = images_of(request(found, "example.com/v1/Odd"))

    assert [place.image for place in workload.places] == ["x"]
    assert "there are containers in /spec" in workload.notices[0]


@pytest.mark.parametrize(
    "found",
    [
        {"spec": {"template": a_pod("x")}, "metadata": {"a": a_pod("x")}, "status": a_pod("x")},
        {"spec": {"template": a_pod("x"), "containers": ["main"], "names": {"containers": [{"name": "main"}]}}},
    ],
)
def test_what_only_looks_like_containers_is_not_told(found: Mapping[str, object]) -> None:
    assert images_of(request(found, "example.com/v1/Odd")).notices == ()


def test_what_is_too_large_to_be_searched_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "LISTS_LIMIT", 10)
    hidden: list[object] = [{"containers": []} for _ in range(20)]
    workload = images_of(request({"spec": {"template": a_pod("x"), "a": hidden}}, "example.com/v1/Odd"))

    assert "too large" in workload.notices[0]


def test_members_beyond_what_is_searched_are_told_and_still_compared() -> None:
    members = {f"m{number}": number for number in range(foreign.MEMBERS_LIMIT + 5)}
    workload = images_of(request({"spec": {"template": a_pod("x")}, **members}, "example.com/v1/Odd"))
    same = update(members, members, "example.com/v1/Odd")
    other = update({**members, f"m{foreign.MEMBERS_LIMIT + 4}": "changed"}, members, "example.com/v1/Odd")

    assert "too large" in workload.notices[0]
    assert (images_of(same).skip, images_of(other).skip) == ("unchanged", None)


def test_lists_of_containers_are_searched_in_many_steps() -> None:
    """Each costs up to a millisecond: a thousand of them held the loop for a second."""
    body = request({"spec": {"x": [{"containers": []}] * 500}}, "example.com/v1/Odd")
    steps = read_workload(*recorded.read(body), recorded.CSI_DRIVERS)

    assert sum(1 for _ in steps) >= 500


@pytest.mark.parametrize("broken", [None, "x", 5, {}, {"a": 1}, [], True])
@pytest.mark.parametrize("key", ["containers", "initContainers", "ephemeralContainers", "volumes"])
def test_what_is_no_list_of_objects_holds_no_image(key: str, broken: object) -> None:
    assert names(request({"spec": {"containers": [{"name": "c", "image": "x"}], key: broken}})) in (["x"], [])


@pytest.mark.parametrize("container", [None, 5, "x", [], {}, {"image": None}, {"image": 5}, {"image": ["x"]}])
def test_a_container_without_an_image_is_an_image_that_is_none(container: object) -> None:
    """An empty image is an error to report, not a pass."""
    workload = images_of(request({"spec": {"containers": [container]}}))

    assert workload.places == (Place("", "container", "", "/spec/containers/0/image"),)


@pytest.mark.parametrize("image", [{}, {"reference": None}, {"reference": 5}, {"pullPolicy": "Always"}])
def test_an_image_volume_without_a_reference_is_an_image_that_is_none(image: object) -> None:
    places = images_of(request({"spec": {"volumes": [{"name": "v", "image": image}, {"name": "w"}, 5]}})).places

    assert places == (Place("v", "image_volume", "", "/spec/volumes/0/image/reference"),)


@pytest.mark.parametrize("found", [{}, {"spec": None}, {"spec": {"containers": None}}, {"spec": {"containers": []}}])
def test_a_pod_without_containers_brings_no_image(found: object) -> None:
    assert images_of(request(found)).skip == "no_images"
    assert images_of(update(found, a_pod("x"))).skip == "no_images"


@pytest.mark.parametrize("count", [PLACES_LIMIT, PLACES_LIMIT + 1, PLACES_LIMIT * 3])
def test_what_is_beyond_the_limit_does_not_pass(count: int) -> None:
    """Images that nobody looked at would be admitted; one that is no reference is denied."""
    places = images_of(request(a_pod(*["x"] * count))).places

    assert len(places) == PLACES_LIMIT
    assert [place.image for place in places].count("") == (count > PLACES_LIMIT)


def test_image_volumes_behind_many_others_are_found() -> None:
    volumes: list[object] = [{"name": f"v{number}"} for number in range(PLACES_LIMIT * 2)]
    found = a_pod("x", volumes=[*volumes, {"name": "m", "image": {"reference": "hidden"}}])

    assert names(request(found)) == ["x", "hidden"]


def test_too_many_image_volumes_do_not_pass_either() -> None:
    volumes = [{"name": f"v{number}", "image": {"reference": "x"}} for number in range(PLACES_LIMIT + 5)]

    assert names(request({"spec": {"volumes": volumes}}))[-1] == ""


@pytest.mark.parametrize(
    ("new", "old", "skip"),
    [
        (a_pod("a", "b"), a_pod("a", "b"), "unchanged"),
        (a_pod("a"), a_pod("a", "b"), "unchanged"),
        (a_pod("a", "b"), a_pod("a"), None),
        (a_pod("b", "a"), a_pod("a", "b"), "unchanged"),
        (a_pod("a", "c"), a_pod("a", "b"), None),
        (a_pod("a"), {}, None),
        (a_pod("a"), None, None),
    ],
)
def test_an_update_that_brings_no_image_is_not_judged(new: object, old: object, skip: str | None) -> None:
    """Removing a container brings none, nor does another container with the same image."""
    assert images_of(update(new, old)).skip == skip


def test_the_order_of_containers_is_no_change() -> None:
    one, other = {"name": "a", "image": "x"}, {"name": "b", "image": "y"}
    new, old = {"spec": {"containers": [one, other]}}, {"spec": {"containers": [other, one]}}

    assert images_of(update(new, old)).skip == "unchanged"


@pytest.mark.parametrize("count", [PLACES_LIMIT - 1, PLACES_LIMIT, PLACES_LIMIT + 1, PLACES_LIMIT * 3])
def test_an_update_that_brings_none_is_let_in_however_many_images_there_are(count: int) -> None:
    images = [f"x{number}" for number in range(count)]

    assert images_of(update(a_pod(*images), a_pod(*images, "y"))).skip == "unchanged"
    assert images_of(update(a_pod(*images, "new"), a_pod(*images))).skip is None


def test_a_new_image_at_the_last_place_does_not_pass_for_what_stands_behind_it() -> None:
    """The last place makes room for what is beyond; whatever it brings must not be let in unjudged."""
    old = [f"x{number}" for number in range(PLACES_LIMIT + 1)]
    new = [*old[: PLACES_LIMIT - 1], "new", old[-1]]
    places = images_of(update(a_pod(*new), a_pod(*old))).places

    assert [place.is_new for place in places] == [False] * (PLACES_LIMIT - 1) + [True]


def test_of_a_pod_only_what_was_not_there_before_decides() -> None:
    """A good debug container must get into a Pod that runs an unsigned image."""
    workload = images_of(update(a_pod("a", "new"), a_pod("a", "b")))

    assert [(place.image, place.is_new) for place in workload.places] == [("a", False), ("new", True)]


@pytest.mark.parametrize(
    "kind", ["apps/v1/Deployment", "extensions/v1beta1/Deployment", "serving.knative.dev/v1/Service"]
)
def test_a_template_that_brings_an_image_is_judged_whole(kind: str) -> None:
    """A controller makes new Pods of all of it."""
    workload = images_of(update(a_deployment("a", "new"), a_deployment("a", "b"), kind))

    assert [(place.image, place.is_new) for place in workload.places] == [("a", True), ("new", True)]


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ({"template": a_pod("x"), "replicas": 3}, {"template": a_pod("x"), "replicas": 2}),
        ({"template": a_pod("x"), "analysis": a_pod("z")}, {"template": a_pod("x"), "analysis": {"x": a_pod("z")}}),
        ({"template": a_pod("x")}, {"template": a_pod("x"), "analysis": a_pod("z")}),
    ],
)
def test_a_foreign_kind_that_brings_no_image_is_let_in(new: object, old: object) -> None:
    assert images_of(update({"spec": new}, {"spec": old}, "argoproj.io/v1alpha1/Rollout")).skip == "unchanged"


def test_an_image_that_was_hidden_in_a_foreign_kind_is_new_where_it_is_judged() -> None:
    """Where it was hidden it was told and never judged: moving it must not let it in."""
    old = {"spec": {"template": a_pod("x"), "analysis": [a_pod("z")]}}
    new = {"spec": {"template": a_pod("z"), "analysis": [a_pod("x")]}}
    workload = images_of(update(new, old, "argoproj.io/v1alpha1/Rollout"))

    assert (workload.skip, [(place.image, place.is_new) for place in workload.places]) == (None, [("z", True)])


def test_a_foreign_kind_that_brings_a_hidden_image_is_judged() -> None:
    old = {"spec": {"template": a_pod("x"), "analysis": [a_pod("z")]}}
    new = {"spec": {"template": a_pod("x"), "analysis": [a_pod("y")]}}
    workload = images_of(update(new, old, "argoproj.io/v1alpha1/Rollout"))

    assert [(place.image, place.is_new) for place in workload.places] == [("x", True)]
    assert workload.notices


@pytest.mark.parametrize(("new", "old", "never_blocks"), [(0, 2, True), (0, 0, True), (1, 2, False), (1, 0, False)])
def test_a_scale_down_to_zero_is_judged_and_never_blocked(new: int, old: int, never_blocks: bool) -> None:  # noqa: FBT001 - a case
    asked = update(a_deployment("b", replicas=new), a_deployment("a", replicas=old), "apps/v1/Deployment")
    workload = images_of(asked)

    assert (workload.skip, workload.never_blocks) == (None, never_blocks)
    assert [place.image for place in workload.places] == ["b"]


def test_zero_replicas_at_the_beginning_may_be_refused() -> None:
    assert not images_of(request(a_deployment("b", replicas=0), "apps/v1/Deployment")).never_blocks


@pytest.mark.parametrize("driver", sorted(recorded.CSI_DRIVERS))
def test_an_image_that_a_csi_driver_mounts_is_a_place(driver: str) -> None:
    csi = {"driver": driver, "volumeAttributes": {"image": "hidden"}}
    other = {"driver": "secrets.example", "volumeAttributes": {"image": "no"}}
    found = a_pod("x", volumes=[{"name": "v", "csi": csi}, {"name": "w", "csi": other}])

    assert images_of(request(found)).places[1:] == (
        Place("v", "csi_volume", "hidden", "/spec/volumes/0/csi/volumeAttributes/image", is_pinnable=False),
    )


def test_a_csi_image_that_is_missing_does_not_pass() -> None:
    csi = {"driver": "container-image.csi.k8s.io"}

    assert names(request(a_pod("x", volumes=[{"name": "v", "csi": csi}]))) == ["x", ""]


def test_a_pod_of_a_foreign_group_is_foreign() -> None:
    workload = images_of(request({"spec": {"parts": [a_pod("x")]}}, "example.com/v1/Pod"))

    assert workload.notices
    assert not any(place.is_pinnable for place in images_of(request(a_pod("x"), "example.com/v1/Pod")).places)


@pytest.mark.parametrize("group", ["snapshot.storage.k8s.io", "jobset.x-k8s.io", "leaderworkerset.x-k8s.io"])
def test_kinds_of_kubernetes_projects_are_foreign(group: str) -> None:
    """Their groups end like Kubernetes' own, and hold custom resources."""
    assert images_of(request({"spec": {"parts": [a_pod("x")]}}, f"{group}/v1/Odd")).notices


def test_a_text_that_is_too_long_for_a_reference_is_kept_shortened() -> None:
    workload = images_of(request(a_pod("a" * 100_000, "b" * 1024)))

    assert len(workload.places[0].image) < 400
    assert workload.places[0].image.startswith("a" * 200 + "...")
    assert "(100000 characters, sha256 " in workload.places[0].image
    assert workload.places[1].image == "b" * 1024


def test_a_creation_with_a_deletion_timestamp_is_judged() -> None:
    """Nothing that is created is being deleted: it would be a way around the gate."""
    found = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, **a_pod("x")}

    assert images_of(request(found)).skip is None
    assert images_of(update(found, a_pod("y"))).skip == "being_deleted"


def test_an_object_that_can_not_be_read_is_told_again_only_when_it_changes() -> None:
    """A controller updates its objects all day; people were told when it was made."""
    old = {"metadata": {"a": 1}, "spec": {"parts": [a_pod("x")]}, "status": {"a": 1}}
    same = {**old, "metadata": {"a": 2}, "status": {"a": 2}}
    changed = {**same, "spec": {"parts": [a_pod("y")]}}

    assert images_of(update(same, old, "example.com/v1/Odd")).skip == "unchanged"
    assert images_of(update(changed, old, "example.com/v1/Odd")).notices


@pytest.mark.parametrize("depth", [1_100, 12_000])
def test_no_depth_hides_containers(depth: int) -> None:
    """Go reads 10,000 levels."""
    deep = b'{"a":' * depth + json.dumps(a_pod("hidden")).encode() + b"}" * depth
    body = request({"spec": {"template": a_pod("x"), "deep": "@@"}}, "example.com/v1/Odd").replace(b'"@@"', deep)
    workload = images_of(body)

    assert [place.image for place in workload.places] == ["x"]
    assert "there are containers in /spec" in workload.notices[0]


def test_bytes_that_are_no_utf8_are_replaced_and_never_removed() -> None:
    r"""`evil\xff/x` must not become `evil/x`."""
    body = request(a_pod("evil@@/x")).replace(b"@@", b"\xff")

    assert names(body) == ["evil\ufffd/x"]


@pytest.mark.parametrize(
    ("name", "pinnable"),
    [
        ("pod-create", [True]),
        ("pod-create-by-replicaset", [True]),
        ("deployment-create", [True]),
        ("replicaset-create-by-deployment", [False]),
        ("job-create-by-cronjob", [False]),
        ("custom-resource-create", [False]),
        ("pod-ephemeralcontainers-update", [False, True]),
        ("pod-update-image", [True, False]),
    ],
)
def test_a_place_can_be_pinned_where_nobody_minds(name: str, pinnable: list[bool]) -> None:
    """A pinned ReplicaSet is not the one that its Deployment wants: it would make another one, for ever."""
    assert [place.is_pinnable for place in images_of(recorded.body(name)).places] == pinnable


POD_KEYS = ["spec", "containers", "initContainers", "ephemeralContainers", "volumes", "image", "reference", "name"]
OTHER_KEYS = ["template", "jobTemplate", "metadata", "ownerReferences", "controller", "deletionTimestamp", "replicas"]
KEYS = st.sampled_from([*POD_KEYS, *OTHER_KEYS])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=4)
KINDS = st.sampled_from(
    ["v1/Pod", "v1/PodTemplate", "v1/ConfigMap", "apps/v1/Deployment", "batch/v1/CronJob", "example.com/v1/Odd", "v1/"]
)


@settings(max_examples=200)
@given(OBJECTS, OBJECTS, KINDS, st.sampled_from(["CREATE", "UPDATE", "DELETE", "CONNECT"]), st.booleans())
def test_no_object_is_a_crash(
    new: dict[str, object],
    old: dict[str, object],
    kind: str,
    operation: str,
    is_resize: bool,  # noqa: FBT001 - a case
) -> None:
    asked = request(new, kind, operation=operation, oldObject=old, **({"subResource": "resize"} if is_resize else {}))
    workload: Workload = images_of(asked)

    assert (workload.skip is None) == bool(workload.places or workload.notices)
    assert all(place.pointer.startswith("/") for place in workload.places)
