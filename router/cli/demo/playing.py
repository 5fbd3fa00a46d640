"""Plays the story: starts everything, asks, waits for what must arrive, shows it, and says what differs."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from router import __version__
from router.assembly import Router
from router.assembly.observing import MetricsObserver
from router.cli.demo import report
from router.cli.demo.images import DemoSigner, Images
from router.cli.demo.story import SCENES, Scene, SceneAnswer, configuration, fill, review
from router.cli.demo.world import FAILURES_FIRST, DemoReceivers, free_port, registry_application
from router.fields import ListenAddress
from router.server.listening import Listener
from router.telemetry.metrics import create as create_metrics
from router.telemetry.troubles import TroubleBook

PATIENCE = 20.0
"""Seconds that alerts get to arrive; they need about one."""
TOKEN = "GATECRIER_DEMO_TOKEN"  # noqa: S105 - the name of a variable


async def play(*, keep: bool, show_all: bool) -> int:
    """Play everything; returns the exit code."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gatecrier-demo-")))
        receivers, images, signer = DemoReceivers(), Images(), DemoSigner("release")
        counted = create_metrics(__version__)
        observing = MetricsObserver(counted, TroubleBook(counted.show_trouble).held_by("demo"))
        fill(images, signer, DemoSigner("stranger"))
        registry_port, receivers_port, listen = free_port(), free_port(), (free_port(), free_port())
        for application, port in (
            (registry_application(images), registry_port),
            (receivers.application(), receivers_port),
        ):
            listener = Listener(application, ListenAddress("127.0.0.1", port), observing)
            await listener.start()
            stack.push_async_callback(listener.close)
        registry = f"127.0.0.1:{registry_port}"
        config = configuration(folder, registry, f"127.0.0.1:{receivers_port}", listen, signer)
        router = Router(config, {**os.environ, TOKEN: "demo-token"})
        stack.push_async_callback(router.stop)
        await router.start()
        report.started(registry, listen, folder)
        answers = [await _asked(scene, registry, listen[0]) for scene in SCENES]
        await _arrived(receivers)
        events = await _events(folder, len(SCENES))
        differences = _differences(answers, events, receivers)
        report.decisions(answers, events)
        report.arrivals(receivers, show_all=show_all)
        report.verdict(differences)
        if keep:
            _write_reviews(folder, registry)
            report.how_to_play(folder, listen)
            await asyncio.Event().wait()
        return 1 if differences else 0


async def _asked(scene: Scene, registry: str, port: int) -> SceneAnswer:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE  # our own certificate, made a moment ago
    asked = review(scene, registry)
    url = f"https://127.0.0.1:{port}/validate?timeout=10s"
    async with aiohttp.ClientSession() as session, session.post(url, json=asked, ssl=trusting) as reply:
        response = (await reply.json())["response"]
    text = response["status"]["message"] if not response["allowed"] else "\n".join(response.get("warnings", []))
    return SceneAnswer(scene, response["uid"], response["allowed"], text)


async def _arrived(receivers: DemoReceivers) -> None:
    """Wait until every receiver has what it must have, or patience ends."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    wanted = _wanted()
    while loop.time() < until:
        if all(sum(receipt.receiver == name for receipt in receivers.accepted) >= count for name, count in wanted):
            return
        await asyncio.sleep(0.02)


def _wanted() -> Sequence[tuple[str, int]]:
    failing = sum(any(verdict != "verified" for verdict in scene.verdicts) for scene in SCENES)
    return (("sysdig", len(SCENES)), ("siem", len(SCENES)), ("slack", failing))


async def _events(folder: Path, count: int) -> dict[str, dict[str, object]]:
    """What the archive got, by request uid."""
    path = folder / "events.jsonl"
    for _ in range(200):
        lines = await asyncio.to_thread(_lines, path)
        if len(lines) >= count:
            break
        await asyncio.sleep(0.02)
    return {event["data"]["request"]["uid"]: event for event in map(json.loads, lines)}


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _differences(
    answers: Sequence[SceneAnswer], events: dict[str, dict[str, object]], receivers: DemoReceivers
) -> list[str]:
    found = []
    for answer in answers:
        scene, event = answer.scene, events.get(answer.uid)
        if answer.allowed != (scene.outcome == "admitted"):
            found.append(f"{scene.title}: allowed is {answer.allowed}")
        verdicts = report.verdicts_of(event)
        if verdicts != scene.verdicts:
            found.append(f"{scene.title}: verdicts {verdicts}, expected {scene.verdicts}")
    for name, count in _wanted():
        arrived = sum(receipt.receiver == name for receipt in receivers.accepted)
        if arrived != count:
            found.append(f"{name}: {arrived} alerts arrived, expected {count}")
    attempts, accepted = receivers.attempts["slack"], dict(_wanted())["slack"]
    if attempts != accepted + FAILURES_FIRST:
        found.append(f"slack: {attempts} attempts for {accepted} alerts and {FAILURES_FIRST} failures")
    return found


def _write_reviews(folder: Path, registry: str) -> None:
    for number, scene in enumerate(SCENES, 1):
        (folder / f"review-{number}.json").write_text(json.dumps(review(scene, registry), indent=2))
