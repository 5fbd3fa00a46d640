"""Break-glass in the program as it runs: what was let in once is in force in every gate at once, and across a kill."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.admission.test_breaking import of_controller, review
from tests.assembly.program import served
from tests.assembly.small import Place
from tests.patience import PATIENCE

CONNECTIONS = 24
"""So many that no gate has none of them."""


async def answer(place: Place, of: dict[str, object]) -> dict[str, Any]:
    status, body = await place.post(json.dumps(of).encode())
    assert status == 200
    response: dict[str, Any] = json.loads(body)["response"]
    return response


async def pods(place: Place, name: str) -> set[bool]:
    """Whether Pods are let in that come at once, each by a connection of its own."""
    asked = [answer(place, of_controller(uid=f"{name}-{number}")) for number in range(CONNECTIONS)]
    return {one["allowed"] for one in await asyncio.gather(*asked)}


async def test_a_grant_is_in_force_everywhere_when_the_answer_leaves_and_ends_everywhere(tmp_path: Path) -> None:
    place = Place(
        tmp_path,
        enforcement={"default": "enforce"},
        break_glass={"allowed": {"users": ["oncall@example.com"]}, "for": "8s"},
        destinations=[
            {"name": "archive", "kind": "file", "path": "events.jsonl"},
            {"name": "people", "kind": "file", "path": "people.jsonl"},
        ],
        routes={
            "destinations": ["archive"],
            "routes": [{"match": ["request.namespace = nowhere"], "lane": "incidents", "destinations": ["people"]}],
        },
    )
    async with served(place) as program:
        before = await pods(place, "before")
        broken = await answer(place, review(uid="broken"))
        loop = asyncio.get_running_loop()
        until = loop.time() + 8.5
        during = await pods(place, "during")
        os.kill(program.member("keeper"), signal.SIGKILL)
        after_a_kill = await pods(place, "after")
        await asyncio.sleep(until - loop.time())  # by the clock of another program: nothing tells of it sooner
        at_the_end = await pods(place, "end")
        people = tmp_path / "people.jsonl"
        async with asyncio.timeout(PATIENCE):
            while len(told := people.read_text().splitlines() if people.exists() else []) < 2:  # noqa: ASYNC110 - a file
                await asyncio.sleep(0.05)

    assert broken["allowed"] is True
    assert (before, during, after_a_kill, at_the_end) == ({False}, {True}, {True}, {False})
    incidents = [json.loads(line)["data"]["incident"] for line in told]
    assert [(one["kind"], one["state"], one["severity"]) for one in incidents] == [
        ("break_glass", "opened", "critical"),
        ("break_glass", "expired", "critical"),
    ]
