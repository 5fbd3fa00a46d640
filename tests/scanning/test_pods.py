"""What runs is counted by owner and image, by the digest that runs, at the cost of what is different."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping

import pytest

from router.admission.review import NAME_LIMIT
from router.kubernetes.client import Json
from router.scanning.pods import NODES_NAMED, PLACES_NAMED, Census, Running
from tests.scanning.stage import DIGEST, controller, pod, read, runs


def counted(*pods: Mapping[str, Json]) -> Census:
    census = Census()
    census.take(read(*pods))
    return census


def test_pods_of_one_owner_and_image_are_one_entry() -> None:
    owner = controller("ReplicaSet", "web-5d8")
    labels: Json = {"pod-template-hash": "5d8"}
    pods = [pod(f"web-{n}", runs("r/web:1"), owner=owner, node=f"n{n}", labels=labels) for n in range(40)]
    census = counted(*pods)
    ((running, where),) = census.running.items()

    assert running == Running("shop", ("apps/v1", "Deployment", "web"), "template_hash", "r/web:1", DIGEST)
    assert (where.pods, len(where.nodes)) == (40, NODES_NAMED)
    assert census.pods == {"shop": 40}


def test_whoever_names_containers_without_end_makes_no_entry_larger_than_it_may_be() -> None:
    """One entry that could not be handed in would be in the way of all others."""
    owner = controller("ReplicaSet", "web-5d8")
    pods = [pod(f"web-{n}", *[runs("r/web:1")] * 30, owner=owner) for n in range(10)]
    for number, one in enumerate(pods):
        for each in (one["spec"]["containers"], one["status"]["containerStatuses"]):  # type: ignore[index,call-overload]  # JSON
            for container in each:  # type: ignore[union-attr]  # the same
                container["name"] += f"-{number}"  # type: ignore[index,operator,call-overload]  # the same
    ((_, where),) = counted(*pods).running.items()

    assert (where.pods, len(where.places)) == (10, PLACES_NAMED)


def test_whoever_claims_an_owner_with_an_endless_name_makes_no_entry_larger_than_it_may_be() -> None:
    """The API server takes any; where it was admitted it was cut, too."""
    ((running, _),) = counted(pod("a", runs("i"), owner=controller("k" * 10**6, "n" * 10**6))).running.items()

    assert [len(text) for text in running.owner[1:]] == [NAME_LIMIT, NAME_LIMIT]


@pytest.mark.parametrize(
    ("one", "owner"),
    [
        (pod("a", runs("i"), owner=controller("StatefulSet", "db")), ("apps/v1", "StatefulSet", "db")),
        (pod("a", runs("i"), owner=controller("Job", "nightly-29000000")), ("batch/v1", "CronJob", "nightly")),
        (pod("a", runs("i"), owner=controller("Node", "n1")), ("v1", "Pod", "a")),
        (pod("a", runs("i")), ("v1", "Pod", "a")),
        (pod("a-x7", runs("i"), generateName="a-"), ("v1", "Pod", "a-")),
    ],
)
def test_it_is_whose_it_was_when_it_was_admitted(one: Mapping[str, Json], owner: tuple[str, str, str]) -> None:
    assert [running.owner for running in counted(one).running] == [owner]


@pytest.mark.parametrize(
    ("image_id", "digest"),
    [
        (f"docker-pullable://r/web@{DIGEST}", DIGEST),
        (f"r/web@{DIGEST}", DIGEST),
        (DIGEST, None),
        ("docker://sha256:abc", None),
        (f"r/web@{DIGEST}0", None),
        ("x" * 100_000, None),
    ],
)
def test_only_a_digest_of_a_repository_says_what_runs(image_id: str, digest: str | None) -> None:
    assert [running.digest for running in counted(pod("a", ("r/web:1", image_id))).running] == [digest]


@pytest.mark.parametrize(
    "one",
    [
        pod("a", runs("i"), phase="Succeeded"),
        pod("a", runs("i"), phase="Failed"),
        pod("a", runs("i"), deletionTimestamp="2026-01-01T00:00:00Z"),
        pod("a", ("i", ""), phase="Pending"),
        pod("a"),
    ],
)
def test_what_has_ended_or_never_began_does_not_run(one: Mapping[str, Json]) -> None:
    census = counted(one)

    assert (census.running, census.pods) == ({}, {})


def test_init_and_ephemeral_containers_run_too() -> None:
    one = pod("a", runs("i"))
    spec, status = one["spec"], one["status"]
    assert isinstance(spec, dict)
    assert isinstance(status, dict)
    for kind in ("init", "ephemeral"):
        spec[f"{kind}Containers"] = [{"name": kind, "image": kind}]
        status[f"{kind}ContainerStatuses"] = [{"name": kind, "imageID": f"x@{DIGEST}"}]
    places = [place for where in counted(one).running.values() for place in where.places]

    assert places == [("container", "c0"), ("init_container", "init"), ("ephemeral_container", "ephemeral")]


def test_pods_that_run_something_are_counted_once_however_much_of_it_they_run() -> None:
    census = counted(pod("a", runs("i"), runs("j")), pod("b", runs("i")), pod("c", runs("k"), namespace="other"))
    wanted = [running for running in census.running if running.image in {"i", "j"}]

    assert census.pods_with(wanted) == {"shop": 2, "other": 0}


def test_twenty_thousand_pods_of_five_hundred_images_are_five_hundred_entries() -> None:
    """Whoever runs a large cluster has no memory to give away: what is kept is what is different."""
    census = Census()
    tracemalloc.start()
    for page in range(80):
        pods = [
            pod(f"p{page}-{n}", runs(f"r/i{n * 2 % 500 + page % 2}:1"), namespace=f"ns{n * 2 % 500}", node=f"n{n}")
            for n in range(250)
        ]
        census.take(read(*pods))
        del pods
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    images = {(running.image, running.digest) for running in census.running}

    assert (sum(census.pods.values()), len(images)) == (20_000, 500)
    assert used < 50 * 2**20
