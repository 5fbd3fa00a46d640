from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router import events
from router.decision import decide
from router.events import (
    BEGINNING,
    EVENT_LIMIT,
    DecisionParts,
    Origin,
    decision_event,
    decode,
    encode,
    encoding,
    event_id,
    event_schema,
    making,
    timestamp,
    unreadable_event,
    with_sequence,
)
from router.reasons import Proof
from router.text import shortened
from router.verdict import Mode, RequestOutcome, Verdict
from router.verification import Signer
from tests.findings import UNSIGNED, like

EXAMPLE = json.loads((Path(__file__).parent / "data" / "event.json").read_text())
ORIGIN = Origin("production-eu", "gatecrier-0")


def an_event(image: str = "registry.example/shop/web:1.4") -> events.CloudEvent:
    signers = (Signer("release", "sha256:00", None, None),)
    found = like(UNSIGNED, image=image, verdict=Verdict.VERIFIED, reason=Proof.SIGNED, detail="", signers=signers)
    findings = [found]
    decision = decide(findings, Mode.ENFORCE)
    return decision_event(
        ORIGIN,
        EXAMPLE["data"]["request"],
        EXAMPLE["data"]["workload"],
        DecisionParts.of(decision, findings),
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
    assert set(ours["data"]["images"][0]) - {"wanted", "judged_by"} == set(EXAMPLE["data"]["images"][0])
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

    assert event_id(cluster, uid) == str(uuid.uuid5(making._IDENTITY, name))


def test_ids_differ_by_cluster_and_by_request() -> None:
    assert len({event_id("a", "1"), event_id("b", "1"), event_id("a", "2")}) == 3


@given(st.text())
def test_any_image_name_can_be_told(image: str) -> None:
    """The API server hardly validates image names."""
    event = decode(with_sequence(encode(an_event(image)), 1))

    told = event["data"]["images"][0]["image"]
    assert told == image.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def test_lone_surrogates_become_replacement_characters() -> None:
    assert decode(encode(an_event("a\ud800b")))["data"]["images"][0]["image"] == "a\ufffdb"
    assert events.as_json({"\udfff": ["\ud800", 1, None]}) == '{"\ufffd":["\ufffd",1,null]}'.encode()


def a_large_event(
    count: int, name: str, verdict: Verdict = Verdict.VERIFIED, bad: int | None = None
) -> events.CloudEvent:
    """An event with so many images; one of them may be denied."""
    event = an_event()
    (image,) = event["data"]["images"]
    images: list[events.ImageData] = [{**image, "image": name, "container": f"c{number}"} for number in range(count)]
    for number, one in enumerate(images):
        one["verdict"] = "denied" if number == bad else verdict.value
    return {**event, "data": {**event["data"], "images": images}}


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 1000), st.sampled_from(["a", "\x01", "é", "\U0001f600"]), st.integers(1, 5000))
def test_an_event_is_never_too_large_to_be_told(count: int, character: str, length: int) -> None:
    """Whoever deploys chooses names and their number; size must not keep his alert from anybody."""
    body = with_sequence(encode(a_large_event(count, character * length, bad=count - 1)), 2**53)
    data = decode(body)["data"]

    assert len(body) <= 256 * 1024
    assert any(image["verdict"] == "denied" for image in data["images"])
    nothing: events.OmittedData = {"count": 0, "verdicts": {}}
    omitted = data.get("images_omitted", nothing)
    assert omitted["count"] == sum(omitted["verdicts"].values()) == count - len(data["images"])
    jsonschema.Draft202012Validator(event_schema()).validate(decode(body))


def texts(value: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where every text stands in it, and every list that is not empty."""
    members: Iterable[tuple[str | int, object]] = ()
    match value:
        case str() | None:
            yield at
        case dict():
            members = value.items()
        case list() if value:
            yield at
            members = enumerate(value)
        case _:
            pass
    for name, member in members:
        yield from texts(member, (*at, name))


CLOSED = {("images", 0, "verdict")}
"""What nobody can choose, and is counted."""


@pytest.mark.parametrize("place", sorted(set(texts(EXAMPLE["data"])) - CLOSED, key=str), ids=str)
def test_whatever_in_an_event_is_too_large_it_is_told(place: tuple[str | int, ...]) -> None:
    """What is bounded where it comes in today may not be tomorrow, and an event that is not stored is an alert lost."""
    event = json.loads(json.dumps(EXAMPLE))
    holder = event["data"]
    for name in place[:-1]:
        holder = holder[name]
    held = holder[place[-1]]
    holder[place[-1]] = held * 5000 if isinstance(held, list) else "\x01" * 500_000
    told = encode(event)

    assert len(told) <= EVENT_LIMIT
    assert decode(told)["id"] == EXAMPLE["id"]


def test_each_name_of_a_large_event_is_shortened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a hash of each: done anew for every step, a thousand names held the loop for 50 ms."""
    hashed: list[str] = []

    def shortened(text: str, limit: int) -> str:
        if len(text) > limit:
            hashed.append(text)
        return text[:10]

    monkeypatch.setattr(encoding, "shortened", shortened)
    encode(a_large_event(1000, "\x01" * 1000))

    assert len(hashed) <= 2000


@pytest.mark.parametrize("count", [1, 300])
def test_what_was_shortened_as_it_came_in_is_not_shortened_again(count: int) -> None:
    """Length and hash are those of what somebody wrote, by which he finds it."""
    name = shortened("registry.example/" + "é" * 4000 + ":0", 1024)
    event = decode(events.as_json(a_large_event(count, name)))
    event["data"]["request"]["user"]["groups"] = ["g" * EVENT_LIMIT]
    event["data"]["images"][0]["judged_by"] = event["data"]["images"][0]["detail"] = "\x01" * EVENT_LIMIT
    told = decode(encode(event))["data"]

    assert {image["image"] for image in told["images"]} == {name}


@pytest.mark.parametrize("room", [EVENT_LIMIT, 3000])
def test_a_message_that_is_shortened_says_how_long_it_was_and_what_its_hash_is(room: int) -> None:
    """In all the room that it has; where all is cut, in that of a name."""
    event = decode(events.as_json(a_large_event(1, "x" * EVENT_LIMIT)))
    message = "".join(f"{number}: é\n" for number in range(1000))
    event["data"]["decision"]["message"] = message
    told = encoding.reduced(event, room)["data"]["decision"]["message"]
    end = f"...{message[-60:]} ({len(message)} characters, sha256 {sha256(message.encode()).hexdigest()[:12]})"

    assert len(told) == (encoding.MESSAGE_LIMIT if room == EVENT_LIMIT else 200 + len(end))
    assert told == message[: len(told) - len(end)] + end


def test_what_is_small_enough_is_told_whole() -> None:
    event = a_large_event(100, "x" * 1000)

    assert decode(encode(event)) == event


def test_long_names_are_shortened_before_anything_is_left_out() -> None:
    told = decode(encode(a_large_event(200, "x" * 5000)))["data"]

    assert len(told["images"]) == 200
    assert told["images"][0]["image"].startswith("x" * 200 + "..." + "x" * 60 + " (5000 characters, sha256 ")
    assert "images_omitted" not in told


def test_of_too_many_images_those_that_fail_are_told_in_the_objects_order() -> None:
    event = a_large_event(1000, "x" * 300, bad=999)
    told = decode(encode(event))["data"]

    assert [image["container"] for image in told["images"]] == [f"c{number}" for number in [*range(199), 999]]
    assert told["images_omitted"] == {"count": 800, "verdicts": {"verified": 800}}


def test_of_too_many_images_that_fail_those_that_decided_are_told() -> None:
    """A thousand images that failed in the past must not hide the new one that was refused."""
    event = a_large_event(1000, "x" * 300, Verdict.UNSIGNED)
    for number, image in enumerate(event["data"]["images"]):
        image["is_new"] = number == 999
    told = decode(encode(event))["data"]

    assert told["images"][-1]["container"] == "c999"


def test_what_was_not_answered_is_another_event_than_what_was_decided() -> None:
    """Its id would make the true decision about the same request a duplicate."""
    decision = dataclasses.replace(decide([], Mode.DETECT), outcome=RequestOutcome.UNANSWERED)
    event = decision_event(
        ORIGIN,
        EXAMPLE["data"]["request"],
        EXAMPLE["data"]["workload"],
        DecisionParts.of(decision, []),
        at=0.0,
        gate_milliseconds=0.0,
        corrects="4711",
    )

    assert event["id"] != an_event()["id"]
    assert event["data"]["corrects"] == "4711"
    jsonschema.Draft202012Validator(event_schema()).validate(event)


def test_bodies_that_are_no_review_make_an_event_like_any_other() -> None:
    """Routes, templates and receivers know its members."""
    told: events.UnreadableData = {"cause": "no_uid", "count": 2, "first_peer": "192.0.2.1", "first_sha256": "00"}
    event = unreadable_event(ORIGIN, told, "a\nb", at=0.0)

    jsonschema.Draft202012Validator(event_schema()).validate(event)
    assert encode(event).startswith(BEGINNING)
    assert encode(an_event()).startswith(BEGINNING)
    assert event["data"]["decision"]["message"] == "2 requests could not be read; the first: a\\nb"


def test_what_was_let_in_unread_is_told_as_let_in() -> None:
    """Where it is enforced it would have been refused: whoever routes by that must hear of it."""
    told: events.UnreadableData = {"cause": "unread", "count": 1, "first_peer": "192.0.2.1", "first_sha256": "00"}
    event = unreadable_event(ORIGIN, told, "no room", at=0.0)

    jsonschema.Draft202012Validator(event_schema()).validate(event)
    decision = event["data"]["decision"]
    assert (decision["outcome"], decision["mode"], decision["would_reject"]) == ("admitted", "detect", True)
    assert decision["message"] == "1 request let in unread; the first: no room"


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
