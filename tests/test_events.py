from __future__ import annotations

import json
import uuid
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import events
from router.decision import Finding, decide
from router.events import Origin, decision_event, decode, encode, event_id, event_schema, timestamp, with_sequence
from router.verdict import Mode, Verdict
from router.verification import Signer

EXAMPLE = json.loads((Path(__file__).parent / "data" / "event.json").read_text())
ORIGIN = Origin("production-eu", "gatecrier-0")


def an_event(image: str = "registry.example/shop/web:1.4") -> events.CloudEvent:
    signers = (Signer("release", "sha256:00", None, None),)
    found = Finding(
        container="web",
        container_kind="container",
        image=image,
        reference="registry.example/shop/web:1.4",
        digest="sha256:" + "ab" * 32,
        rule="registry.example/shop/*",
        rule_mode=Mode.ENFORCE,
        on_unverifiable="reject",
        verifier="keys",
        verdict=Verdict.VERIFIED,
        reason="signed",
        detail="",
        signers=signers,
        cached=False,
        milliseconds=1.0,
        wanted="",
    )
    findings = [found]
    decision = decide(findings, Mode.ENFORCE)
    return decision_event(
        ORIGIN,
        EXAMPLE["data"]["request"],
        EXAMPLE["data"]["workload"],
        decision,
        findings,
        at=1795515330.1234,
        gate_milliseconds=1.23456,
    )


def test_the_schema_takes_the_contract_s_example() -> None:
    """Its field names are what users and receivers rely on."""
    jsonschema.Draft202012Validator(event_schema()).validate(EXAMPLE)


def test_the_schema_takes_what_we_send() -> None:
    sent = json.loads(with_sequence(encode(an_event()), 7))

    jsonschema.Draft202012Validator(event_schema()).validate(sent)
    assert sent["data"]["sequence"] == 7


def test_the_schema_refuses_other_fields() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(EXAMPLE | {"surprise": 1}, event_schema())


def test_what_we_send_has_the_fields_of_the_example() -> None:
    ours = decode(with_sequence(encode(an_event()), 1))

    assert set(ours) == set(EXAMPLE)
    assert set(ours["data"]) - {"timings"} == set(EXAMPLE["data"])
    assert set(ours["data"]["images"][0]) == set(EXAMPLE["data"]["images"][0])
    assert set(ours["data"]["decision"]) == set(EXAMPLE["data"]["decision"])


def test_an_event_tells_where_what_and_when() -> None:
    event = an_event()

    assert event["source"] == "/clusters/production-eu"
    assert event["subject"] == "payments/Deployment/web"
    assert event["time"] == "2026-11-24T10:15:30.123Z"


@given(st.text(), st.text())
def test_an_id_is_a_name_based_uuid_of_cluster_and_request(cluster: str, uid: str) -> None:
    """The same request is the same event, wherever and however often it is told."""
    name = f"{cluster}/{uid}".encode(errors="replace").decode()

    assert event_id(cluster, uid) == str(uuid.uuid5(events._IDENTITY, name))


def test_ids_differ_by_cluster_and_by_request() -> None:
    assert len({event_id("a", "1"), event_id("b", "1"), event_id("a", "2")}) == 3


@given(st.text())
def test_any_image_name_can_be_told(image: str) -> None:
    """The API server hardly validates image names."""
    event = decode(with_sequence(encode(an_event(image)), 1))

    told = event["data"]["images"][0]["image"]
    assert told == image[: events.TEXT_LIMIT].encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def test_lone_surrogates_become_replacement_characters() -> None:
    assert decode(encode(an_event("a\ud800b")))["data"]["images"][0]["image"] == "a\ufffdb"
    assert events.as_json({"\udfff": ["\ud800", 1, None]}) == '{"\ufffd":["\ufffd",1,null]}'.encode()


def test_long_names_are_cut() -> None:
    assert len(decode(encode(an_event("x" * 100_000)))["data"]["images"][0]["image"]) == events.TEXT_LIMIT


@given(st.integers(min_value=1, max_value=2**53))
def test_a_number_is_put_in_without_touching_the_rest(sequence: int) -> None:
    body = encode(an_event())
    numbered = json.loads(with_sequence(body, sequence))

    assert numbered["data"].pop("sequence") == sequence
    assert numbered == json.loads(body)


@pytest.mark.parametrize(
    ("epoch", "text"), [(0.0, "1970-01-01T00:00:00.000Z"), (1767312000.9996, "2026-01-02T00:00:00.999Z")]
)
def test_times_are_rfc_3339_with_milliseconds(epoch: float, text: str) -> None:
    assert timestamp(epoch) == text
