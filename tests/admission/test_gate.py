from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from msgspec import structs

from router import slices
from router.admission import deciding, draft, pinning, recording
from router.admission import gate as gate_module
from router.admission.judging import ImageJudge
from router.admission.request_context import RequestContext
from router.admission.unreadable import UnreadableGroup
from router.decision import Finding
from router.events import event_id
from router.policy import Enforcement, EnforcementSettings
from router.routing import RoutingTree
from router.verdict import Mode, Skip
from tests.admission import recorded
from tests.admission.world import (
    BROKEN,
    DIGEST,
    DOWN,
    SIGNED,
    UNSIGNED,
    Facts,
    MemoryVerifier,
    World,
    asked,
    full_disk,
    pod,
)
from tests.simulators.log import Log

WEB = "r.example/shop/web:1"


def world(**verdicts: object) -> World:
    made = World()
    made.verifier.verdicts = {f"shop/{name}": verdict for name, verdict in verdicts.items()}  # type: ignore[misc]  # test values
    return made


async def test_a_signed_image_is_admitted_and_told() -> None:
    made = world(web=SIGNED)
    answer = await made.ask(pod(WEB))

    assert answer["allowed"] is True
    assert "warnings" not in answer
    (event,) = made.outbox.events
    assert event["id"] == event_id("test", "705ab4f5-6393-11e8-b7cc-42010a800002")
    assert event["data"]["decision"]["outcome"] == "admitted"
    assert event["data"]["images"][0]["signers"][0]["name"] == "release"
    assert event["subject"] == "strict/Pod/web"
    assert tuple(made.outbox.stored[0].destinations) == ("siem",)


async def test_an_event_tells_what_an_image_was_judged_by() -> None:
    made = world(web=replace(SIGNED, judged_by="these rules"))
    await made.ask(pod(WEB, "r.example/UPPER:1"))

    images = made.outbox.events[0]["data"]["images"]
    assert [image["judged_by"] for image in images] == ["these rules", ""]


async def test_an_unsigned_image_is_refused_where_enforced() -> None:
    made = world(web=UNSIGNED)
    answer = await made.ask(pod(WEB))

    assert answer["allowed"] is False
    assert answer["status"]["code"] == 403  # type: ignore[index]  # JSON
    assert "unsigned" in answer["status"]["message"]  # type: ignore[index]  # JSON
    assert made.outbox.events[0]["data"]["decision"]["outcome"] == "rejected"


async def test_detect_admits_with_a_warning() -> None:
    made = world(web=UNSIGNED)
    answer = await made.ask(pod(WEB, namespace="elsewhere"))

    assert answer["allowed"] is True
    assert answer["warnings"][0].startswith("gatecrier (detect): ")  # type: ignore[index]  # JSON
    decision = made.outbox.events[0]["data"]["decision"]
    assert (decision["outcome"], decision["would_reject"], decision["mode"]) == ("admitted", True, "detect")


async def test_every_image_is_judged_after_the_first_has_failed() -> None:
    made = world(web=UNSIGNED, api=BROKEN, job=SIGNED)
    await made.ask(pod(WEB, "r.example/shop/api:1", "r.example/shop/job:1", "r.example/other/x:1", "r.example/UPPER:1"))

    images = made.outbox.events[0]["data"]["images"]
    assert [(image["verdict"], image["reason"]) for image in images] == [
        ("unsigned", "no_signature"),
        ("invalid", "digest_mismatch"),
        ("verified", "signed"),
        ("denied", "no_rule"),
        ("denied", "invalid_reference"),
    ]
    assert made.outbox.events[0]["data"]["decision"]["severity"] == "critical"


async def test_equal_images_are_judged_once() -> None:
    made = world(web=SIGNED)
    await made.ask(pod(WEB, WEB, WEB, "r.example/shop/web:1"))

    assert made.verifier.asked == [WEB]
    assert len(made.outbox.events[0]["data"]["images"]) == 4


async def test_what_is_known_is_not_asked() -> None:
    made = World(MemoryVerifier(known={"shop/web": SIGNED}))
    await made.ask(pod(WEB))

    assert made.verifier.asked == []


async def test_an_image_without_an_answer_at_the_deadline_is_unverifiable() -> None:
    made = world(api=SIGNED)
    answer = await made.ask(pod(WEB, "r.example/shop/api:1"), within=0.05)

    assert answer["allowed"] is False
    images = made.outbox.events[0]["data"]["images"]
    assert [(image["verdict"], image["reason"]) for image in images] == [
        ("unverifiable", "timeout"),
        ("verified", "signed"),
    ]


async def test_a_rule_may_tolerate_what_can_not_be_checked() -> None:
    made = World(MemoryVerifier({"soft/a": DOWN}))
    answer = await made.ask(pod("r.example/soft/a:1"))

    assert answer["allowed"] is True
    assert "on_unverifiable" in answer["warnings"][0]  # type: ignore[index]  # JSON


async def test_a_rule_in_detect_does_not_block_in_an_enforcing_namespace() -> None:
    made = World(MemoryVerifier({"watched/a": UNSIGNED}))

    assert (await made.ask(pod("r.example/watched/a:1")))["allowed"] is True


async def test_a_namespace_of_never_block_is_judged_and_not_refused() -> None:
    made = world(web=UNSIGNED)

    assert (await made.ask(pod(WEB, namespace="kube-system")))["allowed"] is True
    assert made.outbox.events[0]["data"]["images"][0]["verdict"] == "unsigned"


async def test_a_crashing_verifier_fails_its_own_image_only() -> None:
    made = world(web=RuntimeError("bug"), api=SIGNED)
    answer = await made.ask(pod(WEB, "r.example/shop/api:1"))

    assert answer["allowed"] is False
    images = made.outbox.events[0]["data"]["images"]
    assert [(image["verdict"], image["reason"]) for image in images] == [
        ("unverifiable", "internal_error"),
        ("verified", "signed"),
    ]


async def test_a_dry_run_gets_the_same_answer_and_makes_no_event() -> None:
    made = world(web=UNSIGNED)

    assert (await made.ask(pod(WEB, dryRun=True)))["allowed"] is False
    assert made.outbox.events == []


async def test_a_deletion_is_admitted_and_only_counted() -> None:
    made = world()

    assert (await made.ask(pod(WEB, operation="DELETE", object=None)))["allowed"] is True
    assert made.outbox.events == []
    assert made.facts.skips == [Skip.DELETION]


async def test_a_kind_that_can_not_be_read_is_admitted_with_a_warning_and_an_event() -> None:
    made = world()
    kind = {"group": "example.com", "version": "v1", "kind": "Odd"}
    answer = await made.ask(pod(kind=kind, object={"spec": {"parts": [{"containers": [{"image": "x"}]}]}}))

    assert answer["allowed"] is True
    assert "example.com/v1 Odd" in answer["warnings"][0]  # type: ignore[index]  # JSON
    assert len(made.outbox.events) == 1


async def test_an_event_that_can_not_be_stored_is_in_the_log(log: Log) -> None:
    """Nothing is lost silently: the whole event is there for whoever collects logs."""
    made = world(web=SIGNED)
    made.outbox.failure = full_disk()

    assert (await made.ask(pod(WEB)))["allowed"] is True
    assert (made.facts.stored_events, made.facts.unstored_events) == (0, 1)
    assert log.named("event_not_stored")[0]["cause"] == "the disk is full"
    event = json.loads("".join(part["json"] for part in log.named("event_part")))
    assert event["data"]["request"]["uid"] == "705ab4f5-6393-11e8-b7cc-42010a800002"


@pytest.mark.parametrize(
    ("failure", "is_traced"), [(full_disk(), False), (TimeoutError(), False), (ZeroDivisionError("a defect"), True)]
)
async def test_a_mistake_of_ours_is_told_from_an_outbox_in_trouble(
    log: Log,
    failure: Exception,
    is_traced: bool,  # noqa: FBT001 - a case
) -> None:
    """The event stands in the log in both cases; only one of them is a bug that somebody must find."""
    made = world(web=SIGNED)
    made.outbox.failure = failure

    assert (await made.ask(pod(WEB)))["allowed"] is True
    (line,) = log.named("event_not_stored")
    assert line["cause"] == (str(failure) or "TimeoutError")
    assert ("exception" in line) is is_traced


@pytest.mark.parametrize(("namespace", "allowed"), [("strict", False), ("elsewhere", True)])
async def test_a_required_outbox_refuses_only_where_enforced(namespace: str, allowed: bool) -> None:  # noqa: FBT001 - a case
    made = world(web=SIGNED)
    made.outbox_required, made.outbox.failure = True, full_disk()

    assert (await made.ask(pod(WEB, namespace=namespace)))["allowed"] is allowed


@pytest.mark.parametrize(
    ("receipts", "namespace", "allowed"),
    [(frozenset({"siem"}), "strict", True), (frozenset(), "strict", False), (frozenset(), "elsewhere", True)],
)
async def test_who_must_be_told_is_told_before_an_admission_in_force(
    receipts: frozenset[str],
    namespace: str,
    allowed: bool,  # noqa: FBT001 - a case
) -> None:
    made = world(web=SIGNED)
    made.must_deliver, made.receiver.receipts = frozenset({"siem"}), receipts

    assert (await made.ask(pod(WEB, namespace=namespace)))["allowed"] is allowed
    assert made.outbox.events[0]["data"]["decision"]["outcome"] == ("admitted" if allowed else "rejected")
    told = receipts if namespace == "strict" else frozenset()
    assert frozenset(made.outbox.stored[0].delivered_to) == told


async def test_a_tag_is_pinned_to_the_digest_that_was_proven() -> None:
    made = world(web=SIGNED, api=UNSIGNED)
    made.pin_digests = True
    answer = await made.mutate(pod(WEB, "r.example/shop/api:1", f"r.example/shop/web@{DIGEST}"))

    patch = json.loads(base64.b64decode(str(answer["patch"])))
    assert patch == [{"op": "replace", "path": "/spec/containers/0/image", "value": f"r.example/shop/web@{DIGEST}"}]
    assert made.outbox.events == []


@pytest.mark.parametrize("namespace", ["elsewhere", "kube-system"])
async def test_nothing_is_pinned_where_no_refusal_would_be_in_force(namespace: str) -> None:
    """A patch that fails to apply blocks under every failure policy."""
    made = world(web=SIGNED)
    made.pin_digests = True
    answer = await made.mutate(pod(WEB, namespace=namespace))

    assert answer == {"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": True}


async def test_what_should_have_been_pinned_and_was_not_fails() -> None:
    """Whoever left `/mutate` out, or came after it, would run what the tag means later."""
    made = world(web=SIGNED)
    made.pin_digests = True
    answer = await made.ask(pod(WEB, f"r.example/shop/web@{DIGEST}"))

    assert answer["allowed"] is False
    images = made.outbox.events[0]["data"]["images"]
    assert [(image["verdict"], image["reason"]) for image in images] == [
        ("denied", "not_pinned"),
        ("verified", "signed"),
    ]
    assert images[0]["digest"] == str(DIGEST)


@pytest.mark.parametrize(
    "changes",
    [
        {"namespace": "elsewhere"},
        {"namespace": "kube-system"},
        {
            "kind": {"group": "", "version": "v1", "kind": "PodTemplate"},
            "object": {"template": {"spec": {"containers": [{"name": "c", "image": WEB}]}}},
        },
        {"subResource": "resize", "operation": "UPDATE", "oldObject": {}},
    ],
    ids=["watched", "never blocked", "a kind that is not pinned", "a subresource that is not pinned"],
)
async def test_what_mutate_never_pins_is_not_held_against_anybody(changes: dict[str, object]) -> None:
    made = world(web=SIGNED)
    made.pin_digests = True

    assert (await made.ask(pod(WEB, **changes)))["allowed"] is True  # type: ignore[arg-type]  # test values
    assert (await made.mutate(pod(WEB, **changes))).get("patch") is None  # type: ignore[arg-type]  # test values


async def test_only_the_rule_of_the_tag_pins() -> None:
    """By another rule, the pinned name might mean less than what was proven, or be refused."""
    made = world(web=SIGNED)
    made.pin_digests = True
    made.rules = ({"pattern": "r.example/shop/web:1", "verifier": "keys"}, {"pattern": "**", "verifier": "deny"})

    assert "patch" not in await made.mutate(pod(WEB))
    assert (await made.ask(pod(WEB)))["allowed"] is True


@pytest.mark.parametrize(("namespace", "allowed"), [("strict", False), ("elsewhere", True), ("kube-system", True)])
@pytest.mark.parametrize("changes", [{"operation": "PATCH"}, {"object": None}, {"object": []}])
async def test_what_can_not_be_read_goes_by_the_mode_and_is_told(
    changes: dict[str, object],
    namespace: str,
    allowed: bool,  # noqa: FBT001 - a case
) -> None:
    """An HTTP error would let it in under `failurePolicy: Ignore`, and block watched namespaces under `Fail`."""
    made = world()
    answer = await made.ask(
        pod(WEB, namespace=namespace)
        | {"request": recorded.mapping(pod(WEB, namespace=namespace)["request"]) | changes}
    )

    assert answer["allowed"] is allowed
    (event,) = made.outbox.events
    assert event["data"]["decision"]["would_reject"] is True
    assert "can't be read" in event["data"]["decision"]["message"]


async def test_an_object_that_there_was_no_time_to_read_is_refused_where_enforced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slices, "SLICE", -1.0)
    made = world(web=SIGNED)

    assert (await made.ask(pod(WEB), within=-0.2))["allowed"] is False
    assert (await made.ask(pod(WEB, namespace="elsewhere"), within=-0.2))["allowed"] is True
    assert "no time" in made.outbox.events[0]["data"]["decision"]["message"]


async def test_a_scale_down_to_zero_is_let_in_and_told() -> None:
    made = world(web=UNSIGNED)
    template = {"spec": {"containers": [{"name": "c", "image": WEB}]}}
    old = {"spec": {"replicas": 3, "template": {"spec": {"containers": []}}}}
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    answer = await made.ask(
        pod(kind=kind, operation="UPDATE", object={"spec": {"replicas": 0, "template": template}}, oldObject=old)
    )

    assert answer["allowed"] is True
    decision = made.outbox.events[0]["data"]["decision"]
    assert (decision["outcome"], decision["would_reject"], decision["severity"]) == ("admitted", True, "medium")


async def test_an_old_image_of_a_pod_is_told_and_decides_nothing() -> None:
    made = world(web=UNSIGNED, debug=SIGNED)
    old = {"spec": {"containers": [{"name": "c", "image": WEB}]}}
    new = {
        "spec": {
            **recorded.mapping(old["spec"]),
            "ephemeralContainers": [{"name": "d", "image": "r.example/shop/debug:1"}],
        }
    }
    answer = await made.ask(pod(operation="UPDATE", subResource="ephemeralcontainers", object=new, oldObject=old))

    assert answer["allowed"] is True
    data = made.outbox.events[0]["data"]
    assert [(image["verdict"], image["is_new"]) for image in data["images"]] == [
        ("unsigned", False),
        ("verified", True),
    ]
    assert data["decision"]["would_reject"] is False


async def test_whoever_goes_away_was_not_answered() -> None:
    """The event must not say "admitted" of what the API server never heard."""
    made = World(MemoryVerifier(known={"shop/web": UNSIGNED}))
    gate = made.gate()
    gate.abandon(await asked(gate, json.dumps(pod(WEB, "r.example/shop/slow:1")).encode(), 5.0))
    await gate.close()

    (event,) = made.outbox.events
    assert event["id"] != event_id("test", "705ab4f5-6393-11e8-b7cc-42010a800002")
    assert event["data"]["decision"]["outcome"] == "unanswered"
    assert [(image["verdict"], image["reason"]) for image in event["data"]["images"]] == [
        ("unsigned", "no_signature"),
        ("unverifiable", "unanswered"),
    ]


@pytest.mark.parametrize("changes", [{"dryRun": True}, {"operation": "DELETE", "object": None}])
async def test_nothing_is_told_of_an_abandoned_request_that_makes_no_event(changes: dict[str, object]) -> None:
    made = world()
    gate = made.gate()
    gate.abandon(await asked(gate, json.dumps(pod(WEB, **changes)).encode(), 5.0))  # type: ignore[arg-type]  # test values
    await gate.close()

    assert made.outbox.events == []


async def test_an_unanswered_request_corrects_what_was_stored_before() -> None:
    made = world(web=SIGNED)
    gate = made.gate()
    request = await asked(gate, json.dumps(pod(WEB)).encode(), 5.0)
    await gate.validate(request)
    gate.abandon(request)
    await gate.close()

    decided, unanswered = made.outbox.events
    assert unanswered["data"]["corrects"] == decided["id"]


async def test_what_fails_after_the_answer_is_told_and_keeps_nobody_else_from_being_told(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world(web=SIGNED)
    gate = made.gate()
    first, second = [await asked(gate, json.dumps(pod(WEB)).encode(), 5.0) for _ in range(2)]
    held_against = pinning.held_against

    async def once_broken(asked: RequestContext, findings: Sequence[Finding]) -> list[Finding]:
        if asked is first:
            raise RuntimeError("injected")
        return await held_against(asked, findings)

    monkeypatch.setattr(pinning, "held_against", once_broken)
    gate.abandon(first)
    gate.abandon(second)
    await gate.close()

    (event,) = made.outbox.events
    assert event["data"]["decision"]["outcome"] == "unanswered"
    assert "injected" in log.named("telling_failed")[0]["exception"]


async def test_a_busy_outbox_takes_no_more_than_its_share_of_the_time(log: Log) -> None:
    made = world(web=SIGNED)
    made.outbox.hangs = True
    gate = made.gate()
    request = await asked(gate, json.dumps(pod(WEB)).encode(), 5.0)
    request = structs.replace(request, times=request.times._replace(store_by=0.0))

    assert json.loads(await gate.validate(request))["response"]["allowed"] is True
    assert log.named("event_not_stored")


async def test_bodies_that_are_no_review_make_an_event() -> None:
    made = world()
    await made.gate().unreadable(UnreadableGroup("no_uid", 3, "192.0.2.1", "ab" * 32, "request.uid is missing"))

    (event,) = made.outbox.events
    assert event["type"] == "dev.gatecrier.admission.unreadable.v1"
    assert event["data"]["unreadable"] == {
        "cause": "no_uid",
        "count": 3,
        "first_peer": "192.0.2.1",
        "first_sha256": "ab" * 32,
    }
    assert "3 requests could not be read" in event["data"]["decision"]["message"]


STAGES = [
    (Enforcement, "mode"),
    (Enforcement, "never_blocks"),
    (gate_module, "read_workload"),
    (ImageJudge, "findings"),
    (ImageJudge, "_at_once"),
    (ImageJudge, "_judged"),
    (ImageJudge, "_finding"),
    (pinning, "held_against"),
    (deciding, "decide"),
    (draft, "audit_annotations"),
    (recording, "decision_event"),
    (recording, "encode"),
    (Facts, "decided"),
    (Facts, "stored"),
    (RoutingTree, "routed"),
]


@pytest.mark.parametrize(("namespace", "allowed"), [("strict", False), ("elsewhere", True)])
@pytest.mark.parametrize(("holder", "stage"), STAGES, ids=lambda value: value if isinstance(value, str) else "")
async def test_whatever_stage_breaks_the_api_server_gets_its_answer(
    monkeypatch: pytest.MonkeyPatch,
    holder: object,
    stage: str,
    namespace: str,
    allowed: bool,  # noqa: FBT001 - a case
) -> None:
    """In detect an admission with a warning, in enforce a refusal with its reason; never an HTTP error."""
    made = world(web=UNSIGNED)
    gate = made.gate()
    made.gate = lambda: gate  # type: ignore[method-assign]  # the same gate, made before anything breaks

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr(holder, stage, broken)
    is_mode_lost = holder is Enforcement
    answer = await made.ask(pod(WEB, namespace=namespace))

    assert answer["allowed"] is (True if is_mode_lost else allowed)
    if answer["allowed"]:
        assert any(text.startswith("gatecrier (detect):") for text in answer["warnings"])  # type: ignore[attr-defined]  # JSON
    else:
        assert answer["status"]["message"]  # type: ignore[index]  # JSON


@pytest.mark.parametrize(
    ("holder", "stage"),
    [entry for entry in STAGES if entry[1] not in {"decision_event", "encode"}],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_whatever_stage_breaks_there_is_an_event(
    monkeypatch: pytest.MonkeyPatch, holder: object, stage: str
) -> None:
    made = world(web=UNSIGNED)
    gate = made.gate()
    made.gate = lambda: gate  # type: ignore[method-assign]  # the same gate, made before anything breaks

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr(holder, stage, broken)
    await made.ask(pod(WEB, namespace="elsewhere"))

    (event,) = made.outbox.events
    assert event["data"]["request"]["uid"] == "705ab4f5-6393-11e8-b7cc-42010a800002"
    assert event["data"]["decision"]["outcome"] == "admitted"


@pytest.mark.parametrize("default", [*Mode])
@pytest.mark.parametrize("label", [None, *Mode])
def test_where_the_mode_can_not_be_told_the_stricter_holds(
    monkeypatch: pytest.MonkeyPatch, default: Mode, label: Mode | None
) -> None:
    """A label never lowers what the file says by way of a mistake of ours."""

    def broken(*_: object) -> bool:
        raise RuntimeError("injected")

    monkeypatch.setattr(Enforcement, "never_blocks", broken)
    rules = replace(World().gate_rules(), enforcement=Enforcement(EnforcementSettings(default=default)))

    assert rules.mode("shop", label) == (Mode.ENFORCE if Mode.ENFORCE in (default, label) else Mode.DETECT, False)
