"""Two replicas are one to people: one rollout is one message, wherever the API server asks, and whoever is killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

from router.cli.demo.world import free_port
from tests.admission.world import pod
from tests.assembly.program import Served, served
from tests.assembly.small import Place, tls_files
from tests.journeys.test_processes import allowed
from tests.patience import PATIENCE
from tests.replicas.stage import SHARED
from tests.simulators.sinks import Receipt, Sink

REVIEWS = 42


def place_of(folder: Path, collector: int, sink: Sink) -> Place:
    """A replica's folder, as all have it."""
    folder.mkdir()
    place = Place(
        folder,
        enforcement={"default": "enforce"},
        egress={"allow": ["127.0.0.0/8"]},
        destinations=[{"name": "people", "kind": "webhook", "plain_http": True, "url": sink.url("/people")}],
        routes={"lane": "incidents", "destinations": ["people"]},
        incidents={"collector": f"localhost:{collector}"},
    )
    tls = tls_files(folder, SHARED)
    place.write(webhook={"listen": f"127.0.0.1:{place.webhook}", "tls": tls, "linger": "100ms", "processes": 1})
    return place


async def asked(place: Place, name: str, *arguments: str) -> str:
    """What a command prints that is asked at this replica."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "router", *arguments, "--config", str(place.config),
        env=os.environ | {"HOSTNAME": name}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


async def until_counted(place: Place, name: str, count: int) -> dict[str, object]:
    """The one incident, once it has counted so many events."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = json.loads(await asked(place, name, "incidents", "list", "--json"))
            if found and found[0]["count"] == count:
                (one,) = found
                return dict(one)


async def test_one_rollout_is_one_message_wherever_it_is_asked_and_whoever_is_killed(tmp_path: Path) -> None:
    told: dict[str, str] = {}

    def behave(receipt: Receipt) -> None:
        message = json.loads(receipt.body)
        told[message["id"]] = message["data"]["incident"]["state"]

    async with contextlib.AsyncExitStack() as stack:
        sink = await stack.enter_async_context(Sink(behave=behave).running())
        collector = free_port()
        first, second = (place_of(tmp_path / name, collector, sink) for name in ("first", "second"))
        programs = [
            await stack.enter_async_context(served(first, HOSTNAME="localhost")),
            await stack.enter_async_context(served(second, HOSTNAME="gatecrier-1")),
        ]
        for number in range(REVIEWS):
            if number in {15, 30}:
                await killed(programs[number == 15])
            review = pod("r.example/other/app:1", uid=f"uid-{number}", name="web")
            review["request"]["object"]["metadata"]["name"] = "web"  # type: ignore[index]  # JSON
            assert await allowed((first, second)[number % 2], review) is False
        incident = await until_counted(second, "gatecrier-1", REVIEWS)
        explained = await asked(second, "gatecrier-1", "explain", str(incident["id"]), "--json", "--limit", "100")
        told_of = {one["event"]["id"]: one for one in json.loads(explained)}
        of_each = {
            name: [one for one in told_of.values() if one["event"]["data"]["replica"] == name]
            for name in ("localhost", "gatecrier-1")
        }
        own = json.loads(
            await asked(second, "gatecrier-1", "explain", str(of_each["gatecrier-1"][0]["event"]["id"]), "--json")
        )
        in_words = await asked(second, "gatecrier-1", "explain", str(of_each["gatecrier-1"][0]["event"]["id"]))
        others = await asked(second, "gatecrier-1", "explain", str(of_each["localhost"][0]["event"]["id"]))
        silence = await asked(second, "gatecrier-1", *SILENCE)
        silences = json.loads(await asked(first, "localhost", "silence", "list", "--json"))

    assert list(told.values()) == ["opened"]  # an attempt that was cut off is made again, under its id
    assert incident["state"] == "open"
    assert [one["id"] for one in silences] == [silence.strip()]
    assert {name: len(some) for name, some in of_each.items()} == {
        "localhost": REVIEWS // 2,
        "gatecrier-1": REVIEWS // 2,
    }
    assert {one["decided_by"] for one in of_each["gatecrier-1"]} == {"gatecrier-1"}
    assert [one["id"] for one in own[0]["incidents"]] == [incident["id"]]
    assert own[0]["decided_by"] is None
    assert "deliveries, by the routes that were in force" in in_words
    assert "incidents:\nNUMBER" in in_words
    assert "incident 1 (" in others


SILENCE = ("silence", "add", "request.namespace = ci", "--author", "al", "--reason", "x", "--for", "1h")


async def killed(program: Served) -> None:
    """Its keeper, which is back when this returns."""
    process = program.member("keeper")
    os.kill(process, signal.SIGKILL)
    await program.until(lambda: program.member("keeper") != process)
