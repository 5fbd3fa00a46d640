"""What is in force reaches every process, whoever refuses at the last moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.assembly import messages
from router.assembly.bringing import Bringing
from router.assembly.in_force import GATE, KEEPER, InForce, with_held
from router.ipc import Peer, PeerGoneError, PeerRefusedError
from router.supervision.family import Seat
from tests.assembly.test_in_force import held, managed
from tests.simulators.log import Log


class Process(Peer):
    """One of ours, at the supervisor's end."""

    def __init__(self) -> None:
        async def answer(topic: str, _: bytes) -> bytes:
            raise PeerRefusedError(topic)

        super().__init__(answer)
        self.refuses = ""
        """Which topic; with a `!` before it the process ends there."""
        self.is_closed = False
        self.prepared = self.generation = 0

    async def ask(self, topic: str, body: bytes = b"") -> bytes:
        """What a process answers."""
        if self.is_closed or self.refuses == f"!{topic}":
            raise PeerGoneError("it has ended")
        if self.refuses == topic:
            raise PeerRefusedError("no room")
        if topic == messages.PREPARE:
            self.prepared = messages.unpack(body, messages.Configuration).generation
        if topic == messages.COMMIT:
            self.generation = self.prepared
        return b""

    def close(self) -> None:
        """End it."""
        self.is_closed = True


class Product:
    """A keeper and two gates that work by what is in force."""

    def __init__(self, folder: Path) -> None:
        self.in_force: InForce = managed(folder)
        self.seats = [Seat(KEEPER, 0), Seat(GATE, 0), Seat(GATE, 1)]
        self.bringing = Bringing(lambda: self.in_force)

    async def begin(self, seat: Seat) -> Process:
        """A process comes."""
        process = Process()
        await self.bringing.bring_up_to_date(seat.role, process)
        seat.peer = process
        return process

    async def renew(self) -> None:
        """Another configuration comes into force."""
        configured = with_held(self.in_force, held())
        assert configured is not None
        prepared = await self.bringing.prepare(configured, self.seats)
        self.in_force = configured
        await self.bringing.commit(prepared, self.seats)


@pytest.mark.parametrize("number", range(3), ids=["the keeper", "a gate", "another gate"])
async def test_who_can_not_do_what_all_were_told_is_ended_and_the_others_do_it(
    tmp_path: Path, log: Log, number: int
) -> None:
    """They went on by what was before for good, and whoever was made anew worked by the other."""
    product = Product(tmp_path)
    processes = [await product.begin(seat) for seat in product.seats]
    processes[number].refuses = messages.COMMIT
    await product.renew()

    assert [one.generation for one in processes] == [1 if place == number else 2 for place in range(3)]
    assert [one.is_closed for one in processes] == [place == number for place in range(3)]
    assert [line["problem"] for line in log.named("commit_refused")] == ["no room"]
    assert (await product.begin(product.seats[number])).generation == 2


async def test_where_one_can_not_prepare_nothing_changes(tmp_path: Path) -> None:
    product = Product(tmp_path)
    processes = [await product.begin(seat) for seat in product.seats]
    processes[2].refuses = messages.PREPARE

    with pytest.raises(PeerRefusedError, match="no room"):
        await product.renew()

    assert product.in_force.generation == 1
    assert [(one.generation, one.is_closed) for one in processes] == [(1, False)] * 3


@pytest.mark.parametrize("topic", [messages.PREPARE, messages.COMMIT])
async def test_who_ends_meanwhile_is_passed_over(tmp_path: Path, topic: str) -> None:
    product = Product(tmp_path)
    processes = [await product.begin(seat) for seat in product.seats]
    processes[0].refuses = f"!{topic}"
    await product.renew()

    assert [one.generation for one in processes] == [1, 2, 2]


async def test_who_comes_meanwhile_is_brought_up_to_date_or_ended(tmp_path: Path, log: Log) -> None:
    product = Product(tmp_path)
    configured = with_held(product.in_force, held())
    assert configured is not None
    prepared = await product.bringing.prepare(configured, product.seats)
    processes = [await product.begin(seat) for seat in product.seats]
    processes[0].refuses = messages.PREPARE
    product.in_force = configured
    await product.bringing.commit(prepared, product.seats)

    assert [(one.generation, one.is_closed) for one in processes] == [(1, True), (2, False), (2, False)]
    assert log.named("commit_refused")
