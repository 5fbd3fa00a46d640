"""Hostile requests from all sides, and somebody who only wants an answer.

It lasts a few seconds in the suite; `GATECRIER_SIEGE_SECONDS=60` makes it a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.admission.world import pod
from tests.siege import hostile
from tests.siege.served import SECONDS, Served
from tests.simulators.registry import DATA, LAYOUTS, RegistrySimulator

CALL = 10
"""Seconds that an API server waits for an answer, if nobody says otherwise."""
RATE = 50
"""Reviews a second that the steady client asks."""
KEY = (DATA / "keys" / "release.pub").read_text()


@dataclass
class Steady:
    """Asks small reviews at an even pace, whatever becomes of the answers."""

    served: Served
    signed: str
    unsigned: str
    told: set[str] = field(default_factory=set)
    """Uids of which there must be an event."""
    wrong: Counter[str] = field(default_factory=Counter)
    right: int = 0

    async def go_on(self, seconds: float) -> None:
        """For so many seconds, and until the last answer is there."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            for number in range(int(seconds * RATE)):
                await asyncio.sleep(max(0.0, began + number / RATE - loop.time()))
                group.create_task(self._ask(number))

    async def _ask(self, number: int) -> None:
        image, namespace, path, is_allowed = (
            (self.signed, "strict", "/validate", True),
            (self.unsigned, "strict", "/validate", False),
            (self.unsigned, "elsewhere", "/validate", True),
            (self.unsigned, "elsewhere", "/validate/detect", True),
            (self.unsigned, "elsewhere", "/validate/enforce", False),
            ("busybox", "strict", "/validate", True),
        )[number % 6]
        uid = str(uuid.UUID(int=number))
        body = json.dumps(pod(image, namespace=namespace, uid=uid)).encode()
        try:
            async with asyncio.timeout(CALL):
                status, answer = await self.served.exchange(body, path=path)
        except hostile.TROUBLE as error:
            self.wrong[repr(error)] += 1
            return
        self.told.add(uid)
        if status != 200 or json.loads(answer)["response"]["allowed"] is not is_allowed:
            self.wrong[f"{status} {image} in {namespace}: {answer.decode()[:300]}"] += 1
        else:
            self.right += 1


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(*hostile.TROUBLE):
        await reader.read()
    writer.close()


async def test_nobody_is_answered_late_or_wrongly_whatever_others_do(tmp_path: Path) -> None:
    """What one asks for is never at the cost of another; nothing is lost; memory stays below the shipped limit."""
    silent = await asyncio.start_server(_silent, "127.0.0.1", 0)
    nowhere = f"127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    async with silent, RegistrySimulator().running() as registry:
        registry.load_layout(LAYOUTS / "legacy-release", "shop/web")
        registry.add_image("shop/plain", "1")
        served = Served(tmp_path, settings(registry.host))
        steady = Steady(served, f"{registry.host}/shop/web:v1", f"{registry.host}/shop/plain:1")
        async with served.running():
            crowd = [sys.executable, "-m", "tests.siege.hostile", str(served.webhook), registry.host, nowhere, "4711"]
            siege = await asyncio.create_subprocess_exec(*crowd)
            try:
                await steady.go_on(SECONDS)
                is_ended = siege.returncode is not None
            finally:
                siege.kill()
                await siege.wait()
        events = served.events

    assert not is_ended, "nobody was hostile any more"
    assert steady.wrong == Counter()
    assert steady.right == int(SECONDS * RATE)
    assert served.highest_mib < 512
    assert steady.told <= {str(event["data"]["request"]["uid"]) for event in events}
    assert served.exit_code == 0
    assert "Traceback" not in (tmp_path / "log.txt").read_text()


def settings(registry: str) -> dict[str, object]:
    """Rules enough to be expensive."""
    return {
        "cluster": "siege",
        "enforcement": {"namespaces": {"strict": "enforce"}},
        "registries": [{"host": registry, "plain_http": True}],
        "verifiers": [{"name": "keys", "kind": "cosign", "keys": [{"name": "release", "pem": KEY}]}],
        "policy": [
            {"pattern": "**", "verifier": "keys", "on_unverifiable": "admit"},
            {"pattern": f"{registry}/shop/*", "verifier": "keys"},
            {"pattern": "docker.io/library/**", "verifier": "allow"},
            *({"pattern": f"**/team-{number}/**", "verifier": "deny"} for number in range(40)),
        ],
    }
