"""What is wrong with Gatecrier itself reaches people, and no one else is kept from hearing of decisions by it."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from router.admission.settings import TlsFiles, WebhookSettings
from router.assembly import attention
from router.assembly.attention import WAITING, Attention
from router.assembly.observing import MetricsObserver
from router.certificates.making import make
from router.errors import OutboxError
from router.outbox import NewEvent, Number
from router.pem import KeyPair
from router.server.certificates import self_signed, validity
from router.settings.tree import GateSettings
from router.telemetry import logs
from router.telemetry.causes import Cause
from router.telemetry.metrics import Metrics, create
from router.telemetry.pacing import EVERY
from tests.admission.world import pod
from tests.assembly.program import served
from tests.assembly.small import Place
from tests.simulators.log import Log
from tests.simulators.sinks import Sink, answer
from tests.simulators.virtual_time import virtually

DOWN = Cause.DESTINATION_DOWN
ABOUT = ["decisions", "gatecrier"]
NOW = 1_790_000_000.0


class Intake:
    """Takes events, or refuses or hangs as told."""

    def __init__(self) -> None:
        self.taken: list[NewEvent] = []
        self.fails: Exception | None = None
        self.hangs = False
        self.seconds = 0.0

    async def append(self, event: NewEvent) -> Number:
        """As told."""
        await asyncio.sleep(self.seconds)
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails is not None:
            raise self.fails
        self.taken.append(event)
        return Number("gatecrier-0", len(self.taken))

    async def withdraw(self, ids: object) -> frozenset[str]:
        """Nobody asks for this."""
        raise AssertionError(ids)

    @property
    def notices(self) -> list[dict[str, Any]]:
        """What was told."""
        return [json.loads(event.body)["data"]["notice"] for event in self.taken]


class Scene:
    """Attention with an intake, running in virtual time."""

    def __init__(self, routes: object = None, tls: object = "self-signed") -> None:
        self.metrics: Metrics = create("0")
        self.intake = Intake()
        loop = asyncio.get_running_loop()
        self.attention = Attention(self.metrics, "gatecrier-0", now=lambda: NOW + loop.time())
        self.observing = MetricsObserver(self.metrics, self.attention.book.held_by("keeper-0"))
        self.settings = GateSettings.model_validate(
            {
                "cluster": "production-eu",
                "webhook": {"listen": "127.0.0.1:8443", "tls": tls},
                "outbox": {"url": "sqlite:///outbox.db"},
                "policy": [{"pattern": "**", "verifier": "deny"}],
                "destinations": [{"name": "siem"}, {"name": "slack"}],
                "routes": routes or {"destinations": ["siem", "slack"], "about": ABOUT},
            }
        )

    async def play(self, story: Callable[[], Awaitable[None]]) -> None:
        """Play the story while it runs."""
        self.attention.take(self.settings)
        running = asyncio.create_task(self.attention.run(self.intake, self.observing))
        try:
            await story()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def shown(self, name: str) -> float:
        """A series that has no labels, or `cause=...` as one."""
        text = self.metrics.exposed().decode()
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def test_a_trouble_is_an_event_for_those_who_asked_and_not_for_the_one_that_is_it() -> None:
    async def story() -> None:
        scene = Scene()

        async def play() -> None:
            scene.observing.trouble_began(DOWN, "siem", "http_500")
            await asyncio.sleep(0.5)
            scene.observing.trouble_began(Cause.OUTBOX_DAMAGED, "outbox.db", "page 7")
            await asyncio.sleep(0.5)

        await scene.play(play)
        first, second = scene.intake.taken

        assert first.destinations == ("slack",)
        assert second.destinations == ("siem", "slack")
        assert [told["title"] for told in scene.intake.notices] == [
            "The destination siem is down",
            "The outbox is damaged",
        ]
        body = json.loads(first.body)
        assert (body["type"], body["source"]) == ("dev.gatecrier.notice.v1", "/clusters/production-eu")
        assert body["id"] == first.id
        assert scene.shown("gatecrier_events_stored_total") == 2

    virtually(story())


def test_where_nobody_asked_nothing_is_stored() -> None:
    async def story() -> None:
        scene = Scene(routes={"destinations": ["siem"]})

        async def play() -> None:
            scene.observing.trouble_began(DOWN, "siem", "http_500")
            await asyncio.sleep(5)

        await scene.play(play)

        assert scene.intake.taken == []
        assert scene.shown('gatecrier_trouble{cause="destination_down"}') == 1

    virtually(story())


def test_an_outbox_that_takes_nothing_is_asked_again_and_told_everything_later() -> None:
    async def story() -> None:
        scene = Scene()

        async def play() -> None:
            scene.intake.fails = OutboxError("full")
            scene.observing.trouble_began(DOWN, "siem", "http_500")
            await asyncio.sleep(60)
            scene.intake.fails, scene.intake.hangs = None, True
            await asyncio.sleep(60)
            scene.intake.hangs = False
            await asyncio.sleep(2 * attention.PATIENCE + 1)

        await scene.play(play)

        assert len(scene.intake.taken) == 1

    virtually(story())


def test_more_than_can_wait_is_in_the_log_whole(log: Log) -> None:
    async def story() -> None:
        scene = Scene()

        async def play() -> None:
            scene.intake.fails = OutboxError("full")
            for number in range(WAITING + 5):
                scene.observing.trouble_began(DOWN, f"{number}", "http_500")
            await asyncio.sleep(10 * EVERY)
            scene.intake.fails = None
            await asyncio.sleep(10 * EVERY)

        await scene.play(play)
        in_log = {line["event_id"] for line in log.named("event_part")}

        assert in_log
        assert in_log.isdisjoint(event.id for event in scene.intake.taken)
        told = len(in_log) + len(scene.intake.taken)
        assert told == sum(line["event"] in {"trouble_began", "trouble_ended"} for line in log.lines)

    virtually(story())


def test_what_waits_at_the_end_is_stored_or_in_the_log(log: Log) -> None:
    async def story() -> None:
        scene = Scene()
        scene.attention.take(scene.settings)
        scene.observing.trouble_began(DOWN, "siem", "http_500")
        await scene.attention.close(scene.intake, scene.observing)
        scene.intake.hangs = True
        scene.observing.trouble_began(DOWN, "slack", "http_500")
        await scene.attention.close(scene.intake, scene.observing)

        assert [event.destinations for event in scene.intake.taken] == [("slack",)]
        assert len({line["event_id"] for line in log.named("event_part")}) == 1

    virtually(story())


def test_an_outbox_that_is_slow_holds_our_end_up_no_longer_than_one_that_hangs(log: Log) -> None:
    async def story() -> None:
        scene = Scene()
        scene.attention.take(scene.settings)
        for number in range(10):
            scene.observing.trouble_began(DOWN, f"{number}", "http_500")
        scene.intake.seconds = 0.3
        await scene.attention.close(scene.intake, scene.observing)

        assert asyncio.get_running_loop().time() <= attention.LAST_PATIENCE
        assert len(scene.intake.taken) + len({line["event_id"] for line in log.named("event_part")}) == 10

    virtually(story())


def test_a_certificate_that_nobody_renews_is_trouble_until_it_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        scene = Scene()
        made = self_signed(["gatecrier"], dt.datetime.fromtimestamp(NOW - 360 * 86400, dt.UTC))
        renewed = self_signed(["gatecrier"], dt.datetime.fromtimestamp(NOW, dt.UTC))

        def webhook(pair: KeyPair) -> WebhookSettings:
            tls = TlsFiles.model_construct(certificate=Path("tls.crt"), key=Path("tls.key"))
            monkeypatch.setattr(TlsFiles, "pair", pair)
            return scene.settings.webhook.model_copy(update={"tls": tls})

        async def play() -> None:
            scene.attention.take(scene.settings.model_copy(update={"webhook": webhook(made)}))
            await asyncio.sleep(2)
            assert scene.shown('gatecrier_trouble{cause="certificate_ending"}') == 1
            scene.attention.take(scene.settings.model_copy(update={"webhook": webhook(renewed)}))
            await asyncio.sleep(2)
            assert scene.shown('gatecrier_trouble{cause="certificate_ending"}') == 0
            await asyncio.sleep(EVERY)

        await scene.play(play)

        assert [told["facts"]["cause"] for told in scene.intake.notices] == ["certificate_ending"] * 2
        assert "it is valid until 2026-" in scene.intake.notices[0]["text"]

    virtually(story())


def test_a_certificate_whose_end_can_t_be_read_keeps_no_configuration_from_being_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        scene = Scene()
        tls = TlsFiles.model_construct(certificate=Path("tls.crt"), key=Path("tls.key"))
        monkeypatch.setattr(TlsFiles, "pair", KeyPair(b"no certificate", b""))
        webhook = scene.settings.webhook.model_copy(update={"tls": tls})
        scene.attention.take(scene.settings.model_copy(update={"webhook": webhook}))

    virtually(story())


@pytest.mark.parametrize(
    ("days", "at", "is_ending"), [(365, 350.9, False), (365, 351.1, True), (5, 3.9, False), (5, 4.1, True)]
)
def test_a_certificate_ends_soon_by_its_own_measure(days: int, at: float, is_ending: bool) -> None:  # noqa: FBT001 - a case
    """One of a few days is renewed a day before its end."""
    found = validity(self_signed(["x"], dt.datetime.fromtimestamp(3600, dt.UTC)).certificate)
    short = type(found)(found.begins, found.begins + days * 86400)

    assert (short.ending(short.begins + at * 86400) is not None) is is_ending


def test_lines_that_our_own_log_dropped_are_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        scene = Scene()
        dropped = {"ordinary": 0, "event": 0}
        monkeypatch.setattr(logs, "dropped", lambda: dropped)

        async def play() -> None:
            await asyncio.sleep(2)
            dropped["ordinary"] = 3
            await asyncio.sleep(2)

        await scene.play(play)

        assert [told["text"].split(".")[0] for told in scene.intake.notices] == ["Found: 3 more"]

    virtually(story())


async def test_a_receiver_that_is_down_is_told_to_another(tmp_path: Path) -> None:
    """From the first refusal to the alert about it, over real sockets."""
    async with Sink(answer("401 No")).running() as sink:
        destinations = [
            {"name": "archive", "kind": "file", "path": "events.jsonl"},
            {"name": "siem", "kind": "webhook", "url": sink.url(), "plain_http": True},
        ]
        routes = {"destinations": ["siem"], "routes": [{"about": ["gatecrier"], "destinations": ["archive", "siem"]}]}
        place = Place(tmp_path, destinations=destinations, routes=routes, egress={"allow": ["127.0.0.0/8"]})
        async with place.running():
            for number in range(3):  # three events: one alone silences no destination
                await place.post(json.dumps(pod("r.example/other/app:1", uid=f"{number}")).encode())
            events: list[Any] = [*await place.until_archived(1)]
            _, metrics = await place.probe("metrics")

    notice = events[0]["data"]["notice"]
    assert notice["facts"]["cause"] == "destination_paused"
    assert notice["facts"]["subject"] == "siem"
    assert events[0]["data"]["sequence"] > 0
    assert 'gatecrier_trouble{cause="destination_paused"} 1.0' in metrics


async def test_a_configuration_that_can_t_be_used_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path, routes={"destinations": ["archive"], "about": ABOUT})
    async with place.running() as router:
        place.write(cluster="no name!")
        await router.reload()
        events: list[Any] = [*await place.until_archived(1)]
        _, refused = await place.probe("metrics")
        place.write(cluster="test")
        await router.reload()
        _, taken = await place.probe("metrics")

    assert events[0]["data"]["notice"]["facts"]["cause"] == "configuration_refused"
    assert 'gatecrier_trouble{cause="configuration_refused"} 1.0' in refused
    assert 'gatecrier_trouble{cause="configuration_refused"} 0.0' in taken


async def test_a_process_that_is_killed_is_told_by_the_others(tmp_path: Path) -> None:
    """The keeper, too, who has to store that it was."""
    place = Place(tmp_path, routes={"destinations": ["archive"], "about": ABOUT})
    async with served(place) as program:
        for role in ("keeper", "gate"):
            os.kill(program.member(role), signal.SIGKILL)
            await program.told("trouble_began", subject=f"{role}-0")
            await program.told("process_ready", role=role)
        events: list[Any] = [*await place.until_archived(2)]
        _, metrics = await place.probe("metrics")

    facts = [event["data"]["notice"]["facts"] for event in events]
    assert {fact["subject"] for fact in facts} == {"keeper-0", "gate-0"}
    assert {fact["cause"] for fact in facts} == {"process_ended"}
    assert 'gatecrier_trouble{cause="process_ended"} 1.0' in metrics


def test_a_certificate_of_our_own_that_is_not_renewed_is_trouble_too() -> None:
    async def story() -> None:
        scene = Scene()
        old, fresh = (make(["gatecrier.gatecrier.svc"], NOW - days * 86400) for days in (80, 0))

        async def play() -> None:
            for held, shown in ((old, 1), (fresh, 0)):
                scene.attention.take(scene.settings, held)
                await asyncio.sleep(2)
                assert scene.shown('gatecrier_trouble{cause="certificate_ending"}') == shown

        await scene.play(play)

    virtually(story())
