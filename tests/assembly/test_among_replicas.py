"""A keeper among replicas: what fails once is not lost, and what can't be is refused at the beginning."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from router.assembly.among_replicas import AmongReplicas
from router.assembly.attention import Attention
from router.assembly.keeper_half import KeeperHalf
from router.assembly.observing import MetricsObserver
from router.assembly.tending import Tending
from router.cli.demo.world import free_port
from router.errors import ConfigurationError
from router.fields import ListenAddress
from router.outbox.sqlite import SqliteOutbox
from router.replicas.calling import Calling
from router.replicas.exchange import GRANTS, Granted, GrantsQuestion, packed, unpacked
from router.replicas.identity import kept
from router.routing import RoutingTree
from router.scanning.recording import Terms
from router.server.sockets import listening_sockets
from router.settings.loading import load
from router.settings.parts import KeeperPart
from router.telemetry import metrics
from tests.assembly.small import Place, tls_files
from tests.patience import PATIENCE
from tests.replicas.stage import SCANS_TOLD, SHARED, known_by
from tests.simulators.log import Log

TERMS = Terms("c", "gatecrier-0", RoutingTree(SCANS_TOLD), ("*",))


def observing() -> MetricsObserver:
    """Counts, for nobody."""
    made = metrics.create("1")
    return MetricsObserver(made, Attention(made, "gatecrier-0").book.held_by("keeper-0"))


@asynccontextmanager
async def among(folder: Path, replica: str, collector: ListenAddress) -> AsyncIterator[AmongReplicas]:
    """A replica with its outbox."""
    outbox = await SqliteOutbox.open(folder / "outbox.db", replica)
    replicas = AmongReplicas(
        outbox, replica, collector, observing(), config=folder / "gatecrier.yaml", known_by=folder / "room" / "known"
    )
    try:
        yield replicas
    finally:
        await replicas.close()
        await outbox.close()


def nobody() -> None:
    """Is not woken."""


async def test_a_collector_whose_port_is_taken_listens_once_it_is_free(tmp_path: Path) -> None:
    """It said so once, and never listened again."""
    address = ListenAddress("127.0.0.1", free_port())
    (taken,) = await listening_sockets(address)
    async with among(tmp_path, "127.0.0.1", address) as collector:
        with pytest.raises(ConfigurationError, match="can't listen"):
            await collector.listen()
        taken.close()
        await collector.listen()
        await collector.show(known_by(), TERMS, nobody)
        await collector.show(known_by(), TERMS, nobody)
        calling = Calling(address, known_by(), PATIENCE)
        answer = unpacked(await calling.ask(GRANTS, packed(GrantsQuestion("shop"))), Granted)
        await calling.close()

    assert not answer.grants


async def test_a_keeper_that_can_not_listen_for_others_is_refused_before_anything_changes(tmp_path: Path) -> None:
    address = ListenAddress("127.0.0.1", free_port())
    place = Place(tmp_path, incidents={"collector": str(address)})
    place.write(webhook={"listen": "127.0.0.1:8443", "tls": tls_files(tmp_path, SHARED)})
    read = load(place.config, {})
    part, tending = KeeperPart(read.settings, read.templates), Tending()
    (taken,) = await listening_sockets(address)

    with pytest.raises(ConfigurationError, match="can't listen"):
        await KeeperHalf.open(part, observing(), "127.0.0.1", tending, place.config)
    taken.close()
    half = await KeeperHalf.open(part, observing(), "127.0.0.1", tending, place.config)
    await half.close(0.0)


async def test_what_can_not_be_kept_for_commands_is_said_and_kept_later(tmp_path: Path, log: Log) -> None:
    """Where there is no room: everything else goes on by the new one."""
    path, own = tmp_path / "room" / "known", known_by()
    async with among(tmp_path, "gatecrier-1", ListenAddress("127.0.0.1", free_port())) as replica:
        await replica.listen()
        await replica.show(own, TERMS, nobody)
        path.parent.mkdir()
        await replica.keep_again()
        found = kept(path)
        path.unlink()
        await replica.keep_again()

    assert found == own
    assert not path.exists()
    assert len(log.named("identity_not_kept")) == 1
