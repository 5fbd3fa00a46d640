"""When trusted roots are refreshed, and what is told of it. In virtual time, with a repository that plays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs

from router.errors import TrustRefreshError
from router.telemetry.causes import Cause
from router.trust.kept import KeptRoot
from router.trust.refreshing import OLD, RETRY, Refreshing, Repositories
from router.verification.repositories import Repository
from router.verification.trust_roots import public_good_source
from tests.simulators.virtual_time import virtually

DAY = 86400.0
NOW = 2_000_000_000.0
OWN = Repository("own", "https://tuf.example", b"root", DAY)


def found(body: bytes, confirmed_at: float) -> KeptRoot:
    """A root as a repository has it."""
    return KeptRoot(body, confirmed_at, confirmed_at + DAY)


@dataclass
class World(Repositories):
    """A repository and what is kept of it; who is told what; and the time of the wall."""

    held: bytes = b"first"
    is_down: bool = False
    stored: KeptRoot | None = None
    asked: list[tuple[float, str]] = field(default_factory=list)
    told: list[tuple[float, bytes]] = field(default_factory=list)
    troubles: list[tuple[str, str, str]] = field(default_factory=list)
    hears: bool = True
    defect: Exception | None = None

    @property
    def moment(self) -> float:
        """The time of the story."""
        return asyncio.get_running_loop().time()

    def now(self) -> float:
        """The time of the wall."""
        return NOW + self.moment

    async def kept(self, _: Repository) -> KeptRoot | None:
        """What is kept."""
        await asyncio.sleep(0)
        if self.defect is not None:
            raise self.defect
        return self.stored

    async def refreshed(self, repository: Repository) -> KeptRoot:
        """What the repository says, a second later."""
        self.asked.append((self.moment, repository.name))
        await asyncio.sleep(1)
        if self.defect is not None:
            raise self.defect
        if self.is_down:
            raise TrustRefreshError("nobody answers", cause="unreachable")
        self.stored = found(self.held, self.now())
        return self.stored

    def tell(self, _: Repository, body: bytes) -> bool:
        """Hear what is found."""
        if self.hears:
            self.told.append((self.moment, body))
        return self.hears

    def trouble_began(self, cause: Cause, subject: str, text: str) -> None:
        """Hear what is wrong."""
        assert text
        self.troubles.append(("began", cause, subject))

    def trouble_ended(self, cause: Cause, subject: str) -> None:
        """Hear that it is over."""
        self.troubles.append(("ended", cause, subject))

    @property
    def wrong(self) -> set[tuple[str, str]]:
        """What is wrong by what was said."""
        found: set[tuple[str, str]] = set()
        for what, cause, subject in self.troubles:
            (found.add if what == "began" else found.discard)((cause, subject))
        return found

    def times(self) -> list[float]:
        """When the repository was asked."""
        return [moment for moment, _ in self.asked]


Story = Callable[[World, Refreshing], Coroutine[None, None, None]]


def played(story: Story, *repositories: Repository, **world: object) -> World:
    """The world, after a story that began with these repositories."""
    around = World(**world)  # type: ignore[arg-type] # each test gives what is there

    async def play() -> None:
        refreshing = Refreshing(around, around.tell, around, around.now)
        refreshing.replace(repositories or (OWN,))
        task = asyncio.create_task(refreshing.run())
        try:
            await story(around, refreshing)
            assert not task.done()
        finally:
            task.cancel()

    virtually(play())
    return around


def days(count: float) -> Story:
    async def story(_: World, __: Refreshing) -> None:
        await asyncio.sleep(count * DAY)

    return story


def test_a_repository_that_was_never_asked_is_asked_at_once_and_then_once_a_day() -> None:
    world = played(days(3.5))

    assert world.times() == [0.0, DAY + 1, 2 * (DAY + 1), 3 * (DAY + 1)]
    assert world.told == [(1.0, b"first")]


def test_what_was_kept_is_told_at_once_and_asked_for_when_it_is_a_day_old() -> None:
    world = played(days(1), stored=found(b"kept", NOW - 0.75 * DAY))

    assert (world.told, world.times()) == ([(0.0, b"kept"), (DAY / 4 + 1, b"first")], [DAY / 4])


@pytest.mark.parametrize("confirmed_at", [NOW + DAY, NOW + 1e9])
def test_a_clock_that_went_back_delays_nothing_beyond_a_day(confirmed_at: float) -> None:
    assert played(days(1.5), stored=found(b"kept", confirmed_at)).times() == [DAY]


def test_a_new_root_is_told_when_it_is_found() -> None:
    async def story(world: World, _: Refreshing) -> None:
        await asyncio.sleep(DAY / 2)
        world.held = b"second"
        await asyncio.sleep(DAY)

    assert played(story).told == [(1.0, b"first"), (DAY + 2, b"second")]


def test_what_nobody_has_heard_is_told_again() -> None:
    async def story(world: World, _: Refreshing) -> None:
        await asyncio.sleep(DAY / 2)
        world.hears = True
        await asyncio.sleep(DAY)

    assert played(story, hears=False).told == [(DAY + 2, b"first")]


def test_a_failure_changes_nothing_and_is_told_once_a_day_until_it_is_over() -> None:
    async def story(world: World, _: Refreshing) -> None:
        await asyncio.sleep(2.4 * DAY)
        assert world.wrong == {("trust_refresh_failed", "own")}
        world.is_down = False
        await asyncio.sleep(DAY / 2)

    with capture_logs() as lines:
        world = played(story, is_down=True, stored=found(b"kept", NOW - DAY))

    assert [line["cause"] for line in lines if line["event"] == "trust_not_refreshed"] == ["unreachable"] * 3
    assert world.told[0] == (0.0, b"kept")
    assert len(world.told) == 2
    assert world.times()[1] - world.times()[0] == RETRY + 1
    assert world.wrong == set()


def test_what_nobody_expected_is_a_failure_like_others_and_told_with_its_stack() -> None:
    """The same process delivers events, and whoever serves the repository chose the bytes."""

    async def story(world: World, _: Refreshing) -> None:
        await asyncio.sleep(10)
        assert world.wrong == {("trust_refresh_failed", "own")}
        world.defect = None
        await asyncio.sleep(RETRY)

    with capture_logs() as lines:
        world = played(story, defect=KeyError("a parser of somebody's"))

    assert [line["event"] for line in lines] == ["trust_recall_broke", "trust_refresh_broke", "trust_not_refreshed"]
    assert (world.told[-1][1], world.wrong) == (b"first", set())


def test_a_root_in_haste_is_tried_again_in_haste() -> None:
    assert played(days(0.01), replace(OWN, every=60.0), is_down=True).times()[:3] == [0.0, 61.0, 122.0]


def test_a_reload_reads_what_somebody_has_refreshed_by_hand_and_asks_no_sooner() -> None:
    async def story(world: World, refreshing: Refreshing) -> None:
        await asyncio.sleep(DAY / 2)
        world.stored = found(b"by hand", world.now())
        refreshing.replace([OWN])
        await asyncio.sleep(DAY)

    world = played(story)

    assert [body for _, body in world.told] == [b"first", b"by hand"]
    assert world.times() == [0.0]


def test_a_reload_is_no_reason_to_ask_again_after_a_failure() -> None:
    async def story(_: World, refreshing: Refreshing) -> None:
        for _turn in range(100):
            await asyncio.sleep(30)
            refreshing.replace([OWN])

    assert len(played(story, is_down=True).asked) == 1


def test_what_was_kept_before_does_not_take_the_place_of_what_is_newer() -> None:
    async def story(world: World, refreshing: Refreshing) -> None:
        await asyncio.sleep(DAY / 2)
        world.stored = found(b"old", NOW - 5 * DAY)
        refreshing.replace([OWN])
        await asyncio.sleep(DAY / 4)

    assert [body for _, body in played(story).told] == [b"first"]


def test_what_was_kept_before_the_package_was_made_does_not_take_the_place_of_its_root() -> None:
    shipped = replace(OWN, shipped_at=NOW - DAY)
    world = played(days(0.5), shipped, is_down=True, stored=found(b"old", NOW - 2 * DAY))

    assert world.told == []


def test_repositories_that_nobody_needs_any_more_are_left_alone_and_their_trouble_is_over() -> None:
    other = replace(OWN, name="other", url="https://other.example")

    async def story(world: World, refreshing: Refreshing) -> None:
        await asyncio.sleep(10)
        assert len(world.wrong) == 2
        refreshing.replace([other])
        await asyncio.sleep(DAY)

    world = played(story, OWN, other, is_down=True)

    assert [name for _, name in world.asked].count("own") == 1
    assert world.wrong == {("trust_refresh_failed", "other")}


@pytest.mark.parametrize("is_down", [True, False])
def test_what_comes_of_a_repository_that_is_gone_by_then_is_nobodys(*, is_down: bool) -> None:
    async def story(_: World, refreshing: Refreshing) -> None:
        await asyncio.sleep(0.5)
        refreshing.replace([])
        await asyncio.sleep(10)

    world = played(story, is_down=is_down)

    assert (world.told, world.wrong, len(world.asked)) == ([], set(), 1)


@pytest.mark.parametrize("young_for", [0.0, 10.0])
def test_a_shipped_root_that_nobody_has_confirmed_for_a_year_is_told_of_once_a_day(young_for: float) -> None:
    shipped = replace(OWN, shipped_at=NOW - OLD + young_for * DAY)
    with capture_logs() as lines:
        world = played(days(young_for + 2.5), shipped, is_down=True)
    told = [line["days"] for line in lines if line["event"] == "trust_root_old"]

    assert told == [365, 366, 367]
    assert ("trust_stale", "own") in world.wrong


def test_a_root_that_was_confirmed_is_not_old() -> None:
    async def story(world: World, _: Refreshing) -> None:
        await asyncio.sleep(DAY)
        world.is_down = False
        await asyncio.sleep(DAY)
        assert world.wrong == set()

    with capture_logs() as lines:
        played(story, replace(OWN, shipped_at=NOW - 2 * OLD), is_down=True)

    assert [line["event"] for line in lines].count("trust_root_old") == 1


def test_the_public_good_root_has_a_date_and_a_repository() -> None:
    repository = public_good_source().repository

    assert repository is not None
    assert repository.shipped_at is not None
    assert repository.url.startswith("https://")


def test_no_task_waits_for_nothing_where_repositories_come_and_go() -> None:
    async def story(_: World, refreshing: Refreshing) -> None:
        gone: Sequence[Repository] = ()
        await asyncio.sleep(DAY / 2)
        refreshing.replace(gone)
        await asyncio.sleep(30 * DAY)
        refreshing.replace([OWN])
        await asyncio.sleep(DAY / 2)

    assert played(story).times()[0] == 0.0
