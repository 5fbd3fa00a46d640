"""What was seen is exact: counted once, open until it is mended, bounded, whatever dies when."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import ImageData
from router.readiness import ledger, reading
from router.readiness.judging import ReadinessState
from router.readiness.sighting import NOT_JUDGED
from router.readiness.wording import next_steps
from tests.incidents.stage import DEPLOYMENT_CONTROLLER, REPLICASET_CONTROLLER, found, owner
from tests.readiness.stage import DAY, Ledger


def test_forty_pods_of_one_rollout_are_one_row(seen: Ledger) -> None:
    seen.decide(found("unsigned"))
    seen.decide(
        found("unsigned"),
        kind="ReplicaSet",
        name="web-1",
        uid="rs",
        of=owner("Deployment", "web"),
        user=DEPLOYMENT_CONTROLLER,
    )
    for number in range(40):
        of = owner("ReplicaSet", "web-1", "rs")
        seen.decide(found("unsigned"), kind="Pod", name=f"web-1-{number}", of=of, user=REPLICASET_CONTROLLER)
    seen.consume()
    (one,) = seen.images()

    assert (one.times, one.is_open, one.seen.owner["name"]) == (42, True, "web")
    assert seen.overview().known.requests == 42
    assert seen.overview().known.failing == 1


def test_what_was_lost_before_its_commit_is_seen_once(seen: Ledger) -> None:
    seen.decide(found("unsigned"))
    seen.consume(crash=True)
    seen.consume()

    assert [one.times for one in seen.images()] == [1]
    assert seen.overview().known.requests == 1


def test_a_correction_is_of_a_request_that_was_counted(seen: Ledger) -> None:
    first = seen.tell(found("unsigned"))
    seen.tell(found("unsigned"), corrects=first, outcome="unanswered")

    assert [one.times for one in seen.images()] == [1]
    assert seen.overview().known.requests == 1


def test_when_and_how_often_it_was_seen_and_really_refused_is_kept(seen: Ledger) -> None:
    begin = seen.of_day
    seen.tell(found("unsigned"), outcome="rejected")
    seen.pass_time(100.0)
    seen.tell(found("unsigned"))
    (one,) = seen.images()

    assert (one.first_at, one.last_at, one.times, one.rejected) == (begin, begin + 100.0, 2, 1)


@pytest.mark.parametrize(
    ("images", "kind"),
    [
        ([found("verified")], "Deployment"),
        ([found("exempt")], "Deployment"),
        ([found("verified", "c1")], "Deployment"),
        ([found("verified")], "Pod"),
    ],
)
def test_what_is_shown_mended_or_gone_is_over(seen: Ledger, images: Sequence[ImageData], kind: str) -> None:
    seen.tell(found("unsigned"))
    assert seen.open() == [("web", "c0", "unsigned")]
    of = owner("Deployment", "web") if kind == "Pod" else None
    seen.tell(*images, kind=kind, of=of, user="system:serviceaccount:kube-system:x-controller")

    assert seen.open() == []


def test_another_image_in_its_place_takes_its_place(seen: Ledger) -> None:
    seen.tell(found("unsigned"))
    seen.tell(found("untrusted", of="r.example/c0:2"))

    assert seen.open() == [("web", "c0", "untrusted")]


def test_what_fails_in_pods_only_is_not_over_because_the_template_lacks_it(seen: Ledger) -> None:
    """Injected sidecars are in no template."""
    of = owner("Deployment", "web")
    seen.tell(found("verified"), found("unsigned", "side"), kind="Pod", of=of, user=REPLICASET_CONTROLLER)
    seen.tell(found("verified"))
    assert seen.open() == [("web", "side", "unsigned")]
    seen.tell(found("verified"), kind="Pod", of=of, user=REPLICASET_CONTROLLER)

    assert seen.open() == []


def test_a_registry_that_gives_no_answer_any_more_mends_nothing(seen: Ledger) -> None:
    """Whoever runs it could make what fails count for no longer than a day."""
    seen.tell(found("unsigned"))
    seen.tell(found("unverifiable", reason="unreachable"))
    assert ("web", "c0", "unsigned") in seen.open()
    seen.tell(found("unverifiable", of="r.example/c0:2", reason="unreachable"))
    assert seen.open() == [("web", "c0", "unverifiable")]
    seen.tell(found("verified", of="r.example/c0:2"))

    assert seen.open() == []


def test_a_request_that_was_never_judged_mends_nothing(seen: Ledger) -> None:
    seen.tell(found("unsigned"))
    seen.tell(would_reject=True)

    assert seen.open() == [("web", "", "unverifiable"), ("web", "c0", "unsigned")]


def test_a_claim_that_nobody_believes_mends_nothing(seen: Ledger) -> None:
    """Whoever may create a Pod could make another's Deployment look signed."""
    seen.tell(found("unsigned"))
    seen.tell(found("verified"), kind="Pod", name="mine", of=owner("Deployment", "web"), user="mallory")

    assert seen.open() == [("web", "c0", "unsigned")]


def test_an_event_that_nobody_waited_for_mends_nothing(seen: Ledger) -> None:
    seen.tell(found("unsigned"))
    seen.tell(found("verified"), outcome="unanswered")

    assert seen.open() == [("web", "c0", "unsigned")]


def test_an_image_that_was_there_before_still_fails_when_its_pod_is_made_anew(seen: Ledger) -> None:
    seen.tell(found("unsigned", is_new=False), found("verified", "debug"), kind="Pod", would_reject=False)

    assert seen.open() == [("web", "c0", "unsigned")]


@pytest.mark.parametrize(
    ("image", "would_reject"),
    [
        (found("unsigned", is_enforced=False), True),
        (found("unverifiable", reason="unreachable"), False),
    ],
    ids=["a rule in detect", "a rule that tolerates it"],
)
def test_what_no_namespace_refuses_breaks_nothing(seen: Ledger, image: ImageData, would_reject: bool) -> None:  # noqa: FBT001 - a parameter of a test
    seen.tell(found("unsigned"))
    seen.tell(image, would_reject=would_reject)

    assert seen.open() == []
    assert {one.seen.sighting.standing for one in seen.images()} == {"failing", "tolerated"}


@pytest.mark.parametrize(
    ("reason", "standing"),
    [("unreachable", "unreachable"), ("timeout", "unreachable"), ("unauthorised", "failing"), ("not_found", "failing")],
)
def test_only_what_looking_again_can_end_is_not_failing(seen: Ledger, reason: str, standing: str) -> None:
    seen.tell(found("unverifiable", reason=reason))

    assert [one.seen.sighting.standing for one in seen.images()] == [standing]


def test_a_request_that_was_never_judged_is_seen_too(seen: Ledger) -> None:
    seen.tell(would_reject=True)
    (one,) = seen.images()

    assert (one.seen.sighting.reason, one.seen.sighting.standing, one.is_open) == (NOT_JUDGED, "unreachable", True)
    seen.tell(found("verified"))
    assert seen.open() == []


@pytest.mark.parametrize("after", [3600.0, 1.1 * DAY, 13 * DAY])
def test_an_object_that_can_not_be_read_is_refused_every_time_it_comes(seen: Ledger, after: float) -> None:
    seen.tell(name="nightly", kind="CronJob", would_reject=True, failure="unreadable")
    seen.of_day += after
    (one,) = seen.images(is_open=True)

    assert (one.seen.sighting.reason, one.seen.sighting.standing) == ("unreadable", "failing")
    assert seen.state() is ReadinessState.NOT_READY
    (step,) = next_steps(one, "shop")
    assert "correct the object" in step
    assert "request.namespace" in step


def test_what_can_not_be_read_is_mended_by_what_can(seen: Ledger) -> None:
    """Not by another owner's, nor by a request that we failed at ourselves or that nobody waited for."""
    seen.tell(kind="CronJob", would_reject=True, failure="unreadable")
    seen.tell(found("verified"), kind="CronJob", name="other")
    seen.tell(kind="CronJob", would_reject=True, failure="internal_error")
    seen.tell(found("verified"), kind="CronJob", would_reject=True, failure="undelivered")
    seen.tell(found("verified"), kind="CronJob", outcome="unanswered")
    assert ("web", "", "unverifiable") in seen.open()
    assert seen.state() is ReadinessState.NOT_READY
    seen.tell(found("verified"), kind="CronJob")

    assert seen.open() == []


def test_what_can_not_be_read_does_not_hide_behind_an_image_that_fails(seen: Ledger) -> None:
    seen.tell(found("unsigned"), would_reject=True, failure="unreadable")
    seen.tell(found("verified"), would_reject=True, failure="unreadable")

    assert seen.open() == [("web", "", "unverifiable")]


def test_of_one_namespace_so_much_is_kept_and_what_fails_is_kept_longest(
    seen: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "IMAGES_KEPT", 20)
    seen.tell(found("unsigned"), name="first")
    for number in range(100):
        seen.of_day += 1.0
        seen.decide(found("verified", of=f"r.example/x:{number}"), name=f"d{number}")
    seen.consume()
    kept = seen.images()

    assert 0 < len(kept) <= 20
    assert seen.open() == [("first", "c0", "unsigned")]
    assert kept[0].seen.sighting.image == "r.example/x:99"
    assert seen.overview().known.overflowed_at is None
    assert seen.rows("SELECT images FROM seen_namespaces") == [(len(kept),)]


def test_what_fails_and_is_forgotten_is_not_taken_for_mended(seen: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever deploys could fill the ledger until it forgets what would break."""
    monkeypatch.setattr(ledger, "IMAGES_KEPT", 20)
    for number in range(100):
        seen.decide(found("unsigned"), name=f"d{number}")
    seen.consume()

    assert len(seen.images()) <= 20
    assert "forgotten" in seen.overview().judged.missing


def test_what_fails_is_not_hidden_by_what_nobody_can_look_at(seen: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever deploys chooses registries that never answer, and as many names as there may be."""
    monkeypatch.setattr(ledger, "IMAGES_KEPT", 20)
    seen.tell(found("unsigned"), name="offender")
    for number in range(100):
        seen.of_day += 1.0
        seen.decide(found("unverifiable", reason="unreachable"), name=f"d{number}")
    seen.consume()

    assert ("offender", "c0", "unsigned") in seen.open()
    assert "forgotten" in seen.overview().judged.missing


def test_what_fails_is_listed_first_however_much_nobody_can_look_at(seen: Ledger) -> None:
    """Lists end somewhere, and whoever deploys makes as much of the other as is wanted."""
    seen.tell(found("unsigned"), name="offender")
    for number in range(5):
        seen.of_day += 1.0
        seen.decide(found("unverifiable", reason="unreachable"), name=f"d{number}")
    seen.consume()
    first, second = reading.images(seen.connection, "shop", 0.0, 2, is_open=True)

    assert [one.seen.owner["name"] for one in (first, second)] == ["offender", "d4"]


@pytest.mark.parametrize("known", [0, 3, 1000])
def test_what_is_open_is_mended_however_many_others_have_something_open(
    seen: Ledger, known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "OWNERS_KNOWN", known)
    for name in "abcd":
        seen.decide(found("unsigned"), name=name)
    seen.consume()
    seen.tell(found("verified"), name="b")

    assert [name for name, *_ in seen.open()] == ["a", "c", "d"]


def test_what_is_open_of_an_owner_is_found_without_walking_over_its_namespace(seen: Ledger) -> None:
    """A namespace may hold two thousand rows, and an owner is looked for with nearly every event."""
    statements = list[str]()
    seen.connection.set_trace_callback(statements.append)
    ledger.open_of(seen.connection, "shop", b"owner")
    seen.connection.set_trace_callback(None)
    plan = [row[3] for statement in statements for row in seen.rows(f"EXPLAIN QUERY PLAN {statement}")]

    assert "SEARCH seen_images USING INDEX open_images (namespace=? AND owner=?)" in plan


def test_names_that_somebody_invents_make_no_namespace_forgotten(seen: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "NAMESPACES_KEPT", 3)
    seen.tell(found("unsigned"), namespace="real")
    for number in range(10):
        seen.decide(found("unsigned"), namespace=f"invented-{number}")
    seen.consume()
    seen.tell(found("unsigned"), namespace="real")

    assert seen.overview("real").known.requests == 2
    assert seen.rows("SELECT count(*) FROM seen_namespaces") == [(3,)]
    assert seen.rows("SELECT count(DISTINCT namespace) FROM seen_images") == [(3,)]


def test_what_was_not_seen_for_long_is_forgotten(seen: Ledger) -> None:
    seen.tell(found("unsigned"), namespace="old")
    seen.pass_time(100.0)
    seen.tell(found("unsigned"), namespace="new")
    before = seen.of_day - 50.0
    rows = ledger.forgettable(seen.connection, before, 10)
    ledger.forget(seen.connection, before, rows)

    assert (len(seen.images("old")), len(seen.images("new"))) == (0, 1)
    assert seen.rows("SELECT namespace FROM seen_namespaces") == [("new",)]


_Story = list[tuple[str, str, str, int]]
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["web", "db"]),
        st.sampled_from(["c0", "c1"]),
        st.sampled_from(["verified", "unsigned", "untrusted"]),
        st.integers(0, 2),
    ),
    max_size=30,
)


@given(_STEPS)
def test_any_story_is_seen_as_a_plain_reading_of_it_says_however_it_is_grouped(story: _Story) -> None:
    """0: go on; 1: consume what is there; 2: die before the commit, and consume it again."""
    times, is_open = Counter[tuple[str, str, str]](), dict[tuple[str, str], str]()
    with tempfile.TemporaryDirectory() as folder:
        seen = Ledger(Path(folder) / "outbox.db")
        for name, container, verdict, then in story:
            seen.decide(found(verdict, container), name=name)
            times[name, container, verdict] += 1
            for one in [one for one in is_open if one[0] == name]:
                del is_open[one]  # the template has no other container any more
            if verdict != "verified":
                is_open[name, container] = verdict
            if then:
                seen.consume(crash=then == 2)
        seen.consume()
        images = seen.images()
        counted = {
            (one.seen.owner["name"], one.seen.sighting.container, one.seen.sighting.verdict): one.times
            for one in images
        }
        opened = seen.open()
        seen.close()

    assert counted == times
    assert opened == sorted((*place, verdict) for place, verdict in is_open.items())
