"""Whose fault: an image that was verified and is not any more, whoever runs it."""

from __future__ import annotations

import pytest

from router.events import ImageData
from router.incidents import proven
from router.routing import IncidentRoute
from tests.incidents.stage import World, found, owner

D1, D2, D3 = (f"sha256:{digit * 64}" for digit in "123")
TAG = "r.example/shop/web:1.4"


def of_tag(verdict: str, digest: str = D1, container: str = "c0", **more: object) -> ImageData:
    return found(verdict, container, TAG, **{"digest": digest, "judged_by": "rules", **more})


def of_digest(verdict: str, digest: str = D1) -> ImageData:
    return found(verdict, of=f"r.example/shop/web@{digest}", digest=digest, judged_by="rules")


def kinds(world: World, destination: str = "people") -> list[tuple[str, str, str]]:
    return [(one["state"], one["kind"], one["owner"]["name"]) for one in world.messages(destination)]


def test_a_tag_that_moved_to_a_failing_digest_is_one_trouble_of_the_image(world: World) -> None:
    """Whoever deploys has changed nothing: the image did. Further owners are no news of it."""
    world.tell(of_tag("verified"))
    for name, namespace in (("web", "shop"), ("api", "shop"), ("web", "other")):
        world.tell(of_tag("unsigned", D2, container=f"of-{name}"), name=name, namespace=namespace)
        world.pass_time(120.0)

    assert kinds(world) == [("opened", "image", TAG)]
    (told,) = world.messages()
    assert (told["namespace"], told["owner"]) == ("", {"api_version": "", "kind": "Image", "name": TAG})
    assert world.rows("SELECT json_extract(body, '$.count') FROM incidents") == [(3,)]


@pytest.mark.parametrize("again", [of_tag, of_digest])
def test_a_digest_that_no_longer_is_verified_is_one_trouble_for_all_of_its_tags(world: World, again: object) -> None:
    world.tell(of_tag("verified"))
    world.tell(of_tag("untrusted"), name="web")
    world.tell(again("untrusted"), name="api")  # type: ignore[operator]  # one of two functions
    world.tell(found("untrusted", of="r.example/shop/web:latest", digest=D1, judged_by="rules"), name="third")

    assert kinds(world) == [("opened", "image", f"r.example/shop/web@{D1}")]


@pytest.mark.parametrize(
    "failing",
    [
        of_tag("unsigned", D2, judged_by="others"),
        of_tag("unsigned", D2, judged_by=""),
        of_digest("unsigned", D2),
        of_tag("denied", D2, reason="not_pinned"),
        of_tag("unverifiable", D2, reason="unauthorised"),
        found("unsigned", of="r.example/shop/web:1.5", digest=D2, judged_by="rules"),
    ],
)
def test_what_is_not_known_of_the_image_is_its_owners_trouble(world: World, failing: ImageData) -> None:
    """Other rules, another digest, or nothing found to be wrong: nothing shows that the image has changed."""
    world.tell(of_tag("verified"), name="good")
    world.tell(failing)

    assert kinds(world) == [("opened", "workload", "web")]


@pytest.mark.parametrize(("later", "kind"), [(3600.0, "image"), (3601.0, "workload"), (-1.0, "workload")])
def test_it_is_to_blame_within_an_hour_of_the_last_proof(world: World, later: float, kind: str) -> None:
    world.tell(of_tag("verified"), name="good")
    world.tell(of_tag("unsigned", D2), at=world.of_day + later)

    assert [one for _, one, _ in kinds(world)] == [kind]


def test_a_proof_that_comes_late_makes_nobody_forget_a_later_one(world: World) -> None:
    """Gates store events in parallel: they may come in another order than they were decided in."""
    world.tell(of_tag("verified"), name="good")
    world.tell(of_tag("verified"), name="good", at=world.of_day - 60.0)
    world.tell(of_tag("unsigned", D2), at=world.of_day + 3590.0)

    assert kinds(world) == [("opened", "image", TAG)]


def test_an_image_that_is_blamed_is_blamed_by_whoever_comes_later(world: World) -> None:
    """An hour after the last proof the trouble goes on, and is the same."""
    world.tell(of_tag("verified"), name="good")
    world.tell(of_tag("unsigned", D2))
    world.pass_time(7000.0)
    world.tell(of_tag("unsigned", D2), name="api")

    assert [(state, kind) for state, kind, _ in kinds(world)] == [("opened", "image"), ("repeated", "image")]


def test_another_failing_digest_is_news_and_the_same_in_another_container_is_none(world: World) -> None:
    world.tell(of_tag("verified"), name="good")
    for digest, container in ((D2, "a"), (D2, "b"), (D3, "a")):
        world.tell(of_tag("unsigned", digest, container))
        world.pass_time(70.0)

    assert world.states() == ["opened", "changed"]
    assert [one["digest"] for one in world.messages()[-1]["images"]] == [D2, D3]


@pytest.mark.parametrize(
    ("passing", "later", "states"),
    [
        (of_tag("verified", D2), 0.0, ["opened", "resolved"]),
        (of_tag("verified", D1), 0.0, ["opened", "resolved"]),
        (of_tag("verified", D1, cached=True), 31.0, ["opened", "resolved"]),
        (of_tag("verified", D1, cached=True), 1.0, ["opened"]),
        (of_tag("verified", D2, cached=True), 31.0, ["opened"]),
        (of_tag("verified", D2), -1.0, ["opened"]),
        (of_digest("verified", D1), 1.0, ["opened"]),
    ],
)
def test_it_is_over_when_anybody_shows_it_passing_again(
    world: World, passing: ImageData, later: float, states: list[str]
) -> None:
    """What a gate remembers of the digest that failed, or of where the tag led a moment ago, shows nothing."""
    world.tell(of_tag("verified"), name="good", at=world.of_day - 60.0)
    world.tell(of_tag("unsigned", D2), outcome="rejected")
    world.tell(passing, name="other", namespace="another", user="bob", at=world.of_day + later)

    assert world.states(name=TAG) == states


def test_it_is_quiet_where_nothing_is_heard_of_it(world: World) -> None:
    world.tell(of_tag("verified"), name="good")
    world.tell(of_tag("unsigned", D2), outcome="rejected")
    world.pass_time(3601.0)

    assert world.states() == ["opened", "expired"]
    assert world.messages()[-1]["ended_by"]["how"] == "quiet"


def test_what_else_fails_is_its_owners_trouble_beside_it(world: World) -> None:
    world.tell(of_tag("verified"), name="good")
    other = found(container="c1")
    world.tell(of_tag("unsigned", D2), other)
    world.tell(of_tag("verified", D1), other, name="web")
    world.tell(found("verified", "c1"), name="web")

    assert kinds(world) == [
        ("opened", "image", TAG),
        ("opened", "workload", "web"),
        ("resolved", "image", TAG),
        ("resolved", "workload", "web"),
    ]


@pytest.mark.parametrize("group", ["owner", "namespace", "image", "user"])
def test_it_is_the_images_whatever_routes_group_by(world: World, group: str) -> None:
    routes = [IncidentRoute("people", group_by=group)]  # type: ignore[arg-type]  # one of the four
    world.tell(of_tag("verified"), name="good")
    world.tell(of_tag("unsigned", D2), routes=routes)

    assert kinds(world) == [("opened", "image", TAG)]


def test_what_an_event_that_no_route_took_has_shown_counts(world: World) -> None:
    """No route of people takes what passes, and it is what makes the difference."""
    world.tell(of_tag("verified"), name="good", routes=[])
    world.tell(of_tag("unsigned", D2), routes=[])
    nothing = kinds(world)
    world.tell(of_tag("unsigned", D2), kind="Pod", name="p", of=owner("ReplicaSet", "r"))

    assert nothing == []
    assert kinds(world) == [("opened", "image", TAG)]


def test_what_is_known_outlives_a_crash(world: World) -> None:
    world.decide(of_tag("verified"), name="good")
    world.consume(crash=True)
    world.decide(of_tag("unsigned", D2))
    world.consume(crash=True)

    assert kinds(world) == [("opened", "image", TAG)]


def test_a_flood_of_images_makes_another_namespace_forget_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has one signed image can give it as many tags as they like."""
    monkeypatch.setattr(proven, "LIMIT", 10)
    world.tell(of_tag("verified"), name="good", namespace="victim")
    for number in range(30):
        flood = found("verified", of=f"r.example/flood:{number}", digest=D3, judged_by="rules")
        world.decide(flood, name="flood", namespace="flood", at=world.of_day + number)
    world.tell(of_tag("unsigned", D2), name="w", namespace="victim", at=world.of_day + 60.0)

    assert kinds(world) == [("opened", "image", TAG)]
    assert world.rows("SELECT namespace, count(*) FROM proven_images GROUP BY 1") == [("flood", 10), ("victim", 2)]


def test_beyond_the_images_that_one_event_can_blame_the_owner_is_told_of(world: World) -> None:
    many = [
        found("verified", f"c{number}", f"r.example/many:{number}", digest=D1, judged_by="rules")
        for number in range(25)
    ]
    world.tell(*many, name="good")
    moved: list[ImageData] = [{**image, "verdict": "unsigned", "digest": D2} for image in many]
    world.tell(*moved)

    assert [kind for _, kind, _ in kinds(world)] == [*["image"] * 20, "workload"]
    assert len(world.messages(name="web")[0]["images"]) == 5


def test_what_blames_nothing_any_more_is_forgotten(world: World) -> None:
    world.tell(of_tag("verified"), name="good")
    kept = proven.forget(world.connection, world.of_day + 7200.0)
    gone = proven.forget(world.connection, world.of_day + 7201.0)

    assert (kept, gone) == (0, 2)
    assert world.rows("SELECT * FROM proven_images") == []
