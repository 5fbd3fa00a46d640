"""Lane, breaker and queue against a simple specification, in virtual time, whatever receivers and clocks do."""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.delivery import Channel, Dispatcher
from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable
from router.outbox import Accepted, DeliverySelection, DeliveryState, NewEvent, Queue, schema
from router.outbox.file import Result, SqliteFile
from router.outbox.observer import UNOBSERVED
from router.outbox.own_time import OwnTime
from router.outbox.replacing import Replacing
from router.outbox.sqlite import SqliteOutbox
from router.outbox.statements import OutboxStatement, perform
from router.verdict import Severity
from tests.delivery.stage import EPOCH, OWNER, Counts, Receiver, StagedOutbox, render
from tests.outbox import tables
from tests.simulators.virtual_time import virtually

REFUSED, FAILED = TryAgain("unauthorised", pauses=True), TryAgain("http_503")
MOODS: dict[str, Outcome] = {
    "well": Delivered(),
    "down": FAILED,
    "refusing": REFUSED,
    "busy": TryAgain("rate_limited", after=30.0),
}
DISLIKES: dict[str, Outcome] = {"refused": REFUSED, "failing": FAILED, "bad": Undeliverable("http_400")}
STEPS = st.one_of(
    st.tuples(st.just("append"), st.tuples(st.sampled_from(Severity), st.integers(1, 30))),
    st.tuples(st.just("poison"), st.tuples(st.sampled_from(sorted(DISLIKES)), st.integers(1, 25))),
    st.tuples(st.just("mood"), st.sampled_from(sorted(MOODS))),
    st.tuples(st.just("time passes"), st.sampled_from([0.01, 1.0, 60.0, 1800.0])),
    st.tuples(st.just("clock steps"), st.sampled_from([25 * 3600.0, -6 * 3600.0])),
    st.tuples(st.just("reload"), st.none()),
    st.tuples(st.just("replay"), st.none()),
)


@dataclass
class Story:
    """What happens, and what is known of it."""

    folder: Path
    concurrency: int
    batch: int
    stepped: float = 0.0
    """Seconds that the time of day has stepped."""
    mood: Outcome = field(default_factory=Delivered)
    poison: dict[str, Outcome] = field(default_factory=dict)
    appended: list[str] = field(default_factory=list)
    receiver: Receiver = field(init=False)

    def __post_init__(self) -> None:
        self.receiver = Receiver(concurrency=self.concurrency, batch_size=self.batch, answer=self.answer)

    def day(self) -> float:
        """The time of day."""
        return EPOCH + asyncio.get_running_loop().time() + self.stepped

    def answer(self, _number: int, ids: object) -> Outcome:
        """What the receiver says: its mood, unless it is well and dislikes something."""
        assert isinstance(ids, tuple)
        disliked = [self.poison[one] for one in ids if one in self.poison]
        return disliked[0] if disliked and isinstance(self.mood, Delivered) else self.mood

    def new(self, severity: Severity, name: str) -> NewEvent:
        """The next event."""
        self.appended.append(f"{name}-{len(self.appended)}")
        return NewEvent(self.appended[-1], b'{"data":{"a":1}}', self.day(), ["sink"], severity=severity)


class InlineFile(SqliteFile):
    """A file without threads, which know nothing of virtual time: everything is done at once, and durable enough."""

    def __init__(self, path: Path) -> None:
        tables.prepare(path)
        self.connection = schema.connect(path)
        self.connection.execute("PRAGMA synchronous = OFF")
        self._path, self._subscribers, self._decided, self._is_closed, self._replacing = path, [], [], False, False

    def write(self, asked: OutboxStatement, *, is_patient: bool = False) -> asyncio.Future[object]:
        """Done when it returns."""
        assert not is_patient, "nothing is withdrawn in these stories"
        loop = asyncio.get_running_loop()
        done: asyncio.Future[object] = loop.create_future()
        self.connection.execute("BEGIN IMMEDIATE")
        (result,) = perform(self.connection, [asked])
        self.connection.execute("COMMIT")
        loop.call_soon(self._written, [asked])
        done.set_result(result)
        return done

    def look(self, query: Callable[..., Result], *arguments: object) -> Result:
        """Read at once."""
        return query(self.connection, *arguments)

    async def read(self, query: Callable[..., Result], *arguments: object) -> Result:
        """Read at once."""
        return query(self.connection, *arguments)

    async def close(self) -> None:
        """Close the only connection."""
        self.connection.close()


async def played(story: Story, outbox: StagedOutbox | SqliteOutbox, steps: list[tuple[str, object]]) -> Counts:
    """Do all of it; then the receiver is well, and time passes."""
    queue: Queue = outbox.queue(OWNER)
    counts = Counts()
    dispatcher = Dispatcher(queue, counts, clock=story.day, dice=lambda: 0.5)
    await dispatcher.replace({"sink": Channel(story.receiver, render)})
    for step, value in steps:
        match step, value:
            case "append", (Severity() as severity, int(count)):
                await asyncio.gather(*(outbox.append(story.new(severity, "good")) for _ in range(count)))
            case "poison", (str(why), int(count)):
                for _ in range(count):
                    event = story.new(Severity.HIGH, why)
                    story.poison[event.id] = DISLIKES[why]
                    await outbox.append(event)
            case "mood", str(mood):
                story.mood = MOODS[mood]
            case "time passes", float(seconds):
                await asyncio.sleep(seconds)
            case "clock steps", float(seconds):
                story.stepped += seconds
            case "reload", _:
                await dispatcher.replace({"sink": Channel(story.receiver, render)})
            case _:
                await outbox.replay(DeliverySelection(state=DeliveryState.PENDING))
    story.mood = Delivered()
    for number in range(12):  # others are taken, so that it shows what one receiver alone never takes
        await outbox.append(story.new(Severity.INFO, "good"))
        await asyncio.sleep(60.0 if number else 400.0)
    await dispatcher.stop(60.0)
    return counts


def expect_as_specified(story: Story, states: dict[str, DeliveryState], settled: int) -> None:
    """Nothing is lost, nothing starves, and only what a receiver dislikes is set aside."""
    assert set(states) == set(story.appended)
    for event_id, state in states.items():
        match story.poison.get(event_id):
            case None:
                assert state is DeliveryState.DELIVERED, event_id
            case Undeliverable():
                assert state in (DeliveryState.SET_ASIDE, DeliveryState.DELIVERED), event_id
            case TryAgain(pauses=True):
                assert state is not DeliveryState.DISCARDED
            case _:
                assert state in (DeliveryState.PENDING, DeliveryState.DELIVERED), event_id
    assert set(story.receiver.accepted.values()) <= {1}, "only attempts that are cut are repeated"
    assert settled == len(story.receiver.accepted)


STORIES = given(steps=st.lists(STEPS, max_size=12), concurrency=st.sampled_from([1, 4]), batch=st.sampled_from([1, 8]))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@STORIES
def test_any_story_of_receivers_and_clocks_ends_as_specified(
    tmp_path: Path, steps: list[tuple[str, object]], concurrency: int, batch: int
) -> None:
    async def story() -> None:
        told = Story(tmp_path, concurrency, batch)
        outbox = StagedOutbox()
        await played(told, outbox, steps)
        states = {event_id: row.shown.state for (_, event_id), row in outbox.rows.items()}
        expect_as_specified(told, states, sum(isinstance(one, Accepted) for one in outbox.settled))

    virtually(story())


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@STORIES
def test_any_story_ends_as_specified_over_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, steps: list[tuple[str, object]], concurrency: int, batch: int
) -> None:
    monkeypatch.setattr(Replacing, "check", lambda _: None)  # a thread of its own reads the whole file

    async def story(folder: Path) -> None:
        told = Story(folder, concurrency, batch)
        clock = asyncio.get_running_loop().time
        outbox = SqliteOutbox(
            InlineFile(folder / "outbox.db"), "replica-1", clock, OwnTime(EPOCH, clock), told.day, UNOBSERVED
        )
        counts = await played(told, outbox, steps)
        rows = await outbox.deliveries(DeliverySelection(), 10_000)
        await outbox.close()
        expect_as_specified(told, {row.event_id: row.state for row in rows}, len(counts.lags))

    with tempfile.TemporaryDirectory(dir=tmp_path) as name:
        virtually(story(Path(name)))
