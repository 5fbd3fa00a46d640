"""What was decided before: exact, bounded, and gone when a proof ends."""

from __future__ import annotations

import asyncio
import json
import re
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from router.admission.decisions import Alike, Decisions
from router.admission.draft import Draft
from router.admission.places import PLACE_COST
from router.decision import Finding, Place, decide
from router.images import Digest
from router.reasons import Proof
from router.verdict import Mode, Verdict
from router.verification import Judgement, Signer
from router.verification.lasting import Lasting
from tests.admission.world import BROKEN, SIGNED, UNSIGNED, MemoryVerifier, World, asked, pod
from tests.findings import RULE

IMAGES = ["r.example/shop/web:1", "r.example/soft/db", "r.example/watched/a@sha256:" + "cd" * 32, "nobody/knows", "a b"]
NOTED = [SIGNED, UNSIGNED, BROKEN]
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("ask"),
            st.lists(st.sampled_from(IMAGES), min_size=1, max_size=4),
            st.sampled_from(["strict", "elsewhere", "kube-system"]),
        ),
        st.tuples(st.just("learn"), st.sampled_from(["shop/web", "soft/db", "watched/a"]), st.sampled_from(NOTED)),
    ),
    min_size=2,
    max_size=12,
)


def without_time(body: bytes) -> bytes:
    return re.sub(rb'"gate_milliseconds":[0-9.e-]+', b"", body)


@given(STEPS)
def test_what_is_remembered_has_the_bytes_of_what_is_made_anew(steps: list[tuple[object, ...]]) -> None:
    async def story() -> None:
        made, anew = World(), World()
        verdicts: dict[str, Judgement | Exception] = {"shop/web": SIGNED, "soft/db": UNSIGNED, "watched/a": BROKEN}
        made.verifier = anew.verifier = MemoryVerifier(verdicts=verdicts, known=dict.fromkeys(verdicts, SIGNED))
        remembering = made.gate()
        for step in steps:
            match step:
                case ("ask", list() as images, str() as namespace):
                    body = json.dumps(pod(*images, namespace=namespace)).encode()
                    forgetting = anew.gate()
                    answers = [await gate.validate(await asked(gate, body, 5.0)) for gate in (remembering, forgetting)]
                    assert answers[0] == answers[1]
                case ("learn", str() as repository, Judgement() as judgement):
                    made.verifier.known[repository] = judgement
                    made.verifier.changes += 1
        assert len(made.facts.decisions) == len(anew.facts.decisions)
        assert made.facts.decisions == anew.facts.decisions
        for one, other in zip(made.outbox.stored, anew.outbox.stored, strict=True):
            assert without_time(one.body) == without_time(other.body)
            assert one.destinations == other.destinations

    asyncio.run(story())


async def test_forty_pods_of_one_replica_set_are_decided_once() -> None:
    made = World()
    made.verifier.known = {"shop/web": SIGNED}
    gate = made.gate()
    decisions = gate.rules.decisions
    drafts = set()
    for number in range(40):
        review = pod("r.example/shop/web:1")
        review["request"]["uid"] = f"uid-{number}"  # type: ignore[index]  # JSON
        review["request"]["name"] = f"web-{number}"  # type: ignore[index]  # JSON
        await gate.validate(await asked(gate, json.dumps(review).encode(), 5.0))
        drafts |= {id(one.draft) for one in decisions._decided.values()}

    assert len(drafts) == 1
    assert [event["data"]["request"]["name"] for event in made.outbox.events] == [f"web-{n}" for n in range(40)]


def finding(place: Place) -> Finding:
    judgement = Judgement(
        Verdict.VERIFIED,
        Proof.SIGNED,
        "signed by " + place.container,
        Digest.parse("sha256:" + "ab" * 32),
        (Signer("release", "SHA256:" + "ab" * 22, None, None),),
        cached=True,
    )
    return Finding(place, place.image + ":latest", RULE, judgement, "a signature")


def alike(number: int, images: int) -> Alike:
    places = tuple(
        Place(f"c{number}-{n}", "container", f"r{number}.example/shop/web{n}", f"/{n}") for n in range(images)
    )
    return Alike(places, (), Mode.DETECT, never_block=False)


def drafted(of: Alike) -> Draft:
    findings = [finding(place) for place in of.places]
    made = Draft(decide(findings, Mode.DETECT), findings)
    assert made.audit
    assert made.verdicts
    return made


def cost(of: Alike) -> int:
    return sum(PLACE_COST + 4 * len(place.image) for place in of.places)


def test_what_is_remembered_is_bounded_by_the_memory_that_it_takes() -> None:
    decisions = Decisions(lambda _: True, 4 * 2**20)
    tracemalloc.start()
    try:
        for number in range(4000):
            one = alike(number, 1 + number % 20)
            decisions.put(one, drafted(one), Lasting(), cost(one))
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert 0 < decisions.size <= 4 * 2**20
    assert taken <= 4 * 2**20


def test_what_is_unused_for_longest_makes_room() -> None:
    first = alike(0, 1)
    probe = Decisions(lambda _: True)
    probe.put(first, drafted(first), Lasting(), cost(first))
    decisions = Decisions(lambda _: True, probe.size * 6)
    for number in range(5):
        one = alike(number, 1)
        decisions.put(one, drafted(one), Lasting(), cost(one))
    assert decisions.get(first) is not None
    for number in range(5, 9):
        one = alike(number, 1)
        decisions.put(one, drafted(one), Lasting(), cost(one))

    assert decisions.get(first) is not None
    assert decisions.get(alike(1, 1)) is None


def test_what_is_too_large_for_the_rest_is_not_remembered() -> None:
    decisions, large = Decisions(lambda _: True, 2**20), alike(0, 1000)
    decisions.put(large, drafted(large), Lasting(), cost(large))

    assert decisions.get(large) is None
    assert decisions.size == 0


def test_what_holds_no_longer_is_gone() -> None:
    now = 0.0
    decisions, one = Decisions(lambda lasting: now < lasting.until), alike(0, 1)
    decisions.put(one, drafted(one), Lasting(until=5.0), cost(one))
    assert decisions.get(one) is not None
    now = 5.0

    assert decisions.get(one) is None
    assert decisions.size == 0
