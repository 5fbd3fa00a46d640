"""Any process but the supervisor may be killed: requests go on, nothing is lost, and it mends itself."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.admission.world import pod
from tests.assembly.program import Served, served
from tests.assembly.small import Place

KILLS = int(os.environ.get("GATECRIER_KILLS", "5"))
"""Processes that are killed, one after the other; who was ready for less than a second comes back later each time."""


async def answered(place: Place, uid: str, image: str) -> bool:
    """Whether the request is allowed, asked again where its own connection was cut, as an API server's user would."""
    body = json.dumps(pod(image, uid=uid)).encode()
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
    async with asyncio.timeout(30):
        while wanted - set(archived(place)):  # noqa: ASYNC110 - a file tells nobody that it has grown
            await asyncio.sleep(0.02)


async def kill(program: Served, role: str) -> None:
    """Kill whoever is in this role, and wait for the next."""
    before = program.member(role)
    os.kill(before, signal.SIGKILL)
    await program.told("process_ready", role=role)

    assert program.member(role) != before


@pytest.mark.parametrize("gates", [1, 2])
async def test_whoever_is_killed_nothing_is_lost_and_no_answer_is_wrong(tmp_path: Path, gates: int) -> None:
    """A crash, a hang or the kernel's lack of memory ends one process, not the product."""
    place, dice = Place(tmp_path, enforcement={"default": "enforce"}), random.Random(gates)  # noqa: S311 - who dies
    webhook = {"listen": f"127.0.0.1:{place.webhook}", "tls": "self-signed", "linger": "100ms", "processes": gates}
    place.write(webhook=webhook)
    told: dict[str, bool] = {}
    is_over = asyncio.Event()
    async with served(place) as program:
        clients = [asyncio.create_task(asking(place, told, is_over, f"client-{number}")) for number in range(4)]
        for _ in range(KILLS):
            await kill(program, dice.choice(["gate", "keeper"]))
            seen = len(told)
            while len(told) < seen + 2:  # noqa: ASYNC110 - requests go on in tasks of their own
                await asyncio.sleep(0.005)
        is_over.set()
        await asyncio.gather(*clients)
        await until_archived(place, set(told))
        ready, _ = await place.probe("readyz")
        _, metrics = await place.probe("metrics")
        program.process.terminate()
        code = await program.process.wait()

    outcomes = archived(place)
    assert {uid: outcomes[uid] for uid in told} == {
        uid: "admitted" if is_allowed else "rejected" for uid, is_allowed in told.items()
    }
    assert (ready, code) == (200, 0)
    restarts = sum(
        float(line.split()[1]) for line in metrics.splitlines() if line.startswith("gatecrier_process_restarts_total")
    )
    assert restarts == KILLS


async def test_a_reload_is_taken_by_all_at_once(tmp_path: Path) -> None:
    """Judged by one configuration and routed by another, a rejection would be told to those who asked for others."""
    place = Place(tmp_path)
    files = [{"name": name, "kind": "file", "path": f"{name}.jsonl"} for name in ("detect", "enforce")]

    def configuration(mode: str) -> dict[str, object]:
        return {"enforcement": {"default": mode}, "destinations": files, "routes": {"destinations": [mode]}}

    webhook = {"listen": f"127.0.0.1:{place.webhook}", "tls": "self-signed", "linger": "100ms", "processes": 2}
    place.write(webhook=webhook, **configuration("detect"))
    told: set[str] = set()
    is_over = asyncio.Event()

    async def asks(name: str) -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            await answered(place, f"{name}-{number}", "r.example/other/app:1")
            told.add(f"{name}-{number}")

    async with served(place) as program:
        clients = [asyncio.create_task(asks(f"client-{number}")) for number in range(4)]
        for mode in ["enforce", "detect"] * 4:
            place.write(**configuration(mode))
            program.process.send_signal(signal.SIGHUP)
            await program.told("configuration_taken")
        is_over.set()
        await asyncio.gather(*clients)
        program.process.terminate()
        await program.process.wait()

    heard: set[str] = set()
    for mode in ("detect", "enforce"):
        for line in (tmp_path / f"{mode}.jsonl").read_text().splitlines():
            data = json.loads(line)["data"]
            heard.add(data["request"]["uid"])
            assert data["decision"]["mode"] == mode
    assert told <= heard


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
    (tmp_path / "outbox.db").write_text("no outbox, and longer than the head of a file of SQLite would have to be" * 9)
    command = [sys.executable, "-m", "router", "serve", "--config", str(place.config), "--log", "json"]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, told = await process.communicate()

    assert process.returncode == 1
    assert f"the outbox {tmp_path / 'outbox.db'} is damaged" in told.decode()
