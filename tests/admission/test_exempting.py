"""Exemptions at the gate: what fails is let in, told with its true verdict, and not a moment longer than they last."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.reasons import Distrust, Obstacle
from router.verdict import Override, Verdict
from router.verification import Judgement
from tests.admission.world import BROKEN, DIGEST, DOWN, SIGNED, UNSIGNED, World, asked, pod

UNTIL = 1_800_000_000.0
LEGACY: dict[str, object] = {
    "pattern": "r.example/shop/*",
    "namespaces": ["strict", "watch*"],
    "until": UNTIL,
    "reason": "SEC-4711: signed from 1.8 on",
}
UNTRUSTED = Judgement(Verdict.UNTRUSTED, Distrust.UNTRUSTED_SIGNER, "by nobody", DIGEST, (), cached=False)
GONE = Judgement(Verdict.UNVERIFIABLE, Obstacle.NOT_FOUND, "404", None, (), cached=False)
WEB = "r.example/shop/web:1"


def world(judgement: Judgement | Exception, **exemption: object) -> World:
    made = World(exemptions=[{**LEGACY, **exemption}])
    made.verifier.verdicts = {"shop/web": judgement}
    return made


@pytest.mark.parametrize("namespace", ["strict", "watched"])
@pytest.mark.parametrize(
    ("judgement", "verdict", "reason"),
    [
        (UNSIGNED, "unsigned", "no_signature"),
        (UNTRUSTED, "untrusted", "untrusted_signer"),
        (DOWN, "unverifiable", "unreachable"),
        (GONE, "unverifiable", "not_found"),
        (RuntimeError("broken"), "unverifiable", "internal_error"),
    ],
)
async def test_what_fails_is_let_in_and_told_with_its_true_verdict(
    judgement: Judgement | Exception, verdict: str, reason: str, namespace: str
) -> None:
    made = world(judgement)
    response = await made.ask(pod(WEB, namespace=namespace))
    (event,) = made.outbox.events
    data = event["data"]
    (image,) = data["images"]

    assert response["allowed"] is True
    assert (image["verdict"], image["reason"]) == ("exempt", "exemption")
    assert image["detail"].startswith(f"{verdict} ({reason})")
    assert "until 2027-01-15T08:00:00Z" in image["detail"]
    assert image["exemption"] == {
        "pattern": "r.example/shop/*",
        "reason": "SEC-4711: signed from 1.8 on",
        "until": "2027-01-15T08:00:00Z",
        "true_verdict": verdict,
        "true_reason": reason,
    }
    assert data["decision"]["would_reject"] is False
    assert made.facts.overrides == [Override.EXEMPTION]
    assert "SEC-4711" in data["decision"]["message"]
    assert f'["gatecrier: {WEB} (container c0): {verdict} ({reason}), let in until 2027' in json.dumps(
        response["warnings"]
    )


async def test_an_invalid_signature_is_refused_and_let_in_only_where_that_is_said() -> None:
    refused, let_in = world(BROKEN), world(BROKEN, even_invalid=True)

    assert (await refused.ask(pod(WEB)))["allowed"] is False
    assert refused.outbox.events[0]["data"]["images"][0]["verdict"] == "invalid"
    assert (await let_in.ask(pod(WEB)))["allowed"] is True
    assert let_in.outbox.events[0]["data"]["images"][0]["exemption"]["true_verdict"] == "invalid"


async def test_it_covers_what_no_rule_names_and_what_a_rule_refuses_but_no_text_that_is_no_reference() -> None:
    made = world(UNSIGNED, pattern="**")

    assert (await made.ask(pod("nobody/knows:1")))["allowed"] is True
    assert (await made.ask(pod("not a reference")))["allowed"] is False


async def test_one_exempt_image_lets_in_no_other() -> None:
    made = world(UNSIGNED)
    made.verifier.verdicts["soft/db"] = UNSIGNED
    response = await made.ask(pod(WEB, "r.example/soft/db:1"))

    assert response["allowed"] is False
    assert [one["verdict"] for one in made.outbox.events[0]["data"]["images"]] == ["exempt", "unsigned"]


async def test_what_passes_stays_as_it_is() -> None:
    made = world(SIGNED, pattern="**")
    made.verifier.verdicts["soft/db"] = DOWN  # tolerated by its rule
    response = await made.ask(pod(WEB, "r.example/soft/db:1"))

    assert response["allowed"] is True
    assert [one["verdict"] for one in made.outbox.events[0]["data"]["images"]] == ["verified", "unverifiable"]


async def test_a_tag_that_should_have_been_pinned_is_covered() -> None:
    """Whoever may bring an unsigned image in by it may bring in one that is signed."""
    made = world(SIGNED)
    made.pin_digests = True

    assert (await made.ask(pod(WEB)))["allowed"] is True
    assert made.outbox.events[0]["data"]["images"][0]["exemption"]["true_reason"] == "not_pinned"


async def test_an_object_that_can_not_be_read_is_not_exempt() -> None:
    made = world(UNSIGNED, pattern="**")
    review = pod(WEB)
    review["request"]["object"] = []  # type: ignore[index]  # JSON

    assert (await made.ask(review))["allowed"] is False


async def test_an_image_of_an_exemption_is_told_as_exempt_where_nobody_waits() -> None:
    """Else a client that goes away would open an incident about what is let in."""
    made = world(UNSIGNED)
    gate = made.gate()
    gate.abandon(await asked(gate, json.dumps(pod(WEB)).encode(), 5.0))
    await gate.close()
    data = made.outbox.events[0]["data"]

    assert data["decision"]["outcome"] == "unanswered"
    assert data["images"][0]["exemption"]["true_reason"] == "unanswered"


@given(st.lists(st.tuples(st.sampled_from(["strict", "watched", "other"]), st.integers(-3, 3)), min_size=1, max_size=8))
def test_what_is_remembered_ends_with_the_exemption(asks: list[tuple[str, int]]) -> None:
    """One gate remembers while time passes; nothing is let in by what has ended, or somewhere else."""
    asks = sorted(asks, key=lambda one: one[1])

    async def story() -> None:
        made = world(UNSIGNED)
        made.verifier.known = {"shop/web": UNSIGNED}
        gate = made.gate()
        for namespace, seconds in asks:
            made.verifier.now = UNTIL + seconds
            await gate.validate(await asked(gate, json.dumps(pod(WEB, namespace=namespace)).encode(), 5.0))
        await gate.close()
        drafts = [verdicts for _, _, verdicts in made.facts.decisions]
        expected = [
            Verdict.EXEMPT if namespace != "other" and seconds < 0 else Verdict.UNSIGNED for namespace, seconds in asks
        ]

        assert drafts == [(one,) for one in expected]

    asyncio.run(story())


async def test_forty_pods_that_are_exempt_are_decided_once() -> None:
    made = world(UNSIGNED)
    made.verifier.known = {"shop/web": UNSIGNED}
    gate = made.gate()
    for number in range(40):
        review = pod(WEB)
        review["request"]["uid"] = f"uid-{number}"  # type: ignore[index]  # JSON
        await gate.validate(await asked(gate, json.dumps(review).encode(), 5.0))

    assert len(made.outbox.events) == 40
    assert len(made.facts.found_out) == 0
    assert 0 < gate.rules.decisions.size < 20_000
