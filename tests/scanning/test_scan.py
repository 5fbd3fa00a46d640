"""A scan asks about each image once, and says of each namespace how far it knows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import orjson
import pytest

from router.events import Origin, as_json, event_schema
from router.kubernetes.client import Cluster
from router.readiness.judging import Scan
from router.scanning.findings import DAY, RunningJudgement, finding, finding_id
from router.scanning.pods import Census
from router.scanning.scan import ImageQuestion, census, scanned
from tests.kubernetes.shapes import lowest
from tests.scanning.stage import DIGEST, OTHER, Judge, controller, judged, pod, read, runs
from tests.simulators.kubernetes import KubernetesSimulator

NOW = 1_790_000_000.0
PODS = "/api/v1/namespaces/{}/pods"


async def one_by_one(
    questions: Sequence[ImageQuestion], ask: Callable[[ImageQuestion], Awaitable[Mapping[str, RunningJudgement]]]
) -> AsyncIterator[Mapping[str, RunningJudgement]]:
    for question in questions:
        yield await ask(question)


def counted(*pods: Mapping[str, object]) -> Census:
    whole = Census()
    whole.take(read(*pods))  # type: ignore[arg-type]  # JSON
    return whole


async def test_twenty_thousand_pods_of_five_hundred_images_cost_five_hundred_verifications() -> None:
    images = [runs(f"r/i{number}:1") for number in range(500)]
    census = Census()
    for page in range(80):
        some = (pod(f"p{page}-{n}", images[n * 80 % 500 + page % 20], namespace=f"ns{n}") for n in range(250))
        census.take(read(*some))
    judge = Judge(lambda _: judged())
    result = await scanned(census, judge, one_by_one, NOW)

    assert sum(scan.pods for scan in result.by_namespace.values()) == 20_000
    assert len(judge.asked) == len(set(judge.asked)) == 500


async def test_each_image_is_asked_about_once_page_by_page_from_the_api_server() -> None:
    async with KubernetesSimulator().running() as api:
        for n in range(2000):
            name = f"p{n}"
            one = pod(name, runs(f"r/i{n % 50}:1"), namespace=f"ns{n % 7}")
            api.put(PODS.format(f"ns{n % 7}"), one)
        async with Cluster(api.access(), lowest) as cluster:
            found = await census(cluster, None)
    judge = Judge(lambda _: judged())
    result = await scanned(found, judge, one_by_one, NOW)

    assert len(judge.asked) == len(set(judge.asked)) == 50
    assert sum(scan.pods for scan in result.by_namespace.values()) == 2000
    assert {query["limit"] for _, _, query in api.requests} == {"250"}


async def test_only_what_was_asked_about_is_counted() -> None:
    async with KubernetesSimulator().running() as api:
        for namespace in ("a", "b", "c"):
            api.put(PODS.format(namespace), pod("p", runs("r/i:1"), namespace=namespace))
        async with Cluster(api.access(), lowest) as cluster:
            found = await census(cluster, ["a", "c"])

    assert found.pods == {"a": 1, "c": 1}


async def test_a_list_that_begins_anew_is_counted_once() -> None:
    async with KubernetesSimulator().running() as api:
        for n in range(600):
            api.put(PODS.format("shop"), pod(f"p{n}", runs("r/i:1")))
        was_forgotten = False

        def forget(_: object) -> None:
            nonlocal was_forgotten
            if len(api.requests) == 2 and not was_forgotten:
                was_forgotten = True
                api.forget()

        api.faults.append(forget)
        async with Cluster(api.access(), lowest) as cluster:
            found = await census(cluster, None)

    assert was_forgotten
    assert found.pods == {"shop": 600}


@pytest.mark.parametrize(
    ("one", "answer", "unknown"),
    [
        (pod("a", runs("i")), judged(), 0),
        (pod("a", runs("i")), judged("unsigned"), 0),
        (pod("a", runs("i")), judged("unverifiable", reason="unreachable"), 1),
        (pod("a", ("i", "sha256:abc")), judged("unverifiable", reason="no_digest"), 1),
    ],
)
async def test_pods_of_which_it_can_not_be_told_are_counted(
    one: Mapping[str, object], answer: RunningJudgement, unknown: int
) -> None:
    result = await scanned(counted(one), Judge(lambda _: answer), one_by_one, NOW)

    assert result.by_namespace == {"shop": Scan(NOW, 1, unknown)}


@pytest.mark.parametrize(("tag_digest", "has_moved"), [(None, False), (DIGEST, False), (OTHER, True)])
async def test_a_tag_that_means_another_digest_has_moved(tag_digest: str | None, has_moved: bool) -> None:  # noqa: FBT001 - a parameter of a test
    answer = judged(tag_digest=tag_digest)
    (found,) = (await scanned(counted(pod("a", runs("i"))), Judge(lambda _: answer), one_by_one, NOW)).found

    assert found.has_moved is has_moved
    assert answer.parts.decision["severity"] == "info"


async def test_a_finding_has_the_shape_of_a_decision() -> None:
    census = counted(pod("web-5d8-x", runs("i"), owner=controller("ReplicaSet", "web-5d8")))
    answer = judged("unsigned", OTHER, image="i")
    (found,) = (await scanned(census, Judge(lambda _: answer), one_by_one, NOW)).found
    event = finding(Origin("c", "r"), found.running, found.where, found.judged, NOW)
    data = event["data"]

    jsonschema.validate(orjson.loads(as_json(event)), event_schema())
    assert (data["request"]["operation"], data["decision"]["outcome"], data["decision"]["would_reject"]) == (
        "SCAN",
        "admitted",
        True,
    )
    assert data["scan"] == {"pods": 1, "nodes": ["n1"], "image_id": f"docker.io/i@{DIGEST}", "tag_digest": OTHER}


def test_the_same_finding_is_one_event_a_day() -> None:
    (running,) = counted(pod("a", runs("i"))).running
    (other,) = counted(pod("a", runs("i", OTHER))).running
    (copied,) = counted(pod("a", runs("j"))).running
    first = finding_id("c", running, "unsigned", NOW)

    assert first == finding_id("c", running, "unsigned", NOW + 60.0)
    assert len({first, *(finding_id(*of) for of in (
        ("d", running, "unsigned", NOW),
        ("c", other, "unsigned", NOW),
        ("c", copied, "unsigned", NOW),
        ("c", running, "verified", NOW),
        ("c", running, "unsigned", NOW + DAY),
    ))}) == 6  # fmt: skip
