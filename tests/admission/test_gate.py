from __future__ import annotations

import base64
import json

import pytest

from router.admission import gate as gate_module
from router.admission import patches, review, telling, workloads
from router.admission.judging import Judging
from router.events import event_id
from router.policy import Enforcement
from router.routing import RoutingTree
from tests.admission.world import BROKEN, DIGEST, DOWN, SIGNED, UNSIGNED, MemoryVerifier, World, full_disk, pod
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
    assert 'gatecrier_requests_skipped_total{reason="deletion"} 1.0' in made.metrics.exposed().decode()


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
    assert "gatecrier_events_unstored_total 1.0" in made.metrics.exposed().decode()
    assert log.named("event_not_stored")[0]["uid"] == "705ab4f5-6393-11e8-b7cc-42010a800002"
    event = json.loads("".join(part["json"] for part in log.named("event_part")))
    assert event["data"]["request"]["uid"] == "705ab4f5-6393-11e8-b7cc-42010a800002"


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
    made.must_deliver, made.receipts = frozenset({"siem"}), receipts

    assert (await made.ask(pod(WEB, namespace=namespace)))["allowed"] is allowed
    assert made.outbox.events[0]["data"]["decision"]["outcome"] == ("admitted" if allowed else "rejected")
    told = receipts if namespace == "strict" else frozenset()
    assert frozenset(made.outbox.stored[0].delivered_to) == told


async def test_a_tag_is_pinned_to_the_digest_that_was_proven() -> None:
    made = world(web=SIGNED, api=UNSIGNED)
    answer = await made.mutate(pod(WEB, "r.example/shop/api:1", f"r.example/shop/web@{DIGEST}"))

    patch = json.loads(base64.b64decode(str(answer["patch"])))
    assert patch == [{"op": "replace", "path": "/spec/containers/0/image", "value": f"r.example/shop/web@{DIGEST}"}]
    assert made.outbox.events == []


@pytest.mark.parametrize("namespace", ["elsewhere", "kube-system"])
async def test_nothing_is_pinned_where_no_refusal_would_be_in_force(namespace: str) -> None:
    """A patch that fails to apply blocks under every failure policy."""
    answer = await world(web=SIGNED).mutate(pod(WEB, namespace=namespace))

    assert answer == {"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": True}


async def test_a_request_that_can_not_be_read_is_told_of() -> None:
    made = world()
    await made.gate().unreadable("4711", "the body is v1beta1")

    (event,) = made.outbox.events
    assert event["data"]["decision"]["outcome"] == "unanswered"
    assert event["data"]["request"]["uid"] == "4711"


STAGES = [
    (Enforcement, "mode"),
    (Enforcement, "never_blocks"),
    (workloads, "images_of"),
    (workloads, "workload_data"),
    (Judging, "findings"),
    (Judging, "_at_once"),
    (Judging, "_judged"),
    (Judging, "_finding"),
    (gate_module, "decide"),
    (gate_module, "audit_annotations"),
    (telling, "decision_event"),
    (telling, "encode"),
    (review, "request_data"),
    (RoutingTree, "destinations"),
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
    [entry for entry in STAGES if entry[1] not in {"decision_event", "encode", "workload_data", "request_data"}],
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


async def test_a_broken_patch_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr(patches, "pin", broken)

    assert (await world(web=SIGNED).mutate(pod(WEB)))["allowed"] is True
