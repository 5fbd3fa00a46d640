from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from router.verification.line import DRY_RUN_COST, Asker, Turn
from router.verification.room import UNDER_WAY, UNDER_WAY_PER_REGISTRY, UNDER_WAY_PER_REQUEST, RoomLimits
from router.verification.silence import SILENT_SECONDS
from router.verification.turns import GRACE_SECONDS, Turns


def asker(namespace: str = "shop", *, is_dry_run: bool = False) -> Asker:
    return Asker(namespace, is_dry_run)


def asking(turns: Turns[int], who: Asker, registries: Iterable[str]) -> None:
    for number, registry in enumerate(registries):
        turns.ask(Turn(who, registry, number))


def started(turns: Turns[int], now: float = 0.0) -> list[Turn[int]]:
    """Everybody who gets a turn now."""
    found = []
    while (turn := turns.next(now)) is not None:
        found.append(turn)
    return found


def served(turns: Turns[int], count: int) -> list[Turn[int]]:
    """Who is served next, one after the other."""
    found = []
    for _ in range(count):
        turn = turns.next(0.0)
        assert turn is not None
        found.append(turn)
        turns.end(turn, 0.0)
    return found


def test_a_request_has_a_limit_a_registry_has_one_and_all_together() -> None:
    turns: Turns[int] = Turns()
    for number in range(20):
        asking(turns, asker(f"ns{number}"), [f"r{number % 5}.example"] * 100)

    begun = started(turns)

    assert max(Counter(turn.asker for turn in begun).values()) <= UNDER_WAY_PER_REQUEST
    assert max(Counter(turn.registry for turn in begun).values()) <= UNDER_WAY_PER_REGISTRY
    assert len(begun) == turns.under_way == UNDER_WAY


def test_one_thousand_silent_hosts_of_one_request_take_what_a_request_may_have() -> None:
    turns: Turns[int] = Turns()
    asking(turns, asker(), [f"127.0.0.1:{port}" for port in range(1000)])

    assert len(started(turns)) == UNDER_WAY_PER_REQUEST


def test_turns_go_round_namespaces_whatever_each_asks_for() -> None:
    """Who asks for much waits longest."""
    turns: Turns[int] = Turns(RoomLimits(overall=1))
    asking(turns, asker("greedy"), ["r"] * 1000)
    asking(turns, asker("modest"), ["r"] * 2)
    asking(turns, asker("other"), ["r"])

    order = [turn.asker.namespace for turn in served(turns, 6)]

    assert order == ["greedy", "modest", "other", "greedy", "modest", "greedy"]


def test_within_a_namespace_turns_go_round_requests() -> None:
    turns: Turns[int] = Turns(RoomLimits(overall=1))
    large, small = asker(), asker()
    asking(turns, large, ["r"] * 1000)
    asking(turns, small, ["r"] * 2)

    assert [turn.asker for turn in served(turns, 4)] == [large, small, large, small]


def test_a_request_asks_its_registries_in_turn() -> None:
    """Images at a registry that hangs must not stand before those at one that answers."""
    turns: Turns[int] = Turns(RoomLimits(overall=1))
    asking(turns, asker(), ["slow"] * 3 + ["quick"] * 2)

    assert [turn.registry for turn in served(turns, 4)] == ["slow", "quick", "slow", "quick"]


def test_a_dry_run_has_a_quarter_of_a_turn_among_namespaces() -> None:
    turns: Turns[int] = Turns(RoomLimits(overall=1))
    asking(turns, asker("flux", is_dry_run=True), ["r"] * 100)
    asking(turns, asker("shop"), ["r"] * 100)

    counts = Counter(turn.asker.namespace for turn in served(turns, 100))

    assert counts == {"shop": 80, "flux": 20}


def test_a_dry_run_has_a_quarter_of_a_turn_within_its_namespace() -> None:
    turns: Turns[int] = Turns(RoomLimits(overall=1))
    asking(turns, asker(is_dry_run=True), ["r"] * 100)
    asking(turns, asker(), ["r"] * 100)

    counts = Counter(turn.asker.is_dry_run for turn in served(turns, 100))

    assert counts == {False: 80, True: 20}


def test_many_new_dry_runs_do_not_outrun_a_request() -> None:
    """A dry run of one image each costs as much as one of many."""
    turns: Turns[int] = Turns(RoomLimits(overall=1))
    for _ in range(100):
        asking(turns, asker(is_dry_run=True), ["r"])
    asking(turns, asker(), ["r"] * 8)

    counts = Counter(turn.asker.is_dry_run for turn in served(turns, 10))

    assert counts == {False: 8, True: 2}


def test_a_dry_run_alone_waits_for_nobody() -> None:
    turns: Turns[int] = Turns()
    asking(turns, asker(is_dry_run=True), ["r"] * 40)

    assert len(started(turns)) == UNDER_WAY_PER_REQUEST


def test_new_requests_never_starve_an_old_one() -> None:
    turns: Turns[int] = Turns(RoomLimits(overall=1))
    old = asker(is_dry_run=True)
    asking(turns, old, ["r"] * 3)
    waited = 0
    while old in {turn.asker for turn in turns.all_waiting()}:
        for _ in range(2):
            asking(turns, asker(), ["r"])
        served(turns, 1)
        waited += 1

    assert waited <= 3 * (DRY_RUN_COST + 1)


def test_a_full_registry_holds_up_nobody_who_asks_another() -> None:
    turns: Turns[int] = Turns()
    for number in range(10):
        asking(turns, asker(f"ns{number}"), ["hangs.example"] * 16)
    started(turns)
    asking(turns, asker("ns0"), ["quick.example"])

    assert [turn.registry for turn in started(turns)] == ["quick.example"]


def test_what_waits_is_bounded_and_the_largest_gives_way() -> None:
    """Whoever fills the waiting room must not keep others out of it."""
    turns: Turns[int] = Turns(RoomLimits(waiting=100))
    asking(turns, asker("modest"), ["r"] * 3)
    asking(turns, asker("greedy"), ["r"] * 300)
    asking(turns, asker("late"), ["r"] * 2)

    dropped = turns.shed()

    assert turns.waiting == 100
    assert {turn.asker.namespace for turn in dropped} == {"greedy"}


def test_a_request_that_goes_leaves_nothing_behind() -> None:
    turns: Turns[int] = Turns()
    who = asker()
    asking(turns, who, [f"r{number % 7}" for number in range(100)])
    begun = started(turns)
    turns.withdraw(who, lambda _: True)
    for turn in begun:
        turns.end(turn, 1.0)

    assert turns.is_empty


def test_who_holds_more_than_others_makes_room_after_a_second() -> None:
    """At a registry that hangs for some of its images, one namespace must not keep all its turns."""
    turns: Turns[int] = Turns(RoomLimits(per_request=4, per_registry=4))
    asking(turns, asker("greedy"), ["r"] * 10)
    started(turns)
    asking(turns, asker("modest"), ["r"] * 2)

    assert turns.exchange(GRACE_SECONDS - 0.1) is None
    pair = turns.exchange(GRACE_SECONDS)
    assert pair is not None
    assert (pair[0].asker.namespace, pair[1].asker.namespace) == ("greedy", "modest")


def test_nobody_is_put_below_a_fair_share() -> None:
    """Otherwise a registry whose answers take longer than a second would answer nobody under load."""
    turns: Turns[int] = Turns(RoomLimits(per_request=4, per_registry=4))
    asking(turns, asker("greedy"), ["r"] * 10)
    started(turns)
    asking(turns, asker("modest"), ["r"] * 10)

    moved = 0
    while turns.exchange(GRACE_SECONDS) is not None:
        moved += 1

    assert moved == 2
    assert turns.exchange(100.0) is None


def test_within_a_namespace_the_larger_request_makes_room() -> None:
    turns: Turns[int] = Turns(RoomLimits(per_request=4, per_registry=4))
    large, small = asker(), asker()
    asking(turns, large, ["r"] * 10)
    started(turns)
    asking(turns, small, ["r"])
    pair = turns.exchange(GRACE_SECONDS)

    assert pair is not None
    assert (pair[0].asker, pair[1].asker) == (large, small)
    assert turns.waiting == 7


def test_dry_runs_make_room_first() -> None:
    turns: Turns[int] = Turns(RoomLimits(overall=6))
    asking(turns, asker("flux", is_dry_run=True), ["a"] * 3)
    asking(turns, asker("shop"), ["b"] * 3)
    started(turns)
    asking(turns, asker("late"), ["c"])
    pair = turns.exchange(GRACE_SECONDS)

    assert pair is not None
    assert (pair[0].asker.namespace, pair[1].asker.namespace) == ("flux", "late")


def test_silent_hosts_give_way_to_registries_that_answer() -> None:
    """Many namespaces that hold one turn each hold no more than a fair share, and still all of it."""
    turns: Turns[int] = Turns(RoomLimits(overall=8))
    for number in range(8):
        asking(turns, asker(f"ns{number}"), [f"silent{number}.example"])
    started(turns)
    asking(turns, asker("victim"), ["healthy.example"])
    before, after = turns.exchange(SILENT_SECONDS - 0.1), turns.exchange(SILENT_SECONDS)

    assert before is None
    assert after is not None
    assert (after[0].registry, after[1].registry) == ("silent0.example", "healthy.example")


def test_after_silence_a_victim_is_served_whatever_waits_before_it() -> None:
    turns: Turns[int] = Turns(RoomLimits(overall=8))
    asking(turns, asker("earlier"), ["healthy.example"])
    served(turns, 1)
    for number in range(200):
        asking(turns, asker(f"ns{number}"), [f"silent{number}.example"])
    started(turns)
    asking(turns, asker("victim"), ["healthy.example"])
    now, begun = 0.0, set()
    while "healthy.example" not in begun and now < 30:
        now += 0.25
        while (pair := turns.exchange(now)) is not None:
            begun.add(pair[1].registry)

    assert now == SILENT_SECONDS


def test_hosts_that_trickle_give_way_to_registries_that_answer() -> None:
    """Whoever runs them ends a question now and then, so that they are not silent, and lets all others hang."""
    turns: Turns[int] = Turns(RoomLimits(overall=8))
    asking(turns, asker("earlier"), ["healthy.example"])
    served(turns, 1)
    for number in range(40):
        asking(turns, asker(f"ns{number}"), [f"trickle{number % 4}.example"])
    under_way = started(turns)
    asking(turns, asker("victim"), ["healthy.example"])
    now, begun = 0.0, set[str]()
    while "healthy.example" not in begun and now < 30:
        now += 0.25
        if now % 1.5 == 0:
            for turn in under_way[:4]:
                turns.end(turn, now)
            under_way = [*under_way[4:], *started(turns, now)]
        while (pair := turns.exchange(now)) is not None:
            under_way = [*(turn for turn in under_way if turn is not pair[0]), pair[1]]
            begun.add(pair[1].registry)

    assert now <= SILENT_SECONDS + 0.25


def test_who_is_slow_but_answers_gives_way_for_longer_and_longer_times() -> None:
    """An honest registry that takes five seconds is asked to the end, whatever quick ones are asked meanwhile."""
    turns: Turns[int] = Turns(RoomLimits(overall=1))
    asking(turns, asker("quick"), ["quick.example"])
    served(turns, 1)
    asking(turns, asker("patient"), ["slow.example"])
    slow = turns.next(0.0)
    assert slow is not None
    now, left_alone_for = 0.0, list[float]()
    for _ in range(3):
        turns.silence.heard["slow.example"] = now
        asking(turns, asker("quick"), ["quick.example"])
        began = now
        while (pair := turns.exchange(now)) is None and now < 60:
            now += 0.25
            turns.silence.heard["slow.example"] = now  # it answers others
        assert pair is not None
        left_alone_for.append(now - began)
        turns.end(pair[1], now)
        assert turns.next(now) is slow

    assert left_alone_for == [SILENT_SECONDS, 2 * SILENT_SECONDS, 4 * SILENT_SECONDS]


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]), st.booleans(), st.lists(st.sampled_from(["r", "s", "t", "u"]), max_size=12)
    ),
    max_size=12,
)


@given(REQUESTS)
def test_everybody_is_served_in_the_end(requests: list[tuple[str, bool, list[str]]]) -> None:
    turns: Turns[int] = Turns(RoomLimits(per_request=2, per_registry=3, overall=5))
    for namespace, is_dry_run, registries in requests:
        asking(turns, Asker(namespace, is_dry_run), registries)
    count = 0
    while begun := started(turns):
        count += len(begun)
        for turn in begun:
            turns.end(turn, 0.0)

    assert count == sum(len(registries) for _, _, registries in requests)
    assert turns.is_empty


class Sharing(RuleBasedStateMachine):
    """Whatever happens in whatever order: the limits hold, nobody waits in vain, and nothing is left."""

    limits = RoomLimits(per_request=3, per_registry=4, overall=7, waiting=40)

    @initialize()
    def begin(self) -> None:
        """Nobody has asked yet."""
        self.turns: Turns[int] = Turns(self.limits)
        self.askers: list[Asker] = []
        self.running: list[Turn[int]] = []
        self.now = 0.0

    @rule(
        namespace=st.sampled_from(["a", "b", "c"]),
        is_dry_run=st.booleans(),
        registries=st.lists(st.sampled_from(["r", "s", "t", "u", "v"]), min_size=1, max_size=12),
    )
    def ask(self, namespace: str, is_dry_run: bool, registries: list[str]) -> None:  # noqa: FBT001 - drawn
        """A new request asks."""
        self.askers.append(Asker(namespace, is_dry_run))
        asking(self.turns, self.askers[-1], registries)
        self.turns.shed()

    @rule()
    def serve(self) -> None:
        """Everybody who may gets a turn."""
        self.running += started(self.turns, self.now)

    @rule(which=st.integers(0, 100))
    def end(self, which: int) -> None:
        """Somebody comes to an end."""
        if self.running:
            self.turns.end(self.running.pop(which % len(self.running)), self.now)

    @rule(which=st.integers(0, 100))
    def leave(self, which: int) -> None:
        """A request gives up."""
        if self.askers:
            who = self.askers.pop(which % len(self.askers))
            self.turns.withdraw(who, lambda _: True)
            for turn in [turn for turn in self.running if turn.asker is who]:
                self.running.remove(turn)
                self.turns.end(turn, self.now)

    @rule(seconds=st.floats(0.0, 3.0))
    def wait(self, seconds: float) -> None:
        """Time passes, and room is made."""
        self.now += seconds
        for _ in range(100):
            pair = self.turns.exchange(self.now)
            if pair is None:
                return
            self.running.remove(pair[0])
            self.running.append(pair[1])
        raise AssertionError("exchanges without an end")

    @invariant()
    def limits_hold(self) -> None:
        """Never more than may be."""
        assert self.turns.under_way == len(self.running) <= self.limits.overall
        assert max(Counter(turn.asker for turn in self.running).values(), default=0) <= self.limits.per_request
        assert max(Counter(turn.registry for turn in self.running).values(), default=0) <= self.limits.per_registry
        assert self.turns.waiting == len(list(self.turns.all_waiting())) <= self.limits.waiting

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        """Who waits has a reason."""
        turn = self.turns.next(self.now)
        if turn is not None:
            self.running.append(turn)
            return
        of_request = Counter(turn.asker for turn in self.running)
        of_registry = Counter(turn.registry for turn in self.running)
        is_full = len(self.running) >= self.limits.overall
        for turn in self.turns.all_waiting():
            at_limit = of_request[turn.asker] >= self.limits.per_request
            assert is_full or at_limit or of_registry[turn.registry] >= self.limits.per_registry

    def teardown(self) -> None:
        """Everybody goes."""
        for who in getattr(self, "askers", ()):
            self.turns.withdraw(who, lambda _: True)
        for turn in getattr(self, "running", ()):
            self.turns.end(turn, self.now)
        if hasattr(self, "turns"):
            for turn in list(self.turns.all_waiting()):
                self.turns.withdraw(turn.asker, lambda _: True)
            assert self.turns.is_empty


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=50)


@pytest.mark.parametrize("count", [1000])
def test_choosing_does_not_grow_with_those_who_wait(count: int) -> None:
    """A thousand requests that wait for a full registry are passed over quickly: counted in steps, not in seconds."""
    turns: Turns[int] = Turns()
    for _ in range(count):
        asking(turns, asker("greedy"), ["hangs.example"])
    started(turns)
    asking(turns, asker("modest"), ["quick.example"])

    assert [turn.registry for turn in started(turns)] == ["quick.example"]
