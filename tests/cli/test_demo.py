"""The demo in this process: what a user sees first must never be broken."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from router.cli.demo import playing, report, story
from router.cli.demo.images import DemoSigner, Images
from router.cli.demo.world import PORTS, DemoReceivers, free_port
from tests.patience import PATIENCE


async def test_everything_is_as_the_story_says(capsys: pytest.CaptureFixture[str]) -> None:
    code = await playing.play(keep=False, show_all=True)

    out = capsys.readouterr().out
    assert code == 0, out
    assert "Everything as expected." in out
    assert "answered 503 2 times first, nothing lost" in out
    assert out.count("siem received") == len(story.SCENES)


async def test_it_keeps_running_when_asked_to(capsys: pytest.CaptureFixture[str]) -> None:
    task = asyncio.create_task(playing.play(keep=True, show_all=False))
    out = ""
    async with asyncio.timeout(PATIENCE):
        while "Ctrl-C" not in out:
            await asyncio.sleep(0.01)
            out += capsys.readouterr().out
    folder = Path(next(line.split()[1] for line in out.splitlines() if line.startswith("folder")))
    asked = json.loads((folder / "review-5.json").read_text())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    is_left = await asyncio.to_thread(folder.exists)

    assert asked["kind"] == "AdmissionReview"
    assert f"@{folder}/review-5.json" in out
    assert not is_left


def test_what_differs_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A demo that can't fail shows nothing."""
    answer = story.SceneAnswer(story.SCENES[0], "uid", allowed=False, text="")
    differences = playing._differences([answer], {}, DemoReceivers())
    report.verdict(differences)

    assert any("allowed is False" in difference for difference in differences)
    assert any("verdicts ()" in difference for difference in differences)
    assert "Not as expected" in capsys.readouterr().out


def test_the_images_are_signed_as_the_story_says() -> None:
    images = Images()
    story.fill(images, DemoSigner("release"), DemoSigner("stranger"))
    tagged = {f"{repository}:{name}" for repository, name in images.manifests if ":" not in name}

    assert {image for scene in story.SCENES for image in scene.images} <= tagged
    assert len([name for name in tagged if name.endswith(".sig")]) == 3


def test_a_free_port_is_given_once_and_is_nobody_elses() -> None:
    """Whoever asks listens a moment later: a port that is given again meanwhile is one that two want."""
    ports = [free_port() for _ in range(200)]
    with socket.socket() as other:
        other.bind(("127.0.0.1", PORTS[(PORTS.index(ports[-1]) + 1) % len(PORTS)]))
        after = free_port()
        taken = other.getsockname()[1]

    assert len(set(ports)) == 200
    assert set(ports) <= set(PORTS)
    assert after not in {taken, *ports}
