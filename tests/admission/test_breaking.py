"""Break-glass at the gate: who may lets one object in, and controllers what they make of it; nobody else anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.events import event_id
from router.images import Digest
from router.verdict import Override, Verdict
from router.verification import Judgement
from tests.admission.world import BROKEN, DIGEST, DOWN, SIGNED, UNSIGNED, World, asked, full_disk

WEB, DB = "r.example/shop/web:1", "r.example/shop/db:1"
ONCALL, ALICE = "oncall@example.com", "alice"
REPLICASETS = "system:serviceaccount:kube-system:replicaset-controller"
WHY = "INC-1: the registry is down"
KEY = "gatecrier.dev/break-glass"
OTHER = Judgement(Verdict.UNSIGNED, UNSIGNED.reason, "another", Digest("sha256", "cd" * 32), (), cached=False)
HOUR = 3600.0


def world(web: Judgement = UNSIGNED, **more: Judgement) -> World:
    made = World(break_glass={"allowed": {"users": [ONCALL], "groups": ["sre"]}})
    made.verifier.verdicts = {"shop/web": web, **{f"shop/{name}": one for name, one in more.items()}}
    return made


def review(  # noqa: PLR0913 - a request has these independent parts
    image: str = WEB,
    user: str = ONCALL,
    *,
    kind: str = "Deployment",
    why: str | None = WHY,
    before: Mapping[str, object] | None = None,
    namespace: str = "strict",
    uid: str = "u",
    dry_run: bool = False,
) -> dict[str, object]:
    """A review for an object with one image; a Pod is one of a ReplicaSet; `before` is what it was in an update."""
    group, version = ("", "v1") if kind == "Pod" else ("apps", "v1")
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": group, "version": version, "kind": kind},
            "name": "web",
            "namespace": namespace,
            "operation": "CREATE" if before is None else "UPDATE",
            "userInfo": {"username": user, "groups": ["system:authenticated"]},
            "object": an_object(image, why, kind),
            "oldObject": before,
            "dryRun": dry_run,
        },
    }


def an_object(image: str = WEB, why: str | None = WHY, kind: str = "Deployment") -> dict[str, object]:
    spec: dict[str, object] = {"containers": [{"name": "c", "image": image}]}
    metadata: dict[str, object] = {"name": "web"}
    if why is not None:
        metadata["annotations"] = {"a/b": "x", KEY: why}
    if kind == "Pod":
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "rs", "controller": True}
        return {"metadata": {**metadata, "ownerReferences": [owner]}, "spec": spec}
    return {"metadata": metadata, "spec": {"template": {"spec": spec}}}


def of_controller(image: str = WEB, **more: object) -> dict[str, object]:
    return review(image, **{"user": REPLICASETS, "kind": "Pod", "why": None, "uid": "pod", **more})  # type: ignore[arg-type]  # passed on


@pytest.mark.parametrize("judgement", [UNSIGNED, BROKEN, DOWN, SIGNED])
async def test_who_may_is_let_in_with_the_true_verdict_and_everybody_hears_of_it(judgement: Judgement) -> None:
    made = world(judgement)
    made.verifier.now = 1_800_000_000.0
    response = await made.ask(review())
    (event,) = made.outbox.events
    decision = event["data"]["decision"]

    assert response["allowed"] is True
    assert event["data"]["images"][0]["verdict"] == judgement.verdict.value
    assert decision["outcome"] == "admitted"
    assert decision["would_reject"] == (judgement is not SIGNED)
    assert decision["severity"] == "critical"
    assert decision["break_glass"] == WHY
    assert decision["grant"] == {"id": event["id"], "by": ONCALL, "until": "2027-01-15T12:00:00Z", "is_new": True}
    assert "let in by break-glass of oncall@example.com" in decision["message"]
    assert "let in by break-glass" in json.dumps(response["warnings"])
    assert "(detect)" not in json.dumps(response["warnings"])
    assert WHY in json.dumps(response["auditAnnotations"])


async def test_a_group_may_too() -> None:
    made = world()
    asking = review(user="bob")
    asking["request"]["userInfo"]["groups"] = ["x"] * 300 + ["sre"]  # type: ignore[index]  # JSON
    assert (await made.ask(asking))["allowed"] is True
    assert len(made.outbox.events[0]["data"]["request"]["user"]["groups"]) == 100


@pytest.mark.parametrize(
    ("user", "why", "told"),
    [
        (ALICE, WHY, "this user may not break the glass"),
        (ONCALL, "  short  \n ", "at least 10 characters"),
        (ONCALL, "", "10"),
    ],
)
async def test_by_anybody_else_and_without_words_it_changes_nothing_and_says_so(user: str, why: str, told: str) -> None:
    made = world()
    response = await made.ask(review(user=user, why=why))
    decision = made.outbox.events[0]["data"]["decision"]

    assert response["allowed"] is False
    assert (decision["break_glass"], decision["severity"], made.facts.overrides) == (None, "high", [])
    assert told in json.dumps(response["warnings"])
    assert made.outbox.stored[0].grant is None


@pytest.mark.parametrize("user", [ONCALL, REPLICASETS])
async def test_where_nobody_may_nothing_is_looked_for(user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not configured costs a request nothing: no annotation is read, and nobody is asked who may what."""
    for name in ("workloads._annotation", "breaking.is_believed"):
        monkeypatch.delattr(f"router.admission.{name}")
    made = World()
    made.verifier.verdicts = {"shop/web": UNSIGNED}
    response = await made.ask(review(user=user, kind="Pod"))

    assert response["allowed"] is False
    assert made.outbox.events[0]["data"]["images"][0]["verdict"] == "unsigned"
    assert made.outbox.asked_for_grants == 0


async def test_an_annotation_that_was_planted_before_has_no_effect() -> None:
    made = world()
    planted = an_object(DB)
    response = await made.ask(review(before=planted))

    assert response["allowed"] is False
    assert made.outbox.stored[0].grant is None


async def test_one_that_is_changed_counts_and_one_that_is_removed_does_not() -> None:
    made = world()

    assert (await made.ask(review(before=an_object(DB, "something else"), uid="1")))["allowed"] is True
    assert (await made.ask(review(why=None, before=an_object(DB), uid="2")))["allowed"] is False


async def test_an_update_of_nothing_else_is_judged_told_and_grants() -> None:
    """`kubectl annotate` of a Deployment whose Pods are refused."""
    made = world()
    response = await made.ask(review(before=an_object(why=None)))

    assert response["allowed"] is True
    assert [event["data"]["decision"]["break_glass"] for event in made.outbox.events] == [WHY]
    assert (await made.ask(of_controller()))["allowed"] is True


async def test_an_update_of_nothing_else_by_somebody_else_is_only_told_to_him() -> None:
    made = world()
    response = await made.ask(review(user=ALICE, before=an_object(why=None)))

    assert response["allowed"] is True
    assert "this user may not break the glass" in json.dumps(response["warnings"])
    assert not made.outbox.events


async def test_what_controllers_make_of_it_is_let_in_and_told() -> None:
    made = world()
    await made.ask(review())
    made.verifier.now += HOUR
    response = await made.ask(of_controller())
    first, second = made.outbox.events
    decision = second["data"]["decision"]

    assert response["allowed"] is True
    assert second["data"]["images"][0]["verdict"] == "unsigned"
    assert (decision["break_glass"], decision["severity"], decision["would_reject"]) == (WHY, "critical", True)
    assert decision["grant"] == {**first["data"]["decision"]["grant"], "is_new": False}
    assert made.outbox.stored[1].grant is None
    assert made.facts.overrides == [Override.BREAK_GLASS, Override.GRANT]


@pytest.mark.parametrize(
    "change",
    [
        {"namespace": "strict2"},
        {"image": DB},
        {"user": ALICE},
        {"user": "system:serviceaccount:default:replicaset-controller"},
        {"kind": "Deployment"},
    ],
)
async def test_nothing_else_is_let_in_by_it(change: dict[str, object]) -> None:
    made = world(db=OTHER)
    made.strict = ("strict", "strict2")
    await made.ask(review())

    assert (await made.ask(of_controller(**change)))["allowed"] is False  # type: ignore[arg-type]  # passed on


async def test_a_sidecar_that_fails_is_not_let_in_beside_it() -> None:
    made = world(db=OTHER)
    await made.ask(review())
    pod = of_controller()
    pod["request"]["object"]["spec"]["containers"].append({"name": "side", "image": DB})  # type: ignore[index]  # JSON

    assert (await made.ask(pod))["allowed"] is False


@pytest.mark.parametrize(("seconds", "allowed"), [(4 * HOUR - 1, True), (4 * HOUR, False), (5 * HOUR, False)])
async def test_nothing_is_let_in_from_its_end_on(seconds: float, *, allowed: bool) -> None:
    made = world()
    await made.ask(review())
    made.verifier.now += seconds

    assert (await made.ask(of_controller()))["allowed"] is allowed


async def test_a_tag_that_moves_brings_nothing_in() -> None:
    made = world()
    await made.ask(review())
    made.verifier.verdicts["shop/web"] = OTHER

    assert (await made.ask(of_controller()))["allowed"] is False


async def test_a_tag_that_was_known_is_not_let_in_where_nobody_can_tell_what_it_means() -> None:
    """Whoever pushes could else move it, and see to it that it can't be looked at."""
    made = world()
    await made.ask(review())
    made.verifier.verdicts["shop/web"] = DOWN

    assert (await made.ask(of_controller()))["allowed"] is False


@pytest.mark.parametrize("later", [DOWN, UNSIGNED])
async def test_where_the_registry_was_down_the_image_is_let_in_as_it_was_written(later: Judgement) -> None:
    made = world(DOWN, db=DOWN)
    await made.ask(review())
    made.verifier.verdicts["shop/web"] = later

    assert (await made.ask(of_controller()))["allowed"] is True
    assert (await made.ask(of_controller("r.example/shop/web:2")))["allowed"] is False
    assert (await made.ask(of_controller(DB)))["allowed"] is False


async def test_an_image_by_digest_is_known_by_that_whatever_its_registry_does() -> None:
    pinned = f"r.example/shop/web@{DIGEST}"
    made = world(DOWN)
    await made.ask(review(pinned))

    assert (await made.ask(of_controller(pinned)))["allowed"] is True
    assert made.outbox.stored[0].grant is not None
    assert made.outbox.stored[0].grant.images[0].digest == str(DIGEST)


async def test_a_dry_run_has_the_same_answer_and_grants_nothing() -> None:
    made = world()
    response = await made.ask(review(dry_run=True))

    assert response["allowed"] is True
    assert "let in by break-glass" in json.dumps(response["warnings"])
    assert not made.outbox.stored
    assert (await made.ask(of_controller()))["allowed"] is False


async def test_an_event_that_is_not_stored_grants_nothing_and_that_is_said() -> None:
    made = world()
    made.outbox.failure = full_disk()
    response = await made.ask(review())

    assert response["allowed"] is True
    assert "could not be stored" in json.dumps(response["warnings"])


@pytest.mark.parametrize("is_heard", [True, False])
async def test_what_becomes_a_refusal_because_its_event_was_late_grants_nothing(*, is_heard: bool) -> None:
    made = world()
    made.outbox_required = True
    made.outbox.is_late = True
    gate = made.gate()
    request = await asked(gate, json.dumps(review()).encode(), 5.0)
    if is_heard:
        made.outbox.heard.add(first_id(request.rules.origin.cluster))
    answer = json.loads(await gate.validate(request))
    await gate.close()

    assert answer["response"]["allowed"] is False
    assert await made.outbox.grants("strict", 0.0) == []


def first_id(cluster: str) -> str:

    return event_id(cluster, "u")


async def test_without_a_receipt_that_is_required_nothing_is_let_in() -> None:
    made = world()
    made.must_deliver = frozenset({"siem"})

    assert (await made.ask(review()))["allowed"] is False
    assert await made.outbox.grants("strict", 0.0) == []


async def test_whoever_goes_away_takes_the_grant_along() -> None:
    made = world()
    gate = made.gate()
    request = await asked(gate, json.dumps(review()).encode(), 5.0)
    await gate.validate(request)
    gate.abandon(request)
    await gate.close()

    assert await made.outbox.grants("strict", 0.0) == []


async def test_grants_that_nobody_tells_let_in_nothing_and_keep_nobody_waiting() -> None:
    made = world()
    await made.ask(review())

    async def hangs(_namespace: str, deadline: float) -> list[object]:
        now = asyncio.get_running_loop().time()
        assert deadline <= now + 1.0
        return []

    made.outbox.grants = hangs  # type: ignore[method-assign, assignment]  # a double of a double
    assert (await made.ask(of_controller()))["allowed"] is False


async def test_only_what_would_be_refused_and_comes_of_controllers_asks_for_grants() -> None:
    made = world(db=SIGNED)
    await made.ask(of_controller(DB))
    await made.ask(review(user=ALICE, why=None))
    none = made.outbox.asked_for_grants
    await made.ask(of_controller())

    assert (none, made.outbox.asked_for_grants) == (0, 1)


async def test_where_it_is_not_configured_the_annotation_is_not_looked_at() -> None:
    made = world()
    made.break_glass = None
    response = await made.ask(review())

    assert response["allowed"] is False
    assert "warnings" not in response
    assert made.outbox.asked_for_grants == 0


async def test_controllers_that_copy_the_annotation_are_told_nothing() -> None:
    """A Deployment's are its ReplicaSet's, too; they would be told for each."""
    made = world(SIGNED)
    response = await made.ask(of_controller(why=WHY))

    assert "warnings" not in response
    assert made.outbox.events[0]["data"]["decision"]["break_glass"] is None


Steps: TypeAlias = list[tuple[str, str, str | None, str, str, bool, float]]


@pytest.mark.parametrize(
    "annotations",
    [
        '{"KEY": "WHY"}',
        '{"KEY": "short", "KEY": "WHY"}',
        '{"other": 1, "KEY": "WHY"}',
        '{"other": {"KEY": "x"}, "KEY": "WHY"}',
        '{"KEY\\u0020": "x", "KE\\u0059": "WHY"}',
        '{"KEY": "WHY", "other": "\\ud800"}',
        '{"KEY": "WHY", "KEY ": "x"}',
        '{"KEY": "WHY", "KEY": 1}',
        '{"KEY": null}',
        '{"KEY": ["WHY"]}',
        '{"KEY": {"KEY": "WHY"}}',
        '["KEY", "WHY"]',
        '"WHY"',
        "null",
    ],
)
async def test_whichever_way_the_body_is_read_the_annotation_is_the_same(annotations: str) -> None:
    """What is odd elsewhere in a body has another reader; nobody chooses by that what counts."""
    written = annotations.replace("KEY", KEY).replace("KE\\u0059", f"{KEY[:-1]}\\u0073").replace("WHY", WHY)
    answers = []
    for odd in ("{}", '{"deep": ' + "[" * 2000 + "]" * 2000 + "}", '{"number": 1e99999}'):
        made = world()
        gate = made.gate()
        body = json.dumps(review(why="PLACE")).replace(f'{{"a/b": "x", "{KEY}": "PLACE"}}', written)
        body = body.replace('"spec": {"template"', f'"status": {odd}, "spec": {{"template"', 1)
        answers.append(json.loads(await gate.validate(await asked(gate, body.encode(), 5.0)))["response"]["allowed"])
        await gate.close()

    assert len(set(answers)) == 1


STEP = st.tuples(
    st.sampled_from([ONCALL, ALICE, REPLICASETS]),
    st.sampled_from([WEB, DB]),
    st.sampled_from([None, WHY, "another reason", "short"]),
    st.sampled_from(["none", "same", "other"]),
    st.sampled_from(["strict", "strict2"]),
    st.booleans(),
    st.sampled_from([0.0, HOUR, 3 * HOUR]),
)


@given(st.lists(STEP, min_size=1, max_size=8))
@settings(max_examples=150)
def test_whatever_is_asked_nobody_who_may_not_brings_an_image_in(steps: Steps) -> None:
    """Against a model: a grant is made by who may and says so anew; by it alone, while it lasts, a Pod comes in."""

    async def story() -> None:
        made = world(db=OTHER)
        made.strict = ("strict", "strict2")
        granted: list[tuple[str, str, float]] = []
        for number, (user, image, why, before, namespace, dry_run, seconds) in enumerate(steps):
            made.verifier.now += seconds
            is_pod = user == REPLICASETS
            kind = "Pod" if is_pod else "Deployment"
            old = {"none": None, "same": an_object("x", why, kind), "other": an_object("x", "it was", kind)}[before]
            request = review(
                image, user, kind=kind, why=why, before=old, namespace=namespace, uid=f"u{number}", dry_run=dry_run
            )
            allowed = (await made.ask(request))["allowed"]
            breaks = user == ONCALL and why is not None and len(why) >= 10 and before != "same"
            is_granted = is_pod and any(
                (where, what) == (namespace, image) and made.verifier.now < until for where, what, until in granted
            )

            assert allowed is (breaks or is_granted)
            if breaks and not dry_run:
                granted.append((namespace, image, made.verifier.now + 4 * HOUR))

    asyncio.run(story())
