"""Any process but the supervisor may be killed: requests go on, nothing is lost, and it mends itself."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from router.supervision.restarts import PROVEN
from tests.admission.world import pod
from tests.assembly.program import Served, served
from tests.assembly.small import Place
from tests.journeys import killed_product
from tests.patience import PATIENCE
from tests.server.stage import trusting
from tests.simulators.sinks import Sink

KILLS = int(os.environ.get("GATECRIER_KILLS", "4"))
"""Processes that are killed, at least; 200 take about five minutes (`-o faulthandler_timeout=0`)."""
RATE = int(os.environ.get("GATECRIER_RATE", "80"))
"""Requests a second while the configuration is reloaded, a tenth as many times."""
LATEST_STEP = 200
"""Nobody who was chosen makes more steps than this."""
CONCURRENCY = 4
"""Attempts that are under way at once."""
KEEPER = ("keeper", 0)


async def answered(place: Place, uid: str, image: str) -> bool:
    """Whether a Pod with this image is allowed."""
    return await allowed(place, pod(image, uid=uid))


async def allowed(place: Place, review: dict[str, object]) -> bool:
    """Whether the request is allowed, asked again where its own connection was cut, as an API server's user would."""
    body = json.dumps(review).encode()
    while True:
        try:
            status, answer = await place.post(body)
        except (aiohttp.ClientError, OSError):
            continue
        if status == 200:
            return bool(json.loads(answer)["response"]["allowed"])


async def asking(place: Place, told: dict[str, bool], is_over: asyncio.Event, name: str) -> None:
    """Ask without end, for images that pass and others."""
    number = 0
    while not is_over.is_set():
        number += 1
        uid, image = f"{name}-{number}", ("r.example/free/app:1", "r.example/other/app:1")[number % 2]
        assert await answered(place, uid, image) is (number % 2 == 0)
        told[uid] = number % 2 == 0


def archived(place: Place) -> dict[str, str]:
    """The requests that the archive has heard of, and what became of them."""
    events: list[Any] = [*place.events]
    return {event["data"]["request"]["uid"]: event["data"]["decision"]["outcome"] for event in events}


async def until_archived(place: Place, wanted: set[str]) -> None:
    async with asyncio.timeout(PATIENCE):
        while wanted - set(archived(place)):  # noqa: ASYNC110 - a file tells nobody that it has grown
            await asyncio.sleep(0.02)


Seat = tuple[str, int]


@dataclass
class Killer:
    """Kills processes of a program between any two steps of theirs, and waits until all are back."""

    program: Served
    dice: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    """By role."""

    def seats(self) -> dict[Seat, int | None]:
        """Who is ready in each seat, as far as the log was read; nobody where one has died."""
        found: dict[Seat, int | None] = {}
        for line in self.program.lines:
            if line["event"] in {"process_ready", "process_restarting"}:
                found[line["role"], line["number"]] = line.get("process")
        return found

    async def strike(self) -> None:
        """Kill a gate, the keeper, or both, and sometimes who comes next, too."""
        seats = self.seats()
        gate = self.dice.choice([seat for seat in seats if seat[0] == "gate"])
        chosen: Sequence[Seat] = self.dice.choice([[gate], [KEEPER], [gate, KEEPER]])
        for role, number in chosen:
            deaths = ["steps"] if self.dice.random() < 0.8 else ["steps", "born"]
            for death in deaths:
                (self.program.place.folder / f"{role}.{death}").write_text(str(self.dice.randint(1, LATEST_STEP)))
                self.kills[role] += 1
            process = seats[role, number]
            assert process is not None
            os.kill(process, signal.SIGUSR1)
        await self.program.until(self.are_all_back)
        await asyncio.sleep(PROVEN)  # else the next wait is longer each time, which is not the subject

    def are_all_back(self) -> bool:
        """Whether everybody who was to die has died, and somebody is in each seat."""
        died = Counter(line["role"] for line in self.program.lines if line["event"] == "process_restarting")
        return died == self.kills and None not in self.seats().values()


@pytest.mark.parametrize("gates", [1, 2])
async def test_whoever_is_killed_nothing_is_lost_and_no_answer_is_wrong(tmp_path: Path, gates: int) -> None:
    """A crash, a hang or the kernel's lack of memory ends one process, or both, not the product."""
    told: dict[str, bool] = {}
    is_over = asyncio.Event()
    async with Sink().running() as sink:
        to = {"name": "siem", "kind": "webhook", "url": sink.url(), "plain_http": True, "concurrency": CONCURRENCY}
        place = Place(tmp_path, enforcement={"default": "enforce"}, egress={"allow": ["127.0.0.0/8"]})
        webhook = {"listen": f"127.0.0.1:{place.webhook}", "tls": "self-signed", "linger": "100ms", "processes": gates}
        place.write(webhook=webhook, destinations=[to], routes={"destinations": ["siem"]})
        mortal = {killed_product.FOLDER: str(tmp_path)}
        async with served(place, "tests.journeys.killed_product", **mortal) as program:
            killer = Killer(program, random.Random(gates))  # noqa: S311 - who dies when
            clients = [asyncio.create_task(asking(place, told, is_over, f"client-{number}")) for number in range(4)]
            while killer.kills.total() < KILLS:
                await killer.strike()
            is_over.set()
            await asyncio.gather(*clients)
            await until(lambda: set(told) <= set(outcomes(sink)))
            ready, _ = await place.probe("readyz")
            _, metrics = await place.probe("metrics")
            program.process.terminate()
            code = await program.process.wait()

    heard = outcomes(sink)
    repeated = len(sink.got) - len({json.loads(receipt.body)["id"] for receipt in sink.got})
    sys.stdout.write(f"{len(told)} answered, {dict(killer.kills)} killed, {repeated} repeated\n")
    assert {uid: heard[uid] for uid in told} == {
        uid: ["admitted"] if is_allowed else ["rejected"] for uid, is_allowed in told.items()
    }
    assert repeated <= killer.kills["keeper"] * CONCURRENCY
    assert (ready, code) == (200, 0)
    restarts = sum(
        float(line.split()[1]) for line in metrics.splitlines() if line.startswith("gatecrier_process_restarts_total")
    )
    assert restarts == killer.kills.total()


def outcomes(sink: Sink) -> dict[str, list[str]]:
    """What the receiver has heard of each request: the outcomes of its events, in their order."""
    heard: dict[str, dict[str, str]] = {}
    for receipt in sink.got:
        event = json.loads(receipt.body)
        heard.setdefault(event["data"]["request"]["uid"], {})[event["id"]] = event["data"]["decision"]["outcome"]
    return {uid: list(events.values()) for uid, events in heard.items()}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.05)


@dataclass
class Asking:
    """Asks at a steady rate, whatever the answers take."""

    place: Place
    allowed: dict[str, bool] = field(default_factory=dict)
    """The answers, by uid."""
    asked: int = 0

    async def until(self, is_over: asyncio.Event) -> float:
        """Ask until then; returns how many were asked a second."""
        loop = asyncio.get_running_loop()
        began, url = loop.time(), f"https://127.0.0.1:{self.place.webhook}/validate?timeout=10s"
        connector = aiohttp.TCPConnector(limit=64, ssl=trusting())
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as tasks:
            while not is_over.is_set():
                tasks.create_task(self._one(session, url, f"request-{self.asked}"))
                self.asked += 1
                await asyncio.sleep(max(0.0, began + self.asked / RATE - loop.time()))
            seconds = loop.time() - began
        return self.asked / seconds

    async def _one(self, session: aiohttp.ClientSession, url: str, uid: str) -> None:
        body = pod("r.example/other/app:1", uid=uid)
        async with session.post(url, json=body) as reply:
            response = (await reply.json())["response"]
        self.allowed[uid] = response["allowed"]


async def test_a_reload_is_taken_by_all_at_once(tmp_path: Path) -> None:
    """Judged by one configuration and routed by another, a rejection would be told to those who asked for others."""
    place = Place(tmp_path)
    files = [{"name": name, "kind": "file", "path": f"{name}.jsonl"} for name in ("detect", "enforce")]

    def configuration(mode: str) -> dict[str, object]:
        return {"enforcement": {"default": mode}, "destinations": files, "routes": {"destinations": [mode]}}

    webhook = {"listen": f"127.0.0.1:{place.webhook}", "tls": "self-signed", "linger": "100ms", "processes": 2}
    place.write(webhook=webhook, **configuration("detect"))
    asking, is_over = Asking(place), asyncio.Event()
    async with served(place) as program:
        rate = asyncio.create_task(asking.until(is_over))
        for mode in ["enforce", "detect"] * (RATE // 20):
            place.write(**configuration(mode))
            program.process.send_signal(signal.SIGHUP)
            await program.told("configuration_taken")
        is_over.set()
        sys.stdout.write(f"{await rate:.0f} requests/s, {asking.asked} asked, {RATE // 20 * 2} reloads\n")
        await until(lambda: len(heard_in_mode(tmp_path)) >= asking.asked)

    heard = heard_in_mode(tmp_path)
    assert {uid: archive for uid, (archive, mode) in heard.items() if archive != mode} == {}
    assert {uid: mode == "detect" for uid, (_, mode) in heard.items()} == asking.allowed
    assert len(heard) == asking.asked


def heard_in_mode(folder: Path) -> dict[str, tuple[str, str]]:
    """By request: the archive that has heard of it, and the mode that it was judged in."""
    heard = {}
    for archive in ("detect", "enforce"):
        for line in (folder / f"{archive}.jsonl").read_text().splitlines():
            data = json.loads(line)["data"]
            heard[data["request"]["uid"]] = archive, data["decision"]["mode"]
    return heard


async def test_what_a_process_can_not_use_leaves_all_as_they_were(tmp_path: Path) -> None:
    """A change is taken by every process, or by none."""
    place = Place(tmp_path)
    async with served(place) as program:
        place.write(policy=[])
        program.process.send_signal(signal.SIGHUP)
        await program.told("configuration_refused")
        os.kill(program.member("gate"), signal.SIGKILL)
        await program.told("process_ready", role="gate")
        is_allowed = await answered(place, "a", "r.example/free/app:1")
        await until_archived(place, {"a"})

    assert is_allowed


async def test_an_outbox_that_can_not_be_opened_ends_the_start_with_its_words(tmp_path: Path) -> None:
    """Whoever starts it must be told at once, and why; not by processes that end again and again."""
    place = Place(tmp_path)
    (tmp_path / "outbox.db").mkdir()
    command = [sys.executable, "-m", "router", "serve", "--config", str(place.config), "--log", "json"]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(PATIENCE):
        _, told = await process.communicate()

    assert process.returncode == 1
    assert f"the outbox {tmp_path / 'outbox.db'} can't be used" in told.decode()
